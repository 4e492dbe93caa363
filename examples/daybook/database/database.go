// Package database is where the daybook's modules keep their tables: one SQLite
// file, or PostgreSQL when several processes share it. A module writes its SQL
// once, for both:
//
//	SELECT note FROM {day.day} WHERE user_id = $1
//
// {schema.table} is "schema"."table" in PostgreSQL, where each module has a
// schema of its own, and schema_table in SQLite, which has none.
package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the SQLite driver
)

// DB is an open database. It is safe for concurrent use.
type DB struct {
	sql      *sql.DB
	postgres bool
	written  sync.Map // from a module's SQL to the database's own
}

// startsWithin bounds how long a database may take to answer at the start.
const startsWithin = 10 * time.Second

// OpenSQLite opens a file and makes it when it is missing, so that nobody else
// on the machine can read it; the files beside it get its mode.
func OpenSQLite(file string) (*DB, error) {
	made, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := made.Close(); err != nil {
		return nil, err
	}
	dsn := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: "_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate"}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(4)
	return &DB{sql: db}, nil
}

// OpenPostgres connects to the database that a URL names
// (postgres://user@host/name). A password that is not "" takes the place of the
// URL's. No error holds the password.
func OpenPostgres(ctx context.Context, at, password string) (*DB, error) {
	if !strings.HasPrefix(at, "postgres://") && !strings.HasPrefix(at, "postgresql://") {
		return nil, errors.New("the database's URL must begin with postgres://")
	}
	config, err := pgx.ParseConfig(at)
	if err != nil {
		return nil, errors.New("the database's URL cannot be read; it should look like postgres://user@host:5432/name")
	}
	if password != "" {
		config.Password = password
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(8)
	ctx, cancel := context.WithTimeout(ctx, startsWithin)
	defer cancel()
	if err := db.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connecting to PostgreSQL at %s, database %q, as %s (is it running, and may this user enter?): %w", config.Host, config.Database, config.User, reason(err)), db.Close())
	}
	return &DB{sql: db, postgres: true}, nil
}

// reason is what stands behind a connection that failed, in one line: pgx lists
// each address that it tried.
func reason(err error) error {
	var answered *pgconn.PgError
	var network *net.OpError
	switch {
	case errors.As(err, &answered):
		return answered
	case errors.As(err, &network):
		return network
	}
	return err
}

// Close ends all connections.
func (d *DB) Close() error { return d.sql.Close() }

// Healthy asks the database for a sign of life.
func (d *DB) Healthy(ctx context.Context) error {
	var one int
	return d.sql.QueryRowContext(ctx, `SELECT 1`).Scan(&one)
}

var (
	table       = regexp.MustCompile(`\{(\w+)\.(\w+)\}`)
	placeholder = regexp.MustCompile(`\$(\d+)`)
)

// own writes a module's SQL as the database takes it.
func (d *DB) own(statement string) string {
	if done, ok := d.written.Load(statement); ok {
		return done.(string)
	}
	text := statement
	if d.postgres {
		text = table.ReplaceAllString(text, `"$1"."$2"`)
	} else {
		text = placeholder.ReplaceAllString(table.ReplaceAllString(text, `${1}_$2`), `?$1`)
	}
	d.written.Store(statement, text)
	return text
}

// Exec runs a statement and returns how many rows it changed.
func (d *DB) Exec(ctx context.Context, statement string, args ...any) (int64, error) {
	result, err := d.sql.ExecContext(ctx, d.own(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// Query asks for rows; close them.
func (d *DB) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return d.sql.QueryContext(ctx, d.own(statement), args...)
}

// QueryRow asks for one row.
func (d *DB) QueryRow(ctx context.Context, statement string, args ...any) *sql.Row {
	return d.sql.QueryRowContext(ctx, d.own(statement), args...)
}
