package upstream

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// circuit is the breaker of one upstream. Closed, requests pass. Open, they go
// elsewhere while there is an elsewhere. When its time is over it is half open:
// one request is let through, and by what becomes of it the circuit closes, or
// opens for twice as long.
//
// A request that goes well only reads two atomics here; the lock is for
// failures and for circuits that are not closed. Times are durations since the
// pool was made.
type circuit struct {
	until  atomic.Int64 // 0: closed
	trial  atomic.Int64 // when the one request of a half-open circuit is given up on; 0: none is under way
	streak atomic.Int32 // failures in a row

	mu      sync.Mutex    // guards what follows
	connect bool          // it opened because there was no connection
	cause   string        // the failure that opened it last, by its type of RFC 9209 or as "answered 503"
	opened  int           // times in a row
	calm    time.Duration // when it may start with the shortest time again
	window  time.Duration // when the window began; it begins with a failure
	before  uint64        // tries until then
	bad     uint64        // failures since
}

const (
	defaultFailures = 5
	defaultRatio    = 50
	defaultWindow   = 10 * time.Second
	defaultOpen     = time.Second
	defaultLongest  = 30 * time.Second

	// fewTries is how many a window must have before their ratio means anything.
	fewTries = 20

	// trialWait is how long the answer of a trial is waited for before another
	// request may be one.
	trialWait = 10 * time.Second
)

func breakerDefaults(b toll.Breaker) toll.Breaker {
	if b.Failures <= 0 {
		b.Failures = defaultFailures
	}
	if b.Ratio <= 0 {
		b.Ratio = defaultRatio
	}
	if b.Window <= 0 {
		b.Window = defaultWindow
	}
	if b.Open <= 0 {
		b.Open = defaultOpen
	}
	if b.Longest <= 0 {
		b.Longest = defaultLongest
	}
	b.Longest = max(b.Longest, b.Open)
	return b
}

// trouble is what a request met, as far as a circuit is concerned.
type trouble struct {
	kind   string // for people: a type of RFC 9209, or what was answered
	unsent bool   // there was no connection
}

// badAnswers are the troubles of an upstream that answers for one behind it
// that does not.
var badAnswers = [...]trouble{{kind: "answered 502"}, {kind: "answered 503"}, {kind: "answered 504"}}

// why tells what opened the circuit, "" while it is closed.
func (c *circuit) why() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed() {
		return ""
	}
	return c.cause
}

// closed says whether requests pass, without a look at the clock.
func (c *circuit) closed() bool { return c.until.Load() == 0 }

// state tells how the circuit stands at now.
func (c *circuit) state(now time.Duration) Circuit {
	switch until := c.until.Load(); {
	case until == 0:
		return Closed
	case int64(now) < until:
		return Open
	}
	return HalfOpen
}

// try claims the one request of a half-open circuit.
func (c *circuit) try(now time.Duration) bool {
	until, trial := c.until.Load(), c.trial.Load()
	if until == 0 || int64(now) < until || int64(now) < trial {
		return false
	}
	return c.trial.CompareAndSwap(trial, int64(now+trialWait))
}

// forgo gives the claim back: the request said nothing about the upstream.
func (c *circuit) forgo() { c.trial.Store(0) }

// succeeded takes a good answer. Only one that was asked for while the circuit
// was not closed closes it: what was on its way before says nothing about now.
// It returns whether the circuit closed.
func (c *circuit) succeeded(tested bool, now time.Duration) bool {
	if c.streak.Load() != 0 {
		c.streak.Store(0)
	}
	return tested && c.close(now)
}

// close closes the circuit, and returns whether it was open.
func (c *circuit) close(now time.Duration) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.until.Load() == 0 {
		return false
	}
	c.until.Store(0)
	c.trial.Store(0)
	c.streak.Store(0)
	c.window, c.bad = 0, 0
	return true
}

// proven takes a good health probe. It closes a circuit that opened for want of
// a connection, for now there is one; a service that answers its probes and
// fails its requests stays out.
func (c *circuit) proven(now time.Duration) bool {
	c.mu.Lock()
	connect := c.connect
	c.mu.Unlock()
	return connect && !c.closed() && c.close(now)
}

// failed takes a failure of a request. tries is how many the upstream had in
// all; spare tells whether it may be left out for answering badly. It returns
// whether the circuit opened.
func (c *circuit) failed(now time.Duration, why trouble, tries uint64, rule toll.Breaker, spare func() bool) bool {
	streak := c.streak.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until := c.until.Load(); until != 0 {
		if int64(now) < until {
			return false // one of many that fail for the one reason
		}
		c.open(now, why, rule)
		return true
	}
	if c.bad == 0 || now-c.window >= rule.Window {
		c.window, c.before, c.bad = now, tries-1, 0
	}
	c.bad++
	within := tries - c.before
	switch {
	case why.unsent:
	case int(streak) < rule.Failures && (within < fewTries || c.bad*100 < within*uint64(rule.Ratio)):
		return false
	case !spare():
		return false
	}
	c.open(now, why, rule)
	return true
}

// open starts an open time; c.mu is held.
func (c *circuit) open(now time.Duration, why trouble, rule toll.Breaker) {
	if c.until.Load() == 0 && now >= c.calm {
		c.opened = 0
	}
	d := rule.Open
	for range min(c.opened, 40) {
		if d = min(2*d, rule.Longest); d == rule.Longest {
			break
		}
	}
	c.opened++
	c.connect, c.cause = why.unsent, why.kind
	c.calm = now + 3*d
	c.trial.Store(0)
	c.until.Store(int64(now + d))
}

// spare says whether one more upstream may be left out for answering badly: at
// most half of them are.
func (p *Pool) spare() bool {
	out := 1
	for _, u := range p.upstreams {
		if u.unhealthy.Load() || !u.circuit.closed() {
			out++
		}
	}
	return 2*out <= len(p.upstreams)
}

// good takes an answer of u.
func (p *Pool) good(u *upstream, tested bool) {
	if !tested && u.circuit.streak.Load() == 0 {
		return
	}
	if now := p.now(); u.circuit.succeeded(tested, now) {
		p.back(u, now)
	}
}

// bad takes a failure of u.
func (p *Pool) bad(u *upstream, why trouble) {
	tries := u.answered.Load() + u.failed.Load()
	if u.circuit.failed(p.now(), why, tries, p.breaker, p.spare) {
		p.tell(u)
	}
}

// back lets u, whose circuit closed, grow into its share again.
func (p *Pool) back(u *upstream, now time.Duration) {
	p.ramp(u, now)
	if p.queue.waiting.Load() > 0 {
		p.dispatch()
	}
	p.tell(u)
}

func (p *Pool) tell(u *upstream) {
	if p.changed != nil {
		p.changed(p.status(u))
	}
}
