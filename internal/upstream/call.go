package upstream

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// call is one try: a request on its way to one upstream, and the answer until
// its last byte. It holds a place in flight, which end gives back.
type call struct {
	pool   *Pool
	up     *upstream
	outer  context.Context // the caller's
	ctx    context.Context // ends with outer, or with one of our own reasons as its cause
	cancel context.CancelCauseFunc
	whole  *time.Timer // Timeouts.Stream; may be nil
	body   *upload     // may be nil
	over   atomic.Bool
}

// try sends the request to u, on which a place in flight is held, and gives
// the place back unless there is a response: then its end does.
func (p *Pool) try(ctx context.Context, u *upstream, req *exchange.Request, fields http.Header) (*exchange.Response, *failed) {
	c := &call{pool: p, up: u, outer: ctx}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	if d := p.service.Timeouts.Stream; d > 0 {
		c.whole = time.AfterFunc(d, func() { c.cancel(errTooLong) })
	}
	if req.Length != 0 && req.Body != nil {
		c.body = &upload{body: req.Body, idle: p.service.Timeouts.Idle, response: p.service.Timeouts.Response, cancel: c.cancel}
	}
	var began time.Duration
	if p.timed {
		began = p.now()
	}
	upgrade := upgradeOf(req)
	out := outgoing(u, req, fields, c.body).WithContext(c.ctx)
	// A pool that was closed serves what still comes, and keeps no connection for it.
	out.Close = upgrade == "" && p.closed.Load()

	resp, err := c.roundTrip(out)
	if c.body != nil {
		c.body.stop()
	}
	var f *failed
	if err != nil {
		f = c.failure(err)
	} else if answer, bad := c.answer(resp, req.Method, upgrade); bad == nil {
		if p.timed {
			now := p.now()
			u.latency.observe(now, now-began)
		}
		u.penalty.clear()
		u.answered.Add(1)
		return answer, nil
	} else {
		f = bad
		_ = resp.Body.Close() // the connection is of no more use; what closing it says helps nobody
	}
	c.end()
	if f.theirs() {
		u.failed.Add(1)
		switch {
		case f.unsent:
			u.penalty.add(p.now())
		case p.timed:
			now := p.now()
			u.latency.observe(now, now-began)
		}
	}
	return nil, f
}

// roundTrip gives the answer's head. net/http waits for a body's Read before
// it reports anything, and a client may let it wait for long: so a request
// with a body is sent from a goroutine of its own, which the call's end leaves
// behind. That goroutine ends as soon as the Read does.
func (c *call) roundTrip(out *http.Request) (*http.Response, error) {
	if c.body == nil {
		return c.pool.transport.RoundTrip(out)
	}
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// A response that comes when nobody waits is closed by its context.
		resp, err := c.pool.transport.RoundTrip(out) //nolint:bodyclose // closed by whoever takes it from done
		done <- result{resp, err}
	}()
	select {
	case r := <-done:
		return r.resp, r.err
	case <-c.ctx.Done():
		return nil, context.Cause(c.ctx)
	}
}

// end gives back what the call holds. It may be called more than once.
func (c *call) end() {
	if c.over.Swap(true) {
		return
	}
	if c.whole != nil {
		c.whole.Stop()
	}
	c.cancel(errDone)
	c.pool.release(c.up)
}

// failure says why there is no head.
func (c *call) failure(err error) *failed {
	if f := c.ourside(); f != nil {
		return f
	}
	f := classify(err)
	f.unsent = f.unsent && (c.body == nil || c.body.untouched())
	return f
}

// ourside is the failure that is not the upstream's doing or was our decision,
// nil when there is none.
func (c *call) ourside() *failed {
	var client error
	if c.body != nil {
		client = c.body.failure()
	}
	if errors.Is(client, exchange.ErrBodyTooLarge) {
		return clientBody(client)
	}
	if c.outer.Err() != nil {
		return gone(c.outer)
	}
	if f := ended(context.Cause(c.ctx)); f != nil {
		return f
	}
	if client != nil {
		return clientBody(client)
	}
	return nil
}
