package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newUsageExport() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Print a month's single requests, the newest first, as CSV",
		Long: `Print a month's single usage events, the newest first: as CSV, or with --json as
one JSON document with a list "events".`,
		Example: "  tollhouse usage export --period 2026-11 > november.csv",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.UsageExport
	monthFlag(cmd, &in.Period)
	customerFlag(cmd, &in.Customer, "only this customer's `ID`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		write, finish := exportCSV(cmd)
		if *asJSON {
			write, finish = exportJSON(cmd)
		}
		for {
			page, err := call[app.UsageExported](cmd, at, "usage.export", in)
			if err != nil {
				return err
			}
			for i := range page.Events {
				if err := write(&page.Events[i]); err != nil {
					return fmt.Errorf("writing the export: %w", err)
				}
			}
			if page.Next == "" {
				return finish()
			}
			in.Before = page.Next
		}
	}
	return cmd
}

func exportCSV(cmd *cobra.Command) (write func(*app.EventShown) error, finish func() error) {
	out := csv.NewWriter(cmd.OutOrStdout())
	_ = out.Write([]string{ // an error comes back from Flush
		"id", "time", "request_id", "customer", "key", "plan_version", "service", "endpoint",
		"method", "status", "class", "latency_us", "bytes_in", "bytes_out", "units",
	})
	write = func(e *app.EventShown) error {
		units := ""
		if e.Units != nil {
			text, err := json.Marshal(e.Units) // in the order of the names
			if err != nil {
				return err
			}
			units = string(text)
		}
		return out.Write([]string{
			e.ID, e.Time.Format(time.RFC3339Nano), e.RequestID, e.Customer, e.Key, e.PlanVersion, e.Service, e.Endpoint,
			e.Method, strconv.Itoa(e.Status), e.Class, strconv.FormatInt(e.LatencyUS, 10),
			strconv.FormatInt(e.BytesIn, 10), strconv.FormatInt(e.BytesOut, 10), units,
		})
	}
	return write, func() error { out.Flush(); return out.Error() }
}

func exportJSON(cmd *cobra.Command) (write func(*app.EventShown) error, finish func() error) {
	w := cmd.OutOrStdout()
	separator := "{\"events\": [\n"
	write = func(e *app.EventShown) error {
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "%s%s", separator, text)
		separator = ",\n"
		return err
	}
	finish = func() error {
		if separator != ",\n" { // nothing was written
			_, err := fmt.Fprintln(w, `{"events": []}`)
			return err
		}
		_, err := fmt.Fprintln(w, "\n]}")
		return err
	}
	return write, finish
}
