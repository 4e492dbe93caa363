package account

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Pace is how often something may be tried: Burst times at once, and once more
// for each Every that passes.
type Pace struct {
	Burst int
	Every time.Duration
}

// TooManyAttempts is the refusal of a sign-in that was tried too often. Its
// code is Unavailable; a surface that can say it better (429 with Retry-After)
// finds it with errors.As.
type TooManyAttempts struct {
	RetryAfter time.Duration // whole seconds, rounded up, 1 at least
}

// Error is safe to show.
func (e *TooManyAttempts) Error() string { return toll.SafeMessage(e.Unwrap()) }

// Unwrap returns the error as surfaces know it.
func (e *TooManyAttempts) Unwrap() error {
	return toll.Errorf(toll.Unavailable, "There were too many attempts. Try again in %s.", seconds(e.RetryAfter))
}

func seconds(d time.Duration) string {
	if d <= time.Second {
		return "a second"
	}
	return fmt.Sprintf("%d seconds", int64(d/time.Second))
}

// attempts counts tries per key, each key by GCRA (the theoretical arrival time
// of its next try is all there is to keep). It holds at most so many keys; when
// it is full, a key that is whole again is forgotten, else of a few keys the
// one that is nearest to it.
type attempts[K comparable] struct {
	pace Pace
	most int

	mu   sync.Mutex
	next map[K]time.Time
}

func newAttempts[K comparable](pace Pace, most int) *attempts[K] {
	return &attempts[K]{pace: pace, most: most, next: make(map[K]time.Time)}
}

// take counts a try, or says how long to wait. A refused try is not counted.
func (a *attempts[K]) take(key K, now time.Time) (wait time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next, known := a.next[key]
	if next.Before(now) {
		next = now
	}
	if ahead := next.Sub(now) - time.Duration(a.pace.Burst-1)*a.pace.Every; ahead > 0 {
		return ahead
	}
	if !known && len(a.next) >= a.most {
		a.forgetOne(now)
	}
	a.next[key] = next.Add(a.pace.Every)
	return 0
}

// giveBack takes one counted try back.
func (a *attempts[K]) giveBack(key K, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next, known := a.next[key]
	if !known {
		return
	}
	if next = next.Add(-a.pace.Every); next.After(now) {
		a.next[key] = next
	} else {
		delete(a.next, key)
	}
}

// forget makes a key whole.
func (a *attempts[K]) forget(key K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.next, key)
}

// forgetOne makes room. It looks at a few keys only (Go's maps are ranged over
// from a random place), so a full table costs no more than an empty one.
func (a *attempts[K]) forgetOne(now time.Time) {
	const few = 16
	var least K
	var at time.Time
	seen := 0
	for key, next := range a.next {
		if !next.After(now) {
			delete(a.next, key)
			return
		}
		if seen == 0 || next.Before(at) {
			least, at = key, next
		}
		if seen++; seen == few {
			break
		}
	}
	delete(a.next, least)
}

// neighbourhood is what counts as one address: an IPv6 customer has a /64.
func neighbourhood(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.Addr()
	}
	return a
}

func tooMany(wait time.Duration) error {
	return &TooManyAttempts{RetryAfter: max(time.Second, (wait + time.Second - 1).Truncate(time.Second))}
}
