package apikey

import "sync/atomic"

// table is a hash table with open addressing that is read without a lock while
// one writer (who holds its shard's mutex) changes it. It holds entries under
// 64-bit tags; a reader compares more than the tag before it believes.
//
// A reader walks from the tag's home to the first empty cell. The writer only
// ever fills an empty or dead cell, its entry first and its tag last; replaces
// the entry in a cell; or turns a full cell dead. So a reader finds what was
// there before it began, or what took its place.
type table[O any] struct {
	cells []cell[O] // a power of two of them
	used  int       // full and dead ones; the writer's
	full  int       // the writer's
}

type cell[O any] struct {
	tag   atomic.Uint64
	entry atomic.Pointer[entry[O]]
}

const (
	empty = 0
	dead  = 1
)

// tagOf keeps a tag apart from the two that mean something.
func tagOf(x uint64) uint64 {
	if x <= dead {
		return x + 2
	}
	return x
}

func newTable[O any](entries int) *table[O] {
	return &table[O]{cells: make([]cell[O], tableSize(entries))}
}

// tableSize is how many cells a table for so many entries has.
func tableSize(entries int) int {
	n := 8
	for n*2 < entries*3 { // at most two thirds full
		n *= 2
	}
	return n
}

// home is where the search for a tag begins. The low bits chose the shard.
func (t *table[O]) home(tag uint64) uint64 { return tag >> 20 }

// at returns the cell that holds e under tag, nil when there is none. Writer only.
func (t *table[O]) at(tag uint64, e *entry[O]) *cell[O] {
	mask := uint64(len(t.cells) - 1)
	for i := t.home(tag); ; i++ {
		c := &t.cells[i&mask]
		switch c.tag.Load() {
		case empty:
			return nil
		case tag:
			if c.entry.Load() == e {
				return c
			}
		}
	}
}

// add puts e under tag. There must be an empty cell left. Writer only.
func (t *table[O]) add(tag uint64, e *entry[O]) {
	mask := uint64(len(t.cells) - 1)
	for i := t.home(tag); ; i++ {
		c := &t.cells[i&mask]
		if old := c.tag.Load(); old == empty || old == dead {
			if old == empty {
				t.used++
			}
			t.full++
			c.entry.Store(e)
			c.tag.Store(tag)
			return
		}
	}
}

// remove takes e away from under tag. Writer only.
func (t *table[O]) remove(tag uint64, e *entry[O]) bool {
	c := t.at(tag, e)
	if c == nil {
		return false
	}
	c.tag.Store(dead)
	c.entry.Store(nil)
	t.full--
	return true
}

// crowded tells whether the next add should go into a new table.
func (t *table[O]) crowded() bool { return (t.used+1)*4 > len(t.cells)*3 }

// grown returns a copy without dead cells and with room.
func (t *table[O]) grown() *table[O] {
	next := newTable[O](t.full + t.full/2 + 1)
	for i := range t.cells {
		c := &t.cells[i]
		if tag := c.tag.Load(); tag > dead {
			next.add(tag, c.entry.Load())
		}
	}
	return next
}
