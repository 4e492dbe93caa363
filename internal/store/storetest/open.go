// Package storetest opens stores for tests and holds the conformance suite that
// every engine must pass.
//
//	s := storetest.Open(t)          // SQLite in a directory of the test's own
//	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) { … })
package storetest

import (
	"context"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Opener makes an empty store that is closed when the test ends.
type Opener func(tb testing.TB) *store.Store

// Open makes an empty store over SQLite.
func Open(tb testing.TB) *store.Store {
	tb.Helper()
	return OpenWith(tb, store.Options{Dir: tb.TempDir()})
}

// OpenPostgres makes an empty store over PostgreSQL. Without PostgreSQL the
// test is skipped, with CI=true it fails. The package's TestMain must call
// pgserver.Main.
func OpenPostgres(tb testing.TB) *store.Store {
	tb.Helper()
	return OpenWith(tb, store.Options{URL: toll.Secret(PostgresURL(tb))})
}

// OpenTimescale makes an empty store over PostgreSQL with the extension
// TimescaleDB. Without the extension, which is in no distribution's registry,
// the test is skipped.
func OpenTimescale(tb testing.TB) *store.Store {
	tb.Helper()
	return OpenWith(tb, store.Options{URL: toll.Secret(TimescaleURL(tb))})
}

// OpenWith opens a store and closes it when the test ends.
func OpenWith(tb testing.TB, o store.Options) *store.Store {
	tb.Helper()
	s, err := store.Open(context.Background(), o)
	if err != nil {
		tb.Fatalf("opening a store: %v", err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("closing a store: %v", err)
		}
	})
	return s
}

// template is a database whose schema is up to date: copying it is faster than
// migrating a new one for each test.
type template struct {
	name  string
	first string // run in the empty database
	once  sync.Once
	err   error
}

var (
	migrated = template{name: "migrated"}
	hyper    = template{name: "hyper", first: "create extension timescaledb"}
)

// PostgresURL makes a database for this test whose schema is up to date.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	return migrated.copy(tb)
}

// TimescaleURL is PostgresURL with the extension TimescaleDB in the database.
func TimescaleURL(tb testing.TB) string {
	tb.Helper()
	if !pgserver.Shared(tb).HasTimescale() {
		tb.Skip("TimescaleDB is not installed beside PostgreSQL (https://docs.timescale.com/self-hosted/latest/install)")
	}
	return hyper.copy(tb)
}

func (m *template) copy(tb testing.TB) string {
	tb.Helper()
	server := pgserver.Shared(tb)
	m.once.Do(func() { m.err = m.prepare(server) })
	if m.err != nil {
		tb.Fatalf("preparing PostgreSQL: %v", m.err)
	}
	return pgserver.DatabaseLike(tb, m.name)
}

func (m *template) prepare(server *pgserver.Server) error {
	ctx := context.Background()
	if err := server.Exec(ctx, "create database "+m.name+" template template0"); err != nil {
		return err
	}
	if m.first != "" {
		if err := server.ExecIn(ctx, m.name, m.first); err != nil {
			return err
		}
	}
	s, err := store.Open(ctx, store.Options{URL: toll.Secret(server.URL(m.name))})
	if err != nil {
		return err
	}
	return s.Close()
}

// EachEngine runs a test on every engine.
func EachEngine(t *testing.T, test func(t *testing.T, open Opener)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, Open) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, OpenPostgres) })
	t.Run("timescaledb", func(t *testing.T) {
		t.Parallel()
		TimescaleURL(t) // skips where there is none
		test(t, OpenTimescale)
	})
}
