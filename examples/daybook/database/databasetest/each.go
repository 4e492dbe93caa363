// Package databasetest runs the tests of daybook's modules on each database
// that they can stand on.
package databasetest

import (
	"path/filepath"
	"testing"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
)

// Each runs a test on SQLite and on PostgreSQL, side by side, each with an empty
// database that is closed when the test ends. postgres gives the URL of an empty
// PostgreSQL database, or skips the test that it is given.
func Each(t *testing.T, postgres func(testing.TB) string, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenSQLite(filepath.Join(t.TempDir(), "daybook.sqlite"))
		Closed(t, db, err)
		test(t, db)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenPostgres(t.Context(), postgres(t), "")
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
