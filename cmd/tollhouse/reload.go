package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newReload() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Make a running server take its configuration file over",
		Long: `Make a running server read its configuration file again: all of it holds for the
next request, or nothing changes and the mistake is told (exit status 1).
A running server also looks at the file by itself, every second.`,
		Example: "  tollhouse reload --config tollhouse.yml",
		Args:    cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out, err := call[app.Reloaded](cmd, at, "reload", struct{}{})
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, out, func(w io.Writer) {
			for _, n := range out.Notices {
				fmt.Fprintln(w, "notice:", n)
			}
			for _, c := range out.Changed {
				fmt.Fprintln(w, c)
			}
			for _, c := range out.Details {
				fmt.Fprintln(w, " ", c)
			}
			if len(out.Changed)+len(out.Restart) == 0 {
				fmt.Fprintln(w, "Nothing new: the server runs by this file already.")
			}
			for _, r := range out.Restart {
				fmt.Fprintf(w, "%s differs from what runs, and holds only after a restart.\n", r)
			}
			fmt.Fprintf(w, "The file's fingerprint is %s.\n", out.Fingerprint)
		})
	}
	return cmd
}
