package store

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Received counts single events and what they report, per unit, over [from,
// to). It reads the events themselves and no rollup, so that an audit can hold
// one against the other: it takes a second or more for each million events.
func (s *Store) Received(ctx context.Context, from, to time.Time) (map[string]int64, error) {
	sums := map[string]int64{}
	err := s.received(ctx, from, to, sums)
	return sums, s.fail(err, fault{doing: "counting single events"})
}

func (s *Store) received(ctx context.Context, from, to time.Time, sums map[string]int64) error {
	rows, err := s.reader.QueryContext(ctx, `select units, count(*) from usage_event where time >= $1 and time < $2 group by units`, stamp(from), stamp(to))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		var events int64
		if err := rows.Scan(&text, &events); err != nil {
			return err
		}
		units, err := decodeUnits(text)
		if err != nil {
			return fmt.Errorf("reading an event's units: %w", err)
		}
		of := toll.Event{Units: units}
		sums[toll.UnitRequests] += of.Requests() * events
		for _, u := range units {
			if u.Unit == toll.UnitRequests {
				continue
			}
			sums[u.Unit] += u.Count * events
		}
	}
	return rows.Err()
}
