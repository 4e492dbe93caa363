package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newCustomer() *cobra.Command {
	cmd := &cobra.Command{Use: "customer", Short: "Create, list and show customers; change their plans, suspend, resume, export and delete them"}
	cmd.AddCommand(newCustomerCreate(), newCustomerList(), newCustomerShow(), newCustomerPlan(), newCustomerOverride(), newCustomerSuspend(), newCustomerResume(), newCustomerExport(), newCustomerDelete())
	return cmd
}

func newCustomerCreate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create",
		Short: "Create a customer on a plan",
		Long: `Create a customer on a plan.

With --email a first member (its owner) is made too, with a random password
that is printed once.`,
		Example: "  tollhouse customer create --name ACME --plan pro --email ada@acme.example",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CustomerCreate
	cmd.Flags().StringVar(&in.Name, "name", "", "the customer's `NAME`")
	cmd.Flags().StringVar(&in.Plan, "plan", "", "the `PLAN`, by its name in the configuration")
	cmd.Flags().StringVar(&in.Email, "email", "", "the owner's e-mail `ADDRESS` (optional)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.Name == "" {
			return required(cmd, "name")
		}
		if in.Plan == "" {
			return required(cmd, "plan")
		}
		made, err := call[app.CustomerCreated](cmd, at, "customer.create", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, made, func(w io.Writer) {
			fmt.Fprintf(w, "Customer %s (%s) is on the plan %s.\n", made.ID, made.Name, made.Plan)
			if made.Owner != nil {
				fmt.Fprintf(w, "Sign-in of its owner, shown once: %s  %s\n", made.Owner.Email, made.Owner.Password)
			}
		})
	}
	return cmd
}

func newCustomerList() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List customers",
		Example: "  tollhouse customer list --plan free --json",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.CustomerList
	cmd.Flags().StringVar(&in.Search, "search", "", "only those whose name or ID holds `TEXT`")
	cmd.Flags().StringVar(&in.Plan, "plan", "", "only those on this `PLAN`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		list, err := call[app.CustomerListed](cmd, at, "customer.list", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, list, func(w io.Writer) {
			if len(list.Customers) == 0 {
				fmt.Fprintln(w, "No customers. Make one: tollhouse customer create --name NAME --plan PLAN")
				return
			}
			rows := make([][]string, len(list.Customers))
			for i, c := range list.Customers {
				rows[i] = []string{c.ID, c.Name, c.Plan, c.Status, moment(c.CreatedAt)}
			}
			table(w, []string{"ID", "NAME", "PLAN", "STATUS", "CREATED"}, rows)
		})
	}
	return cmd
}

func newCustomerPlan() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "plan ID PLAN",
		Short: "Move a customer to another plan, from the next request on",
		Long: `Move a customer to another plan. It holds from the next request on. What was used
stays used: of a quota, what the new plan gives less what was used is left.`,
		Example: "  tollhouse customer plan cus_01J… pro",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 || !strings.HasPrefix(args[0], "cus_") {
				return errors.New("it takes the customer's ID, which begins with cus_, and the name of a plan")
			}
			return nil
		},
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := call[app.CustomerShown](cmd, at, "customer.plan", app.CustomerPlan{ID: args[0], Plan: args[1]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			fmt.Fprintf(w, "Customer %s (%s) is on the plan %s.\n", c.ID, c.Name, c.Plan)
		})
	}
	return cmd
}
