package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ErrAway is among the causes of Open's error when the database is elsewhere
// and does not answer: its settings may be right, and it may come back by
// itself. It is not there when something has to be put right first.
var ErrAway = errors.New("the database is away")

// away marks an error with ErrAway and leaves its words as they are.
type away struct{ error }

func (a away) Is(target error) bool { return target == ErrAway }

func (a away) Unwrap() error { return a.error }

// Await returns the Store of a PostgreSQL database that does not answer at the
// moment. Until Prepare has succeeded once every other method fails at once with
// Unavailable, and reaches no server: its schema may be another version's.
// Invalid or Unavailable: o names no PostgreSQL database.
func Await(o Options) (*Store, error) {
	if o.URL == "" {
		return nil, toll.Errorf(toll.Invalid, "Only a PostgreSQL database can be waited for.")
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	s, _, err := newPostgres(o.URL.Reveal(), o.Clock)
	return s, err
}

// Prepare looks at the database and brings its schema up to date, as Open does,
// and from then on the Store that Await returned answers. It fails as Open does.
// For a Store of Open it does nothing.
func (s *Store) Prepare(ctx context.Context) error {
	e, ok := s.engine.(*postgresEngine)
	if !ok || e.gate.open.Load() {
		return nil
	}
	return e.prepare(ctx)
}

// connector connects nobody before the database was prepared.
type connector struct {
	driver.Connector
	open atomic.Bool
}

// Connect implements driver.Connector.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if !c.open.Load() {
		return nil, ErrAway
	}
	return c.Connector.Connect(ctx)
}

// saysAway tells whether an error that came while opening means that nobody
// answers, rather than that something has to be put right.
func (e *postgresEngine) saysAway(err error) bool {
	return e.kind(err) == awayFault || errors.Is(err, context.DeadlineExceeded)
}
