package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newCustomerOverride() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "override ID",
		Short: "Give one customer another limit than its plan",
		Long: `Give one customer another limit than its plan, from the next request on: in place of
the plan's limit of the same name, or beside them. What was used stays used, and
the override stays when the customer changes its plan. What is left out is as in
the plan's limit of that name.`,
		Example: "  tollhouse customer override cus_01J… --name monthly --quota 5000\n" +
			"  tollhouse customer override cus_01J… --name minute --rate 50/minute --burst 100\n" +
			"  tollhouse customer override cus_01J… --name minute --remove",
		Args: oneCustomerID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CustomerOverride
	var quota int64
	cmd.Flags().StringVar(&in.Name, "name", "", "the limit's `NAME`")
	cmd.Flags().StringVar(&in.Rate, "rate", "", "how fast: a `RATE` such as 50/minute")
	cmd.Flags().Int64Var(&in.Burst, "burst", 0, "with --rate: so `MANY` may pass at once (default: what the rate counts)")
	cmd.Flags().Int64Var(&quota, "quota", 0, "how much: so `MANY` a month or day")
	cmd.Flags().StringVar(&in.Unit, "unit", "", "with --quota: the `UNIT` (default: the plan's, or requests)")
	cmd.Flags().StringVar(&in.Every, "every", "", "with --quota: the `PERIOD`, month or day (default: the plan's, or month)")
	cmd.Flags().Int64Var(&in.Concurrency, "concurrency", 0, "so `MANY` at the same time")
	cmd.Flags().StringVar(&in.Per, "per", "", "count `WHOM` apart: customer, key or ip (default: as the plan's)")
	cmd.Flags().StringVar(&in.Service, "service", "", "only for calls of this `SERVICE` (default: as the plan's)")
	cmd.Flags().BoolVar(&in.Shadow, "shadow", false, "only report, and never refuse")
	cmd.Flags().BoolVar(&in.Remove, "remove", false, "let the plan's own limit hold again")
	cmd.MarkFlagsMutuallyExclusive("rate", "quota", "concurrency", "remove")
	cmd.MarkFlagsOneRequired("rate", "quota", "concurrency", "remove")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.ID = args[0]
		if in.Name == "" {
			return required(cmd, "name")
		}
		if cmd.Flags().Changed("quota") {
			in.Quota = &quota
		}
		if cmd.Flags().Changed("concurrency") && in.Concurrency < 1 {
			return usageError{errors.New("--concurrency takes 1 or more; to stop a customer, `tollhouse customer suspend`")}
		}
		c, err := call[app.CustomerOverridden](cmd, at, "customer.override", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			if c.Beside {
				fmt.Fprintf(w, "The plan %s has no limit named %q, so this one holds beside the plan's.\n", c.Plan, in.Name)
			}
			fmt.Fprintf(w, "For %s (%s) hold:\n\n", c.Name, c.ID)
			showPolicies(w, c.Policies)
		})
	}
	return cmd
}

// showPolicies prints limits with whose they are.
func showPolicies(w io.Writer, policies []app.PolicyShown) {
	var rows [][]string
	for _, p := range policies {
		rows = append(rows, []string{p.Of, p.Name, p.Limit, p.Per})
	}
	table(w, []string{"OF", "POLICY", "LIMIT", "PER"}, rows)
}
