package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

// upgradeGrace is what the server may take beyond --timeout to say how it went.
const upgradeGrace = 30 * time.Second

func newUpgrade() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "upgrade",
		Short: "Put a new program in the place of a running server, without losing a request",
		Long: `Make a running server start a new program and hand everything over to it: the
listening sockets, the lock of the data directory, the draining of the journal,
and every counter of limits and quotas. Nothing is refused meanwhile. The old
process finishes what is on its connections, streams included, and ends.

Without --binary the program is started again from where the server's own was:
replace that file first. The new one has the same arguments and reads the same
configuration file. When it fails, or is not ready within --timeout, the server
runs as before and the command says why (exit status 1).`,
		Example: `  install -m 755 tollhouse-new /usr/local/bin/tollhouse && tollhouse upgrade --config /etc/tollhouse/tollhouse.yml
  tollhouse upgrade --config tollhouse.yml --binary ./tollhouse-new --timeout 1m`,
		Args: cobra.NoArgs,
	}
	at, asJSON := placeFlags(cmd), jsonFlag(cmd)
	binary := cmd.Flags().String("binary", "", "the new program's `PATH` (default: where the server's own was started from)")
	timeout := cmd.Flags().Duration("timeout", 30*time.Second, "how long the new program may take until it is ready, `DURATION`")
	_ = cmd.MarkFlagFilename("binary")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *timeout <= 0 {
			return usageError{errors.New("--timeout must be longer than nothing, such as 30s")}
		}
		in := app.UpgradeRequest{Timeout: *timeout}
		if *binary != "" {
			absolute, err := filepath.Abs(*binary) // the server has another working directory
			if err != nil {
				return err
			}
			in.Binary = absolute
		}
		where, err := at.find()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), *timeout+upgradeGrace)
		defer cancel()
		out, err := app.Call[app.Upgraded](ctx, where, "upgrade", in)
		if err != nil {
			return err
		}
		return show(cmd, *asJSON, out, func(w io.Writer) {
			fmt.Fprintf(w, "Process %d (version %s) serves after %s; requests waited for %s at the most.\n",
				out.PID, out.Version, out.Took.Round(time.Millisecond), out.Waited.Round(time.Millisecond))
			fmt.Fprintf(w, "Process %d finishes what is on its connections, and ends then.\n", out.Was)
		})
	}
	return cmd
}
