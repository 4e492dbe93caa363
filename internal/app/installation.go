package app

import (
	"os"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// DefaultData is the data directory of an installation that names none.
const DefaultData = "tollhouse-data"

// Installation is what a command works on: a data directory, and the
// configuration where there is one.
type Installation struct {
	Data   string
	Config *config.Config // nil: an installation without a file, such as the demo's
}

// FindInstallation finds the installation that --config or --data name; with
// neither, ./tollhouse.yml, then ./tollhouse-data.
func FindInstallation(configFile, data string) (Installation, error) {
	if configFile == "" && data == "" {
		if _, err := os.Stat("tollhouse.yml"); err == nil {
			configFile = "tollhouse.yml"
		}
	}
	at := Installation{Data: data}
	if configFile != "" {
		cfg, err := config.Load(configFile)
		if err != nil {
			return at, err
		}
		at.Config = cfg
		if data == "" {
			at.Data = cfg.Data
		}
	}
	if at.Data == "" {
		at.Data = DefaultData
	}
	absolute, err := filepath.Abs(at.Data)
	if err != nil {
		return at, toll.Errorf(toll.Invalid, "the data directory %s has no absolute path: %w", at.Data, err)
	}
	if info, err := os.Stat(absolute); err != nil || !info.IsDir() {
		if configFile == "" {
			return at, toll.Errorf(toll.NotFound, "there is no installation at %s: name one with --config FILE or --data DIR, or start one with `tollhouse demo`", at.Data)
		}
	}
	at.Data = absolute
	return at, nil
}
