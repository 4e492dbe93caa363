package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var _ meter.Intake = (*Store)(nil)

// TakeOutside stores usage events from outside with their rollups and their
// identities, in one transaction, and says what came of each. An identity that
// somebody else stores at the same moment is found at the second try. Where one
// of them Differs and partial is false, nothing is stored.
func (s *Store) TakeOutside(ctx context.Context, events []meter.Outside, partial bool) ([]meter.Fate, error) {
	for try := 1; ; try++ {
		fates, err := s.takeOutside(ctx, events, partial)
		if toll.CodeOf(err) != toll.Conflict || try == attempts {
			return fates, err
		}
	}
}

// identity is what an event from outside is known by.
type identity struct {
	source int64
	id     string
}

// contents are what was said under identities.
type contents map[identity][32]byte

func (s *Store) takeOutside(ctx context.Context, events []meter.Outside, partial bool) ([]meter.Fate, error) {
	b := &meter.Batch{Lane: "outside", Events: make([]toll.Event, len(events))}
	wanted := map[string]struct{}{}
	for i := range events {
		o := &events[i]
		if err := refuseUnstorable(field{"source", o.Source}, field{"id", o.ID}); err != nil {
			return nil, err
		}
		b.Events[i] = o.Event
		wanted[o.Source] = struct{}{}
	}
	if err := checkBatch(b); err != nil {
		return nil, err
	}
	for name := range namesOf(b) {
		wanted[name] = struct{}{}
	}
	names := s.names.begin(wanted)
	var fates []meter.Fate
	f := fault{doing: "storing usage events from outside", exists: "The same usage events are being stored by somebody else. Send them again."}
	if err := s.engine.makeRoom(ctx, s.writer, b.Events, s.clock()); err != nil {
		return nil, s.fail(err, f)
	}
	taken := false
	err := s.write(ctx, f, func(tx transaction) error {
		fates, taken = make([]meter.Fate, len(events)), false
		if err := s.intern(ctx, tx, names); err != nil {
			return err
		}
		ids := make([]identity, len(events))
		for i := range events {
			ids[i] = identity{names.of(events[i].Source), events[i].ID}
		}
		known, err := s.engine.outside(ctx, tx, ids)
		if err != nil {
			return err
		}
		differs := decide(events, ids, known, fates)
		if differs && !partial {
			return errDiffers
		}
		fresh := make([]toll.Event, 0, len(events))
		var rows []int
		for i, fate := range fates {
			if fate == meter.Stored {
				fresh, rows = append(fresh, events[i].Event), append(rows, i)
			}
		}
		if taken = len(fresh) > 0; !taken {
			return nil
		}
		named := names.ofEvents(fresh)
		work := []*bulk{outsideRows(events, ids, rows), eventRows(fresh, named)}
		work = append(work, rollupRows(addUp(fresh, named, names))...)
		for _, w := range work {
			if err := s.engine.run(ctx, tx, w); err != nil {
				return err
			}
		}
		return nil
	})
	if err == errDiffers { //nolint:errorlint // the value itself is the signal; store.fail passes a *toll.Error through
		for i := range fates {
			if fates[i] != meter.Differs {
				fates[i] = meter.NotTaken
			}
		}
		return fates, nil
	}
	if err == nil && taken {
		s.names.learned(names)
	}
	return fates, err
}

var errDiffers error = &toll.Error{Code: toll.Invalid, Message: "An identity was used before for another content."}

// decide fills in what comes of each event, by what is stored and what came
// before it in the batch. It tells whether one differs.
func decide(events []meter.Outside, ids []identity, known contents, fates []meter.Fate) (differs bool) {
	for i := range events {
		before, there := known[ids[i]]
		switch {
		case !there:
			fates[i] = meter.Stored
			known[ids[i]] = events[i].Content
		case before == events[i].Content:
			fates[i] = meter.Repeated
		default:
			fates[i], differs = meter.Differs, true
		}
	}
	return differs
}

// outsideRows are the identities of the events with these indices, in the order
// of the primary key: two that store the same must not lock each other out.
func outsideRows(events []meter.Outside, ids []identity, rows []int) *bulk {
	slices.SortFunc(rows, func(a, b int) int {
		return cmp.Or(cmp.Compare(ids[a].source, ids[b].source), strings.Compare(ids[a].id, ids[b].id))
	})
	b := &bulk{insert: "outside_event", columns: []column{{name: "source", kind: integers}, {name: "id", kind: texts}, {name: "content", kind: blobs}, {name: "event", kind: blobs}}}
	for _, i := range rows {
		b.columns[0].ints = append(b.columns[0].ints, ids[i].source)
		b.columns[1].texts = append(b.columns[1].texts, ids[i].id)
		b.columns[2].blobs = append(b.columns[2].blobs, events[i].Content[:])
		b.columns[3].blobs = append(b.columns[3].blobs, events[i].Event.ID[:])
	}
	return b
}

// identityDocument writes identities for json_each.
func identityDocument(ids []identity) (string, error) {
	pairs := make([][2]any, len(ids))
	for i, id := range ids {
		pairs[i] = [2]any{id.source, id.id}
	}
	document, err := json.Marshal(pairs)
	return string(document), err
}

// scanOutside reads what is stored of identities.
func scanOutside(ctx context.Context, tx transaction, known contents, query string, args ...any) error {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return fmt.Errorf("looking up events from outside: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var id identity
		var content []byte
		if err := rows.Scan(&id.source, &id.id, &content); err != nil {
			return err
		}
		var said [32]byte
		copy(said[:], content)
		known[id] = said
	}
	return rows.Err()
}
