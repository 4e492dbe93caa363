package limit

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The plans of the contract file, with limits that never refuse where a
// benchmark wants the admitted way.
func benchPlan(tb testing.TB) *Set {
	return compiled(tb, rate("minute", 1<<30, time.Minute), parallel("parallel", 1<<40), quota("monthly", toll.UnitRequests, toll.Monthly, 1<<60))
}

func BenchmarkHotKeyPlan(b *testing.B) {
	set, p := benchPlan(b), Partitions{Customer: new(State)}
	var a Admission
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100)
		if !a.Admit(now, p, "ner", "POST /extractions", set) {
			b.Fatal("refused")
		}
		a.Settle(true, nil)
		a.Release()
	}
}

func BenchmarkHotKeyOneRate(b *testing.B) {
	set, p := compiled(b, rate("minute", 1<<30, time.Minute)), Partitions{Customer: new(State)}
	var a Admission
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100)
		a.Admit(now, p, "ner", "POST /extractions", set)
		a.Release()
	}
}

func BenchmarkHotKeyRefused(b *testing.B) {
	set, p := compiled(b, rate("minute", 10, time.Minute), parallel("parallel", 2), quota("monthly", toll.UnitRequests, toll.Monthly, 1000)), Partitions{Customer: new(State)}
	var a Admission
	b.ReportAllocs()
	for b.Loop() {
		a.Admit(noon, p, "ner", "POST /extractions", set)
		a.Release()
	}
}

// BenchmarkHotKeyContract is a call as the contract file has it: the plan, the
// service's limit per address, and the set that only counts.
func BenchmarkHotKeyContract(b *testing.B) {
	plan := benchPlan(b)
	perIP := rate("burst", 1<<30, time.Second)
	perIP.Partition = toll.PerIP
	service, err := CompileService("ner", []toll.Policy{perIP}, nil)
	if err != nil {
		b.Fatal(err)
	}
	counting, err := Counting([]toll.Policy{quota("monthly", toll.UnitRequests, toll.Monthly, 1)}, nil)
	if err != nil {
		b.Fatal(err)
	}
	p := Partitions{Customer: new(State), Address: new(State)}
	var a Admission
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100)
		if !a.Admit(now, p, "ner", "POST /extractions", plan, service, counting) {
			b.Fatal("refused")
		}
		a.Settle(true, nil)
		a.Release()
	}
}

func BenchmarkHotKeyParallel(b *testing.B) {
	set, p := benchPlan(b), Partitions{Customer: new(State)}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		var a Admission
		for pb.Next() {
			a.Admit(noon, p, "ner", "POST /extractions", set)
			a.Settle(true, nil)
			a.Release()
		}
	})
}

// BenchmarkMillionStates decides for a random one of a million customers.
func BenchmarkMillionStates(b *testing.B) {
	set := benchPlan(b)
	states := make([]State, 1<<20)
	var a Admission
	for i := range states {
		a.Admit(noon, Partitions{Customer: &states[i]}, "ner", "other", set)
		a.Release()
	}
	b.ReportMetric(float64(unsafe.Sizeof(states[0])), "B/state")
	random := rand.New(rand.NewPCG(1, 2))
	now := noon
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(100)
		a.Admit(now, Partitions{Customer: &states[random.Uint32()%(1<<20)]}, "ner", "POST /extractions", set)
		a.Settle(true, nil)
		a.Release()
	}
}

func BenchmarkAddressKnown(b *testing.B) {
	as := NewAddresses(1 << 20)
	addr := netip.MustParseAddr("203.0.113.9")
	b.ReportAllocs()
	for b.Loop() {
		as.State(addr, noon)
	}
}

func BenchmarkAddressMillion(b *testing.B) {
	as := NewAddresses(1 << 20)
	random := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		n := random.Uint32() % (1 << 20)
		as.State(netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}), noon)
	}
}

func BenchmarkAnswer(b *testing.B) {
	var a Admission
	a.Admit(noon, Partitions{Customer: new(State)}, "ner", "POST /extractions", benchPlan(b))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendRateLimit(buf[:0], a.Results())
		buf = AppendRateLimitPolicy(buf, a.Results())
	}
}
