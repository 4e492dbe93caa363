package main

import (
	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

func newDemo() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run everything on this machine, with example services and demo data",
		Long: `Run gateway and console on one address, with the ner and daybook example
services behind it, three plans, three customers with a key each, and a month of
generated usage. Passwords and keys are random; they are printed, and kept in
DATA/demo.json. A second start with the same data keeps everything.`,
		Example: `  tollhouse demo
  tollhouse demo --listen localhost:9000 --data /tmp/tollhouse --empty`,
		Args: cobra.NoArgs,
	}
	var o app.DemoOptions
	cmd.Flags().StringVar(&o.Listen, "listen", "localhost:8080", "the `ADDRESS` of gateway and console")
	cmd.Flags().StringVar(&o.Data, "data", "./"+app.DefaultData, "the data `DIR`")
	cmd.Flags().BoolVar(&o.Empty, "empty", false, "leave the generated usage out")
	_ = cmd.MarkFlagDirname("data")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		o.Out, o.Log, o.Told = cmd.OutOrStdout(), cmd.ErrOrStderr(), people(cmd)
		return app.Demo(cmd.Context(), o)
	}
	return cmd
}
