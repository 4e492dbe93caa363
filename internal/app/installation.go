package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// DefaultData is the data directory of an installation that names none.
const DefaultData = "tollhouse-data"

// Installation is what a command works on: a data directory, and the
// configuration where there is one.
type Installation struct {
	Data   string
	Config *config.Config // nil: an installation without a file, such as the demo's
	// New tells that nothing is kept in Data yet: the first change begins it.
	New bool
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
			return at, toll.Errorf(toll.NotFound, "there is no installation at %s: name one with --config FILE or --data DIR, or start one with `tollhouse demo` or `tollhouse serve`", absolute)
		}
	}
	at.Data = absolute
	if at.Config == nil || at.Config.Database == "" { // elsewhere, the data directory says nothing
		_, err := os.Stat(filepath.Join(absolute, store.FileName))
		at.New = errors.Is(err, fs.ErrNotExist)
	}
	return at, nil
}

// begins are the operations that begin an installation where there is none. To
// read from nothing would only hide that the command looks in the wrong place.
var begins = map[string]bool{"customer.create": true, "operator.create": true}

// mayBegin tells why an operation must not make an installation.
func (at Installation) mayBegin(operation string) error {
	if !at.New || begins[operation] || operation == "reload" || operation == "upgrade" { // these have an answer of their own
		return nil
	}
	return toll.Errorf(toll.NotFound, "nothing is kept in %s yet; is it the right data directory? A relative one starts at the working directory, and --data DIR names another", at.Data)
}
