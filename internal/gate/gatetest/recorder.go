// Package gatetest holds a recorder that remembers, for tests of the gate and
// of what stands before it.
package gatetest

import (
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Recorder remembers what it was told. Its methods are safe for concurrent use.
type Recorder struct {
	mu       sync.Mutex
	events   []toll.Event
	opened   []toll.Event
	refusals []toll.Refusal
	done     int
	failing  error

	// OnDone, when set, is told of each request that is closed.
	OnDone func(delivered bool)

	// BeforeRecord, when set, is called before an event is taken.
	BeforeRecord func()
}

// Fail makes Err and Record answer err from now on; nil ends it.
func (r *Recorder) Fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failing = err
}

// Open remembers a request under way.
func (r *Recorder) Open(e *toll.Event) (meter.Ticket, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = append(r.opened, copied(e))
	return meter.Ticket{}, r.failing
}

// Record remembers an event.
func (r *Recorder) Record(e *toll.Event, _ meter.Ticket) (meter.Ticket, error) {
	if r.BeforeRecord != nil {
		r.BeforeRecord()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failing != nil {
		return meter.Ticket{}, r.failing
	}
	r.events = append(r.events, copied(e))
	return meter.Ticket{}, nil
}

// Done counts the requests that ended.
func (r *Recorder) Done(_ meter.Ticket, delivered bool) {
	if r.OnDone != nil {
		r.OnDone(delivered)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
}

// Refuse remembers a refusal.
func (r *Recorder) Refuse(now time.Time, customer, key, service, policy string, reason toll.RefusalReason) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refusals = append(r.refusals, toll.Refusal{
		Minute: now.Truncate(time.Minute), Customer: customer, Key: key, Service: service, Policy: policy, Reason: reason, Count: 1,
	})
}

// Err answers what Fail was told.
func (r *Recorder) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failing
}

// Events returns the events so far.
func (r *Recorder) Events() []toll.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]toll.Event(nil), r.events...)
}

// Opened returns what was told to be under way.
func (r *Recorder) Opened() []toll.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]toll.Event(nil), r.opened...)
}

// Refusals returns the refusals so far.
func (r *Recorder) Refusals() []toll.Refusal {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]toll.Refusal(nil), r.refusals...)
}

func copied(e *toll.Event) toll.Event {
	c := *e
	c.Units = append([]toll.Amount(nil), e.Units...)
	c.PerAddress = append([]toll.AddressUse(nil), e.PerAddress...)
	return c
}
