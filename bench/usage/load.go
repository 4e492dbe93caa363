package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// cell is a row of a rollup within its period.
type cell struct {
	customer, endpoint int32
	status, class      int16
	unit               int32
}

type sum struct{ amount, in, out, latency int64 }

func (s sum) plus(t sum) sum {
	return sum{s.amount + t.amount, s.in + t.in, s.out + t.out, s.latency + t.latency}
}

// row is text for COPY.
type row []byte

func (r row) int(n int64) row {
	if len(r) > 0 {
		r = append(r, '\t')
	}
	return strconv.AppendInt(r, n, 10)
}

func (r row) text(s string) row {
	if len(r) > 0 {
		r = append(r, '\t')
	}
	return append(r, s...)
}

func (r row) bytes(b []byte) row {
	r = append(r.text(`\\x`), make([]byte, 2*len(b))...)
	hex.Encode(r[len(r)-2*len(b):], b)
	return r
}

// stream copies rows into a table in a transaction of its own, in which the
// table is new or emptied, so that the rows are frozen from the start.
type stream struct {
	w    *bufio.Writer
	pipe *io.PipeWriter
	done chan error
	rows int64
}

func open(ctx context.Context, s *server, table string, before ...string) *stream {
	read, write := io.Pipe()
	st := &stream{w: bufio.NewWriterSize(write, 1<<20), pipe: write, done: make(chan error, 1)}
	go func() {
		err := inTransaction(ctx, s, func(c *pgx.Conn) error {
			for _, statement := range before {
				if _, err := c.Exec(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			_, err := c.PgConn().CopyFrom(ctx, read, `copy `+table+` from stdin with (format text, freeze)`)
			return err
		})
		_ = read.CloseWithError(err)
		st.done <- err
	}()
	return st
}

func (st *stream) add(r row) error {
	st.rows++
	_, err := st.w.Write(append(r, '\n'))
	return err
}

func (st *stream) close() error {
	if st == nil {
		return nil
	}
	err := st.w.Flush()
	_ = st.pipe.Close()
	if e := <-st.done; e != nil {
		return e
	}
	return err
}

func inTransaction(ctx context.Context, s *server, fn func(c *pgx.Conn) error) error {
	return connected(ctx, s, func(c *pgx.Conn) error {
		if _, err := c.Exec(ctx, `begin`); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		_, err := c.Exec(ctx, `commit`)
		return err
	})
}

func connected(ctx context.Context, s *server, fn func(c *pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return fn(c)
}

// loaded says what loading took.
type loaded struct{ making, indexing time.Duration }

var rollups = []string{"rollup_quarter", "rollup_hour", "rollup_day"}

// load makes the schema as the program does, and fills it: rows first, indexes
// after.
func load(ctx context.Context, s *server, m *month) (l loaded, err error) {
	began := time.Now()
	st, err := store.Open(ctx, store.Options{URL: toll.Secret(s.url(database))})
	if err != nil {
		return l, err
	}
	if err := st.Close(); err != nil {
		return l, err
	}
	again, err := dropIndexes(ctx, s, append([]string{"usage_name", "customer", "api_key", "rollup_month"}, rollups...))
	if err != nil {
		return l, err
	}
	if err := loadNames(ctx, s, m); err != nil {
		return l, fmt.Errorf("names: %w", err)
	}
	b := newBuilder(ctx, s)
	weeks, err := b.fill(m)
	if err != nil {
		return l, err
	}
	l.making = time.Since(began)
	logf("rows are there after %v", l.making.Round(time.Second))
	began = time.Now()
	err = connected(ctx, s, func(c *pgx.Conn) error {
		for _, w := range weeks {
			again = append(again, w.statements()...)
		}
		for _, statement := range append(again, `analyze`, `checkpoint`) {
			if _, err := c.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
			logf("%v: %.100s", time.Since(began).Round(time.Second), statement)
		}
		return nil
	})
	l.indexing = time.Since(began)
	return l, err
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// dropIndexes drops all indexes of some tables and returns what makes them again.
func dropIndexes(ctx context.Context, s *server, tables []string) (again []string, err error) {
	err = connected(ctx, s, func(c *pgx.Conn) error {
		drop := []string{`alter table api_key drop constraint if exists api_key_customer_id_fkey`, `alter table person drop constraint if exists person_customer_id_fkey`}
		rows, err := c.Query(ctx, `select i.indexrelid::regclass::text, i.indrelid::regclass::text, coalesce(k.conname::text, ''),
				coalesce(pg_get_constraintdef(k.oid), ''), pg_get_indexdef(i.indexrelid)
			from pg_index i left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u') where i.indrelid::regclass::text = any($1) order by 2, 1`, tables)
		if err != nil {
			return err
		}
		var index, table, name, constraint, definition string
		if _, err := pgx.ForEachRow(rows, []any{&index, &table, &name, &constraint, &definition}, func() error {
			if name != "" {
				drop = append(drop, `alter table `+table+` drop constraint `+name)
				again = append(again, `alter table `+table+` add constraint `+name+` `+constraint)
			} else {
				drop = append(drop, `drop index `+index)
				again = append(again, definition)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, statement := range drop {
			if _, err := c.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	return again, err
}

// loadNames fills usage_name, customer and api_key.
func loadNames(ctx context.Context, s *server, m *month) error {
	names := open(ctx, s, `usage_name (id, name)`, `truncate usage_name`)
	customers := open(ctx, s, `customer (id, name, name_folded, status, plan, plan_version, addons, demo, created_at, version)`, `truncate customer cascade`)
	fixed := map[int64]string{0: "", unitRequests: toll.UnitRequests, unitWords: "words", unitCharacters: "characters", planPro: "pro", planVersion: "pro@0123456789ab"}
	for i, name := range services {
		fixed[firstService+int64(i)] = name
	}
	for i, name := range endpoints {
		fixed[firstEndpoint+int64(i)] = name
	}
	for n, name := range fixed {
		if err := names.add(row(nil).int(n).text(name)); err != nil {
			return err
		}
	}
	for rank := range m.customers {
		n := int64(customerNumber(rank))
		if err := names.add(row(nil).int(n).text(customerName(rank))); err != nil {
			return err
		}
		if err := names.add(row(nil).int(n + 1).text(keyName(rank))); err != nil {
			return err
		}
		name := fmt.Sprintf("Customer %d", rank)
		if err := customers.add(row(nil).text(customerName(rank)).text(name).text(name).text("active").text("pro").text("pro@0123456789ab").text("[]").text("f").int(m.from.UnixMicro()).int(1)); err != nil {
			return err
		}
	}
	if err := names.close(); err != nil {
		return err
	}
	if err := customers.close(); err != nil {
		return err
	}
	keys := open(ctx, s, `api_key (id, customer_id, name, mode, hash, hint, services, created_at, replaced_by, version)`, `truncate api_key`)
	for rank := range m.customers {
		hash := fmt.Sprintf("%032d", rank)
		if err := keys.add(row(nil).text(keyName(rank)).text(customerName(rank)).text("ci").text("live").bytes([]byte(hash)).text("x7Yz").text("[]").int(m.from.UnixMicro()).text("").int(1)); err != nil {
			return err
		}
	}
	if err := keys.close(); err != nil {
		return err
	}
	return connected(ctx, s, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, `select setval(pg_get_serial_sequence('usage_name', 'id'), $1)`, int64(customerNumber(m.customers)))
		return err
	})
}
