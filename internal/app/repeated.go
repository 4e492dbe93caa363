package app

import (
	"sync"
	"time"
)

// quietFor is how long trouble that each request can have is silent for, once it was told.
const quietFor = time.Minute

// repeated keeps trouble that every request has from flooding the log: the
// first is told, and then at most one in quietFor, with how many there were
// since. The zero value is ready; it is safe for concurrent use.
type repeated struct {
	mu    sync.Mutex
	next  time.Time // when the next may be told
	since int64     // how many were not
}

// tell tells whether this one is told, and how many there were before it that
// were not.
func (r *repeated) tell(now time.Time) (untold int64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// A clock that was stepped back must not silence it for longer.
	if now.Before(r.next) && r.next.Sub(now) <= quietFor {
		r.since++
		return 0, false
	}
	untold, r.since = r.since, 0
	r.next = now.Add(quietFor)
	return untold, true
}
