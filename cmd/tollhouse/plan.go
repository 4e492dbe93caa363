package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newPlan() *cobra.Command {
	cmd := &cobra.Command{Use: "plan", Short: "Rehearse a plan before anybody has it"}
	cmd.AddCommand(newPlanRehearse())
	return cmd
}

func newPlanRehearse() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rehearse",
		Short: "Replay recorded usage against a plan: who would be refused, and what changes in revenue",
		Long: `Replay recorded usage against a plan: who would have been refused, by which policy,
and what they would have paid. Nothing is changed.

The plan is taken from --config where that is given (a file that need not be the
one in force; then --data names the installation if its own does not), and from
what is in force otherwise. The usage is that of the customers on the plan of the
same name, or on the one that --of names.

What it cannot know: calls that were refused back then were not recorded, nor
were addresses (policies per address are left out), nor whether a caller who is
refused comes again. Each customer pays as if it had had the plan all month.`,
		Example: "  tollhouse plan rehearse --plan pro --against last-month --config next.yml\n" +
			"  tollhouse plan rehearse --plan free --of pro --against 2026-10",
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.Rehearse
	cmd.Flags().StringVar(&in.Plan, "plan", "", "the `PLAN` to rehearse")
	cmd.Flags().StringVar(&in.Of, "of", "", "replay what the customers of this `PLAN` used (default: of the same)")
	cmd.Flags().StringVar(&in.Against, "against", "last-month", "the `MONTH`: last-month, this-month, or as 2026-10")
	customerFlag(cmd, &in.Customer, "only this customer's `ID`, whatever its plan")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Plan == "" {
			return required(cmd, "plan")
		}
		place, err := at.find()
		if err != nil {
			return err
		}
		if place.Config != nil {
			plan, ok := place.Config.Plan(in.Plan)
			if !ok {
				return toll.Errorf(toll.Invalid, "the file has no plan %q", in.Plan)
			}
			in.Proposed, in.Services, in.Costs = &plan, map[string][]toll.Policy{}, map[string]map[string]toll.Cost{}
			for _, s := range place.Config.Services {
				in.Services[s.Name], in.Costs[s.Name] = s.Policies, s.Costs
			}
		}
		out, err := app.Call[app.Rehearsed](cmd.Context(), place, "plan.rehearse", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, out, func(w io.Writer) { showRehearsed(w, &out) })
	}
	return cmd
}

func showRehearsed(w io.Writer, out *app.Rehearsed) {
	customers := "1 customer"
	if n := len(out.Customers); n != 1 {
		customers = fmt.Sprintf("%d customers", n)
	}
	fmt.Fprintf(w, "The plan %s against %s: %d of %d calls of %s would have been refused.\n\n",
		out.Plan, out.From.Format("January 2006"), out.Refused, out.Calls, customers)
	rows := make([][]string, len(out.Customers))
	for i, c := range out.Customers {
		var by []string
		for _, name := range slices.Sorted(maps.Keys(c.By)) {
			by = append(by, fmt.Sprintf("%s %d", name, c.By[name]))
		}
		rows[i] = []string{
			c.Customer, c.Name, strconv.FormatInt(c.Calls, 10), strconv.FormatInt(c.Refused, 10),
			strings.Join(by, ", "), moment(c.First), c.Now, c.Then,
		}
	}
	table(w, []string{"CUSTOMER", "NAME", "CALLS", "REFUSED", "BY", "FIRST", "PAYS NOW", "WOULD PAY"}, rows)
	for _, r := range out.Revenue {
		fmt.Fprintf(w, "\nRevenue: %s now, %s then (%s).\n", r.Now, r.Then, r.Change)
	}
}
