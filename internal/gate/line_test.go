package gate

import (
	"testing"
	"unsafe"
)

// A holder's counters are what each of its requests changes: they must not lie
// across two cache lines, which they do not while it is whole lines long and
// they begin at one.
func TestACustomersCountersAreACacheLineEach(t *testing.T) {
	t.Parallel()
	var h holder
	for name, at := range map[string]uintptr{
		"counters": unsafe.Offsetof(h.counters), "testCounters": unsafe.Offsetof(h.testCounters), "the end": unsafe.Sizeof(h),
	} {
		if at%64 != 0 {
			t.Errorf("%s: byte %d of a holder", name, at)
		}
	}
	if unsafe.Sizeof(h) != 192 {
		t.Errorf("a holder takes %d bytes", unsafe.Sizeof(h))
	}
}
