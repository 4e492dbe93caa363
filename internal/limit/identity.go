package limit

import (
	"sync"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// identity says what a counter counts. Two policies with one identity share
// their counter, in whatever Set they stand; that is how counters survive a
// change of plan.
type identity struct {
	kind     toll.PolicyKind
	service  string // scope: only calls of this service; "" for all
	endpoint string // scope: only calls of this endpoint

	name  string // RateLimit: the policy's name
	owner string // RateLimit: the service whose own policy it is; "" for a plan's

	unit  string     // Quota
	every toll.Every // Quota

	count, window int64 // RateLimit: what its value is measured in; see sameLimit
}

// sameLimit tells whether two rate limits are one, before and after its rate
// was changed: then what was used of the one is used of the other.
func (i identity) sameLimit(j identity) bool {
	j.count, j.window = i.count, i.window
	return i.kind == toll.RateLimit && i == j
}

// counterID stands for an identity in four bytes, so that a counter fits into
// sixteen. Zero is no counter.
type counterID uint32

// identities hands out the counterIDs of this process. It is the one thing
// here that all Sets share, because a State outlives the Sets of a
// configuration. It grows with the policies that were ever loaded, not with
// traffic, and is written only while Sets are compiled.
type identities struct {
	mu   sync.Mutex
	ids  map[identity]counterID
	list atomic.Pointer[[]identity] // by counterID; never changed in place
}

var known identities

// id returns the number of an identity, a new one for one never seen.
func (s *identities) id(i identity) counterID {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id, ok := s.ids[i]; ok {
		return id
	}
	if s.ids == nil {
		s.ids = make(map[identity]counterID)
		s.list.Store(&[]identity{{}})
	}
	old := *s.list.Load()
	next := append(old[:len(old):len(old)], i)
	s.list.Store(&next)
	id := counterID(len(old))
	s.ids[i] = id
	return id
}

// of returns what id stands for.
func (s *identities) of(id counterID) identity { return (*s.list.Load())[id] }
