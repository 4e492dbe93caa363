package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/tollhouse/tollhouse/internal/app"
)

// place is the installation that a command works on, as its flags say.
type place struct{ config, data string }

// placeFlags adds --config and --data to a command.
func placeFlags(cmd *cobra.Command) *place {
	p := new(place)
	cmd.Flags().StringVar(&p.config, "config", "", "the configuration `FILE` (default ./tollhouse.yml where it is)")
	cmd.Flags().StringVar(&p.data, "data", "", "the data `DIR`, for an installation without a file (default ./tollhouse-data)")
	_ = cmd.MarkFlagFilename("config", "yml", "yaml") // only fails for a flag that is not there
	_ = cmd.MarkFlagDirname("data")
	return p
}

func (p *place) find() (app.Installation, error) { return app.FindInstallation(p.config, p.data) }

// call runs an operation on the installation that a command's flags name.
func call[Out any](cmd *cobra.Command, p *place, operation string, input any) (Out, error) {
	at, err := p.find()
	if err != nil {
		var none Out
		return none, err
	}
	out, err := app.Call[Out](cmd.Context(), at, operation, input)
	if err == nil && at.New {
		fmt.Fprintf(cmd.ErrOrStderr(), "A new installation was begun in %s.\n", at.Data)
	}
	return out, err
}
