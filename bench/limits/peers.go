package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/patrickmn/go-cache"
	"github.com/sethvargo/go-limiter"
	"github.com/sethvargo/go-limiter/memorystore"
	"github.com/throttled/throttled/v2"
	"github.com/throttled/throttled/v2/store/memstore"
	"golang.org/x/time/rate"
)

// A contender decides about requests of many keys by one rate limit, each
// configured so high that everything passes: a refusal in the result says where
// that was not reached. now is the request's one clock reading; a library
// that cannot be told the time reads the clock itself.
type contender interface {
	name() string
	// decide tells whether the request passes. i is the key's number and text
	// its text: a contender uses what its users would have in hand. w is the
	// goroutine's own.
	decide(w *worker, i int, text string, now time.Time) bool
	close()
}

const (
	perMinute = 1 << 30
	window    = time.Minute
)

// textOnly decides nothing: it reads the key's text, which every contender's
// user has in hand. What stands there is this program's own part of each figure;
// of random keys the text is in no cache.
type textOnly struct{}

func newTextOnly() (contender, error) { return textOnly{}, nil }

func (textOnly) name() string { return "(nothing: the key's text is read)" }

func (textOnly) decide(_ *worker, _ int, text string, _ time.Time) bool {
	return text[0] == 't' && text[textLen-1] != 0
}

func (textOnly) close() {}

// throttledPeer is github.com/throttled/throttled/v2: GCRA over a map.
type throttledPeer struct {
	limiter *throttled.GCRARateLimiterCtx
}

func newThrottled() (contender, error) {
	store, err := memstore.NewCtx(0) // without eviction: a quota must not be forgotten
	if err != nil {
		return nil, err
	}
	limiter, err := throttled.NewGCRARateLimiterCtx(store, throttled.RateQuota{MaxRate: throttled.PerSec(100_000_000), MaxBurst: 1 << 32}) // far above what a goroutine that was put aside may lag
	if err == nil {
		limiter.SetMaxCASAttemptsLimit(1 << 20) // else it gives up when two ask at once
	}
	return &throttledPeer{limiter}, err
}

func (*throttledPeer) name() string { return "throttled v2.15, memstore" }

func (p *throttledPeer) decide(_ *worker, _ int, text string, _ time.Time) bool {
	limited, _, err := p.limiter.RateLimitCtx(context.Background(), text, 1)
	return !limited && err == nil
}

func (*throttledPeer) close() {}

// goLimiter is github.com/sethvargo/go-limiter: token buckets over a map.
type goLimiter struct{ store limiter.Store }

// newGoLimiter makes one whose interval is a day, so that none ends while it is
// measured. Its store does not fill a bucket up when an interval ends: it
// gives it interval/Tokens tokens for each that passed (memorystore.newBucket
// has nanoseconds per token for a fill rate, and availableTokens multiplies
// intervals by it), 55 of 1<<30 a minute. So with an interval of a minute every
// bucket refused once it had been there for a minute, and what was measured
// was refusing. Sweeping has no part in that; it is put off for the same time.
func newGoLimiter() (contender, error) {
	const day = 24 * time.Hour
	store, err := memorystore.New(&memorystore.Config{Tokens: 1 << 40, Interval: day, SweepInterval: day, SweepMinTTL: day})
	return &goLimiter{store}, err
}

func (*goLimiter) name() string { return "sethvargo/go-limiter 0.7, memorystore" }

func (p *goLimiter) decide(_ *worker, _ int, text string, _ time.Time) bool {
	_, _, _, ok, err := p.store.Take(context.Background(), text)
	return ok && err == nil
}

func (p *goLimiter) close() { _ = p.store.Close(context.Background()) }

// timeRate is golang.org/x/time/rate as its users wrap it: a map and a mutex.
type timeRate struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter
}

func newTimeRate() (contender, error) {
	return &timeRate{limiters: map[string]*rate.Limiter{}}, nil
}

func (*timeRate) name() string { return "x/time/rate 0.16, map and mutex" }

func (p *timeRate) decide(_ *worker, _ int, text string, now time.Time) bool {
	p.mu.Lock()
	l := p.limiters[text]
	if l == nil {
		l = rate.NewLimiter(rate.Limit(perMinute/window.Seconds()), perMinute)
		p.limiters[text] = l
	}
	p.mu.Unlock()
	return l.AllowN(now, 1)
}

func (*timeRate) close() {}

// article is the design of the articles: a counter per token and minute in
// go-cache, under a text that fmt makes, read and then incremented.
type article struct{ counters *cache.Cache }

func newArticle() (contender, error) {
	return &article{cache.New(3*time.Minute, 10*time.Minute)}, nil
}

func (*article) name() string { return "the articles' go-cache 2.1 design" }

func (p *article) decide(_ *worker, _ int, text string, _ time.Time) bool {
	count := 0
	if x, found := p.counters.Get(fmt.Sprintf("%v/%v", text, time.Now().Minute())); found {
		count = x.(int)
	}
	if count >= perMinute {
		return false
	}
	if _, err := p.counters.IncrementInt(fmt.Sprintf("%v/%v", text, time.Now().Minute()), 1); err != nil {
		p.counters.Set(fmt.Sprintf("%v/%v", text, time.Now().Minute()), 1, 3*time.Minute)
	}
	return true
}

func (*article) close() {}
