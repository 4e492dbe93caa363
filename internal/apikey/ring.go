package apikey

import (
	"encoding/binary"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Ring holds all keys, to be asked for each request. O is what the caller keeps
// with a key: its owner's record. The zero value is not ready; see NewRing.
//
// Lookup takes no lock and allocates nothing. Put and Remove change one key;
// what they copy now and then is one of 256 parts, when it has to grow. All is
// safe for concurrent use, and a Lookup that begins after a Put or Remove has
// returned sees it.
//
// # How a text is found, and why it is safe
//
// What is kept of a key is its SHA-256, so the ring is indexed by that: its bits
// are as good as random, nobody can choose them, and what is compared in the
// end are all 256 of them. Comparing does not take constant time, and need not:
// an attacker who learnt from the timing how many bits of a hash agree could
// not make a text whose hash agrees in more of them.
//
// SHA-256 costs some 75 ns on a processor that has instructions for it, three
// quarters of all that identifying and deciding may cost. So when a text has
// been found by it once, the ring also learns a mark for it: 128 bits of two
// keyed hashes (hash/maphash) under seeds that this process drew and never
// shows, 10 ns together. The next request with that text is found by its mark.
// To be taken for a key by its mark alone, a text must hit one of N marks among
// 2^128 under seeds that are unknown and differ in each process, by asking; and
// an attacker cannot prepare a second text for a given one either, for the one
// is the secret. The mark tells nothing of the text: it lives in memory only,
// and 178 random bits cannot be tried out. What is gained over keeping the text
// itself in memory, which would be as fast: it does not stand there.
//
// A key that was replaced or removed says so itself (gone), so a mark that is
// learnt at that very moment cannot bring it back.
type Ring[O any] struct {
	byID     [shards]idShard[O]
	byHash   [shards]tableShard[O]
	byMark   [shards]markShard[O]
	tagSeed  maphash.Seed // the mark's first half: where it is
	markSeed maphash.Seed // the mark's second half: whether it is
	len      atomic.Int64
}

const shards = 256

// Found is a key in the ring. A changed key is another one.
type Found[O any] struct {
	Key   *toll.Key // must not be changed
	Owner O
}

// entry is one key in the ring. What is found by it is immutable; the rest is
// under the mutex of its part of byHash.
type entry[O any] struct {
	Found[O]
	tag, mark uint64 // that it is found by, where it is marked
	marked    bool
	gone      bool // replaced or removed
}

type idShard[O any] struct {
	mu      sync.Mutex
	entries map[string]*entry[O]
}

type tableShard[O any] struct {
	table atomic.Pointer[table[O]]
	mu    sync.Mutex // of the writer
}

// NewRing returns an empty ring.
func NewRing[O any]() *Ring[O] {
	r := &Ring[O]{tagSeed: maphash.MakeSeed(), markSeed: maphash.MakeSeed()}
	for i := range shards {
		r.byID[i].entries = make(map[string]*entry[O])
		r.byHash[i].table.Store(newTable[O](0))
		r.byMark[i].table.Store(newMarkTable[O](0))
	}
	return r
}

// Lookup finds the key that has this text. Whether the key is valid at the
// moment (toll.Key.StateAt) is for the caller to ask.
func (r *Ring[O]) Lookup(text string) (Found[O], bool) {
	if len(text) > maxText {
		return Found[O]{}, false
	}
	tag, mark := tagOf(maphash.String(r.tagSeed, text)), maphash.String(r.markSeed, text)
	if c := r.byMark[tag%shards].table.Load().find(tag, mark); c != nil {
		return Found[O]{c.key, c.owner}, true
	}
	return r.unmarked(text, tag, mark)
}

// unmarked is Lookup for a text that was not found before, or by nobody's key.
func (r *Ring[O]) unmarked(text string, tag, mark uint64) (Found[O], bool) {
	hash := Hash(text)
	e := r.hashed(&hash)
	if e == nil {
		return Found[O]{}, false
	}
	r.learn(e, tag, mark)
	return e.Found, true
}

func (r *Ring[O]) hashed(hash *[32]byte) *entry[O] {
	tag := hashTag(hash)
	t := r.byHash[tag%shards].table.Load()
	mask := uint64(len(t.cells) - 1)
	for i := t.home(tag); ; i++ {
		c := &t.cells[i&mask]
		switch c.tag.Load() {
		case empty:
			return nil
		case tag:
			if e := c.entry.Load(); e != nil && e.Key.Hash == *hash {
				return e
			}
		}
	}
}

func hashTag(hash *[32]byte) uint64 { return tagOf(binary.LittleEndian.Uint64(hash[:8])) }

// learn lets e be found by its mark from now on. Where the part is busy it is
// left to the next request.
func (r *Ring[O]) learn(e *entry[O], tag, mark uint64) {
	s := &r.byHash[hashTag(&e.Key.Hash)%shards]
	if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if e.marked || e.gone {
		return
	}
	e.marked, e.tag, e.mark = true, tag, mark
	r.byMark[tag%shards].add(tag, mark, e.Key, e.Owner)
}

// Put brings a key in, or takes the place of the one with the same ID. A
// revoked or expired key may be in the ring, so that it can be told from an
// unknown one.
func (r *Ring[O]) Put(key toll.Key, owner O) {
	e := &entry[O]{Found: Found[O]{Key: &key, Owner: owner}}
	ids := r.ids(key.ID)
	ids.mu.Lock()
	defer ids.mu.Unlock()
	old := ids.entries[key.ID]
	ids.entries[key.ID] = e
	tag := hashTag(&e.Key.Hash)
	s := &r.byHash[tag%shards]
	if old == nil || old.Key.Hash != e.Key.Hash {
		if old == nil {
			r.len.Add(1)
		} else {
			r.drop(old)
		}
		s.add(tag, e)
		return
	}
	s.mu.Lock()
	if c := s.table.Load().at(tag, old); c != nil {
		c.entry.Store(e)
	}
	r.forget(old)
	s.mu.Unlock()
}

// Remove takes the key with this ID out. It tells whether there was one.
func (r *Ring[O]) Remove(id string) bool {
	ids := r.ids(id)
	ids.mu.Lock()
	defer ids.mu.Unlock()
	e := ids.entries[id]
	if e == nil {
		return false
	}
	delete(ids.entries, id)
	r.len.Add(-1)
	r.drop(e)
	return true
}

// Len returns how many keys are in the ring.
func (r *Ring[O]) Len() int { return int(r.len.Load()) }

func (r *Ring[O]) ids(id string) *idShard[O] {
	return &r.byID[maphash.String(r.tagSeed, id)%shards]
}

// drop takes an entry out of both tables.
func (r *Ring[O]) drop(e *entry[O]) {
	tag := hashTag(&e.Key.Hash)
	s := &r.byHash[tag%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.Load().remove(tag, e)
	r.forget(e)
}

// forget takes an entry's mark away; the mutex of its part of byHash is held.
func (r *Ring[O]) forget(e *entry[O]) {
	e.gone = true
	if e.marked {
		r.byMark[e.tag%shards].remove(e.tag, e.mark)
	}
}

// add puts e under tag, into a larger table when this one is crowded.
func (s *tableShard[O]) add(tag uint64, e *entry[O]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if t.crowded() {
		t = t.grown()
		t.add(tag, e)
		s.table.Store(t)
		return
	}
	t.add(tag, e)
}
