package upstream

import (
	"sync"
	"sync/atomic"
	"time"
)

// upstream is one address of the service, with what is known of it. All of it
// is safe for concurrent use; a request touches only the atomics.
type upstream struct {
	address
	name string // as it is shown

	inFlight atomic.Int64
	limit    int64 // of inFlight; 0: none
	answered atomic.Uint64
	failed   atomic.Uint64

	unhealthy atomic.Bool
	penalty   penalty
	latency   latency

	mu     sync.Mutex // guards health, which only probes and Status use
	health health
}

// acquire takes a place in flight, if one is free.
func (u *upstream) acquire() bool {
	if n := u.inFlight.Add(1); u.limit > 0 && n > u.limit {
		u.inFlight.Add(-1)
		return false
	}
	return true
}

// penalty keeps an upstream that could not be connected to out of the choice
// for a short while, twice as long each time, until a connection succeeds.
// Times are durations since the pool was made.
type penalty struct {
	until atomic.Int64
	count atomic.Int32
}

// add starts a penalty at now.
func (p *penalty) add(now time.Duration) {
	d := longestPenalty
	if n := p.count.Add(1); n <= 5 {
		d = min(firstPenalty<<(n-1), longestPenalty)
	}
	p.until.Store(int64(now + d))
}

// clear ends the penalty, and forgets how many there were.
func (p *penalty) clear() {
	if p.count.Load() != 0 {
		p.count.Store(0)
		p.until.Store(0)
	}
}

// set says whether there is a penalty at all, without a look at the clock.
func (p *penalty) set() bool { return p.until.Load() != 0 }

// holds says whether the penalty lasts at now.
func (p *penalty) holds(now time.Duration) bool { return int64(now) < p.until.Load() }
