package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func newInit() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "init",
		Short:   "Write a commented tollhouse.yml for an API of your own",
		Example: "  tollhouse init --upstream http://localhost:3000",
		Args:    cobra.NoArgs,
	}
	upstream := cmd.Flags().String("upstream", "http://localhost:3000", "where the API listens: a `URL`")
	file := cmd.Flags().String("config", "tollhouse.yml", "the `FILE` to write; it must not be there yet")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if _, err := config.ForUpstream(*upstream); err != nil {
			return err
		}
		out, err := os.OpenFile(*file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if errors.Is(err, fs.ErrExist) {
			return toll.Errorf(toll.Conflict, "%s is there already, and was left as it is; name another file with --config", *file)
		}
		if err != nil {
			return fmt.Errorf("writing the configuration: %w", err)
		}
		if _, err := out.Write(config.Starter(*upstream)); err != nil {
			return errors.Join(fmt.Errorf("writing the configuration: %w", err), out.Close())
		}
		if err := out.Close(); err != nil {
			return fmt.Errorf("writing the configuration: %w", err)
		}
		at := ""
		if *file != "tollhouse.yml" {
			at = " --config " + *file
		}
		fmt.Fprintf(cmd.OutOrStdout(), `Wrote %s. Next:
  tollhouse check%[2]s                                       what it comes to
  tollhouse serve%[2]s                                       run it; then, beside it:
  tollhouse operator create%[2]s --email you@example.com     your sign-in to the console
  tollhouse customer create%[2]s --name ACME --plan free     who may call
  tollhouse key create%[2]s --customer cus_… --name ci       and with which key
`, *file, at)
		return nil
	}
	return cmd
}
