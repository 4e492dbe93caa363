package upstream

import (
	"sync"
	"sync/atomic"
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
	circuit   circuit
	latency   latency

	weight int64        // as configured, 0: drained
	line   atomic.Int64 // see weight.go
	ramp   atomic.Int64 // since when slow start lasts; 0: it does not
	id     string       // in the cookie of sticky balancing

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
