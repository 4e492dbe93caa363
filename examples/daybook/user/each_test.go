package user_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// each runs a test on SQLite and on PostgreSQL.
func each(t *testing.T, test func(t *testing.T, db *database.DB)) {
	t.Helper()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenSQLite(filepath.Join(t.TempDir(), "daybook.sqlite"))
		closed(t, db, err)
		test(t, db)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		db, err := database.OpenPostgres(t.Context(), pgserver.Database(t), "")
		closed(t, db, err)
		test(t, db)
	})
}

// closed closes a database when the test ends.
func closed(t *testing.T, db *database.DB, err error) {
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

func TestMain(m *testing.M) { os.Exit(pgserver.Main(m)) }
