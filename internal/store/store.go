package store

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Options says which database to open: URL or Dir.
type Options struct {
	// URL is where a PostgreSQL database is, "postgres://user:password@host:5432/name"
	// or the same with postgresql://. It may hold a password, so it hides itself.
	URL toll.Secret
	// Dir is the directory of the SQLite database (its file is FileName). It is
	// made when it is not there. It does not matter when URL is given.
	Dir string
	// Clock says which weeks of events need room, and which are too old; the
	// system's when nil.
	Clock toll.Clock
}

// Store is an open database. Every method is safe for concurrent use.
type Store struct {
	engine engine
	writer *sql.DB // SQLite: one connection
	reader *sql.DB // PostgreSQL: the same as writer
	names  nameCache
	clock  toll.Clock
	closed atomic.Bool
}

// What the drainer and the pages see of a Store.
var (
	_ meter.Sink      = (*Store)(nil)
	_ meter.Questions = (*Store)(nil)
)

// engine is where SQLite and PostgreSQL differ.
type engine interface {
	// kind tells what an error of the driver means.
	kind(err error) faultKind
	// run executes a bulk of rows in tx.
	run(ctx context.Context, tx transaction, b *bulk) error
	// resolve puts the identifiers of those names that are interned into found.
	resolve(ctx context.Context, tx transaction, names []string, found map[string]int64) error
	// oneMoment are the options of a transaction that reads what was there at its begin.
	oneMoment() *sql.TxOptions
	// lockRow ends a query that keeps others from the row until the transaction ends.
	lockRow() string
	// makeRoom sees to it that a batch of events has a place to go to.
	makeRoom(ctx context.Context, db *sql.DB, events []toll.Event, now time.Time) error
	// sketches reads the sketches of those rows of a table of latencies, whose
	// period, service and endpoint are given, and keeps others from changing them.
	sketches(ctx context.Context, tx transaction, table string, keys []column) (map[latencyKey][]byte, error)
	// retain drops the events with a smaller ID, and makes room for coming ones.
	retain(ctx context.Context, s *Store, before toll.ULID, now time.Time) (dropped int64, err error)
	// outside finds what is stored of events from outside.
	outside(ctx context.Context, tx transaction, ids []identity) (contents, error)
	// check looks for damage.
	check(ctx context.Context, db *sql.DB) error
	// where names the database to its operator, without a password.
	where() string
}

// Open opens the database, makes it when it is new, and brings its schema up to
// date. It fails with a *toll.Error (Unavailable) whose message is one sentence
// that names the database and the cure when the directory or the server cannot
// be used, when the file is damaged, and when the schema is newer than this
// program: then nothing was changed. Several processes may open one database at
// the same time.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	switch {
	case o.URL != "":
		return openPostgres(ctx, o.URL.Reveal(), o.Clock)
	case o.Dir != "":
		return openSQLite(ctx, o.Dir, o.Clock)
	}
	return nil, toll.Errorf(toll.Invalid, "No database was named; give a directory for SQLite or the URL of a PostgreSQL database.")
}

// Close closes the database. What runs is finished first; what comes later
// fails with Unavailable. A second Close does nothing.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	if s.reader == s.writer {
		return s.writer.Close()
	}
	// The writer goes last: the last connection of a SQLite file folds its log into it.
	return errors.Join(s.reader.Close(), s.writer.Close())
}

// Ping tells whether the database answers, and writes nothing.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	return s.fail(s.reader.QueryRowContext(ctx, `select 1`).Scan(&one), fault{doing: "asking the database for a sign of life"})
}

// Check reads the whole database and answers with an Unavailable error that
// names the damage when there is some. It takes seconds per gigabyte on SQLite
// and does not block writers; PostgreSQL keeps checks of its own.
func (s *Store) Check(ctx context.Context) error {
	return s.fail(s.engine.check(ctx, s.reader), fault{doing: "checking the database"})
}
