package store

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// emptyDatabases are an empty database of each engine.
var emptyDatabases = map[string]struct {
	dialect goose.Dialect
	open    func(t *testing.T) *sql.DB
	objects string // a query for the names of all tables, views and indexes
	columns string // a query for "table.column" of all tables and views
}{
	"sqlite": {
		goose.DialectSQLite3,
		func(t *testing.T) *sql.DB { return openRaw(t, "sqlite", filepath.Join(t.TempDir(), "raw.db")) },
		`select type || ' ' || name from sqlite_schema where type <> 'trigger' and name not like 'sqlite_%' and name not like 'goose%'`,
		`select m.name || '.' || c.name from sqlite_schema m, pragma_table_info(m.name) c where m.type in ('table', 'view') and m.name not like 'sqlite_%' and m.name not like 'goose%'`,
	},
	"postgres": {
		goose.DialectPostgres,
		func(t *testing.T) *sql.DB { return openRaw(t, "pgx", pgserver.Database(t)) },
		`select case when c.relkind in ('r', 'p') then 'table' when c.relkind = 'v' then 'view' else 'index' end || ' ' || c.relname from pg_class c
			where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v', 'i', 'I') and not c.relispartition and c.relname not like 'goose%'
			and not exists (select from pg_constraint k where k.conindid = c.oid)`,
		`select table_name || '.' || column_name from information_schema.columns where table_schema = 'public' and table_name not like 'goose%'
			and not (select relispartition from pg_class where oid = format('%I.%I', table_schema, table_name)::regclass)`,
	},
}

func openRaw(t *testing.T, driver, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// textsOf reads a query of one text column.
func textsOf(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	all, err := collect(context.Background(), db, func(r row) (s string, err error) {
		err = r.Scan(&s)
		return s, err
	}, query)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func sortedTextsOf(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	return slices.Sorted(slices.Values(textsOf(t, db, query)))
}

// TestMigratesUpAndDown goes up and down step by step and all at once; down
// leaves nothing.
func TestMigratesUpAndDown(t *testing.T) {
	t.Parallel()
	for name, engine := range emptyDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			db := engine.open(t)
			p, err := provider(name, engine.dialect, db)
			if err != nil {
				t.Fatal(err)
			}
			_, last, err := migrationsOf(name)
			if err != nil || last < 3 {
				t.Fatalf("the last migration is %d, %v", last, err)
			}
			var levels [][]string // what is there at each version
			for version := int64(0); version <= last; version++ {
				if version > 0 {
					if _, err := p.UpTo(ctx, version); err != nil {
						t.Fatalf("up to %d: %v", version, err)
					}
				}
				levels = append(levels, sortedTextsOf(t, db, engine.columns))
			}
			whole := sortedTextsOf(t, db, engine.objects)
			for version := last - 1; version >= 0; version-- {
				if _, err := p.DownTo(ctx, version); err != nil {
					t.Fatalf("down to %d: %v", version, err)
				}
				if got := sortedTextsOf(t, db, engine.columns); !slices.Equal(got, levels[version]) {
					t.Errorf("down to %d leaves %q, want %q", version, got, levels[version])
				}
			}
			if got := sortedTextsOf(t, db, engine.objects); len(got) > 0 {
				t.Errorf("all the way down leaves %q", got)
			}
			if err := migrate(ctx, p); err != nil {
				t.Fatalf("up again: %v", err)
			}
			if got := sortedTextsOf(t, db, engine.objects); !slices.Equal(got, whole) {
				t.Errorf("up again makes %q, want %q", got, whole)
			}
		})
	}
}

