package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newExplain() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain REQUEST-ID",
		Short: "Say what became of a request: which policies it met, and which one refused it",
		Long: `Say what became of a request, by the X-Request-ID of its answer: which policies it
met, which one refused it and when it would pass, and what was counted.

Refused requests are remembered by the server that refused them while it runs,
the newest some thousand; answered ones are found as long as their events are kept.`,
		Example: "  tollhouse explain 01J9ZK6V7Q3M8X2C4B5N6P7R8S",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return errors.New("it takes the X-Request-ID of one answer")
			}
			return nil
		},
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		e, err := call[app.Explained](cmd, at, "explain", app.Explain{RequestID: args[0]})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, e, func(w io.Writer) {
			fmt.Fprintf(w, "%s  %s\n", e.RequestID, e.Says)
			line := func(name, value string) {
				if value != "" {
					fmt.Fprintf(w, "  %-9s %s\n", name, value)
				}
			}
			line("at", e.At.Local().Format("2006-01-02 15:04:05.000 MST"))
			line("service", strings.TrimSpace(e.Service+" "+e.Endpoint))
			line("customer", named(e.CustomerName, e.Customer))
			line("key", named(e.KeyName, e.Key))
			line("plan", e.Plan)
			if e.Status > 0 {
				line("status", strconv.Itoa(e.Status))
			}
			var counted []string
			for _, unit := range slices.Sorted(maps.Keys(e.Counted)) {
				counted = append(counted, fmt.Sprintf("%s=%d", unit, e.Counted[unit]))
			}
			line("counted", strings.Join(counted, ", "))
			if len(e.Policies) == 0 {
				return
			}
			fmt.Fprintln(w)
			rows := make([][]string, len(e.Policies))
			for i, p := range e.Policies {
				needs, left, passes := "-", "-", "-"
				if p.Needs > 0 {
					needs = strconv.FormatInt(p.Needs, 10)
				}
				if p.Left != nil {
					left = strconv.FormatInt(*p.Left, 10)
				}
				if p.Never {
					passes = "never"
				} else if !p.PassesAt.IsZero() {
					passes = p.PassesAt.Local().Format("2006-01-02 15:04:05")
				}
				rows[i] = []string{p.Name, p.Limit, p.Per, p.Said, needs, left, passes}
			}
			table(w, []string{"POLICY", "LIMIT", "PER", "SAID", "NEEDS", "LEFT", "PASSES AT"}, rows)
		})
	}
	return cmd
}

// named is an ID with what people call it before it, where that is known.
func named(name, id string) string {
	if name == "" {
		return id
	}
	return name + " (" + id + ")"
}
