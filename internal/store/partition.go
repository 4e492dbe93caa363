package store

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The single events of PostgreSQL stand in one partition for each week, by
// their IDs and so by when they came, not by when they happened: a late event
// is kept as long as any other, no week that is done with is written to again,
// and an ID is unique over all of them. Weeks are made ahead of time (Retain)
// and, for late lanes and imports, when a batch needs them. What lies farther
// off than a clock can explain, and what comes while a week cannot be made,
// goes into usage_event_rest.
const (
	weekWidth     = 7 * 24 * time.Hour
	weeksBehind   = 56              // a batch may still open a week so far back: 13 months
	weeksAhead    = 5               // and so far ahead
	weeksReady    = 3               // weeks that are made ahead of time, with this one
	movedAtMost   = 10_000          // rows that making a week takes out of the rest
	tablePatience = 2 * time.Second // how long it waits for a lock: drains wait behind it
)

// partitionLock is the advisory lock of who makes or drops partitions.
const partitionLock = migrationLock + 1

// monday is when a week begins, after Unix time began, in milliseconds.
const monday = int64(4 * 24 * time.Hour / time.Millisecond)

// week is the start of a partition: a Monday, 00:00 UTC, in Unix milliseconds.
type week int64

// weekOf returns the week that holds an ID.
func weekOf(id toll.ULID) week { return weekAt(int64(binary.BigEndian.Uint64(id[:8]) >> 16)) }

func weekAt(millis int64) week {
	width := weekWidth.Milliseconds()
	rest := (millis - monday) % width
	if rest < 0 {
		rest += width
	}
	return week(millis - rest)
}

func (w week) after(weeks int) week { return w + week(int64(weeks)*weekWidth.Milliseconds()) }

// table is the partition's name.
func (w week) table() string {
	return "usage_event_" + time.UnixMilli(int64(w)).UTC().Format("20060102")
}

// first is the smallest ID of a moment, in Unix milliseconds.
func first(millis int64) toll.ULID {
	var id toll.ULID
	binary.BigEndian.PutUint64(id[:8], uint64(max(millis, 0))<<16)
	return id
}

// bound writes the smallest ID of a week as SQL.
func (w week) bound() string {
	id := first(int64(w))
	return fmt.Sprintf(`'\x%x'`, id[:6])
}

// makeRoom sees to it that the weeks of these events have partitions.
func (e *postgresEngine) makeRoom(ctx context.Context, db *sql.DB, events []toll.Event, now time.Time) error {
	if e.hypertable() {
		return nil
	}
	var missing []week
	latest := week(-1)
	e.mu.Lock()
	for i := range events {
		if w := weekOf(events[i].ID); w != latest {
			latest = w
			if !e.weeks[w] && e.near(w, now) {
				missing = append(missing, w)
			}
		}
	}
	e.mu.Unlock()
	err := e.makeWeeks(ctx, db, missing)
	if kind := e.kind(err); err != nil && (kind == otherFault || kind == ruleFault || kind == rightsFault) && ctx.Err() == nil {
		return nil // say this user may make no tables: the rest takes the events, and Retain tells
	}
	return err
}

// near tells whether a week is one that the clock can explain.
func (e *postgresEngine) near(w week, now time.Time) bool {
	this := weekAt(now.UnixMilli())
	return w >= this.after(-weeksBehind) && w <= this.after(weeksAhead)
}

// makeWeeks makes partitions that are not known yet.
func (e *postgresEngine) makeWeeks(ctx context.Context, db *sql.DB, weeks []week) error {
	for _, w := range weeks {
		e.mu.Lock()
		known := e.weeks[w]
		e.mu.Unlock()
		if known {
			continue
		}
		if err := e.makeWeek(ctx, db, w); err != nil {
			var failure *pgconn.PgError
			switch errors.As(err, &failure); {
			case failure != nil && failure.Code == "42P17":
				// Another partition holds that week: what was there before there were weeks.
			case e.kind(err) == busyFault || e.kind(err) == againFault:
				continue // the rest takes its rows; the next one tries again
			default:
				return err
			}
		}
		e.mu.Lock()
		if e.weeks == nil {
			e.weeks = map[week]bool{}
		}
		e.weeks[w] = true
		e.mu.Unlock()
	}
	return nil
}

