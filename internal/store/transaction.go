package store

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"time"
)

// attempts is how often a transaction that lost against another is begun anew.
const attempts = 5

// transaction is a transaction with the connection that it runs on, for what an
// engine does faster past database/sql.
type transaction struct {
	*sql.Tx
	conn *sql.Conn
}

// write runs fn in one transaction. After an error nothing of it is there. fn
// may run several times: it must change nothing but the database.
func (s *Store) write(ctx context.Context, f fault, fn func(tx transaction) error) error {
	for attempt := 1; ; attempt++ {
		err := s.writeOnce(ctx, fn)
		if err == nil || attempt == attempts || s.engine.kind(err) != againFault {
			return s.fail(err, f)
		}
		// Two that met once must not meet again in step.
		pause := time.NewTimer(time.Duration(attempt) * time.Duration(1+rand.IntN(10)) * time.Millisecond)
		select {
		case <-ctx.Done():
			pause.Stop()
			return s.fail(ctx.Err(), f)
		case <-pause.C:
		}
	}
}

func (s *Store) writeOnce(ctx context.Context, fn func(tx transaction) error) (err error) {
	conn, err := s.writer.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close() // gives it back to the pool
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if done { // not so after an error, nor when fn panics
			return
		}
		if e := tx.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) {
			err = errors.Join(err, e)
		}
	}()
	if err := fn(transaction{tx, conn}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(ctx.Err(), err) // a context that ended meanwhile is why
	}
	done = true
	return nil
}

// read runs fn in one transaction that sees the database as it is at one moment,
// whatever is written meanwhile. fn must only read.
func (s *Store) read(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := s.reader.BeginTx(ctx, s.engine.oneMoment())
	if err != nil {
		return err
	}
	err = fn(tx)
	if e := tx.Rollback(); e != nil && !errors.Is(e, sql.ErrTxDone) {
		err = errors.Join(err, e)
	}
	return err
}

// change executes one statement that must touch exactly one row; none is
// sql.ErrNoRows.
func change(ctx context.Context, db execer, query string, args ...any) error {
	result, err := db.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return sql.ErrNoRows
	}
	return nil
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// row is one row of an answer.
type row interface{ Scan(into ...any) error }

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// collect reads all rows of a query.
func collect[T any](ctx context.Context, db queryer, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}
