package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newVersion() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  tollhouse version --json",
		Args:    cobra.NoArgs,
	}
	asJSON := jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		v := app.Version()
		return show(cmd, *asJSON, v, func(w io.Writer) {
			fmt.Fprintf(w, "tollhouse %s (%s, %s)\n", v.Version, v.Commit, v.Go)
		})
	}
	return cmd
}
