package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/config"
)

func newCheck() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a configuration and print its routes, its policies and what it changes",
		Long: `Check a configuration. A mistake is told with its line, a caret under the place
and the nearest known name. Nothing is started and nothing is changed. Where a
server runs on its data directory, it is asked what the file would change in it,
what of that needs a restart, and whether a reload would take it over (exit
status 1 when it would not).`,
		Example: "  tollhouse check --config tollhouse.yml",
		Args:    cobra.NoArgs,
	}
	file := cmd.Flags().String("config", "tollhouse.yml", "the configuration `FILE`")
	schema := cmd.Flags().Bool("schema", false, "print the JSON Schema of the file, for editors")
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *schema {
			_, err := cmd.OutOrStdout().Write(config.Schema())
			return err
		}
		cfg, err := config.Load(*file)
		if err != nil {
			var wrong *config.Error
			if errors.As(err, &wrong) {
				fmt.Fprint(cmd.ErrOrStderr(), wrong.Long())
				return errTold
			}
			return err
		}
		summary, err := app.Summarise(cfg)
		if err != nil {
			return err
		}
		compared, err := app.CompareRunning(cmd.Context(), cfg, *file)
		if err != nil {
			return fmt.Errorf("%s is in order by itself, but could not be compared with what runs: %w", *file, err)
		}
		err = show(cmd, *asJSON, checked{summary, compared}, func(w io.Writer) {
			for _, notice := range cfg.Notices {
				fmt.Fprintln(w, "notice:", notice)
			}
			var rows [][]string
			for _, r := range summary.Routes {
				rows = append(rows, []string{r.Where, r.Service, r.Access, r.Upstreams})
			}
			table(w, []string{"ROUTE", "SERVICE", "ACCESS", "UPSTREAMS"}, rows)
			if summary.Console != "" {
				fmt.Fprintf(w, "The console is at %s.\n", summary.Console)
			} else {
				fmt.Fprintln(w, "The console has what no service takes.")
			}
			fmt.Fprintln(w)
			showPolicies(w, summary.Policies)
			showCosts(w, summary.Costs)
			showCompared(w, compared)
			if compared == nil || compared.Refused == "" {
				fmt.Fprintf(w, "\n%s is in order (fingerprint %s).\n", *file, summary.Fingerprint)
			}
		})
		if err == nil && compared != nil && compared.Refused != "" {
			return fmt.Errorf("the running server would not take %s over: %s", *file, compared.Refused)
		}
		return err
	}
	return cmd
}

// showCosts prints what calls take that is not one request.
func showCosts(w io.Writer, costs []app.CostShown) {
	if len(costs) == 0 {
		return
	}
	var rows [][]string
	for _, c := range costs {
		endpoint := c.Endpoint
		if endpoint == "" {
			endpoint = "(the others)"
		}
		rows = append(rows, []string{c.Service, endpoint, c.Cost})
	}
	fmt.Fprintln(w)
	table(w, []string{"SERVICE", "ENDPOINT", "A CALL TAKES"}, rows)
}

// checked is what check prints for programs.
type checked struct {
	app.Summary
	Running *app.Compared `json:"running"` // null where no server runs
}

// showCompared prints what would change in the running server.
func showCompared(w io.Writer, c *app.Compared) {
	if c == nil {
		return
	}
	fmt.Fprintln(w)
	if len(c.Changes) == 0 {
		fmt.Fprintln(w, "The running server runs by the same already.")
		return
	}
	fmt.Fprintf(w, "Against the running server (%s):\n", c.Running)
	for _, change := range c.Changes {
		fmt.Fprintln(w, " ", change)
	}
	for _, name := range c.Restart {
		fmt.Fprintf(w, "%s would hold only after a restart.\n", name)
	}
}
