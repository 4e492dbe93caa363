package database_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/examples/daybook/database"
	"github.com/tollhouse/tollhouse/examples/daybook/database/databasetest"
	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

const first, second = `CREATE TABLE {apple.pip} (id TEXT NOT NULL PRIMARY KEY)`, `ALTER TABLE {apple.pip} ADD COLUMN colour TEXT NOT NULL DEFAULT 'brown'`

func TestTakesEachStepOnce(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, pgserver.Database, func(t *testing.T, db *database.DB) {
		for _, steps := range [][]string{{first}, {first}, {first, second}, {first, second}} {
			if err := db.Migrate(t.Context(), "apple", steps...); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(t.Context(), `INSERT INTO {apple.pip} (id) VALUES ($1) ON CONFLICT (id) DO NOTHING`, "one"); err != nil {
				t.Fatal(err)
			}
		}
		var colour string
		if err := db.QueryRow(t.Context(), `SELECT colour FROM {apple.pip} WHERE id = $1`, "one").Scan(&colour); err != nil || colour != "brown" {
			t.Errorf("%q, %v", colour, err)
		}
		if err := db.Migrate(t.Context(), "apple", first); err == nil || !strings.Contains(err.Error(), "newer version") {
			t.Errorf("an older program opens it: %v", err)
		}
	})
}

func TestAStepThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, pgserver.Database, func(t *testing.T, db *database.DB) {
		if err := db.Migrate(t.Context(), "apple", first, `ALTER TABLE {apple.nothing} ADD COLUMN x TEXT`); err == nil || !strings.Contains(err.Error(), "step 2") {
			t.Fatalf("got %v", err)
		}
		if err := db.Migrate(t.Context(), "apple", first, second); err != nil {
			t.Error(err)
		}
	})
}

func TestModulesMayHaveTablesOfOneName(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, pgserver.Database, func(t *testing.T, db *database.DB) {
		for _, schema := range []string{"apple", "user", "day"} { // user is a word of SQL
			if err := db.Migrate(t.Context(), schema, `CREATE TABLE {`+schema+`.user} (name TEXT)`); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(t.Context(), `INSERT INTO {`+schema+`.user} (name) VALUES ($1)`, schema); err != nil {
				t.Fatal(err)
			}
			var names string
			if err := db.QueryRow(t.Context(), `SELECT name FROM {`+schema+`.user}`).Scan(&names); err != nil || names != schema {
				t.Errorf("%s: %q, %v", schema, names, err)
			}
		}
	})
}

// TestProgramsThatStartAtOnceWaitForEachOther: two replicas meet an empty database.
func TestProgramsThatStartAtOnceWaitForEachOther(t *testing.T) {
	t.Parallel()
	at := pgserver.Database(t)
	file := filepath.Join(t.TempDir(), "daybook.sqlite")
	for name, open := range map[string]func() (*database.DB, error){
		"SQLite":     func() (*database.DB, error) { return database.OpenSQLite(file) },
		"PostgreSQL": func() (*database.DB, error) { return database.OpenPostgres(t.Context(), at, "") },
	} {
		errs := make([]error, 4)
		var wait sync.WaitGroup
		for i := range errs {
			db, err := open()
			databasetest.Closed(t, db, err)
			wait.Go(func() { _, errs[i] = user.Open(t.Context(), db, time.Now) })
		}
		wait.Wait()
		for _, err := range errs {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestOpensTheTablesOfTheFirstVersion(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "daybook.sqlite")
	old, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := old.Exec(`CREATE TABLE user_user (id TEXT NOT NULL PRIMARY KEY, email TEXT NOT NULL UNIQUE, name TEXT NOT NULL, password TEXT NOT NULL, created_at INTEGER NOT NULL) STRICT;
		INSERT INTO user_user VALUES ('x', 'x@example.com', 'X', '', 0)`); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	db, err := database.OpenSQLite(file)
	databasetest.Closed(t, db, err)
	users, err := user.Open(t.Context(), db, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if u, err := users.ByID(t.Context(), "x"); err != nil || u.Name != "X" || u.Language != "" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestSaysWhereAnUnreachableDatabaseIsAndNotItsPassword(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"postgres://ada:hunter2@127.0.0.1:1/notes": "127.0.0.1",
		"postgres://ada:hunter2@[::1/notes":        "postgres://user@host",
		"mysql://ada:hunter2@host/notes":           "postgres://",
		"hunter2":                                  "postgres://",
	} {
		db, err := database.OpenPostgres(t.Context(), at, "")
		if err == nil {
			databasetest.Closed(t, db, nil)
			t.Fatalf("%s opens", at)
		}
		if !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", at, err)
		}
	}
}

func TestEntersWithThePasswordThatWasGivenApart(t *testing.T) {
	t.Parallel()
	server := pgserver.Shared(t)
	if err := server.Exec(t.Context(), `create database apart owner `+pgserver.PasswordUser); err != nil {
		t.Fatal(err)
	}
	at := server.PasswordURL("wrong", "apart")
	if _, err := database.OpenPostgres(t.Context(), at, ""); err == nil {
		t.Fatal("a wrong password enters")
	}
	db, err := database.OpenPostgres(t.Context(), at, pgserver.Password)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Healthy(t.Context()); err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := db.Healthy(t.Context()); err == nil {
		t.Error("a closed database is healthy")
	}
	if err := server.Exec(t.Context(), `drop database apart with (force)`); err != nil {
		t.Error(err)
	}
}
