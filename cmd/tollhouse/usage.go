package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newUsage() *cobra.Command {
	cmd := &cobra.Command{Use: "usage", Short: "Show, audit, settle and export what was used"}
	cmd.AddCommand(newUsageShow(), newUsageLatency(), newUsageAudit(), newUsageUnknown(), newUsageSettle(), newUsageExport())
	return cmd
}

func newUsageShow() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "show",
		Short:   "Show what customers used in a month",
		Example: "  tollhouse usage show --period 2026-11",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.UsagePeriod
	monthFlag(cmd, &in.Period)
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		used, err := call[app.UsageShown](cmd, at, "usage.show", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, used, func(w io.Writer) {
			if len(used.Usage) == 0 {
				fmt.Fprintf(w, "Nothing was used in %s.\n", used.From.Format("January 2006"))
				return
			}
			rows := make([][]string, len(used.Usage))
			for i, u := range used.Usage {
				rows[i] = []string{u.Customer, u.Name, u.Unit, strconv.FormatInt(u.Count, 10)}
			}
			table(w, []string{"CUSTOMER", "NAME", "UNIT", "USED"}, rows)
		})
	}
	return cmd
}

func newUsageAudit() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Prove that nothing was lost or doubled in a month",
		Long: `Prove, per unit, that received = billed + included + not billable + test + unknown,
and list the requests that a crash left in doubt: "unknown" (under way when it
came, not billed) and "undelivered?" (counted, but the client may not have had
the whole answer). Exit status 1 when the sums do not agree, or when usage that
is still in the journal could not be brought into them.`,
		Example: "  tollhouse usage audit --period 2026-11 --json",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.UsageAudit
	wait := cmd.Flags().Duration("wait", 0, "how `LONG` to wait for what is still in the journal, at most 50s (default 3s)")
	doubts := cmd.Flags().Bool("doubts", false, "list the requests in doubt instead of the sums")
	monthFlag(cmd, &in.Period)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if in.WaitSeconds = int64(*wait / time.Second); *wait < 0 || *wait > 50*time.Second {
			return usageError{fmt.Errorf("--wait takes 0s to 50s; got %s", *wait)}
		}
		if *doubts {
			list, err := call[app.DoubtsListed](cmd, at, "usage.doubts", in.UsagePeriod)
			if err != nil {
				return err
			}
			return show(cmd, *asJSON, list, func(w io.Writer) {
				if len(list.Doubts) == 0 {
					fmt.Fprintln(w, "No request is in doubt.")
					return
				}
				rows := make([][]string, len(list.Doubts))
				for i, d := range list.Doubts {
					rows[i] = []string{d.RequestID, d.Kind, moment(d.Time), d.Customer, d.Service, d.Endpoint, strconv.Itoa(d.Status)}
				}
				table(w, []string{"REQUEST", "DOUBT", "TIME", "CUSTOMER", "SERVICE", "ENDPOINT", "STATUS"}, rows)
			})
		}
		audit, err := call[app.UsageAudited](cmd, at, "usage.audit", in)
		if err != nil {
			return err
		}
		err = show(cmd, *asJSON, audit.Units, func(w io.Writer) {
			if len(audit.Order) == 0 {
				fmt.Fprintf(w, "Nothing was received in %s.\n", audit.From.Format("January 2006"))
				return
			}
			var rows [][]string
			for _, unit := range audit.Order {
				c := audit.Units[unit]
				row := []string{unit}
				for _, n := range []int64{c.Received, c.Billed, c.Included, c.NotBillable, c.Test, c.Unknown} {
					row = append(row, strconv.FormatInt(n, 10))
				}
				rows = append(rows, row)
			}
			table(w, []string{"UNIT", "RECEIVED", "= BILLED", "+ INCLUDED", "+ NOT BILLABLE", "+ TEST", "+ UNKNOWN"}, rows)
			if audit.Since != nil {
				fmt.Fprintf(w, "Single events that came before %s are gone (retention.events): what was received is what the sums say.\n", moment(*audit.Since))
			}
			if audit.Doubts > 0 {
				fmt.Fprintf(w, "%d requests are in doubt after a crash; list them with --doubts.\n", audit.Doubts)
			}
		})
		if err != nil {
			return err
		}
		if audit.Undrained != "" {
			return fmt.Errorf("these sums are not all: %s; the server goes on trying, and --wait 50s waits for it", audit.Undrained)
		}
		if !audit.Balanced {
			return fmt.Errorf("the sums do not agree: usage was lost or doubled")
		}
		return nil
	}
	return cmd
}
