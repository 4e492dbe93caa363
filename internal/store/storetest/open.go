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

// migrated is a database whose schema is up to date: copying it is faster than
// migrating a new one for each test.
var migrated struct {
	once sync.Once
	err  error
}

// PostgresURL makes a database for this test whose schema is up to date.
func PostgresURL(tb testing.TB) string {
	tb.Helper()
	const name = "migrated"
	server := pgserver.Shared(tb)
	migrated.once.Do(func() {
		ctx := context.Background()
		if migrated.err = server.Exec(ctx, "create database "+name+" template template0"); migrated.err != nil {
			return
		}
		var s *store.Store
		if s, migrated.err = store.Open(ctx, store.Options{URL: toll.Secret(server.URL(name))}); migrated.err == nil {
			migrated.err = s.Close()
		}
	})
	if migrated.err != nil {
		tb.Fatalf("preparing PostgreSQL: %v", migrated.err)
	}
	return pgserver.DatabaseLike(tb, name)
}

// EachEngine runs a test on every engine.
func EachEngine(t *testing.T, test func(t *testing.T, open Opener)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { t.Parallel(); test(t, Open) })
	t.Run("postgres", func(t *testing.T) { t.Parallel(); test(t, OpenPostgres) })
}
