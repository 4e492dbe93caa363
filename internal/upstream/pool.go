package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Pool is the upstreams of one service: their connections, their health and
// their places in flight. It is safe for concurrent use.
type Pool struct {
	service   toll.Service
	upstreams []*upstream
	transport *http.Transport
	second    *http.Transport // HTTP/2, for h2c; nil when no upstream wants it
	prober    *http.Transport
	prober2   *http.Transport
	clock     toll.Clock
	began     time.Time
	changed   func(Status)

	cost     func(u *upstream, now time.Duration) float64 // nil: round robin
	timed    bool                                         // the cost needs the clock
	weighted bool                                         // the upstreams do not weigh the same
	turn     atomic.Uint64
	line     atomic.Int64 // see weight.go
	sticky   *sticky      // nil: clients go where it suits
	queue    queue

	retry   toll.Retry
	budget  budget
	breaker toll.Breaker

	closed atomic.Bool
	stop   context.CancelFunc // ends the probes
	probes sync.WaitGroup
}

// NewPool makes a service's pool and starts its health probes, if
// Service.Health.Path is set; Close stops them. It connects to nothing by
// itself. It returns a *toll.Error (Invalid, with the service's field in Field)
// for no upstream, for an upstream that is no URL, for weights that are out of
// range or all 0, and for a balance that is not known.
func NewPool(svc toll.Service, opts Options) (*Pool, error) {
	p := &Pool{service: svc, clock: opts.Clock, changed: opts.Changed, retry: retryDefaults(svc.Retry), breaker: breakerDefaults(svc.Breaker)}
	p.budget.open(p.retry.Budget)
	if p.clock == nil {
		p.clock = toll.SystemClock
	}
	p.began = p.clock()
	switch svc.Balance {
	case "", toll.RoundRobin:
	case toll.LeastRequests:
		p.cost = byRequests
	case toll.EWMA:
		p.cost, p.timed = byLatency, true
	case toll.Sticky:
		p.sticky = newSticky(svc, opts.StickyKey)
	default:
		return nil, toll.FieldError("balance", "the service %s asks for the balance %q, which is not there: use round_robin, least_requests, ewma or sticky", svc.Name, svc.Balance)
	}
	if len(svc.Upstreams) == 0 {
		return nil, toll.FieldError("upstreams", "the service %s has no upstream: name at least one address", svc.Name)
	}
	if err := checkWeights(svc); err != nil {
		return nil, err
	}
	for i, text := range svc.Upstreams {
		a, err := parseAddress(text)
		if err != nil {
			return nil, err
		}
		u := &upstream{
			address: a,
			name:    a.host + a.base,
			limit:   int64(max(svc.MaxInFlight, 0)),
			health:  health{state: Unknown, since: p.began},
			weight:  1,
		}
		if svc.Weights != nil {
			u.weight = int64(svc.Weights[i])
			p.weighted = p.weighted || svc.Weights[i] != svc.Weights[0]
		}
		if u.weight > 0 {
			u.line.Store(longStride / (u.weight * fullWeight) / 2)
		}
		if p.sticky != nil {
			u.id = p.sticky.id(u.name)
		}
		p.upstreams = append(p.upstreams, u)
	}
	p.queue.wait = opts.QueueWait
	if p.queue.wait <= 0 {
		p.queue.wait = defaultQueueWait
	}
	p.queue.length = opts.QueueLength
	if p.queue.length == 0 {
		p.queue.length = max(svc.MaxInFlight, 0) * len(p.upstreams)
	}

	conn := &connector{dial: opts.dial, within: svc.Timeouts.Connect, secured: opts.TLS.Clone()}
	if conn.dial == nil {
		conn.dial = (&net.Dialer{KeepAlive: tcpKeepAlivePeriod}).DialContext
	}
	if conn.secured == nil {
		conn.secured = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	p.prober = conn.transport(0)
	counted := *conn
	counted.dial = opts.Sockets.bounded(conn.dial)
	p.transport = counted.transport(svc.Timeouts.Response)
	if slices.ContainsFunc(p.upstreams, func(u *upstream) bool { return u.h2c }) {
		p.second = counted.transport2(svc.Timeouts.Response)
		p.prober2 = conn.transport2(0)
	}

	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	if svc.Health.Path != "" {
		p.service.Health = withDefaults(svc.Health)
		for _, u := range p.upstreams {
			p.probes.Go(func() { p.watch(ctx, u) })
		}
	}
	return p, nil
}

// Forward sends req to an upstream and returns the answer as soon as its head
// is there. The error is an *exchange.Failure; the package comment lists them.
//
// ctx is the client's presence: when it is cancelled the exchange is broken
// off, also while the answer's body is read or its Upgraded connection is in
// use. The caller must close Response.Body, and Response.Upgraded where there
// is one: until then the exchange holds its place in flight.
//
// Forward reads req.Body, does not close it, and changes nothing of req. An
// upstream may answer before it has read the whole body, so req.Body may still
// be read after Forward has returned, until the response is closed; after a
// failure one Read that is waiting for the client may be left behind.
//
// Response.Length is the declared length for the answer to a HEAD and for a
// 304, whose Body is empty; -1 when nothing was declared.
func (p *Pool) Forward(ctx context.Context, req *exchange.Request) (*exchange.Response, error) {
	if f := check(req); f != nil {
		return nil, f.public("")
	}
	fields := requestFields(req.Header, upgradeOf(req))
	var pinned *upstream
	if p.sticky != nil {
		pinned = p.pinned(fields)
	}
	began := p.now()
	body := p.upload(req)
	var space [maxTries]*upstream
	tried := space[:0]
	var u *upstream // the next to try, when it is known already
	var last *failed
	for {
		if u == nil {
			var f *failed
			if u, f = p.take(ctx, tried, pinned); f != nil {
				if last == nil {
					return nil, f.public("")
				}
				p.budget.refund()
				if f.status != StatusClientGone {
					f = last // that no upstream is left says less than why
				}
				return nil, f.after(tried)
			}
		}
		tried = append(tried, u)
		start := began
		if p.timed || len(tried) > 1 {
			start = p.now()
		}
		resp, f := p.try(ctx, u, req, fields, body, began, start)
		if f == nil {
			var next *upstream
			if p.mayReplace(req, resp.Status) {
				next, body = p.instead(tried, pinned, body)
			}
			if next == nil {
				if p.sticky != nil && u != pinned {
					p.pin(resp, req, u, pinned)
				}
				resp.Tries = len(tried)
				return resp, nil
			}
			_ = resp.Body.Close() // another answer takes its place
			u, last = next, nil
			continue
		}
		if !p.mayRepeat(req, f) || !p.more(tried) {
			return nil, f.after(tried)
		}
		var ok bool
		if body, ok = body.again(); !ok {
			p.budget.refund()
			return nil, f.after(tried)
		}
		u, last = nil, f
	}
}

// more says whether one more try is to be had, and takes it from the budget.
func (p *Pool) more(tried []*upstream) bool {
	return len(tried) < p.retry.Tries && len(tried) < len(p.upstreams) && p.budget.spend(p.tries())
}

// instead gives another upstream, with a place in flight, to be asked instead
// of passing on an answer, and the body for it; nil when there is none. Nobody
// is made to wait for it.
func (p *Pool) instead(tried []*upstream, pinned *upstream, body *upload) (*upstream, *upload) {
	if p.queue.waiting.Load() > 0 || !p.more(tried) {
		return nil, body
	}
	if next, _ := p.pick(tried, pinned); next != nil {
		if again, ok := body.again(); ok {
			return next, again
		}
		p.release(next)
	}
	p.budget.refund()
	return nil, body
}

// Status tells how each upstream stands, in the order of the service's
// upstreams.
func (p *Pool) Status() []Status {
	list := make([]Status, len(p.upstreams))
	for i, u := range p.upstreams {
		list[i] = p.status(u)
	}
	return list
}

func (p *Pool) status(u *upstream) Status {
	now := p.now()
	u.mu.Lock()
	defer u.mu.Unlock()
	return Status{
		Service:  p.service.Name,
		Upstream: u.name,
		Health:   u.health.state,
		Reason:   u.health.reason,
		Since:    u.health.since,
		Circuit:  u.circuit.state(now),
		Trouble:  u.circuit.why(),
		Weight:   int(p.weigh(u, now)),
		InFlight: int(u.inFlight.Load()),
		Answered: u.answered.Load(),
		Failed:   u.failed.Load(),
	}
}

// Close stops the health probes, waits for them, and closes the connections
// that nobody uses. Exchanges that are under way go on, and a Forward that
// comes after Close is still served, by the last known health: so that a pool
// can be replaced while requests are on their way to it. Close may be called
// more than once.
func (p *Pool) Close() {
	p.closed.Store(true)
	p.stop()
	p.probes.Wait()
	p.transport.CloseIdleConnections()
	p.prober.CloseIdleConnections()
	if p.second != nil {
		p.second.CloseIdleConnections()
		p.prober2.CloseIdleConnections()
	}
}

// now is the time since the pool was made, by the injected clock.
func (p *Pool) now() time.Duration { return p.clock().Sub(p.began) }

func lastName(tried []*upstream) string {
	if len(tried) == 0 {
		return ""
	}
	return tried[len(tried)-1].name
}
