package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/api"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// uploadsDir is where files stand in the data directory while they come.
const uploadsDir = "uploads"

// openFileRooms opens what keeps files of customers: models and support.
func (a *App) openFileRooms() (err error) {
	dir := filepath.Join(a.cfg.Data, uploadsDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return toll.Errorf(toll.Unavailable, "the directory for uploads %s cannot be made: %w", dir, err)
	}
	clearUploads(dir)
	uploads := &account.Uploads{Dir: dir}
	a.models, err = account.NewModels(a.rooms.store, account.ModelOptions{
		Plans: a.rooms.plans, Uploads: uploads, Clock: a.clock, Site: a.ConsoleURL, Services: func() []toll.Service { return a.live.Load().cfg.Services },
	})
	if err != nil {
		return err
	}
	a.support, err = account.NewSupport(a.rooms.store, account.SupportOptions{Uploads: uploads, Clock: a.clock, Site: a.ConsoleURL})
	return err
}

// clearUploads removes what a crash left between making a file and taking its
// name away.
func clearUploads(dir string) {
	left, _ := filepath.Glob(filepath.Join(dir, "upload-*"))
	for _, file := range left {
		_ = os.Remove(file) // a process that is being replaced has its files open, not their names
	}
}

// newImports opens the import over a store.
func newImports(s *store.Store, p *plans, changed account.Changed, clock toll.Clock) (*account.Imports, error) {
	return account.NewImports(s, account.ImportOptions{Plans: p, Foreign: apikey.Foreign, Changed: changed, Clock: clock})
}

// modelSecrets are what services show to fetch models: the configuration's, or
// one for each that was made once and is kept in the data directory.
type modelSecrets struct {
	mu   sync.Mutex
	made map[string]toll.Secret
}

// ModelsSecret returns what a service shows to fetch models from the admin
// listener; "" for a service that takes none.
func (a *App) ModelsSecret(service string) (toll.Secret, error) {
	s, ok := a.live.Load().cfg.Service(service)
	if !ok || !s.Models.Taken() {
		return "", nil
	}
	if s.Models.Secret != "" {
		return s.Models.Secret, nil
	}
	a.modelSecrets.mu.Lock()
	defer a.modelSecrets.mu.Unlock()
	if secret := a.modelSecrets.made[service]; secret != "" {
		return secret, nil
	}
	secret, err := account.LoadOrMakeSecret(filepath.Join(a.cfg.Data, "models."+service+".secret"))
	if err != nil {
		return "", fmt.Errorf("the secret with which %s fetches models: %w", service, err)
	}
	if a.modelSecrets.made == nil {
		a.modelSecrets.made = map[string]toll.Secret{}
	}
	a.modelSecrets.made[service] = secret
	return secret, nil
}

// makeModelSecrets sees to it that those who run a service find its secret.
func (a *App) makeModelSecrets() {
	for _, s := range a.live.Load().cfg.Services {
		if _, err := a.ModelsSecret(s.Name); err != nil {
			a.log.Error("a service cannot fetch models", "service", s.Name, "error", err)
		}
	}
}

// serviceModels is where services fetch models, on the admin listener.
func (a *App) serviceModels() http.Handler {
	a.makeModelSecrets()
	models := &api.ServiceModels{Models: a.models, Logger: a.log, Secret: func(service string) toll.Secret {
		secret, err := a.ModelsSecret(service)
		if err != nil {
			a.log.Error("a service cannot fetch models", "service", service, "error", err)
		}
		return secret
	}}
	return models.Handler()
}

// ImportFile asks to import customers or keys from a CSV file.
type ImportFile struct {
	Kind    toll.ImportedKind `json:"kind"`
	Content []byte            `json:"content"` // may hold keys
	Do      bool              `json:"do"`      // false: say what would happen
}

// Imported is what an import tells, in the account room's words.
type Imported = account.Imported

// ImportedLine is what an import tells of one line of the file.
type ImportedLine = account.ImportedLine

// MaxImport is the largest file that is imported, in bytes.
const MaxImport = account.MaxImport

func importFile(ctx context.Context, r *rooms, in ImportFile) (account.Imported, error) {
	return r.imports.File(ctx, account.System, in.Kind, in.Content, in.Do)
}
