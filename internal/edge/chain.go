package edge

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Backend forwards a request to a service; *upstream.Pool and *files.Site are.
// Its error is an *exchange.Failure, a *files.Refusal or an
// *exchange.RangeError, or wraps exchange.ErrBodyTooLarge; any other is a 502.
type Backend interface {
	Forward(ctx context.Context, r *exchange.Request) (*exchange.Response, error)
}

// Backends are the services' pools by name. A map is not changed after it was given.
type Backends map[string]Backend

// Seen is one request as the access log and the metrics see it.
type Seen struct {
	Request      *exchange.Request
	Path         string // as the client sent it, without the query
	Pass         *gate.Pass
	Status       int
	BytesIn      int64
	BytesOut     int64
	Latency      time.Duration // arrival to the last byte
	Upstream     string        // the address that answered, or was tried last
	Tries        int           // how many upstreams were asked; 0 when none was
	Admitted     bool          // Begin was told of it
	UpstreamTime time.Duration // forwarding to the head of the answer
	Coding       toll.Coding   // what the answer was compressed with on its way, "" for nothing
	Sent         int64         // bytes of the compressed body
	Cache        string        // how the cache answered: hit, stale, shared, validated, miss, bypass; "" without one
	Err          error         // why the gateway answered in the service's place
	BadUsage     int           // refused values of Tollhouse-Usage
	SaidUsage    string        // the fields that held them, at most 200 bytes; "" when none was refused
	KeptReserved bool          // its client left, and what was reserved of units counts in place of what was not read
	Delivered    bool
}

// Chain is the order of a request. It knows no HTTP library and is safe for
// concurrent use.
type Chain struct {
	Gate    *gate.Gate
	Clock   toll.Clock
	Answers Answers
	Begin   func(*gate.Pass) // told once per request that is let in; nil: nobody is
	Observe func(*Seen)      // told once per request that a service takes, after its last byte
	// Unmetered serves what cannot be journalled instead of refusing it.
	Unmetered func() bool
	// ReadOn bounds what is read for clients that have left.
	ReadOn ReadOn

	streams  streams
	backends atomic.Pointer[Backends]
	caches   atomic.Pointer[Caches]
	deciders atomic.Pointer[Deciders]
}

// Switch makes other backends hold for the next request.
func (c *Chain) Switch(b Backends) { c.backends.Store(&b) }

// openAfter is when a request with a long body is journalled as under way.
const openAfter = 10 * time.Second

// walk is what one request carries along; pooled.
type walk struct {
	pass gate.Pass
	ask  gate.Ask
	seen Seen
	rate []byte

	stream bool  // Chain.streams knows it
	cached bool  // the answer came from the cache: the service was not asked
	stay   *stay // the call may outlive its client; nil: it does not
	cut    bool  // the answer was not read to its end, and the service did not break it off
}

var walks = sync.Pool{New: func() any { return new(walk) }}

// Serve takes one request through the house, in this order:
//
//  1. Admit: route, identify, limit. Refused: the answer says why.
//  2. Identify: the request tells the service who calls, and nothing else does.
//     Where an outside address decides about access, it is asked now.
//  3. Forward to an upstream, where no stored answer will do.
//  4. Compress, where service and client want it; the last bytes wait for 5.
//  5. Record: the event is in the journal before the last byte of the answer.
//  6. Done: the lease is free; the log is told.
//
// It returns false, having done nothing, when no service takes the request.
func (c *Chain) Serve(ctx context.Context, r *exchange.Request, body *Body, trusted bool, w exchange.Writer) bool {
	k := walks.Get().(*walk)
	defer func() {
		k.seen, k.cached, k.stay, k.cut = Seen{}, false, nil, false
		walks.Put(k)
	}()
	p := &k.pass
	k.ask = gate.Ask{
		Now: r.Arrived, RequestID: r.ID, Host: r.Host, Method: r.Method, RawPath: r.RawPath,
		Authorization: joined(r.Header.Values("Authorization")), APIKey: joined(r.Header.Values("X-Api-Key")),
		Client: r.Client, Length: r.Length, URL: len(r.RawPath) + len(r.RawQuery), Preflight: isPreflight(r),
	}
	k.seen = Seen{Request: r, Path: r.RawPath, Pass: p}
	switch c.Gate.Admit(&k.ask, p) {
	case gate.Elsewhere:
		return false
	case gate.Refused:
		k.send(c, w, c.Answers.Refusal(r, p))
		c.observe(k)
		return true
	case gate.Preflight:
		k.send(c, w, preflight(r, p.Service))
		c.observe(k)
		return true
	}
	if c.Begin != nil {
		k.seen.Admitted = true
		c.Begin(p)
	}
	defer func() {
		if k.stream {
			defer c.streams.done(k)
		}
		// Also after a panic: nothing may stay leased.
		receipt := p.Done()
		if k.seen.Delivered {
			w.End(receipt.Delivered)
		} else {
			receipt.Delivered(false)
		}
		if z, ok := w.(*compressor); ok && z.coding != "" {
			k.seen.Coding, k.seen.Sent = z.coding, z.sent
		}
		c.observe(k)
	}()

	body.Limit(p.Service.MaxBody)
	w.Patience(p.Service.Timeouts.Idle)
	r.Path, r.RawPath = p.Path, p.RawPath
	identify(r, p, trusted)
	if p.Service.Access == toll.AccessForwardAuth && !k.consult(ctx, c, w, r) {
		return true
	}
	if r.Upgrade != "" || p.Reserves() {
		if err := p.Open(); err != nil && !c.Unmetered() {
			k.fail(c, w, r, &exchange.Failure{Status: 503, Type: "proxy_internal_error", Cause: err})
			return true
		}
	} else if r.Length < 0 || r.Length > 256<<10 {
		opened := make(chan struct{})
		opening := time.AfterFunc(openAfter, func() { defer close(opened); _ = p.Open() })
		defer func() {
			if !opening.Stop() {
				<-opened // p is another request's after this one
			}
		}()
	}

	backend := (*c.backends.Load())[p.Service.Name]
	if backend == nil { // it was let in long ago, and its service is gone since
		k.fail(c, w, r, &exchange.Failure{Status: 503, Type: "destination_unavailable"})
		return true
	}
	asking := ctx
	if r.Upgrade == "" && p.Owes(nil) {
		k.stay = stayOn(ctx, c.ReadOn)
		defer k.stay.end()
		asking = k.stay.ctx
	}
	response, err := k.obtain(asking, c, r, backend)
	k.seen.BytesIn = body.Count()
	if err != nil {
		response, err = c.Answers.refused(r, p, response, err)
	}
	if err != nil {
		k.fail(c, w, r, err)
		return true
	}
	defer response.Body.Close()
	if k.stay != nil && (!p.Owes(response.Header.Values(usageField)) || !k.stay.answer()) {
		k.stay = nil // nothing is still to be said, or the client left before: the call ends with it
	}
	k.seen.Upstream, k.seen.Tries = response.Upstream, response.Tries
	k.decorate(r, response)
	if response.Upgraded != nil {
		k.join(c, w, body, response)
		return true
	}
	w = compressed(w, r, p.Service)
	k.relay(ctx, c, w, r, body, response)
	return true
}

