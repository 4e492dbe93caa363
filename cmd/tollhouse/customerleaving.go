package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newCustomerExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Write all that is kept of a customer, as one JSON document",
		Long: `Write all that is kept of a customer to the standard output, as one JSON document: its
people, keys, what they asked for, wrote and uploaded, its usage by month and its
invoices. Hashes and the contents of files are not in it, nor single requests, which
` + "`tollhouse usage export`" + ` writes.`,
		Example: "  tollhouse customer export cus_01J… > customer.json",
		Args:    oneCustomerID,
	}
	at := placeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		record, err := call[toll.CustomerRecord](cmd, at, "customer.export", app.CustomerID{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, true, record, nil)
	}
	return cmd
}

func newCustomerDelete() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete ID --yes",
		Short: "Delete a customer's personal data and close it, for ever",
		Long: `Delete a customer's personal data and close it, for ever. Its people, the names of its
keys, conversations and models are deleted, and its keys revoked. Invoices, sums of
usage, events and the audit log stay under its ID, without a name.
Write what is kept of it first: ` + "`tollhouse customer export`" + `.`,
		Example: "  tollhouse customer delete cus_01J… --yes",
		Args:    oneCustomerID,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	yes := cmd.Flags().Bool("yes", false, "do it; nothing brings it back")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !*yes {
			return errors.New("nothing brings a deleted customer back; add --yes if you mean it")
		}
		c, err := call[app.CustomerShown](cmd, at, "customer.delete", app.CustomerID{ID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, c, func(w io.Writer) {
			fmt.Fprintf(w, "Customer %s is %s: its personal data is deleted.\n", c.ID, c.Status)
		})
	}
	return cmd
}
