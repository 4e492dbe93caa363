package upstream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// queue is where requests wait for a place in flight when every upstream has
// MaxInFlight of them: first come, first served, bounded in length and in
// time. Nobody takes its lock while nobody waits.
type queue struct {
	length int
	wait   time.Duration

	waiting atomic.Int64 // len(list), to look at without the lock
	mu      sync.Mutex
	list    []*waiter
}

// waiter is one request in the queue.
type waiter struct {
	tried  []*upstream
	pinned *upstream
	given  chan *upstream // holds one: the place that was given
}

// take gives a place in flight on an upstream that was not tried yet. On
// failure the upstream is nil and the failure says why.
func (p *Pool) take(ctx context.Context, tried []*upstream, pinned *upstream) (*upstream, *failed) {
	if p.queue.waiting.Load() == 0 { // else it would overtake those who wait
		u, full := p.pick(tried, pinned)
		if u != nil {
			return u, nil
		}
		if !full {
			return nil, &failed{status: 503, kind: "destination_unavailable", cause: errNoneLeft}
		}
	}
	w := &waiter{tried: slices.Clone(tried), pinned: pinned, given: make(chan *upstream, 1)}
	if !p.enqueue(w) {
		return nil, &failed{status: 503, kind: "connection_limit_reached", cause: errQueueFull}
	}
	p.dispatch() // a place may have become free since pick looked
	timer := time.NewTimer(p.queue.wait)
	defer timer.Stop()
	var f *failed
	select {
	case u := <-w.given:
		return p.given(u)
	case <-ctx.Done():
		f = gone(ctx)
	case <-timer.C:
		f = &failed{status: 503, kind: "connection_limit_reached", cause: errQueueSlow}
	}
	if p.dequeue(w) {
		return nil, f
	}
	// A place was given in the same instant.
	u := <-w.given
	if u != nil && ctx.Err() != nil {
		u.circuit.forgo() // in case it was to be a trial
		p.release(u)
		return nil, f
	}
	return p.given(u)
}

// given turns what a waiter got into take's answer.
func (p *Pool) given(u *upstream) (*upstream, *failed) {
	if u == nil {
		return nil, &failed{status: 503, kind: "destination_unavailable", cause: errNoneLeft}
	}
	return u, nil
}

func (p *Pool) enqueue(w *waiter) bool {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.list) >= q.length {
		return false
	}
	q.list = append(q.list, w)
	q.waiting.Store(int64(len(q.list)))
	return true
}

// dequeue takes a waiter out that gave up. It returns false when the waiter
// has left the queue already, with a place in its channel.
func (p *Pool) dequeue(w *waiter) bool {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for i, x := range q.list {
		if x == w {
			q.list = append(q.list[:i], q.list[i+1:]...)
			q.waiting.Store(int64(len(q.list)))
			return true
		}
	}
	return false
}

// release gives a place in flight back, to whoever waits for it.
func (p *Pool) release(u *upstream) {
	u.inFlight.Add(-1)
	// Sequentially consistent with enqueue: either we see the waiter here, or
	// its own dispatch sees the place.
	if p.queue.waiting.Load() > 0 {
		p.dispatch()
	}
}

// dispatch gives free places to waiters, in their order. A waiter for whom no
// upstream is left at all gets nil.
func (p *Pool) dispatch() {
	q := &p.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	kept := q.list[:0]
	for _, w := range q.list {
		if u, full := p.pick(w.tried, w.pinned); u != nil || !full {
			w.given <- u
			continue
		}
		kept = append(kept, w)
	}
	clear(q.list[len(kept):])
	q.list = kept
	q.waiting.Store(int64(len(kept)))
}
