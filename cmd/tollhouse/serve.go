package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

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

A change of the file holds for the next request, as one switch, without a
restart; so does SIGHUP. A file with a mistake changes nothing and is told in the log.
SIGINT or SIGTERM drains and ends with status 0. A new version takes over
without a restart: see tollhouse upgrade --help.`,
		Example: `  tollhouse serve --config tollhouse.yml
  tollhouse serve --upstream http://localhost:3000`,
		Args: cobra.NoArgs,
	}
	at := placeFlags(cmd)
	upstream := cmd.Flags().String("upstream", "", "front the API at this `URL` with default plans, without a file")
	listen := cmd.Flags().String("listen", "", "the `ADDRESS` to listen on, in place of listen.http")
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		heir, err := app.Inherit()
		if err != nil {
			return err
		}
		defer func() { heir.Fail(err) }()
		program, err := app.ThisProgram()
		if err != nil {
			return err
		}
		cfg, file, err := serveConfig(at, *upstream)
		if err != nil {
			return err
		}
		return app.Run(cmd.Context(), cfg, app.Options{
			Log:  cmd.ErrOrStderr(),
			File: file, Program: program, Heir: heir,
			Told: people(cmd),
			Override: func(cfg *config.Config) {
				if at.data != "" {
					cfg.Data = at.data
				}
				if *listen != "" {
					cfg.Listen.HTTP = *listen
				}
			},
			Ready: func(a *app.App) {
				reloadOnHangup(cmd.Context(), a)
				places := "console: " + a.ConsoleURL()
				if admin := a.AdminURL(); admin != "" {
					places += ", admin: " + admin
				}
				if authorize := a.AuthorizeURL(); authorize != "" {
					places += ", authorize: " + authorize
				}
				fmt.Fprintf(cmd.OutOrStdout(), "Tollhouse serves at %s (%s)\n", a.URL(), places)
				if people(cmd) {
					app.ShowWarnings(cmd.OutOrStdout(), a)
				}
			},
		})
	}
	return cmd
}

// serveConfig reads what is to be served, and says which file it came from.
func serveConfig(at *place, upstream string) (cfg *config.Config, file string, err error) {
	switch {
	case upstream != "" && at.config != "":
		return nil, "", usageError{fmt.Errorf("--upstream and --config exclude each other: the file names its own upstreams")}
	case upstream != "":
		cfg, err = config.ForUpstream(upstream)
		return cfg, "", err
	}
	if file = at.config; file == "" {
		file = "tollhouse.yml"
	}
	cfg, err = config.Load(file)
	return cfg, file, err
}

// reloadOnHangup takes the configuration file over at each SIGHUP, until ctx ends.
func reloadOnHangup(ctx context.Context, a *app.App) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				_, _ = a.Reload(ctx) // it tells the log
			}
		}
	}()
}
