package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var _ meter.Settler = (*Store)(nil)

// openDoubt narrows usage_doubt to what is still in doubt: the kind of one that
// was settled is its entry, a JSON object.
const openDoubt = `kind in ('` + meter.DoubtUnknown + `', '` + meter.DoubtUndelivered + `')`

// entry is a settlement as its row keeps it. It says all that a reader of the
// books asks, for it outlives the event.
type entry struct {
	As        toll.Class `json:"as"`
	At        int64      `json:"at"` // Unix microseconds, as Time
	By        string     `json:"by"`
	Reason    string     `json:"reason,omitempty"`
	RequestID string     `json:"request_id"`
	Time      int64      `json:"time"`
	Customer  string     `json:"customer"`
	Service   string     `json:"service"`
	Endpoint  string     `json:"endpoint"`
	Units     amounts    `json:"units"` // as they were given
	Before    amounts    `json:"before"`
	After     amounts    `json:"after"`
}

// amounts are units in an entry: an object in their order, as in usage_event.
type amounts []toll.Amount

func (a amounts) MarshalJSON() ([]byte, error) {
	if len(a) == 0 {
		return []byte(`{}`), nil
	}
	return []byte(encodeUnits(a)), nil
}

func (a *amounts) UnmarshalJSON(text []byte) error {
	units, err := decodeUnits(string(text))
	*a = units
	return err
}

// Settle carries out what an operator decided about an event that a crash left
// unknown: meter.Settler has the promise. The row of the doubt comes first, so
// that of two who settle at once the second finds it settled.
func (s *Store) Settle(ctx context.Context, in meter.Settlement, of toll.Entry) (toll.Event, error) {
	if err := in.Check(); err != nil {
		return toll.Event{}, err
	}
	checked := []field{{"by", in.By}, {"reason", in.Reason}}
	for _, u := range in.Units {
		checked = append(checked, field{"unit", u.Unit})
	}
	if err := refuseUnstorable(checked...); err != nil {
		return toll.Event{}, err
	}
	var after toll.Event
	var names *naming
	err := s.record(ctx, fault{doing: "settling a usage event"}, &of, func(tx transaction) error {
		before, err := takeDoubt(ctx, tx, in.Event)
		if err != nil {
			return err
		}
		after = in.Apply(before)
		of.Customer, of.Object = before.Customer, before.ID.String()
		of.Before = factsOf(&before)
		of.After = factsOf(&after)
		both := []toll.Event{before, after}
		names = s.names.begin(namesOf(&meter.Batch{Events: both}))
		if err := s.intern(ctx, tx, names); err != nil {
			return err
		}
		for _, rows := range rollupRows(moved(both, names)) {
			if err := s.engine.run(ctx, tx, rows); err != nil {
				return err
			}
		}
		if err := change(ctx, tx, `update usage_event set class = $2, units = $3 where id = $1`, in.Event[:], classNumber(after.Class), encodeUnits(after.Units)); err != nil {
			return err
		}
		text, err := json.Marshal(entry{
			As: in.As, At: in.At.UnixMicro(), By: in.By, Reason: in.Reason, RequestID: before.RequestID, Time: before.Time.UnixMicro(),
			Customer: before.Customer, Service: before.Service, Endpoint: before.Endpoint, Units: in.Units, Before: before.Units, After: after.Units,
		})
		if err != nil {
			return fmt.Errorf("writing the entry: %w", err)
		}
		return change(ctx, tx, `update usage_doubt set kind = $2 where event = $1`, in.Event[:], string(text))
	})
	if err != nil {
		return toll.Event{}, err
	}
	s.names.learned(names)
	return after, nil
}

// factsOf is what a settlement changes, as the audit log tells it.
func factsOf(e *toll.Event) string {
	text, err := json.Marshal(struct {
		Class toll.Class `json:"class"`
		Units amounts    `json:"units"`
	}{e.Class, e.Units})
	if err != nil {
		return "{" // no JSON: the change is refused
	}
	return string(text)
}

