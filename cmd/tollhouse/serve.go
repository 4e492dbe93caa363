package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
	"github.com/tollhouse/tollhouse/internal/config"
)

func newServe() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway and the console",
		Long: `Run the gateway and the console by a configuration file, or in front of one
API of your own with default plans (--upstream).

SIGINT or SIGTERM drains and ends with status 0.`,
		Example: `  tollhouse serve --config tollhouse.yml
  tollhouse serve --upstream http://localhost:3000`,
		Args: cobra.NoArgs,
	}
	at := placeFlags(cmd)
	upstream := cmd.Flags().String("upstream", "", "front the API at this `URL` with default plans, without a file")
	listen := cmd.Flags().String("listen", "", "the `ADDRESS` to listen on, in place of listen.http")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := serveConfig(at, *upstream)
		if err != nil {
			return err
		}
		if at.data != "" {
			cfg.Data = at.data
		}
		if *listen != "" {
			cfg.Listen.HTTP = *listen
		}
		return app.Run(cmd.Context(), cfg, app.Options{
			Log: cmd.ErrOrStderr(),
			Ready: func(a *app.App) {
				fmt.Fprintf(cmd.OutOrStdout(), "Tollhouse serves at %s (console: %s, admin: %s)\n", a.URL(), a.ConsoleURL(), a.AdminURL())
			},
		})
	}
	return cmd
}

func serveConfig(at *place, upstream string) (*config.Config, error) {
	switch {
	case upstream != "" && at.config != "":
		return nil, usageError{fmt.Errorf("--upstream and --config exclude each other: the file names its own upstreams")}
	case upstream != "":
		return config.ForUpstream(upstream)
	case at.config != "":
		return config.Load(at.config)
	}
	return config.Load("tollhouse.yml")
}
