package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// sqliteEngine is what SQLite does its own way.
type sqliteEngine struct{ file string }

func (e *sqliteEngine) where() string { return e.file }

// oneMoment: any transaction that reads sees the database as it was at its first
// read, for the log is written ahead.
func (e *sqliteEngine) oneMoment() *sql.TxOptions { return nil }

// lockRow: a transaction that writes is alone from its begin (_txlock=immediate).
func (e *sqliteEngine) lockRow() string { return "" }

func (e *sqliteEngine) kind(err error) faultKind {
	var failure *sqlite.Error
	if !errors.As(err, &failure) {
		return otherFault
	}
	switch failure.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY, sqlite3.SQLITE_CONSTRAINT_ROWID:
		return existsFault
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return orphanFault
	}
	switch failure.Code() & 0xff {
	case sqlite3.SQLITE_CONSTRAINT:
		return ruleFault
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return busyFault // busy_timeout has waited already
	case sqlite3.SQLITE_FULL:
		return fullFault
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return damageFault
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return awayFault
	}
	return otherFault
}

// makeRoom does nothing: one table holds all events.
func (e *sqliteEngine) makeRoom(context.Context, *sql.DB, []toll.Event, time.Time) error { return nil }

// run executes the rows one by one with one prepared statement, on the driver
// itself: what database/sql does for every execution costs a tenth of the drain.
// Many rows in one statement are slower here, because the driver looks each
// parameter up in the list of all.
func (e *sqliteEngine) run(ctx context.Context, tx transaction, b *bulk) error {
	n := b.length()
	if n == 0 {
		return nil
	}
	query := b.sqlite
	if b.insert != "" {
		query = `insert into ` + b.insert + ` (` + b.columnNames() + `) values (?` + strings.Repeat(`, ?`, len(b.columns)-1) + `) ` + b.conflict
	}
	return tx.conn.Raw(func(c any) (err error) {
		// The driver starts a goroutine per execution for a context that can
		// end; it is looked at here instead.
		forever := context.WithoutCancel(ctx)
		prepared, err := c.(driver.ConnPrepareContext).PrepareContext(forever, query)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, prepared.Close()) }()
		statement := prepared.(driver.StmtExecContext)
		args := make([]driver.NamedValue, len(b.columns))
		for j := range args {
			args[j].Ordinal = j + 1
		}
		for i := range n {
			if i%512 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			for j := range b.columns {
				switch c := &b.columns[j]; c.kind {
				case texts:
					args[j].Value = c.texts[i]
				case blobs:
					args[j].Value = c.blobs[i]
				default:
					args[j].Value = c.ints[i]
				}
			}
			if _, err := statement.ExecContext(forever, args); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *sqliteEngine) resolve(ctx context.Context, tx transaction, names []string, found map[string]int64) error {
	document, err := json.Marshal(names)
	if err != nil {
		return err
	}
	return scanNames(ctx, tx, found, `select n.id, n.name from json_each($1) j join usage_name n on n.name = j.value`, string(document))
}

func (e *sqliteEngine) outside(ctx context.Context, tx transaction, ids []identity) (contents, error) {
	known := contents{}
	document, err := identityDocument(ids)
	if err != nil {
		return nil, err
	}
	return known, scanOutside(ctx, tx, known, `select o.source, o.id, o.content from json_each($1) j
		cross join outside_event o on o.source = j.value ->> 0 and o.id = j.value ->> 1`, document)
}

// check runs SQLite's own quick_check.
func (e *sqliteEngine) check(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, `pragma quick_check(3)`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var found []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return err
		}
		if line != "ok" {
			found = append(found, line)
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(found) > 0 {
		return e.damaged(errors.New(strings.Join(found, "; ")))
	}
	return nil
}

func scanNames(ctx context.Context, tx transaction, found map[string]int64, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("looking up names: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id int64
		var name string
		if err := rows.Scan(&id, &name); err != nil {
			return err
		}
		found[name] = id
	}
	return rows.Err()
}
