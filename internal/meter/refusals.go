package meter

import (
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// refused is what refusals are added up by.
type refused struct {
	minute                         int64 // Unix minutes
	customer, key, service, policy string
	reason                         toll.RefusalReason
}

const (
	refusalShards = 16
	shardKinds    = 1 << 10 // kinds of refusal in a shard before it is flushed
	waitingKinds  = 1 << 15 // kinds that wait for the journal
)

// refusals adds up refusals in memory. A refusal goes to a shard by chance: a
// flood of one kind meets itself in a lock no more often than any other. The
// maps keep their room when they are emptied, so that counting does not
// allocate.
type refusals struct {
	shards [refusalShards]refusalShard
	lost   atomic.Int64

	flushing sync.Mutex // before any shard's
	waiting  map[refused]int64
	buffer   []byte
}

type refusalShard struct {
	mu     sync.Mutex
	counts map[refused]int64
	_      [48]byte // a cache line of its own
}

func (r *refusals) init() {
	r.waiting = map[refused]int64{}
	for i := range r.shards {
		r.shards[i].counts = map[refused]int64{}
	}
}

// add counts a refusal, or says no when its shard has no room for a new kind.
func (r *refusals) add(of refused) bool {
	s := &r.shards[rand.Uint32()%refusalShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.counts[of]
	if n == 0 && len(s.counts) == shardKinds {
		return false
	}
	s.counts[of] = n + 1
	return true
}

// addOrLose counts a refusal after a flush.
func (r *refusals) addOrLose(of refused) {
	if !r.add(of) {
		r.lost.Add(1)
	}
}

// flush writes one record for each kind. What the journal does not take waits.
func (r *refusals) flush(lane *journal.Lane) {
	r.flushing.Lock()
	defer r.flushing.Unlock()
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		if len(r.waiting)+len(s.counts) <= waitingKinds {
			for of, n := range s.counts {
				r.waiting[of] += n
			}
			clear(s.counts)
		}
		s.mu.Unlock()
	}
	for of, n := range r.waiting {
		refusal := toll.Refusal{
			Minute: time.Unix(of.minute*60, 0), Customer: of.customer, Key: of.key,
			Service: of.service, Policy: of.policy, Reason: of.reason, Count: n,
		}
		r.buffer = AppendRefusal(r.buffer[:0], &refusal)
		switch _, err := lane.Append(kindRefusal, r.buffer, false); {
		case errors.Is(err, journal.ErrTooLong):
			r.lost.Add(n)
		case err != nil:
			return // told by Recorder.Err, and by every Record
		}
		delete(r.waiting, of)
	}
}
