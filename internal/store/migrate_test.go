package store

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

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
