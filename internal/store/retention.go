package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// deletedAtOnce is how many events one transaction deletes where no partition
// can be dropped: some milliseconds of work, so that a drain hardly waits.
const deletedAtOnce = 500

// Retained says what Retain did.
type Retained struct {
	Dropped int64     // single events; of whole partitions the database's own estimate
	Since   time.Time // single events that came before are gone; zero: all are there
}

// Retain makes room for coming events and drops the single events that came
// longer ago than keep (at least an hour; whole weeks at a time on PostgreSQL,
// so some stay up to a week longer). When an event came is what its ID says; a
// late one is kept as long as any other. Rollups, latencies and refusals stay
// for ever; what quotas per IP counted goes with its period, whatever keep is
// (addressesKept). It is meant to be called every hour or so, by one process or by
// many, and never keeps a drain waiting for more than moments; a call that an
// ending context cuts short is gone on with by the next.
func (s *Store) Retain(ctx context.Context, keep time.Duration) (Retained, error) {
	if keep < time.Hour {
		return Retained{}, toll.FieldError("events", "Single events must be kept for an hour or longer.")
	}
	now := s.clock()
	before := first(now.Add(-keep).UnixMilli())
	f := fault{doing: "dropping old usage events"}
	// First it is written down what is not complete any more, then it goes.
	if _, err := s.writer.ExecContext(ctx, `update usage_kept set since = $1 where since < $1 and exists (select 1 from usage_event where id < $1)`, before[:]); err != nil {
		return Retained{}, s.fail(err, f)
	}
	n, err := s.engine.retain(ctx, s, before, now)
	if err == nil {
		_, err = s.writer.ExecContext(ctx, `delete from usage_doubt where event < $1 and `+openDoubt, before[:])
	}
	if err == nil {
		err = s.forgetAddresses(ctx, now)
	}
	if err != nil {
		return Retained{Dropped: n}, s.fail(err, f)
	}
	since, err := s.EventsSince(ctx)
	return Retained{Dropped: n, Since: since}, err
}

// EventsSince returns from when on every single event is kept: of those that
// came before, some or all were dropped. It is the zero time when none ever was.
func (s *Store) EventsSince(ctx context.Context) (time.Time, error) {
	var b []byte
	if err := s.reader.QueryRowContext(ctx, `select since from usage_kept`).Scan(&b); err != nil {
		return time.Time{}, s.fail(err, fault{doing: "reading how long events are kept"})
	}
	var id toll.ULID
	if copy(id[:], b) == 0 {
		return time.Time{}, nil
	}
	return id.Time().UTC(), nil
}

// deleteEvents deletes what is older from a table of events, a few rows at a
// time with a rest of the same length in between, so that drains have their turn.
func (s *Store) deleteEvents(ctx context.Context, table string, before toll.ULID) (int64, error) {
	query := `delete from ` + table + ` where id in (select id from ` + table + ` where id < $1 order by id limit ` + strconv.Itoa(deletedAtOnce) + `)` //nolint:gosec // G202: the table is one of ours, by a name of ours
	var gone int64
	for {
		began := time.Now()
		result, err := s.writer.ExecContext(ctx, query, before[:])
		if err != nil {
			return gone, err
		}
		n, err := result.RowsAffected()
		gone += n
		if err != nil || n < deletedAtOnce {
			return gone, err
		}
		rest := time.NewTimer(time.Since(began))
		select {
		case <-ctx.Done():
			rest.Stop()
			return gone, errors.Join(ctx.Err())
		case <-rest.C:
		}
	}
}

// retain deletes old events; SQLite reuses their pages and does not make the
// file smaller.
func (e *sqliteEngine) retain(ctx context.Context, s *Store, before toll.ULID, _ time.Time) (int64, error) {
	return s.deleteEvents(ctx, "usage_event", before)
}
