package apikey

import (
	"testing"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// With an owner of one word two cells fill a cache line, and the search begins
// at the first of them: that is what a key of a million costs.
func TestTwoMarksFillACacheLine(t *testing.T) {
	t.Parallel()
	if size := unsafe.Sizeof(markCell[*int]{}); size != 32 {
		t.Errorf("a cell takes %d bytes", size)
	}
	for _, tag := range []uint64{2, 1 << 20, 3 << 20, 1<<64 - 1} {
		if markHome(tag)%2 != 0 {
			t.Errorf("the search for %x begins in the middle of a line", tag)
		}
	}
}

// TestACellThatDiedIsNeverAnothers: a reader that has seen its tag reads the rest
// without a lock, so the rest must not change under it.
func TestACellThatDiedIsNeverAnothers(t *testing.T) {
	t.Parallel()
	var s markShard[int]
	s.table.Store(newMarkTable[int](0))
	first, second := new(toll.Key), new(toll.Key)
	s.add(5<<20, 1, first, 1)
	read := s.table.Load().find(5<<20, 1)
	s.remove(5<<20, 1)
	s.add(5<<20, 2, second, 2) // the same tag, as one in 2^64 has
	if read.key != first || read.owner != 1 || read.mark != 1 {
		t.Errorf("what was read has become %+v", read)
	}
	if s.table.Load().find(5<<20, 1) != nil {
		t.Error("what was removed is found")
	}
	if c := s.table.Load().find(5<<20, 2); c == nil || c.key != second {
		t.Error("what came after is not found")
	}
	for n := range 10_000 {
		s.add(5<<20, uint64(10+n), first, n) // all in one place, too
		s.remove(5<<20, uint64(10+n))
	}
	if cells := len(s.table.Load().cells); cells > 64 {
		t.Errorf("%d cells for one mark", cells)
	}
	if c := s.table.Load().find(5<<20, 2); c == nil || c.owner != 2 {
		t.Error("it went while others came and went")
	}
}
