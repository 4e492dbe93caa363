package limit

import (
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// State holds the counters of one partition: of one customer, one key or one
// address. The zero value is ready: nothing is used. It takes 64 bytes and no
// further memory for up to three counters, 64 bytes more for each three after
// those. It is safe for concurrent use, has a mutex of its own, and must not be
// copied after its first use.
//
// A quota takes a second counter once a period has rolled over, for the period
// before; Trim gives such counters back.
type State struct {
	mu    sync.Mutex
	slots slots
}

// slots is a chain of counters. They never move, so that an Admission may
// point to them while it holds the State's mutex.
type slots struct {
	here [3]slot
	more *slots
}

// slot is one counter.
type slot struct {
	id    counterID
	extra uint32 // RateLimit: count-ths of a nanosecond; Quota: the period's number
	value int64  // RateLimit: the moment in Unix ns; Quota: used; ConcurrencyLimit: in flight
}

// find returns the counter of a rate limit or concurrency limit, nil when there is none.
func (s *State) find(id counterID) *slot {
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id == id {
				return sl
			}
		}
	}
	return nil
}

// findQuota returns the counter of a quota for one period, nil when there is none.
func (s *State) findQuota(id counterID, period uint32) *slot {
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id == id && sl.extra == period {
				return sl
			}
		}
	}
	return nil
}

// free returns an unused counter.
func (s *State) free() *slot {
	for c := &s.slots; ; c = c.more {
		for i := range c.here {
			if c.here[i].id == 0 {
				return &c.here[i]
			}
		}
		if c.more == nil {
			c.more = new(slots)
		}
	}
}

// counter returns the counter of a rate limit or concurrency limit and makes it
// where there is none. A rate limit whose rate was changed takes over what was
// used, but not from a counter that this very request is held against (taken):
// then there are two limits of one name, and each is counted apart.
func (s *State) counter(r *rule, now int64, taken []judgment) *slot {
	if sl := s.find(r.id); sl != nil {
		return sl
	}
	sl := s.free()
	if r.pace != nil {
		if from, old := s.before(r.id); from != nil && !isTaken(from, taken) {
			was := *from
			sl = from // the old rate's counter becomes the new one's
			*sl = slot{}
			r.pace.adopt(sl, was, old, now)
		}
	}
	sl.id = r.id
	return sl
}

func isTaken(sl *slot, by []judgment) bool {
	for i := range by {
		if by[i].slot == sl {
			return true
		}
	}
	return false
}

// before returns the counter of the rate limit id as it was before its rate
// was changed, and what that rate was.
func (s *State) before(id counterID) (*slot, identity) {
	limit := known.of(id)
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id != 0 && sl.id != id {
				if old := known.of(sl.id); limit.sameLimit(old) {
					return sl, old
				}
			}
		}
	}
	return nil, identity{}
}

// quota returns the counter of a quota for one period and makes it where there
// is none. Two periods are kept, so that a request settles in the period that
// it was admitted in and a clock that is stepped over a period's end and back
// loses nothing. A third takes the place of the one that is further away, or
// of the older one.
func (s *State) quota(id counterID, period uint32) *slot {
	var one, other *slot
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			sl := &c.here[i]
			if sl.id != id {
				continue
			}
			if sl.extra == period {
				return sl
			}
			one, other = sl, one
		}
	}
	sl := one
	if other == nil {
		sl = s.free()
	} else {
		a, b := minutesApart(one.extra, period), minutesApart(other.extra, period)
		if b > a || b == a && int32(other.extra) < int32(one.extra) {
			sl = other
		}
	}
	*sl = slot{id: id, extra: period}
	return sl
}

// Restore says how much of a unit was used in the period that starts at
// periodStart, over all services: what the store and the journal hold. It
// takes the place of what was counted before, so it is meant for the start,
// before the first request of the partition.
func (s *State) Restore(unit string, every toll.Every, periodStart time.Time, used int64) {
	s.RestoreScope(unit, every, periodStart, used, "", "")
}

// RestoreScope is Restore for quotas that count only calls of one service, or
// of one of its endpoints (endpoint "" for all of the service).
func (s *State) RestoreScope(unit string, every toll.Every, periodStart time.Time, used int64, service, endpoint string) {
	id := known.id(quotaIdentity(unit, every, service, endpoint))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasDeparted() {
		return
	}
	s.quota(id, periodNumber(periodStart)).value = max(0, used)
}

// Correct adds to what was counted of a unit, over all services, in the period
// that starts at periodStart, because the store knows of more, or of less, than
// Restore was told. Requests go on beside it.
func (s *State) Correct(unit string, every toll.Every, periodStart time.Time, by int64) {
	s.CorrectScope(unit, every, periodStart, by, "", "")
}

// CorrectScope is Correct for quotas that count only calls of one service, or
// of one of its endpoints (endpoint "" for all of the service).
func (s *State) CorrectScope(unit string, every toll.Every, periodStart time.Time, by int64, service, endpoint string) {
	id := known.id(quotaIdentity(unit, every, service, endpoint))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hasDeparted() {
		return
	}
	sl := s.quota(id, periodNumber(periodStart))
	sl.value = max(0, plus(sl.value, by))
}

// Trim forgets what makes no difference any more: rate limits that are whole,
// concurrency limits with nothing in flight, quotas of periods that ended two
// days ago or more. It tells whether nothing is left, so that a new State
// would decide the same.
func (s *State) Trim(now time.Time) (empty bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.trim(now.UnixNano())
}

func (s *State) trim(ns int64) (empty bool) {
	if s.hasDeparted() {
		return false
	}
	empty = true
	last := &s.slots
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			sl := &c.here[i]
			if sl.id != 0 && sl.spent(ns) {
				*sl = slot{}
			}
			if sl.id != 0 {
				empty = false
				last = c
			}
		}
	}
	last.more = nil
	return empty
}

// idle tells whether a new State would decide the same, now and later.
func (s *State) idle(now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id != 0 && !sl.spent(now) {
				return false
			}
		}
	}
	return true
}

// inFlight tells whether a concurrency limit is held.
func (s *State) inFlight() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := &s.slots; c != nil; c = c.more {
		for i := range c.here {
			if sl := &c.here[i]; sl.id != 0 && sl.value > 0 && known.of(sl.id).kind == toll.ConcurrencyLimit {
				return true
			}
		}
	}
	return false
}

// spent tells whether the counter makes no difference at now or later.
func (sl *slot) spent(now int64) bool {
	what := known.of(sl.id)
	switch what.kind {
	case toll.RateLimit:
		return sl.value < now
	case toll.ConcurrencyLimit:
		return sl.value == 0
	}
	const day = 24 * 60 // minutes; a calendar day is 25 hours at most, a month 31 of 24 and one
	longest := int64(day + 60)
	if what.every != toll.Daily {
		longest = 31*day + 60
	}
	return now/int64(time.Minute) > int64(int32(sl.extra))+longest+2*day
}