// makeWeek makes one partition, unless it is there, and moves into it what the
// rest holds of it. When that is much, the week stays in the rest.
func (e *postgresEngine) makeWeek(ctx context.Context, db *sql.DB, w week) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if err := lockPartitions(ctx, tx); err != nil {
		return err
	}
	name, from, to := w.table(), w.bound(), w.after(1).bound()
	var there bool
	var waiting int
	if err := tx.QueryRowContext(ctx, fmt.Sprintf(`select to_regclass('%s') is not null,
		(select count(*) from (select from usage_event_rest where id >= %s and id < %s limit %d) r)`, name, from, to, movedAtMost+1)).Scan(&there, &waiting); err != nil {
		return err
	}
	if there || waiting > movedAtMost {
		return nil
	}
	for _, statement := range []string{
		fmt.Sprintf(`create table %s (like usage_event)`, name),
		fmt.Sprintf(`with moved as (delete from usage_event_rest where id >= %s and id < %s returning *) insert into %s select * from moved`, from, to, name),
		// Attaching blocks neither readers nor drains, as making it in place would.
		fmt.Sprintf(`alter table usage_event attach partition %s for values from (%s) to (%s)`, name, from, to),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// lockPartitions lets one process at a time change partitions, and bounds how
// long this one stands in the way of others.
func lockPartitions(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`set local lock_timeout = %d`, tablePatience.Milliseconds())); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, fmt.Sprintf(`select pg_advisory_xact_lock(%d)`, int64(partitionLock)))
	return err
}

// retain makes the coming weeks and drops those that ended before the cutoff.
// Of the partitions that are no week it deletes a few rows at a time.
func (e *postgresEngine) retain(ctx context.Context, s *Store, before toll.ULID, now time.Time) (int64, error) {
	if e.hypertable() {
		return e.retainChunks(ctx, s, before)
	}
	this := weekAt(now.UnixMilli())
	var coming []week
	for n := range weeksReady {
		coming = append(coming, this.after(n))
	}
	if err := e.makeWeeks(ctx, s.writer, coming); err != nil {
		return 0, err
	}
	names, err := collect(ctx, s.reader, func(r row) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	}, `select c.relname::text from pg_inherits i join pg_class c on c.oid = i.inhrelid
		where i.inhparent = to_regclass('usage_event') and c.relname like 'usage\_event\_%' order by 1`)
	if err != nil {
		return 0, err
	}
	var gone int64
	for _, name := range names {
		start, err := time.ParseInLocation("usage_event_20060102", name, time.UTC)
		if err != nil { // usage_event_before or usage_event_rest
			n, err := s.deleteEvents(ctx, name, before)
			gone += n
			if err != nil {
				return gone, err
			}
			continue
		}
		w := week(start.UnixMilli())
		if end := first(int64(w.after(1))); end.Compare(before) > 0 {
			continue
		}
		n, err := e.dropWeek(ctx, s.writer, name)
		if err != nil {
			return gone, err
		}
		gone += n
		e.mu.Lock()
		delete(e.weeks, w)
		e.mu.Unlock()
	}
	return gone, nil
}

// dropWeek drops a partition and returns about how many rows it held.
func (e *postgresEngine) dropWeek(ctx context.Context, db *sql.DB, name string) (rows int64, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = tx.Rollback() }()
	if err := lockPartitions(ctx, tx); err != nil {
		return 0, err
	}
	if err := tx.QueryRowContext(ctx, `select coalesce((select greatest(reltuples, 0)::bigint from pg_class where oid = to_regclass($1)), 0)`, name).Scan(&rows); err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `drop table if exists `+name); err != nil {
		return 0, err
	}
	return rows, tx.Commit()
}
