package limit

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func perAddress(t testing.TB, policies ...toll.Policy) *Set {
	t.Helper()
	for i := range policies {
		policies[i].Partition = toll.PerIP
	}
	return compiled(t, policies...)
}

func TestAddressesAreKeptApartAndIPv6ByTheir64(t *testing.T) {
	t.Parallel()
	as := NewAddresses(1000)
	at := func(s string) *State { return as.State(netip.MustParseAddr(s), noon) }
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"203.0.113.9", "203.0.113.9", true},
		{"203.0.113.9", "203.0.113.10", false},
		{"203.0.113.9", "::ffff:203.0.113.9", true},
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"fe80::1%eth0", "fe80::2%eth1", true},
		{"0.0.0.0", "::", false},
	} {
		if got := at(c.a) == at(c.b); got != c.same {
			t.Errorf("%s and %s share a State: %v, want %v", c.a, c.b, got, c.same)
		}
	}
	if as.State(netip.Addr{}, noon) == at("0.0.0.0") || as.State(netip.Addr{}, noon) == at("::") {
		t.Error("no address at all shares a State with an address")
	}
}

// TestFloodOfAddressesStaysBounded is a flood from ever new addresses past a
// client that keeps coming.
func TestFloodOfAddressesStaysBounded(t *testing.T) {
	t.Parallel()
	const most = 4096
	as := NewAddresses(most)
	set := perAddress(t, rate("ip", 5, time.Hour))
	regular := netip.MustParseAddr("192.0.2.1")
	var a Admission
	passed := 0
	for i := range 300_000 {
		now := noon.Add(time.Duration(i) * time.Microsecond)
		n := uint32(i)
		a.Admit(now, Partitions{Address: as.State(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), now)}, "web", "other", set)
		if i%100 == 0 && a.Admit(now, Partitions{Address: as.State(regular, now)}, "web", "other", set) {
			passed++
		}
	}
	if as.Len() > most {
		t.Errorf("%d addresses are kept, at most %d should be", as.Len(), most)
	}
	// Three thousand calls of which five should pass: it is forgotten only where
	// all of the few that are looked at were seen since.
	if passed != 5 {
		t.Errorf("the regular client passed %d times, want 5", passed)
	}
}

func TestIdleAddressesGoAndBusyOnesStay(t *testing.T) {
	t.Parallel()
	as := NewAddresses(100_000)
	set := perAddress(t, rate("ip", 5, time.Hour), parallel("parallel", 3))
	addr := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}) }
	open := make([]Admission, 2000)
	for i := range open {
		open[i].Admit(noon, Partitions{Address: as.State(addr(i), noon)}, "web", "other", set)
		if i >= 200 {
			open[i].Release() // the first two hundred are still at it
		}
	}
	later := noon.Add(3 * time.Hour)
	for i := range 3000 {
		as.State(netip.AddrFrom4([4]byte{10, 9, byte(i >> 8), byte(i)}), later)
	}
	if got := as.Len(); got > 3000+200+300 || got < 3200 {
		t.Errorf("%d are kept of 200 busy, 1,800 idle and 3,000 new ones", got)
	}
	for i := range 200 {
		if states := set.LimitStates(later, Partitions{Address: as.State(addr(i), later)}); states[1].Used != 1 {
			t.Fatalf("the lease of address %d was forgotten", i)
		}
	}
}

func TestForgottenAddressKeepsItsOpenLeaseToItself(t *testing.T) {
	t.Parallel()
	as := NewAddresses(1) // one in each of 64 parts
	set := perAddress(t, parallel("parallel", 1))
	var group sync.WaitGroup
	for g := range 8 {
		group.Go(func() {
			for i := range 2000 {
				var a Admission
				state := as.State(netip.AddrFrom4([4]byte{10, byte(g), byte(i >> 8), byte(i)}), noon)
				if !a.Admit(noon, Partitions{Address: state}, "web", "other", set) {
					t.Error("a new address met another's lease")
				}
				a.Release()
				if got := set.LimitStates(noon, Partitions{Address: state})[0].Used; got != 0 {
					t.Errorf("%d leases after the only one was released", got)
				}
			}
		})
	}
	group.Wait()
	if as.Len() > 64 {
		t.Errorf("%d are kept", as.Len())
	}
}

func TestKnownAddressAllocatesNothing(t *testing.T) {
	as := NewAddresses(64)
	addr := netip.MustParseAddr("2001:db8::1")
	as.State(addr, noon)
	if n := testing.AllocsPerRun(100, func() { as.State(addr, noon) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestIdleAddressIsForgottenFirstAndOneWithALeaseLast(t *testing.T) {
	t.Parallel()
	set := perAddress(t, rate("ip", 5, time.Hour), parallel("parallel", 3))
	open := make([]Admission, 4)
	s := addressShard{index: map[subnet]int32{}}
	for i := range open {
		k := keptAddress{subnet: subnet{bits: uint64(i), family: 4}, seen: int64(i), state: new(State)}
		if i != 2 { // the third was never used
			open[i].Admit(noon, Partitions{Address: k.state}, "web", "other", set)
		}
		s.index[k.subnet] = int32(i)
		s.kept = append(s.kept, k)
	}
	open[1].Release()
	open[3].Release()
	for _, want := range []uint64{2, 1, 3, 0} { // idle; then by when they were seen; then the one with a lease
		s.evict(noon.UnixNano())
		if _, ok := s.index[subnet{bits: want, family: 4}]; ok {
			t.Fatalf("of %v the address %d should have gone", s.index, want)
		}
	}
	if len(s.kept) != 0 || len(s.index) != 0 {
		t.Errorf("%d and %d are left", len(s.kept), len(s.index))
	}
}
