package httpcache

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Forwarder asks the service itself; *upstream.Pool is one. Its error is an
// *exchange.Failure.
type Forwarder interface {
	Forward(ctx context.Context, r *exchange.Request) (*exchange.Response, error)
}

// Settings are what can be changed while a cache is in use.
type Settings struct {
	MaxSize    int64         // bytes that stored answers may take, 1 or more
	MaxObject  int64         // bytes of the largest body that is kept
	DefaultTTL time.Duration // of answers that do not say how long they may be kept; 0: they are not
	PassTags   bool          // leave Surrogate-Key on answers, for a cache in front
}

// Options are what a cache is made with.
type Options struct {
	Settings
	// Prefix is what was taken off the path before the cache sees it, "" for
	// nothing; Purge puts it back on.
	Prefix string
	Clock  toll.Clock // nil: toll.SystemClock
}

// Cache is the cache of one service. It is safe for concurrent use.
type Cache struct {
	settings atomic.Pointer[Settings]
	prefix   string
	clock    toll.Clock
	store    *store
	flights  flights
	hints    hints
	coming   atomic.Int64 // bytes of bodies that are still coming

	ending  sync.RWMutex // orders what begins before Close, or after it
	running sync.WaitGroup
	life    context.Context
	end     context.CancelFunc
}