// TestRanksTheCustomersThatWereThereBefore: migration 11 adds up the months of a
// database that was in use, and its going back loses nothing else.
func TestRanksTheCustomersThatWereThereBefore(t *testing.T) {
	t.Parallel()
	for name, engine := range emptyDatabases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			db := engine.open(t)
			p, err := provider(name, engine.dialect, db)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.UpTo(ctx, 9); err != nil {
				t.Fatal(err)
			}
			at := func(text string) int64 {
				day, err := time.Parse(time.DateOnly, text)
				if err != nil {
					t.Fatal(err)
				}
				return day.UnixMicro()
			}
			for _, d := range []struct {
				customer, unit, amount int64
				day                    string
			}{
				{5, 1, 10, "2026-10-31"}, {5, 1, 1, "2026-11-01"}, {5, 1, 2, "2026-11-30"}, {5, 2, 70, "2026-11-30"}, {5, 1, 100, "2026-12-01"},
				{6, 1, 4, "2026-11-15"}, {6, 1, 8, "2024-02-29"}, {7, 1, 3, "1969-12-31"},
			} {
				for key := range int64(2) { // two rows of each day
					if _, err := db.ExecContext(ctx, `insert into rollup_day (customer, period, key, plan_version, service, endpoint, status, class, unit, amount, bytes_in, bytes_out, latency)
						values ($1, $2, $3, 1, 1, 1, 2, 1, $4, $5, 0, 0, 0)`, d.customer, at(d.day), key, d.unit, d.amount); err != nil {
						t.Fatal(err)
					}
				}
			}
			want := []string{"1969-12-01 1 7 6", "2024-02-01 1 6 16", "2026-10-01 1 5 20", "2026-11-01 1 5 6", "2026-11-01 1 6 8", "2026-11-01 2 5 140", "2026-12-01 1 5 200"}
			for range 2 {
				if _, err := p.UpTo(ctx, 11); err != nil {
					t.Fatal(err)
				}
				got, err := collect(ctx, db, func(r row) (string, error) {
					var period, unit, customer, amount int64
					err := r.Scan(&period, &unit, &customer, &amount)
					return fmt.Sprintln(time.UnixMicro(period).UTC().Format(time.DateOnly), unit, customer, amount), err
				}, `select period, unit, customer, amount from rollup_month order by period, unit, customer`)
				if joined := strings.TrimSpace(strings.Join(got, "")); err != nil || joined != strings.Join(want, "\n") {
					t.Errorf("%v\n%s\nwant\n%s", err, joined, strings.Join(want, "\n"))
				}
				if _, err := p.DownTo(ctx, 9); err != nil {
					t.Fatal(err)
				}
			}
			var rows int
			if err := db.QueryRowContext(ctx, `select count(*) from rollup_day`).Scan(&rows); err != nil || rows != 16 {
				t.Errorf("%d days are left, %v; want 16", rows, err)
			}
		})
	}
}

func TestNumbersMigrationsAlikeInBothEngines(t *testing.T) {
	t.Parallel()
	names := map[string][]string{}
	for _, engine := range []string{"sqlite", "postgres"} {
		files, _, err := migrationsOf(engine)
		if err != nil {
			t.Fatal(err)
		}
		if names[engine], err = fs.Glob(files, "*"); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(names["sqlite"], names["postgres"]) {
		t.Errorf("sqlite has %q, postgres has %q", names["sqlite"], names["postgres"])
	}
	for i, name := range names["sqlite"] {
		if !regexp.MustCompile(`^\d{5}_[a-z_]+\.sql$`).MatchString(name) || (i > 0 && names["sqlite"][i-1][:5] >= name[:5]) {
			t.Errorf("migration %d is called %s", i+1, name)
		}
	}
}

// TestBothEnginesHaveTheSameSchema compares tables, views, columns and named
// indexes; an index for dashboards alone is PostgreSQL's.
func TestBothEnginesHaveTheSameSchema(t *testing.T) {
	t.Parallel()
	columns, objects := map[string][]string{}, map[string][]string{}
	for name, engine := range emptyDatabases {
		db := engine.open(t)
		p, err := provider(name, engine.dialect, db)
		if err != nil {
			t.Fatal(err)
		}
		if err := migrate(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		columns[name] = sortedTextsOf(t, db, engine.columns)
		objects[name] = slices.DeleteFunc(sortedTextsOf(t, db, engine.objects), func(o string) bool { return strings.HasSuffix(o, "_by_time") })
	}
	for what, both := range map[string]map[string][]string{"columns": columns, "objects": objects} {
		if len(both["sqlite"]) == 0 || !reflect.DeepEqual(both["sqlite"], both["postgres"]) {
			t.Errorf("%s:\nsqlite   %q\npostgres %q", what, both["sqlite"], both["postgres"])
		}
	}
}

func TestRefusesANewerPostgreSQLSchemaAndChangesNothing(t *testing.T) {
	t.Parallel()
	url := pgserver.Database(t)
	db := openRaw(t, "pgx", url)
	for _, statement := range []string{
		`create table goose_db_version (id int, version_id bigint not null, is_applied boolean not null, tstamp timestamp default now())`,
		`insert into goose_db_version (version_id, is_applied) values (0, true), (9999, true)`,
	} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(context.Background(), Options{URL: toll.Secret(url)})
	if s != nil || toll.CodeOf(err) != toll.Unavailable || !strings.Contains(toll.SafeMessage(err), "9999") {
		t.Errorf("got %v, %v; want an Unavailable error about version 9999", s, err)
	}
	if tables := textsOf(t, db, `select relname::text from pg_class where relnamespace = 'public'::regnamespace and relname not like 'goose%'`); len(tables) > 0 {
		t.Errorf("made %q", tables)
	}
}
