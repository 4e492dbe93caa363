package store

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Cursor returns how far a lane has been drained; the zero Position for a lane
// never seen.
func (s *Store) Cursor(ctx context.Context, lane string) (meter.Position, error) {
	if !storable(lane) {
		return meter.Position{}, nil
	}
	var p meter.Position
	err := s.reader.QueryRowContext(ctx, `select segment, byte_offset from journal_cursor where lane = $1`, lane).Scan(&p.Segment, &p.Offset)
	if errors.Is(err, sql.ErrNoRows) {
		return meter.Position{}, nil
	}
	return p, s.fail(err, fault{doing: "reading a journal cursor"})
}

// ForgetLane removes the cursor of a lane whose files are gone. A lane never
// seen is no error.
func (s *Store) ForgetLane(ctx context.Context, lane string) error {
	if !storable(lane) {
		return nil
	}
	_, err := s.writer.ExecContext(ctx, `delete from journal_cursor where lane = $1`, lane)
	return s.fail(err, fault{doing: "forgetting a journal lane"})
}

// Drain stores a batch: events, rollups, refusals, doubts, when keys were last
// used, what quotas per IP count, and the cursor, in one transaction. meter.ErrCursorMoved: the lane's
// cursor is not at b.From, and nothing was written. Conflict: an event with the
// same ID is there already. Text that no database keeps is mended, for it must
// be counted whatever it holds.
func (s *Store) Drain(ctx context.Context, b *meter.Batch) error {
	if err := checkBatch(b); err != nil {
		return err
	}
	names := s.names.begin(namesOf(b))
	f := fault{doing: "draining the journal", exists: "A usage event of the batch is stored already, so its journal was tampered with or is from another installation."}
	if err := s.engine.makeRoom(ctx, s.writer, b.Events, s.clock()); err != nil {
		return s.fail(err, f)
	}
	err := s.write(ctx, f, func(tx transaction) error {
		if err := moveCursor(ctx, tx, b); err != nil {
			return err
		}
		if err := s.intern(ctx, tx, names); err != nil {
			return err
		}
		named := names.ofEvents(b.Events)
		work := []*bulk{eventRows(b.Events, named), doubtRows(b)}
		work = append(work, rollupRows(addUp(b.Events, named, names))...)
		work = append(work, refusalRows(b.Refusals, names)...)
		work = append(work, lastUsedRows(b.Events), addressRows(b.Events, names))
		for _, rows := range work {
			if err := s.engine.run(ctx, tx, rows); err != nil {
				return err
			}
		}
		hours := latenciesOf(b.Events, named)
		if err := s.addLatencies(ctx, tx, "latency_hour", hours); err != nil {
			return err
		}
		return s.addLatencies(ctx, tx, "latency_day", hours.days())
	})
	if err == nil {
		s.names.learned(names)
	}
	return err
}

// checkBatch refuses what the rollups could not add up.
func checkBatch(b *meter.Batch) error {
	if !storable(b.Lane) || b.Lane == "" {
		return toll.Errorf(toll.Invalid, "A batch needs the name of its journal lane.")
	}
	for i := range b.Events {
		e := &b.Events[i]
		if classNumber(e.Class) == 0 {
			return toll.Errorf(toll.Invalid, "The usage event %s has no known class.", e.ID)
		}
		for _, u := range e.Units {
			if u.Count < 0 {
				return toll.Errorf(toll.Invalid, "The usage event %s reports a negative amount of %s.", e.ID, u.Unit)
			}
		}
		for k := range e.PerAddress {
			if u := &e.PerAddress[k]; u.Count < 0 || u.Every != toll.Daily && u.Every != toll.Monthly || u.Unit == "" || e.Address.IsZero() {
				return toll.Errorf(toll.Invalid, "The usage event %s counts for an address what no quota counts.", e.ID)
			}
		}
	}
	return nil
}

// moveCursor comes first in the transaction: its row is what two drainers of
// one lane wait for, and who comes second writes nothing.
func moveCursor(ctx context.Context, tx transaction, b *meter.Batch) error {
	var err error
	if b.From == (meter.Position{}) {
		err = change(ctx, tx, `insert into journal_cursor (lane, segment, byte_offset) values ($1, $2, $3)
			on conflict (lane) do update set segment = excluded.segment, byte_offset = excluded.byte_offset
			where journal_cursor.segment = 0 and journal_cursor.byte_offset = 0`,
			b.Lane, int64(b.Next.Segment), b.Next.Offset)
	} else {
		err = change(ctx, tx, `update journal_cursor set segment = $2, byte_offset = $3 where lane = $1 and segment = $4 and byte_offset = $5`,
			b.Lane, int64(b.Next.Segment), b.Next.Offset, int64(b.From.Segment), b.From.Offset)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return meter.ErrCursorMoved
	}
	return err
}

// namesOf collects every name of a batch, as it will be stored.
func namesOf(b *meter.Batch) map[string]struct{} {
	names := map[string]struct{}{toll.UnitRequests: {}}
	want := func(all ...string) {
		for _, name := range all {
			if _, known := names[name]; !known {
				names[mend(name)] = struct{}{}
			}
		}
	}
	for i := range b.Events {
		e := &b.Events[i]
		want(e.Customer, e.Key, e.Plan, e.PlanVersion, e.Service, e.Endpoint)
		for _, u := range e.Units {
			want(u.Unit)
		}
		for k := range e.PerAddress {
			u := &e.PerAddress[k]
			want(u.Unit, u.Service, u.Endpoint)
		}
	}
	for i := range b.Refusals {
		r := &b.Refusals[i]
		want(r.Customer, r.Key, r.Service, r.Policy, string(r.Reason))
	}
	return names
}

// doubtRows are the events that a crash left in doubt.
func doubtRows(b *meter.Batch) *bulk {
	rows := &bulk{insert: "usage_doubt", columns: []column{{name: "event", kind: blobs}, {name: "kind", kind: texts}}, conflict: `on conflict (event) do nothing`}
	add := func(id toll.ULID, kind string) {
		rows.columns[0].blobs = append(rows.columns[0].blobs, id[:])
		rows.columns[1].texts = append(rows.columns[1].texts, kind)
	}
	for i := range b.Events {
		if b.Events[i].Class == toll.Unknown {
			add(b.Events[i].ID, meter.DoubtUnknown)
		}
	}
	for _, id := range b.Undelivered {
		add(id, meter.DoubtUndelivered)
	}
	return rows
}

// lastUsedRows raise when the keys of the batch were last used, to the minute.
func lastUsedRows(events []toll.Event) *bulk {
	latest := map[string]int64{}
	for i := range events {
		if e := &events[i]; e.Key != "" && storable(e.Key) {
			latest[e.Key] = max(latest[e.Key], floor(e.Time.UnixMicro(), time.Minute))
		}
	}
	ids := slices.Sorted(maps.Keys(latest))
	at := make([]int64, len(ids))
	for i, id := range ids {
		at[i] = latest[id]
	}
	return &bulk{
		columns: []column{{name: "id", kind: texts, texts: ids}, {name: "at", ints: at}},
		sqlite:  `update api_key set last_used_at = ?2 where id = ?1 and (last_used_at is null or last_used_at < ?2)`,
		postgres: `update api_key set last_used_at = v.at from unnest($1::text[], $2::bigint[]) v (id, at)
			where api_key.id = v.id and (api_key.last_used_at is null or api_key.last_used_at < v.at)`,
	}
}