// takeDoubt locks the doubt about an event and reads the event. It says why
// where the event cannot be settled.
func takeDoubt(ctx context.Context, tx transaction, id toll.ULID) (toll.Event, error) {
	err := change(ctx, tx, `update usage_doubt set kind = kind where event = $1 and kind = $2`, id[:], meter.DoubtUnknown)
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Event{}, whyNot(ctx, tx, id)
	}
	if err != nil {
		return toll.Event{}, err
	}
	e, err := scanEvent(tx.QueryRowContext(ctx, eventsFrom(`select * from usage_event where id = $1`, ``, `e.id`), id[:]))
	if errors.Is(err, sql.ErrNoRows) {
		return e, toll.Errorf(toll.NotFound, "The usage event %s is gone (retention.events): it cannot be settled any more.", id)
	}
	return e, err
}

// whyNot says why an event is not one that can be settled.
func whyNot(ctx context.Context, tx transaction, id toll.ULID) error {
	var kind string
	err := tx.QueryRowContext(ctx, `select kind from usage_doubt where event = $1`, id[:]).Scan(&kind)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return toll.Errorf(toll.NotFound, "No usage event %s was left unknown by a crash. `tollhouse usage unknown` lists those that were.", id)
	case err != nil:
		return err
	case kind == meter.DoubtUndelivered:
		return toll.Errorf(toll.Conflict, "The usage event %s is not unknown: it was recorded, and counts as it stands.", id)
	}
	var of entry
	if err := json.Unmarshal([]byte(kind), &of); err != nil {
		return fmt.Errorf("reading the entry of a settlement: %w", err)
	}
	by := ""
	if of.By != "" {
		by = " by " + of.By
	}
	return toll.Errorf(toll.Conflict, "The usage event %s was settled already, as %s, at %s%s. It is settled once.", id, of.As, time.UnixMicro(of.At).UTC().Format(time.RFC3339), by)
}

// moved takes the first event out of the rollups and puts the second in.
func moved(both []toll.Event, names *naming) *rollup {
	out := newRollup(0)
	named := names.ofEvents(both)
	for i, sign := range []int64{-1, 1} {
		one := addUp(both[i:i+1], named[i:i+1], names)
		for j, k := range one.keys {
			sum := one.sums[j]
			out.add(k, rollupSum{sign * sum.amount, sign * sum.bytesIn, sign * sum.bytesOut, sign * sum.latency})
		}
	}
	return out
}

// Settlements lists what was settled about requests in [from, to), by event ID.
func (s *Store) Settlements(ctx context.Context, from, to time.Time) ([]meter.Settled, error) {
	f := fault{doing: "reading what was settled"}
	all, err := collect(ctx, s.reader, func(r row) (out meter.Settled, err error) {
		var id []byte
		var text string
		if err := r.Scan(&id, &text); err != nil {
			return out, err
		}
		var of entry
		if err := json.Unmarshal([]byte(text), &of); err != nil {
			return out, fmt.Errorf("reading the entry of a settlement: %w", err)
		}
		out = meter.Settled{
			Settlement: meter.Settlement{As: of.As, Units: of.Units, By: of.By, Reason: of.Reason, At: time.UnixMicro(of.At).UTC()},
			RequestID:  of.RequestID, Time: time.UnixMicro(of.Time).UTC(), Customer: of.Customer, Service: of.Service, Endpoint: of.Endpoint,
			Before: of.Before, After: of.After,
		}
		copy(out.Event[:], id)
		return out, nil
	}, `select event, kind from usage_doubt where not `+openDoubt+` order by event`)
	if err != nil {
		return nil, s.fail(err, f)
	}
	within := all[:0]
	for _, one := range all {
		if !one.Time.Before(from) && one.Time.Before(to) {
			within = append(within, one)
		}
	}
	return within, nil
}

// EventsNamed returns the single events that a person may mean by an event ID
// or a request ID, by ID: at most twenty.
func (s *Store) EventsNamed(ctx context.Context, text string) ([]toll.Event, error) {
	if !storable(text) || text == "" {
		return nil, nil
	}
	var c conditions
	condition := `request_id <> '' and request_id <> '=' and request_id = ` + c.arg(text)
	if id, err := toll.ParseULID(strings.ToUpper(text)); err == nil {
		condition = `(` + condition + ` or id = ` + c.arg(id[:]) + `)`
	}
	c.add(condition)
	events, err := collect(ctx, s.reader, scanEvent, eventsFrom(`select * from usage_event`+c.where()+` order by id limit 20`, ``, `e.id`), c.args...)
	return events, s.fail(err, fault{doing: "looking up a usage event"})
}
