package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Compare asks a running server what a configuration would change.
type Compare struct {
	File string `json:"file"` // an absolute path, which the server reads itself
}

// Compared is what a configuration would change in a running server.
type Compared struct {
	Running string          `json:"running"` // the file that it runs by
	Changes []config.Change `json:"changes"` // place by place
	Restart []string        `json:"restart"` // fields of them that hold only after a restart
	Refused string          `json:"refused"` // why a reload would not take it over; "" when it would
}

// CompareRunning asks the server of a configuration's data directory, when one
// runs there, what the configuration in file would change; nil when none runs.
// The server reads the file itself, in its own environment, as a reload would.
func CompareRunning(ctx context.Context, cfg *config.Config, file string) (*Compared, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("%s has no absolute path: %w", file, err)
	}
	data, err := filepath.Abs(cfg.Data)
	if err != nil {
		return nil, fmt.Errorf("the data directory %s has no absolute path: %w", cfg.Data, err)
	}
	input, err := json.Marshal(Compare{File: path})
	if err != nil {
		return nil, fmt.Errorf("coding the path: %w", err)
	}
	answer, err := callServer(ctx, data, "compare", input)
	if errors.Is(err, errNoServer) {
		return nil, nil //nolint:nilnil // no server is an answer, and no error
	}
	if err != nil {
		return nil, err
	}
	var out Compared
	if err := json.Unmarshal(answer, &out); err != nil {
		return nil, fmt.Errorf("reading what the server says of the file: %w", err)
	}
	return &out, nil
}

// Compare says what a reload of another file would change. Nothing is changed.
func (a *App) Compare(ctx context.Context, file string) (Compared, error) {
	was := a.live.Load().cfg
	out := Compared{Running: a.file, Changes: []config.Change{}, Restart: []string{}}
	if a.file == "" {
		return out, toll.Errorf(toll.Invalid, "this server runs without a configuration file, so there is nothing to compare with")
	}
	next, err := config.Load(file)
	if err != nil {
		return out, err
	}
	out.Changes = config.Changes(was, next)
	a.override(next)
	out.Restart = keepFixed(was, next)
	if err := a.plansInUse(ctx, was, next); err != nil {
		if toll.CodeOf(err) != toll.Invalid {
			return out, err
		}
		out.Refused = Say(err)
	}
	return out, nil
}

// compareOperation is the part of `tollhouse check` that asks a running server.
func compareOperation(ctx context.Context, r *rooms, in Compare) (Compared, error) {
	if r.compare == nil {
		return Compared{}, toll.Errorf(toll.Unavailable, "no server runs on %s", r.at.Data)
	}
	out, err := r.compare(ctx, in.File)
	return out, inServersWords(err)
}