// joined is a field's one value, or all of them as RFC 9110 §5.3 joins them:
// two keys are then no key, and none of them is picked.
func joined(values []string) string {
	switch len(values) {
	case 0:
		return ""
	case 1:
		return values[0]
	}
	return strings.Join(values, ", ")
}

func (c *Chain) observe(k *walk) {
	k.seen.Latency = c.Clock().Sub(k.seen.Request.Arrived)
	if c.Observe != nil {
		c.Observe(&k.seen)
	}
}

// decorate puts the gateway's own fields onto an answer of the service.
func (k *walk) decorate(r *exchange.Request, response *exchange.Response) {
	response.Header.Set(idField, r.ID)
	k.rateLimits(response.Header)
	protect(response.Header, r, k.pass.Service)
}

// rateLimits tells the client which policies hold and what they have left.
func (k *walk) rateLimits(h exchange.Header) {
	results := k.pass.Limits()
	if len(results) == 0 {
		return
	}
	k.rate = limit.AppendRateLimitPolicy(k.rate[:0], results)
	h.Set("RateLimit-Policy", string(k.rate))
	k.rate = limit.AppendRateLimit(k.rate[:0], results)
	h.Set("RateLimit", string(k.rate))
	if k.pass.Service.XRateLimit {
		xRateLimits(h, results, k.seen.Request.Arrived)
	}
}

// fail answers in the service's place and records that it did: the rate limit
// keeps what it took, the quota gets it back.
func (k *walk) fail(c *Chain, w exchange.Writer, r *exchange.Request, err error) {
	k.seen.Err = err
	if failure, ok := errors.AsType[*exchange.Failure](err); ok {
		k.seen.Upstream, k.seen.Tries = failure.Upstream, failure.Tries
	}
	response := c.Answers.Failure(r, &k.pass, err)
	k.decorate(r, response)
	if _, err := k.record(c, response.Status, false, nil); err != nil {
		k.seen.Err = errors.Join(k.seen.Err, err)
		if !c.Unmetered() {
			response = c.Answers.Unmetered(r)
		}
	}
	k.send(c, w, response)
}

// record writes the event; what is known now is what is billed.
func (k *walk) record(c *Chain, status int, answered bool, usage []string) (bool, error) {
	k.seen.Status = status
	k.seen.KeptReserved = k.cut && answered && k.pass.Owes(usage)
	bad, err := k.pass.Record(&gate.Outcome{
		Status: status, Answered: answered, Latency: c.Clock().Sub(k.seen.Request.Arrived),
		BytesIn: k.seen.BytesIn, BytesOut: k.seen.BytesOut, Usage: usage, Cached: k.cached, Cut: k.cut,
	})
	k.misused(bad, usage)
	return err == nil, err
}

// misused remembers values of Tollhouse-Usage that were refused.
func (k *walk) misused(bad int, usage []string) {
	if bad > 0 {
		k.seen.BadUsage += bad
		said := strings.Join(usage, ", ")
		k.seen.SaidUsage = strings.ToValidUTF8(said[:min(len(said), 200)], "\uFFFD")
	}
}

// send hands over an answer of the gateway's own making.
func (k *walk) send(_ *Chain, w exchange.Writer, response *exchange.Response) {
	k.seen.Status = response.Status
	if k.pass.Reason == toll.RefusedLimit {
		k.rateLimits(response.Header)
	}
	protect(response.Header, k.seen.Request, k.pass.Service)
	k.seen.Delivered = writeWhole(w, k.seen.Request.Method, response) == nil
}
