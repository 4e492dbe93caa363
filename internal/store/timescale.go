package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Where the extension TimescaleDB was made in the database (`create extension
// timescaledb`), the single events stand in a hypertable instead of partitions
// made here. Its time is when an event came, read from its ID, so that (ID,
// time) is as unique as the ID alone, and no chunk is written to after it was
// compressed. Nothing else is different: rollups are Tollhouse's own, and no
// question, quota or invoice reads a continuous aggregate. That one,
// usage_minute, is for dashboards.
//
// What the extension may do depends on its licence (timescaledb.license):
// compression, continuous aggregates and policies are of the Timescale License;
// under the Apache License there is the hypertable alone, and Retain drops its
// chunks.
const (
	adoptedAtMost = 100_000             // events that are moved into a hypertable on the spot
	compressAfter = 14 * 24 * time.Hour // a chunk is a week; the newest two stay as they came
	minuteAfter   = 2 * time.Minute     // usage_minute holds what is older; newer is added up when asked
)

// arrived is when an event came, in SQL, from its ID in the column named.
func arrived(id string) string {
	return `to_timestamp(('x' || encode(substring(` + id + ` from 1 for 6), 'hex'))::bit(48)::bigint / 1000.0)`
}

// Layout says how single events are kept; it is shown to operators.
type Layout struct {
	Kind      string // "table" (SQLite), "partitions" or "hypertable"
	Extension string // the version of TimescaleDB when the database has it
	License   string // "timescale" or "apache"
	// Why is a sentence when the extension is there and not used for them.
	Why string
}

// Layout says how single events are kept.
func (s *Store) Layout() Layout {
	if e, ok := s.engine.(*postgresEngine); ok {
		if l := e.layout.Load(); l != nil {
			return *l
		}
		return Layout{Kind: "partitions"}
	}
	return Layout{Kind: "table"}
}

// adopt finds out what TimescaleDB offers here and makes the hypertable when
// there is none yet. Several processes may do so at once.
func (e *postgresEngine) adopt(ctx context.Context, db *sql.DB) error {
	l := Layout{Kind: "partitions"}
	if err := e.lookForTimescale(ctx, db, &l); err != nil {
		return err
	}
	e.layout.Store(&l)
	return nil
}

// hypertable tells whether single events stand in one of TimescaleDB.
func (e *postgresEngine) hypertable() bool {
	l := e.layout.Load()
	return l != nil && l.Kind == "hypertable"
}

