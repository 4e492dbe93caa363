package account

import (
	"maps"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// known is a session and its person, as their rows were at readAt.
type known struct {
	session toll.Session
	person  Person
	readAt  time.Time
}

// recent remembers sessions for a short while, so that a page with ten
// fragments reads its person once. It has two generations: when the young one
// is full or has lasted for the while, the old one is dropped whole. So it
// holds at most twice its size, and never needs to be searched for what is old.
type recent struct {
	most int
	keep time.Duration

	mu         sync.Mutex
	young, old map[string]known
	since      time.Time
	forgotten  uint64 // so often something was forgotten
}

func newRecent(most int, keep time.Duration) *recent {
	return &recent{most: most, keep: keep, young: make(map[string]known)}
}

// get returns what is known, when it is not older than the while. A clock that
// went back makes everything old.
func (r *recent) get(id string, now time.Time) (known, bool) {
	r.mu.Lock()
	k, ok := r.young[id]
	if !ok {
		k, ok = r.old[id]
	}
	r.mu.Unlock()
	age := now.Sub(k.readAt)
	return k, ok && age >= 0 && age < r.keep
}

// begun is what put is to be told of rows that are read from now on.
func (r *recent) begun() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.forgotten
}

// put remembers what was read since begun, unless something was forgotten
// meanwhile: it may have been read before what made it be forgotten.
func (r *recent) put(id string, k known, begun uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if begun != r.forgotten {
		return
	}
	if age := k.readAt.Sub(r.since); len(r.young) >= r.most || age >= r.keep || age < 0 {
		r.young, r.old, r.since = make(map[string]known), r.young, k.readAt
	}
	r.young[id] = k
}

// forgetPerson forgets every session of a person.
func (r *recent) forgetPerson(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten++
	of := func(_ string, k known) bool { return k.session.PersonID == id }
	maps.DeleteFunc(r.young, of)
	maps.DeleteFunc(r.old, of)
}

func (r *recent) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.forgotten++
	delete(r.young, id)
	delete(r.old, id)
}

func (r *recent) forgetAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.young, r.old = make(map[string]known), nil
}
