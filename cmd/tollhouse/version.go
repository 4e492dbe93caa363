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
		return show(cmd, *asJSON, app.Version(), func(w io.Writer) {
			fmt.Fprintln(w, versionLine())
		})
	}
	return cmd
}

// versionLine says on one line which Tollhouse this is.
func versionLine() string {
	v := app.Version()
	return fmt.Sprintf("tollhouse %s (%s, %s)", v.Version, v.Commit, v.Go)
}
