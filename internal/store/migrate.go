package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The migrations of both engines. The same number means the same step: the
// latest number is the version of the schema whatever the engine.
//
//go:embed migrations/sqlite/*.sql migrations/postgres/*.sql
var migrations embed.FS

// migrationsOf returns the migrations of an engine ("sqlite", "postgres") and
// the number of the last.
func migrationsOf(engine string) (fs.FS, int64, error) {
	files, err := fs.Sub(migrations, "migrations/"+engine)
	if err != nil {
		return nil, 0, err
	}
	names, err := fs.Glob(files, "*.sql")
	if err != nil {
		return nil, 0, err
	}
	var last int64
	for _, name := range names {
		digits, _, _ := strings.Cut(name, "_")
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return nil, 0, fmt.Errorf("migration %s has no number: %w", name, err)
		}
		last = max(last, n)
	}
	return files, last, nil
}

// provider returns goose for a database. It registers nothing globally and
// writes nothing to the log.
func provider(engine string, dialect goose.Dialect, db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	files, _, err := migrationsOf(engine)
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(dialect, db, files, append(options, goose.WithLogger(goose.NopLogger()), goose.WithDisableGlobalRegistry(true))...)
}

// migrate brings the schema up to date. Another process may do the same at the
// same time: who loses a step looks again and goes on with what is left.
func migrate(ctx context.Context, p *goose.Provider) error {
	for {
		before, target, err := p.GetVersions(ctx)
		if err == nil && before >= target {
			return nil
		}
		_, failure := p.Up(ctx)
		if failure == nil {
			return nil
		}
		after, _, err := p.GetVersions(ctx)
		if err != nil || after <= before {
			return errors.Join(failure, err)
		}
	}
}

// refuseNewer answers with an error when a schema was made by a newer program.
func refuseNewer(engine, where string, version int64) error {
	_, last, err := migrationsOf(engine)
	if err != nil {
		return err
	}
	if version > last {
		return toll.Errorf(toll.Unavailable, "The database %s was written by a newer Tollhouse (schema %d, this one knows up to %d); start that version again or restore a backup from before the upgrade. Nothing was changed.", where, version, last)
	}
	return nil
}
