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
		Short: "Check a configuration and print its routes and policies",
		Long: `Check a configuration. A mistake is told with its line, a caret under the place
and the nearest known name. Nothing is started and nothing is changed.`,
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
		return show(cmd, *asJSON, summary, func(w io.Writer) {
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
			rows = nil
			for _, p := range summary.Policies {
				rows = append(rows, []string{p.Of, p.Name, p.Limit, p.Per})
			}
			table(w, []string{"OF", "POLICY", "LIMIT", "PER"}, rows)
			fmt.Fprintf(w, "\n%s is in order (fingerprint %s).\n", *file, summary.Fingerprint)
		})
	}
	return cmd
}