func (e *postgresEngine) lookForTimescale(ctx context.Context, db *sql.DB, l *Layout) error {
	err := db.QueryRowContext(ctx, `select extversion, coalesce(current_setting('timescaledb.license', true), '') from pg_extension where extname = 'timescaledb'`).
		Scan(&l.Extension, &l.License)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("looking for TimescaleDB: %w", err)
	}
	if l.License == "" {
		l.Why = "The server does not load TimescaleDB; add timescaledb to shared_preload_libraries and restart it."
		return nil
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after Commit it does nothing
	if _, err := tx.ExecContext(ctx, fmt.Sprintf(`select pg_advisory_xact_lock(%d)`, int64(partitionLock))); err != nil {
		return err
	}
	there, err := e.isHypertable(ctx, tx)
	if err != nil {
		return fmt.Errorf("looking for a hypertable: %w", err)
	}
	if !there {
		if l.Why, err = e.makeHypertable(ctx, tx); err != nil {
			return fmt.Errorf("making a hypertable: %w", err)
		}
		if l.Why != "" {
			return nil
		}
	}
	if err := e.makeAggregate(ctx, tx, l); err != nil {
		return fmt.Errorf("making a continuous aggregate: %w", err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	l.Kind = "hypertable"
	return nil
}

func (e *postgresEngine) isHypertable(ctx context.Context, tx *sql.Tx) (there bool, err error) {
	err = tx.QueryRowContext(ctx, `select exists (select from timescaledb_information.hypertables where hypertable_name = 'usage_event' and hypertable_schema = current_schema())`).Scan(&there)
	return there, err
}

// makeHypertable puts a hypertable in the place of the partitioned table, and
// answers with why not when that would move too much.
func (e *postgresEngine) makeHypertable(ctx context.Context, tx *sql.Tx) (why string, err error) {
	var events int
	if err := tx.QueryRowContext(ctx, fmt.Sprintf(`select count(*) from (select from usage_event limit %d) e`, adoptedAtMost+1)).Scan(&events); err != nil {
		return "", err
	}
	if events > adoptedAtMost {
		return fmt.Sprintf("The database held more than %d single events when it got TimescaleDB; they stay in PostgreSQL's own partitions.", adoptedAtMost), nil
	}
	for _, statement := range []string{
		`lock table usage_event in access exclusive mode`,
		`create table usage_event_hyper (like usage_event)`,
		`alter table usage_event_hyper add column arrived timestamptz not null`,
		`select create_hypertable('usage_event_hyper', by_range('arrived', interval '7 days'), create_default_indexes => false)`,
		`insert into usage_event_hyper select e.*, ` + arrived("e.id") + ` from usage_event e`,
		`drop table usage_event`,
		`alter table usage_event_hyper rename to usage_event`,
		`alter table usage_event add constraint usage_event_pkey primary key (id, arrived)`,
		`create index usage_event_by_customer on usage_event (customer, id)`,
		`create index usage_event_by_key on usage_event (key, id)`,
		`create index usage_event_by_request on usage_event (request_id) where request_id <> '' and request_id <> '='`,
		`create index usage_event_failed on usage_event (id) where status >= 500`,
		`create index usage_event_failed_by_customer on usage_event (customer, id) where status >= 500`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return "", err
		}
	}
	return "", nil
}

// makeAggregate makes what the licence has: compression of old chunks, and
// usage_minute, a continuous aggregate of what came in each minute.
func (e *postgresEngine) makeAggregate(ctx context.Context, tx *sql.Tx, l *Layout) error {
	if l.License != "timescale" {
		return nil
	}
	var there bool
	if err := tx.QueryRowContext(ctx, `select to_regclass('usage_minute') is not null`).Scan(&there); err != nil || there {
		return err
	}
	for _, statement := range []string{
		`alter table usage_event set (timescaledb.compress, timescaledb.compress_segmentby = 'service', timescaledb.compress_orderby = 'arrived desc, id desc')`,
		fmt.Sprintf(`select add_compression_policy('usage_event', interval '%d hours')`, int(compressAfter.Hours())),
		`create materialized view usage_minute with (timescaledb.continuous, timescaledb.materialized_only = false) as
			select time_bucket(interval '1 minute', arrived) as time, service, endpoint, (status / 100)::smallint as status, class,
				count(*) as requests, sum(bytes_in)::bigint as bytes_in, sum(bytes_out)::bigint as bytes_out, sum(latency)::bigint as latency
			from usage_event group by 1, 2, 3, 4, 5 with no data`,
		fmt.Sprintf(`select add_continuous_aggregate_policy('usage_minute', start_offset => interval '3 days', end_offset => interval '%d seconds', schedule_interval => interval '1 minute')`,
			int(minuteAfter.Seconds())),
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// retainChunks keeps the retention policy as the configuration says, where
// there is one, and otherwise drops chunks itself. It does both under the
// Timescale License, for a policy runs when its job has a turn.
func (e *postgresEngine) retainChunks(ctx context.Context, s *Store, before toll.ULID) (int64, error) {
	if e.layout.Load().License == "timescale" {
		if err := e.keepPolicy(ctx, s, before); err != nil {
			return 0, err
		}
	}
	var rows int64 // what is estimated of chunks that go
	if err := s.writer.QueryRowContext(ctx, `select coalesce(sum(approximate_row_count(format('%I.%I', chunk_schema, chunk_name)::regclass)), 0)::bigint
		from timescaledb_information.chunks where hypertable_name = 'usage_event' and hypertable_schema = current_schema() and range_end <= $1`, before.Time()).Scan(&rows); err != nil {
		return 0, fmt.Errorf("counting old chunks: %w", err)
	}
	if _, err := s.writer.ExecContext(ctx, `select drop_chunks('usage_event', older_than => $1::timestamptz)`, before.Time()); err != nil {
		return 0, fmt.Errorf("dropping chunks: %w", err)
	}
	return rows, nil
}

// keepPolicy makes the retention policy, or another when the time to keep has
// changed by an hour or more.
func (e *postgresEngine) keepPolicy(ctx context.Context, s *Store, before toll.ULID) error {
	want := fmt.Sprintf("%d hours", int(s.clock().Sub(before.Time()).Round(time.Hour).Hours()))
	var same bool
	err := s.writer.QueryRowContext(ctx, `select coalesce(bool_or((config ->> 'drop_after')::interval = $1::interval), false)
		from timescaledb_information.jobs where proc_name = 'policy_retention' and hypertable_name = 'usage_event' and hypertable_schema = current_schema()`, want).Scan(&same)
	if err != nil {
		return fmt.Errorf("reading the retention policy: %w", err)
	}
	if same {
		return nil
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	for _, statement := range []string{
		fmt.Sprintf(`select pg_advisory_xact_lock(%d)`, int64(partitionLock)),
		`select remove_retention_policy('usage_event', if_exists => true)`,
		`select add_retention_policy('usage_event', drop_after => interval '` + want + `')`,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("making the retention policy: %w", err)
		}
	}
	return tx.Commit()
}

// eventInsert is the statement that inserts events into a hypertable, which
// wants to know when they came.
func eventInsert(b *bulk, arrays []string) string {
	return `insert into usage_event (` + b.columnNames() + `, arrived) select v.*, ` + arrived("v.id") + ` from unnest(` + strings.Join(arrays, ", ") + `) v (` + b.columnNames() + `)`
}
