package store

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// postgresEngine is what PostgreSQL does its own way.
type postgresEngine struct {
	place  string
	config *pgx.ConnConfig
	gate   *connector // of the Store's connections

	layout atomic.Pointer[Layout] // nil before the database was prepared
	mu     sync.Mutex
	weeks  map[week]bool // whose partitions need not be made; under mu
}

func (e *postgresEngine) where() string { return e.place }

func (e *postgresEngine) oneMoment() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (e *postgresEngine) lockRow() string { return ` for update` }

// kind reads the SQLSTATE
// (https://www.postgresql.org/docs/current/errcodes-appendix.html).
func (e *postgresEngine) kind(err error) faultKind {
	var connecting *pgconn.ConnectError
	if errors.As(err, &connecting) || errors.Is(err, ErrAway) {
		return awayFault // whatever the server said: nobody was let in
	}
	var failure *pgconn.PgError
	if !errors.As(err, &failure) {
		var network net.Error
		if errors.As(err, &network) || errors.Is(err, net.ErrClosed) || pgconn.SafeToRetry(err) {
			return awayFault
		}
		return otherFault
	}
	switch failure.Code {
	case "23505":
		return existsFault
	case "23503":
		return orphanFault
	case "23502", "23514", "22001", "22003":
		return ruleFault
	case "22021", "22P05":
		return textFault
	case "40001", "40P01":
		return againFault
	case "53100":
		return fullFault
	case "55P03":
		return busyFault
	case "42501":
		return rightsFault
	case "XX001", "XX002":
		return damageFault
	}
	switch failure.Code[:2] {
	case "08", "53", "57", "28":
		return awayFault
	}
	return otherFault
}

// run executes all rows with one statement, over unnest.
func (e *postgresEngine) run(ctx context.Context, tx transaction, b *bulk) error {
	if b.length() == 0 {
		return nil
	}
	args := make([]any, len(b.columns))
	arrays := make([]string, len(b.columns))
	for i := range b.columns {
		c := &b.columns[i]
		var array string
		switch c.kind {
		case texts:
			args[i], array = c.texts, "text[]"
		case blobs:
			args[i], array = c.blobs, "bytea[]"
		case smallints:
			args[i], array = c.ints, "smallint[]"
		case integers:
			args[i], array = c.ints, "integer[]"
		default:
			args[i], array = c.ints, "bigint[]"
		}
		arrays[i] = "$" + strconv.Itoa(i+1) + "::" + array
	}
	query := b.postgres
	if b.insert != "" {
		query = `insert into ` + b.insert + ` (` + b.columnNames() + `) select * from unnest(` + strings.Join(arrays, ", ") + `) ` + b.conflict
	}
	if b.insert == "usage_event" && e.hypertable() {
		query = eventInsert(b, arrays)
	}
	_, err := tx.ExecContext(ctx, query, args...)
	return err
}

func (e *postgresEngine) resolve(ctx context.Context, tx transaction, names []string, found map[string]int64) error {
	return scanNames(ctx, tx, found, `select id, name from usage_name where name = any($1::text[])`, names)
}

func (e *postgresEngine) outside(ctx context.Context, tx transaction, ids []identity) (contents, error) {
	known := contents{}
	sources, texts := make([]int64, len(ids)), make([]string, len(ids))
	for i, id := range ids {
		sources[i], texts[i] = id.source, id.id
	}
	return known, scanOutside(ctx, tx, known, `select o.source, o.id, o.content from unnest($1::integer[], $2::text[]) j (source, id)
		join outside_event o on o.source = j.source and o.id = j.id`, sources, texts)
}

// check asks for a sign of life: PostgreSQL keeps checksums of its own.
func (e *postgresEngine) check(ctx context.Context, db *sql.DB) error {
	var n int64
	return db.QueryRowContext(ctx, `select count(*) from plan_version`).Scan(&n)
}
