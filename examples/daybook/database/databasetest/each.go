// Package databasetest runs the tests of daybook's modules on each database
// that they can stand on.
package databasetest

import (
	"path/filepath"
	"testing"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// Each runs a test on SQLite and on PostgreSQL, side by side, each with an empty
// database that is closed when the test ends. Where PostgreSQL is not installed
// that half is skipped, and with CI=true it fails. A package that calls Each lets
// its TestMain end with Main.
func Each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenSQLite(filepath.Join(t.TempDir(), "daybook.sqlite"))
		Closed(t, db, err)
		test(t, db)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenPostgres(t.Context(), pgserver.Database(t), "")
		Closed(t, db, err)
		test(t, db)
	})
}

// Closed takes what opening a database gave: it fails the test for an error, and
// closes the database when the test ends.
func Closed(t *testing.T, db *database.DB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
}

// Main runs the tests, stops the PostgreSQL that they shared, and returns the
// status to exit with.
func Main(m *testing.M) int { return pgserver.Main(m) }
