package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newSessionKey() *cobra.Command {
	cmd := &cobra.Command{Use: "session-key", Short: "Replace the key that the console's sessions are signed with"}
	cmd.AddCommand(newSessionKeyRotate())
	return cmd
}

func newSessionKeyRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Sign sessions with a new key from now on; it also happens by itself every 30 days",
		Example: `  tollhouse session-key rotate
  tollhouse session-key rotate --end-all    # the key may be known to others: everybody signs in again`,
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	var in app.SessionKeyRotate
	cmd.Flags().BoolVar(&in.EndAll, "end-all", false, "let no session of before go on")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		done, err := call[app.SessionKeyRotated](cmd, at, "session-key.rotate", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, done, func(w io.Writer) {
			if in.EndAll {
				fmt.Fprintf(w, "A new key signs sessions. %d sessions were ended; everybody signs in again.\n", done.Ended)
				return
			}
			fmt.Fprintf(w, "A new key signs sessions. Those of the key before hold on for %s.\n", time.Duration(done.OverlapSeconds)*time.Second)
		})
	}
	return cmd
}
