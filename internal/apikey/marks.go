package apikey

import (
	"sync"
	"sync/atomic"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// markTable is the table that a known text is found by. Of a million keys no
// cell is in the processor's cache, and each further place that a request has to
// read before it knows the next costs as much again. So a cell holds all that
// Lookup answers, and two fill a cache line: whoever asks reads that line, and
// then the key and its owner's record side by side.
//
// It is read without a lock while one writer (who holds its shard's mutex)
// changes it. A cell is written once, its tag last, and only ever dies: what a
// reader finds under a tag cannot have become another's meanwhile.
type markTable[O any] struct {
	cells []markCell[O] // a power of two of them, and two at least
	used  int           // full and dead ones; the writer's
	full  int           // the writer's
}

type markCell[O any] struct {
	tag   atomic.Uint64
	mark  uint64
	key   *toll.Key
	owner O
}

type markShard[O any] struct {
	table atomic.Pointer[markTable[O]]
	mu    sync.Mutex // of the writer
}

func newMarkTable[O any](entries int) *markTable[O] {
	return &markTable[O]{cells: make([]markCell[O], tableSize(entries))}
}

// find returns the live cell of a mark, nil when there is none.
func (t *markTable[O]) find(tag, mark uint64) *markCell[O] {
	cells := t.cells
	mask := uint64(len(cells) - 1)
	for i := markHome(tag); ; i++ {
		c := &cells[i&mask]
		switch c.tag.Load() {
		case empty:
			return nil
		case tag:
			if c.mark == mark {
				return c
			}
		}
	}
}

// markHome is where the search begins: at the start of a cache line. The low
// bits chose the shard.
func markHome(tag uint64) uint64 { return tag >> 20 &^ 1 }

// add puts what is found by a mark into an empty cell; there must be one left. Writer only.
func (t *markTable[O]) add(tag, mark uint64, key *toll.Key, owner O) {
	mask := uint64(len(t.cells) - 1)
	for i := markHome(tag); ; i++ {
		c := &t.cells[i&mask]
		if c.tag.Load() == empty {
			t.used++
			t.full++
			c.mark, c.key, c.owner = mark, key, owner
			c.tag.Store(tag)
			return
		}
	}
}

// grown returns a copy without dead cells and with room.
func (t *markTable[O]) grown() *markTable[O] {
	next := newMarkTable[O](t.full + t.full/2 + 1)
	for i := range t.cells {
		if c := &t.cells[i]; c.tag.Load() > dead {
			next.add(c.tag.Load(), c.mark, c.key, c.owner)
		}
	}
	return next
}

// add lets a key be found by its mark, in a larger table when this one is crowded.
func (s *markShard[O]) add(tag, mark uint64, key *toll.Key, owner O) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if (t.used+1)*4 > len(t.cells)*3 {
		t = t.grown()
		t.add(tag, mark, key, owner)
		s.table.Store(t)
		return
	}
	t.add(tag, mark, key, owner)
}

// remove lets a mark find nothing any more.
func (s *markShard[O]) remove(tag, mark uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.table.Load()
	if c := t.find(tag, mark); c != nil {
		c.tag.Store(dead)
		t.full--
	}
}
