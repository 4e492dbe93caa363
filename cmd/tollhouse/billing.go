package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newBilling() *cobra.Command {
	cmd := &cobra.Command{Use: "billing", Short: "See what will be billed, and make invoices"}
	cmd.AddCommand(newBillingPreview(), newBillingCut(), newBillingList(), newBillingShow(), newBillingMark(), newBillingCredit(), newBillingCoupon(), newBillingTax())
	return cmd
}

func newBillingPreview() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "preview",
		Short:   "Show the lines of the current month's invoices, as they stand now",
		Example: "  tollhouse billing preview --customer cus_01J…",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.BillingPreview
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		preview, err := call[app.BillingPreviewed](cmd, at, "billing.preview", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, preview, func(w io.Writer) {
			if len(preview.Drafts) == 0 {
				fmt.Fprintln(w, "There is no customer yet, so there is nothing to bill.")
			}
			for _, draft := range preview.Drafts {
				fmt.Fprintf(w, "%s (%s), plan %s, %s to %s\n", draft.Name, draft.Customer, draft.Plan,
					draft.From.Format("2006-01-02"), draft.To.Format("2006-01-02"))
				var rows [][]string
				for _, line := range draft.Lines {
					rows = append(rows, []string{"  " + line.Text, line.Amount})
				}
				rows = append(rows, []string{"  Total", draft.Total})
				table(w, []string{"  LINE", "AMOUNT"}, rows)
			}
		})
	}
	return cmd
}