// New makes an empty cache. Close ends it.
func New(o Options) (*Cache, error) {
	if o.MaxSize < 1 {
		return nil, toll.FieldError("max_size", "a cache needs room: %d bytes is none", o.MaxSize)
	}
	s, err := newStore(o.MaxSize)
	if err != nil {
		return nil, toll.Errorf(toll.Internal, "making the store of a cache: %w", err)
	}
	c := &Cache{prefix: o.Prefix, clock: o.Clock, store: s}
	if c.clock == nil {
		c.clock = toll.SystemClock
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.settings.Store(&o.Settings)
	return c, nil
}

// Change makes other settings hold for the next request; what is stored stays
// as far as there is room for it.
func (c *Cache) Change(s Settings) {
	was := c.settings.Swap(&s)
	if was.MaxSize != s.MaxSize {
		c.store.cache.SetMaximum(uint64(s.MaxSize))
	}
}

// Close ends what the cache still asks of the upstream and waits for it. A
// Serve that comes later asks the upstream and keeps nothing.
func (c *Cache) Close() {
	c.ending.Lock()
	c.end()
	c.ending.Unlock()
	c.running.Wait()
}

// begin runs f beside whoever asks. Close waits for it, unless it has begun
// already: then f finds that the cache's life is over, and ends soon.
func (c *Cache) begin(f func()) {
	c.ending.RLock()
	defer c.ending.RUnlock()
	if c.life.Err() != nil {
		go f()
		return
	}
	c.running.Go(f)
}

// Result says how an answer came about, for the log and for what it costs.
type Result struct {
	// Cached is an answer for which the upstream was not asked on this request's
	// behalf: from the store, or shared with the request that asked.
	Cached bool
	// Word is what the access log says: hit, stale, shared, validated, miss or bypass.
	Word string
	// Asked is when the upstream was asked and Answered when the head of its
	// answer came; zero where it was not asked.
	Asked, Answered time.Time
}

// The words of a Result.
const (
	wordHit       = "hit"
	wordStale     = "stale"
	wordShared    = "shared"
	wordValidated = "validated"
	wordMiss      = "miss"
	wordBypass    = "bypass"
)

// ErrNotStored is why a request that wants an answer from the cache only
// (only-if-cached, RFC 9111 §5.2.1.7) gets none; the answer for it is 504.
var ErrNotStored = errors.New("no stored answer satisfies the request, and it does not want another")

// Serve answers a request from what is stored, or asks next. customer is on
// whose behalf it comes, "" for nobody in particular. The caller closes the
// response's body. The response's Header is the caller's to change; its values
// are not.
//
// The error is ErrNotStored, a *exchange.RangeError for a part that a stored
// answer does not have, or what next gave.
func (c *Cache) Serve(ctx context.Context, r *exchange.Request, customer string, next Forwarder) (*exchange.Response, Result, error) {
	if r.Method != "GET" && r.Method != "HEAD" {
		return c.other(ctx, r, next)
	}
	if n := bypass(r); n.fwd != "" {
		return c.pass(ctx, r, next, n)
	}
	if c.life.Err() != nil {
		return c.pass(ctx, r, next, note{fwd: "bypass"})
	}
	a := newAsk(r, customer)
	stored, at, others := c.store.find(&a)
	v := a.use(stored)
	if a.ranged && v != ask4It {
		if err := wantsNothingOf(&a, stored); err != nil && v == useIt {
			return nil, Result{Cached: true, Word: wordHit}, err
		} else if err != nil {
			v = ask4It // there may be more of it by now
		}
	}
	switch {
	case v == useIt:
		return c.respond(&a, stored, a.now, note{}), Result{Cached: true, Word: wordHit}, nil
	case v == useStale:
		return c.respond(&a, stored, a.now, note{}), Result{Cached: true, Word: wordStale}, nil
	case v == useAndRefresh:
		c.refresh(&a, stored, at, next)
		return c.respond(&a, stored, a.now, note{}), Result{Cached: true, Word: wordStale}, nil
	case a.directives.has(onlyIfCached):
		return nil, Result{Word: wordMiss}, ErrNotStored
	case a.ranged: // parts are made of what is stored, and not stored themselves
		return c.pass(ctx, r, next, note{fwd: a.why(stored, others), detail: "range"})
	case r.Method == "HEAD":
		return c.head(ctx, &a, stored, at, next)
	case stored == nil && (a.conditional() && c.hints.holds(&a) || a.directives.has(noStore)):
		return c.pass(ctx, r, next, note{fwd: a.why(stored, others)})
	}
	return c.fetch(ctx, &a, stored, a.why(stored, others), next)
}

// bypass says why a request is not the cache's business; without fwd it is.
func bypass(r *exchange.Request) note {
	h := r.Header
	switch {
	case r.Upgrade != "" || r.Length != 0:
		return note{fwd: "bypass"}
	case h.Get("If-Match") != "" || h.Get("If-Unmodified-Since") != "": // RFC 9111 §4.3.2: for the origin
		return note{fwd: "bypass", detail: "precondition"}
	}
	return note{}
}

// pass forwards a request as it came, and keeps nothing.
func (c *Cache) pass(ctx context.Context, r *exchange.Request, next Forwarder, n note) (*exchange.Response, Result, error) {
	result := Result{Word: wordBypass, Asked: c.clock()}
	response, err := next.Forward(ctx, r)
	result.Answered = c.clock()
	if err != nil {
		return nil, result, err
	}
	c.outward(response.Header, n)
	return response, result, nil
}

// other forwards a request of another method. Where it may have changed
// something, what is stored is forgotten (RFC 9111 §4.4).
func (c *Cache) other(ctx context.Context, r *exchange.Request, next Forwarder) (*exchange.Response, Result, error) {
	result := Result{Word: wordBypass, Asked: c.clock()}
	response, err := next.Forward(ctx, r)
	result.Answered = c.clock()
	if err != nil {
		return nil, result, err
	}
	if !safe(r.Method) && response.Status >= 200 && response.Status < 400 {
		c.invalidate(r, response.Header)
	}
	c.outward(response.Header, note{fwd: "method"})
	return response, result, nil
}

// safe methods change nothing (RFC 9110 §9.2.1); of one that is not known the
// worst is to be thought.
func safe(method string) bool {
	switch method {
	case "GET", "HEAD", "OPTIONS", "TRACE", "QUERY", "PROPFIND", "SEARCH", "REPORT":
		return true
	}
	return false
}
