package metertest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Memory is a Store that keeps every event and adds up on every question:
// slow, and right as far as one can see. The zero value is empty and ready. It
// is safe for concurrent use.
type Memory struct {
	// Fail, when set, is asked at the start of every Drain; what it answers
	// other than nil is returned and nothing is stored. It is set before use.
	Fail func(*meter.Batch) error
	// Lost, when set, is asked after a Drain has stored its batch: what it
	// answers other than nil is returned, as when a database commits and the
	// answer is lost on the way. It is set before use.
	Lost func(*meter.Batch) error

	mu          sync.Mutex
	cursors     map[string]meter.Position
	events      map[toll.ULID]toll.Event
	undelivered map[toll.ULID]bool
	refusals    []toll.Refusal
	settled     map[toll.ULID]meter.Settled
	addresses   map[addressCounter]int64
}

// addressCounter is what a quota per IP counts of one address in one period.
type addressCounter struct {
	unit, service, endpoint string
	every                   toll.Every
	start                   int64
	address                 toll.AddressHash
}

var _ Store = (*Memory)(nil)

// Cursor implements meter.Sink.
func (m *Memory) Cursor(ctx context.Context, lane string) (meter.Position, error) {
	if err := ctx.Err(); err != nil {
		return meter.Position{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.cursors[lane], nil
}

// Drain implements meter.Sink.
func (m *Memory) Drain(ctx context.Context, b *meter.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.Fail != nil {
		if err := m.Fail(b); err != nil {
			return err
		}
	}
	if err := m.store(b); err != nil {
		return err
	}
	if m.Lost != nil {
		return m.Lost(b)
	}
	return nil
}

func (m *Memory) store(b *meter.Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cursors[b.Lane] != b.From {
		return meter.ErrCursorMoved
	}
	fresh := make(map[toll.ULID]bool, len(b.Events))
	for _, e := range b.Events {
		if _, there := m.events[e.ID]; there || fresh[e.ID] {
			return toll.Errorf(toll.Conflict, "The usage event %s is stored already.", e.ID)
		}
		fresh[e.ID] = true
	}
	if m.cursors == nil {
		m.cursors = map[string]meter.Position{}
		m.events = map[toll.ULID]toll.Event{}
		m.undelivered = map[toll.ULID]bool{}
		m.addresses = map[addressCounter]int64{}
	}
	for _, e := range b.Events {
		e.Time = e.Time.UTC().Truncate(time.Microsecond)
		e.Latency = e.Latency.Truncate(time.Microsecond)
		e.Units = slices.Clone(e.Units)
		for _, u := range e.PerAddress {
			m.addresses[addressCounter{u.Unit, u.Service, u.Endpoint, u.Every, u.Start, e.Address}] += u.Count
		}
		e.Address, e.PerAddress = toll.AddressHash{}, nil
		m.events[e.ID] = e
	}
	m.refusals = append(m.refusals, b.Refusals...)
	for _, id := range b.Undelivered {
		m.undelivered[id] = true
	}
	m.cursors[b.Lane] = b.Next
	return nil
}

// ForgetLane implements meter.Sink.
func (m *Memory) ForgetLane(ctx context.Context, lane string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.cursors, lane)
	return nil
}

// Lanes returns the names that have a cursor, sorted: a test sees by them that
// a finished lane was forgotten.
func (m *Memory) Lanes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.cursors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// All returns every stored event by ID.
func (m *Memory) All() []toll.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.sorted()
}

// sorted returns every stored event by ID. The caller holds mu.
func (m *Memory) sorted() []toll.Event {
	all := make([]toll.Event, 0, len(m.events))
	for _, e := range m.events {
		e.Units = slices.Clone(e.Units)
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b toll.Event) int { return a.ID.Compare(b.ID) })
	return all
}
