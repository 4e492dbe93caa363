package upstream

import (
	"net/http"
	"slices"
	"sync"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	// maxTries is how many upstreams one request is offered to at most.
	maxTries     = 5
	defaultTries = 3

	defaultBudget = 20 // percent

	// saved is how many tries a budget holds at most, and at first. It pays for
	// the requests that were under way when one of several upstreams died.
	saved = 500
)

func retryDefaults(r toll.Retry) toll.Retry {
	if r.Tries == 0 {
		return toll.Retry{Connect: true, Lost: true, Tries: defaultTries, Budget: defaultBudget}
	}
	r.Tries = min(r.Tries, maxTries)
	return r
}

// idempotent says whether asking twice means the same as asking once (RFC 9110
// §9.2.2). Of a method that is not known nobody knows.
func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// mayRepeat says whether a try that failed may be followed by another, as far
// as the request and the failure go.
func (p *Pool) mayRepeat(req *exchange.Request, f *failed) bool {
	switch {
	case f.unsent:
		return p.retry.Connect
	case f.kind == kindLost:
		return p.retry.Lost && idempotent(req.Method)
	}
	return false
}

// mayReplace says whether another upstream may be asked instead of passing an
// answer of this status on.
func (p *Pool) mayReplace(req *exchange.Request, status int) bool {
	return len(p.retry.Statuses) > 0 && status >= 502 && slices.Contains(p.retry.Statuses, status) &&
		idempotent(req.Method) && req.Upgrade == ""
}

// budget bounds the tries beyond the first: so many percent of the requests,
// and at most saved at once. It costs a request that goes well nothing, because
// it is reckoned from the upstreams' counters when a try is asked for.
type budget struct {
	percent int

	mu      sync.Mutex // guards what follows
	left    int        // in hundredths of a try
	seen    uint64     // requests that were reckoned with already
	repeats uint64     // tries that were granted
}

func (b *budget) open(percent int) {
	b.percent = max(percent, 0)
	if b.percent > 0 {
		b.left = saved * 100
	}
}

// spend grants one more try, or not. tries is how many there were in all.
func (b *budget) spend(tries uint64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if requests := tries - min(tries, b.repeats); requests > b.seen {
		earned := min(requests-b.seen, saved*100)
		b.left = min(b.left+int(earned)*b.percent, saved*100)
		b.seen = requests
	}
	if b.left < 100 {
		return false
	}
	b.left -= 100
	b.repeats++
	return true
}

func (b *budget) refund() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.left += 100
	b.repeats--
}

// Retries tells how many tries beyond a request's first there were since the
// pool was made, and how many more the budget grants now.
func (p *Pool) Retries() (made uint64, left int) {
	p.budget.mu.Lock()
	defer p.budget.mu.Unlock()
	return p.budget.repeats, p.budget.left / 100
}

// tries is how many tries there were in all that came to an end.
func (p *Pool) tries() (n uint64) {
	for _, u := range p.upstreams {
		n += u.answered.Load() + u.failed.Load()
	}
	return n
}
