package store

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Keep says how long what was added up is kept; 0 is for ever.
type Keep struct {
	Sums      time.Duration // of usage, LeastSums or longer
	Latencies time.Duration // a day or longer
	Refusals  time.Duration // a day or longer
}

// LeastSums is for how long sums of usage must be kept: a year of invoices, and
// the month in which the last of them can still be questioned.
const LeastSums = 400 * 24 * time.Hour

// summed is a table of what was added up: its name, and its primary key.
type summed struct{ table, key string }

const (
	customerCell = "customer, period, key, plan_version, service, endpoint, status, class, unit"
	houseCell    = "period, service, endpoint, status, class, unit"
	latencyCell  = "period, service, endpoint"
)

var (
	sumsOfUsage = []summed{
		{"rollup_quarter", customerCell}, {"rollup_hour", customerCell}, {"rollup_day", customerCell}, {"rollup_month", "period, unit, customer"},
		{"rollup_quarter_total", houseCell}, {"rollup_hour_total", houseCell}, {"rollup_day_total", houseCell},
	}
	latencySketches = []summed{{"latency_hour", latencyCell}, {"latency_day", latencyCell}}
	refusalCounts   = []summed{{"refusal_minute", "customer, period, key, service, policy, reason"}, {"refusal_hour", "customer, period, service, policy, reason"}}
)

// RetainSums drops what was added up of times that are longer ago than Keep
// says, and returns how many rows that were. Sums of usage go by whole months: a
// month of any calendar is there whole or, once its last day is older, not at
// all. Settlements and the identities of events from outside are never dropped.
// It deletes a few rows at a time, so that drains have their turn; a call that
// an ending context cuts short is gone on with by the next. Invalid: less than
// what must be kept.
func (s *Store) RetainSums(ctx context.Context, keep Keep) (dropped int64, err error) {
	switch {
	case keep.Sums != 0 && keep.Sums < LeastSums:
		return 0, toll.FieldError("sums", "Sums of usage must be kept for %d days or longer: invoices are made of them.", LeastSums/day)
	case keep.Latencies != 0 && keep.Latencies < day, keep.Refusals != 0 && keep.Refusals < day:
		return 0, toll.FieldError("latencies", "Latencies and refusals must be kept for a day or longer.")
	}
	f := fault{doing: "dropping old sums"}
	now := s.clock()
	if keep.Sums != 0 {
		before := sumsBefore(now.Add(-keep.Sums))
		// First it is written down what is not complete any more, then it goes.
		if _, err := s.writer.ExecContext(ctx, `update usage_kept set sums_since = $1 where sums_since < $1 and exists (select 1 from rollup_day_total where period < $1)`, before); err != nil {
			return 0, s.fail(err, f)
		}
		if dropped, err = s.deleteSums(ctx, sumsOfUsage, before); err != nil {
			return dropped, s.fail(err, f)
		}
	}
	for _, of := range []struct {
		keep   time.Duration
		tables []summed
	}{{keep.Latencies, latencySketches}, {keep.Refusals, refusalCounts}} {
		if of.keep == 0 {
			continue
		}
		n, err := s.deleteSums(ctx, of.tables, floor(now.Add(-of.keep).UnixMicro(), day))
		if dropped += n; err != nil {
			return dropped, s.fail(err, f)
		}
	}
	return dropped, nil
}

// sumsBefore is up to when sums go that were kept until a moment: the start of
// its month in the zone where that begins first, a day before UTC's.
func sumsBefore(until time.Time) int64 { return monthOf(until.UnixMicro()) - day.Microseconds() }

// SumsSince returns from when on every sum of usage is kept. It is the zero time
// when none was ever dropped.
func (s *Store) SumsSince(ctx context.Context) (time.Time, error) {
	var since int64
	err := s.reader.QueryRowContext(ctx, `select sums_since from usage_kept`).Scan(&since)
	if err != nil || since == 0 {
		return time.Time{}, s.fail(err, fault{doing: "reading how long sums are kept"})
	}
	return time.UnixMicro(since).UTC(), nil
}

// deleteSums deletes what is of an earlier period from tables, a few rows at a
// time with a rest of the same length in between.
func (s *Store) deleteSums(ctx context.Context, tables []summed, before int64) (gone int64, err error) {
	for _, of := range tables {
		query := `delete from ` + of.table + ` where (` + of.key + `) in (select ` + of.key + ` from ` + of.table + ` where period < $1 order by period limit ` + strconv.Itoa(deletedAtOnce) + `)` //nolint:gosec // G202: tables and keys are ours
		for more := true; more; {
			began := time.Now()
			result, err := s.writer.ExecContext(ctx, query, before)
			if err != nil {
				return gone, err
			}
			n, err := result.RowsAffected()
			if gone += n; err != nil {
				return gone, err
			}
			if more = n == deletedAtOnce; !more {
				break
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
	return gone, nil
}
