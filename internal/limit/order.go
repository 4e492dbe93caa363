package limit

import (
	"sync/atomic"
	"time"
)

// outOfOrder is how far the readings of requests that run side by side may come
// out of order: a scheduler's whim, and no step of the clock.
const outOfOrder = 10 * time.Millisecond

// Order keeps the decisions of one partition in the order of their moments. The
// zero value is ready; it is safe for concurrent use.
type Order struct{ latest atomic.Int64 } // Unix ns

// At is the moment that a request is decided for: its own reading, or the
// latest one of its partition when another request that was read a moment later
// has come first. Left alone, the last call of a burst sent at once would find
// the bucket some microseconds too full.
func (o *Order) At(now time.Time) time.Time {
	ns := now.UnixNano()
	for {
		latest := o.latest.Load()
		if late(ns, latest) {
			return now.Add(time.Duration(latest - ns)) // with its monotonic part, which leases go by
		}
		if latest == ns || o.latest.CompareAndSwap(latest, ns) {
			return now
		}
	}
}

// late tells whether a reading came out of order after a later one.
func late(ns, latest int64) bool {
	behind := latest - ns
	return behind > 0 && behind < int64(outOfOrder)
}
