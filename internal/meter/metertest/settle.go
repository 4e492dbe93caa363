package metertest

import (
	"context"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Settle implements meter.Settler.
func (m *Memory) Settle(ctx context.Context, s meter.Settlement, _ toll.Entry) (toll.Event, error) {
	if err := ctx.Err(); err != nil {
		return toll.Event{}, err
	}
	if err := s.Check(); err != nil {
		return toll.Event{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	e, there := m.events[s.Event]
	_, before := m.settled[s.Event]
	switch {
	case before, there && e.Class != toll.Unknown && m.undelivered[s.Event]:
		return toll.Event{}, toll.Errorf(toll.Conflict, "The usage event %s is not unknown.", s.Event)
	case !there || e.Class != toll.Unknown:
		return toll.Event{}, toll.Errorf(toll.NotFound, "There is no unknown usage event %s.", s.Event)
	}
	after := s.Apply(e)
	if m.settled == nil {
		m.settled = map[toll.ULID]meter.Settled{}
	}
	s.At = s.At.UTC().Truncate(time.Microsecond)
	m.settled[s.Event] = meter.Settled{
		Settlement: s, RequestID: e.RequestID, Time: e.Time, Customer: e.Customer, Service: e.Service, Endpoint: e.Endpoint,
		Before: e.Units, After: slices.Clone(after.Units),
	}
	m.events[s.Event] = after
	return after, nil
}

// Settlements implements meter.Settler.
func (m *Memory) Settlements(_ context.Context, from, to time.Time) ([]meter.Settled, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []meter.Settled
	for _, s := range m.settled {
		if within(s.Time, from, to) {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, func(a, b meter.Settled) int { return a.Event.Compare(b.Event) })
	return all, nil
}

// isSettled tells whether an event was settled. The caller holds mu.
func (m *Memory) isSettled(id toll.ULID) bool {
	_, settled := m.settled[id]
	return settled
}
