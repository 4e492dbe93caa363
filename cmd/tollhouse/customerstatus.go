package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func oneCustomerID(_ *cobra.Command, args []string) error {
	if len(args) != 1 || !strings.HasPrefix(args[0], "cus_") {
		return errors.New("it takes the customer's ID, which begins with cus_; `tollhouse customer list` lists them")
	}
	return nil
}

func newCustomerShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Show a customer: its subscription, its people and its keys",
		Example: "  tollhouse customer show cus_01J… --json",
		Args:    oneCustomerID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := call[app.CustomerDetails](cmd, at, "customer.show", app.CustomerID{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			fmt.Fprintf(w, "%s (%s) is %s, on the plan %s since %s.\n", c.Name, c.ID, c.Status, c.Plan, moment(c.Since))
			if len(c.Addons) > 0 {
				fmt.Fprintf(w, "Add-ons: %s\n", strings.Join(c.Addons, ", "))
			}
			if len(c.Policies) > 0 {
				fmt.Fprintln(w)
				showPolicies(w, c.Policies)
			}
			var rows [][]string
			for _, m := range c.Members {
				rows = append(rows, []string{m.Email, m.Name, m.Role})
			}
			if len(rows) > 0 {
				fmt.Fprintln(w)
				table(w, []string{"MEMBER", "NAME", "ROLE"}, rows)
			}
			fmt.Fprintln(w)
			if len(c.Keys) == 0 {
				fmt.Fprintf(w, "No keys. Make one: tollhouse key create --customer %s --name NAME\n", c.ID)
				return
			}
			showKeys(w, c.Keys)
		})
	}
	return cmd
}

func newCustomerSuspend() *cobra.Command {
	return customerStatus("suspend", "Refuse every call of a customer, from the next request on",
		`Refuse every call of a customer with 403, from the next request on. Its people can
still sign in. `+"`tollhouse customer resume`"+` takes it back; nothing is deleted.`)
}

func newCustomerResume() *cobra.Command {
	return customerStatus("resume", "Let a suspended customer call again", "Let a suspended customer call again, from the next request on.")
}

// customerStatus is `customer suspend` or `customer resume`.
func customerStatus(verb, short, long string) *cobra.Command {
	cmd := &cobra.Command{
		Use:     verb + " ID",
		Short:   short,
		Long:    long,
		Example: "  tollhouse customer " + verb + " cus_01J…",
		Args:    oneCustomerID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := call[app.CustomerShown](cmd, at, "customer."+verb, app.CustomerID{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			fmt.Fprintf(w, "Customer %s (%s) is %s.\n", c.ID, c.Name, c.Status)
		})
	}
	return cmd
}
