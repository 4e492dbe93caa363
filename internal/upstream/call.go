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
	tested bool        // the circuit was not closed: the outcome decides
	over   atomic.Bool
}

// try sends the request to u, on which a place in flight is held, and gives
// the place back unless there is a response: then its end does. began is when
// the request's first try was, start when this one is.
func (p *Pool) try(ctx context.Context, u *upstream, req *exchange.Request, fields http.Header, body *upload, began, start time.Duration) (*exchange.Response, *failed) {
	c := &call{pool: p, up: u, outer: ctx, body: body, tested: !u.circuit.closed()}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	if d := p.service.Timeouts.Stream; d > 0 {
		c.whole = time.AfterFunc(d-(start-began), func() { c.cancel(errTooLong) })
	}
	if body != nil {
		body.cancel = c.cancel
	}
	upgrade := upgradeOf(req)
	sending := c.ctx
	var early *interims
	if req.Interim != nil {
		early = &interims{to: req.Interim}
		sending = early.within(sending)
	}
	out := outgoing(u, req, fields, c.body).WithContext(sending)
	// A pool that was closed serves what still comes, and keeps no connection for it.
	out.Close = upgrade == "" && p.closed.Load()

	resp, err := c.roundTrip(out)
	if early != nil {
		early.end()
	}
	if c.body != nil {
		c.body.stop()
	}
	var f *failed
	if err != nil {
		f = c.failure(err)
	} else if answer, bad := c.answer(resp, req.Method, upgrade); bad == nil {
		if p.timed {
			now := p.now()
			u.latency.observe(now, now-start)
		}
		u.answered.Add(1)
		if answer.Status >= 502 && answer.Status <= 504 {
			p.bad(u, badAnswers[answer.Status-502])
		} else {
			p.good(u, c.tested)
		}
		return answer, nil
	} else {
		f = bad
		_ = resp.Body.Close() // the connection is of no more use; what closing it says helps nobody
	}
	c.end()
	if !f.theirs() {
		u.circuit.forgo()
		return nil, f
	}
	u.failed.Add(1)
	p.bad(u, trouble{kind: f.kind, unsent: f.unsent})
	if p.timed && !f.unsent {
		now := p.now()
		u.latency.observe(now, now-start)
	}
	return nil, f
}

// roundTrip gives the answer's head. net/http waits for a body's Read before
// it reports anything, and a client may let it wait for long: so a request
// with a body is sent from a goroutine of its own, which the call's end leaves
// behind. That goroutine ends as soon as the Read does.
func (c *call) roundTrip(out *http.Request) (*http.Response, error) {
	by := c.pool.transport
	if c.up.h2c && out.Header["Upgrade"] == nil { // an upgrade is a thing of HTTP/1.1
		by = c.pool.second
	}
	if c.body == nil {
		return by.RoundTrip(out)
	}
	type result struct {
		resp *http.Response
		err  error
	}
	done := make(chan result, 1)
	go func() {
		// A response that comes when nobody waits is closed by its context.
		resp, err := by.RoundTrip(out) //nolint:bodyclose // closed by whoever takes it from done
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
	return classify(err)
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
