package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newUsageLatency() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "latency",
		Short: "Show how long requests took in a month, per endpoint",
		Long: `Show how long requests took in a month, per endpoint: half took no longer than
P50, 95 of 100 no longer than P95, 99 of 100 no longer than P99. They are read
from sketches, and within 1.6 % of what all single requests would give.`,
		Example: "  tollhouse usage latency --period 2026-11",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.UsageLatency
	monthFlag(cmd, &in.Period)
	cmd.Flags().StringVar(&in.Service, "service", "", "only the endpoints of this `SERVICE`")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		took, err := call[app.LatencyShown](cmd, at, "usage.latency", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, took, func(w io.Writer) {
			if len(took.Endpoints) == 0 {
				fmt.Fprintf(w, "Nothing was answered in %s.\n", took.From.Format("January 2006"))
				return
			}
			rows := make([][]string, len(took.Endpoints))
			for i, e := range took.Endpoints {
				row := []string{e.Endpoint, strconv.FormatInt(e.Requests, 10)}
				for _, seconds := range []float64{e.P50, e.P95, e.P99} {
					row = append(row, fmt.Sprintf("%.1f ms", 1000*seconds))
				}
				rows[i] = row
			}
			table(w, []string{"ENDPOINT", "REQUESTS", "P50", "P95", "P99"}, rows)
		})
	}
	return cmd
}
