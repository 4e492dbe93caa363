package limit

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestParallelDecisionsAreOneSequence lets 64 goroutines decide at once and
// holds what came out to the model, fed with the times that they decided with.
// The order of decisions is read off a quota that every admitted request
// counts: so the test needs no hook in the code that it tests. A goroutine that
// was held up decides with an old time; all windows are longer than the whole
// test, so none of it looks like a clock that was stepped back.
func TestParallelDecisionsAreOneSequence(t *testing.T) {
	t.Parallel()
	const goroutines, each, huge = 64, 250, int64(1) << 40
	perKey := toll.Policy{Name: "second", Kind: toll.RateLimit, Partition: toll.PerKey, Count: 7000, Window: 10 * time.Second, Burst: 30}
	perIP := toll.Policy{Name: "ip", Kind: toll.RateLimit, Partition: toll.PerIP, Count: 90_000, Window: 10 * time.Second, Burst: 11}
	plan := []toll.Policy{perKey, rate("minute", 40_000, time.Minute), quota("order", toll.UnitRequests, toll.Monthly, huge)}
	set := compiled(t, plan...)
	service, err := CompileService("ner", []toll.Policy{perIP}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	customer, key, address := new(State), new(State), new(State)
	type decision struct {
		now      time.Time
		admitted bool
		after    int64 // so many had been admitted, this one included
	}
	var clock atomic.Int64
	decided := make([][]decision, goroutines)
	var group sync.WaitGroup
	for g := range goroutines {
		group.Go(func() {
			var a Admission
			for i := range each {
				now := noon.Add(time.Duration(clock.Add(int64(50_000 + (g*each+i)%997*10))))
				admitted := a.Admit(now, Partitions{Customer: customer, Key: key, Address: address}, "ner", "other", set, service)
				decided[g] = append(decided[g], decision{now, admitted, huge - a.Results()[2].Remaining})
				a.Settle(true, nil)
				a.Release()
			}
		})
	}
	group.Wait()

	var admitted []decision
	refused := map[int64][]decision{}
	for _, d := range slices.Concat(decided...) {
		if d.admitted {
			admitted = append(admitted, d)
		} else {
			refused[d.after] = append(refused[d.after], d)
		}
	}
	slices.SortFunc(admitted, func(a, b decision) int { return int(a.after - b.after) })
	if len(admitted) < 100 || len(admitted) > goroutines*each-100 {
		t.Fatalf("%d of %d were admitted: the test decides nothing", len(admitted), goroutines*each)
	}
	m := newModel(time.UTC)
	meets := []asked{{policy: perKey, who: "k"}, {policy: plan[1], who: "c"}, {policy: plan[2], who: "c"}, {policy: perIP, owner: "ner", who: "i"}}
	meets[3].policy.Service = "ner"
	for i := range len(admitted) + 1 {
		for _, d := range refused[int64(i)] {
			if ok, _, _ := m.admit(d.now, nil, meets); ok {
				t.Fatalf("after %d admitted, one at %s was refused; the model admits it", i, d.now)
			}
		}
		if i == len(admitted) {
			break
		}
		d := admitted[i]
		if d.after != int64(i+1) {
			t.Fatalf("the admitted number %d counted as number %d", i+1, d.after)
		}
		if ok, _, _ := m.admit(d.now, nil, meets); !ok {
			t.Fatalf("number %d, at %s, was admitted; the model refuses it", i+1, d.now)
		}
	}
}

// TestLeasesNeverExceedTheLimitAndNeverLeak holds places, in every order of
// Settle and Release, from 64 goroutines.
func TestLeasesNeverExceedTheLimitAndNeverLeak(t *testing.T) {
	t.Parallel()
	const most = 5
	set := compiled(t, parallel("parallel", most), quota("monthly", toll.UnitRequests, toll.Monthly, 1<<40))
	p := Partitions{Customer: new(State)}
	var inFlight, highest, admitted atomic.Int64
	var group sync.WaitGroup
	for g := range 64 {
		group.Go(func() {
			var a Admission
			for i := range 300 {
				if !a.Admit(noon, p, "ner", "other", set) {
					continue
				}
				n := inFlight.Add(1)
				for h := highest.Load(); n > h && !highest.CompareAndSwap(h, n); h = highest.Load() {
				}
				switch (g + i) % 4 {
				case 0:
					a.Settle(true, nil)
					admitted.Add(1)
				case 1:
					a.Settle(false, nil)
				case 2:
					a.Settle(true, nil)
					a.Settle(false, nil)
					admitted.Add(1)
				}
				inFlight.Add(-1)
				a.Release()
				a.Release()
			}
		})
	}
	group.Wait()
	if highest.Load() > most {
		t.Errorf("%d were in flight at once, the limit is %d", highest.Load(), most)
	}
	states := set.LimitStates(noon, p)
	if states[0].Used != 0 {
		t.Errorf("%d places are still taken", states[0].Used)
	}
	if states[1].Used != admitted.Load() {
		t.Errorf("the quota says %d used; %d were kept", states[1].Used, admitted.Load())
	}
}

// TestPartitionsInAnyOrderDoNotBlockEachOther gives the same States in
// different places: a customer's here is a key's there.
func TestPartitionsInAnyOrderDoNotBlockEachOther(t *testing.T) {
	t.Parallel()
	per := func(name string, p toll.Partition) toll.Policy {
		r := rate(name, 1<<20, time.Second)
		r.Partition = p
		return r
	}
	set := compiled(t, per("a", toll.PerCustomer), per("b", toll.PerKey), per("c", toll.PerIP))
	states := []*State{new(State), new(State), new(State)}
	var group sync.WaitGroup
	for g := range 6 {
		group.Go(func() {
			var a Admission
			for i := range 2000 {
				x, y, z := states[(g+i)%3], states[(g*2+i)%3], states[(g+2*i)%3]
				a.Admit(noon, Partitions{Customer: x, Key: y, Address: z}, "ner", "other", set)
				a.Release()
			}
		})
	}
	group.Wait()
}

func TestMutexesAreLockedInOneOrderAndOnce(t *testing.T) {
	t.Parallel()
	s := new([3]State)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}, {0, 0, 0}, {2, 1, 1}, {2, 0, 2}} {
		var l locks
		want := map[*State]bool{}
		for _, i := range order {
			l.add(&s[i])
			want[&s[i]] = true
		}
		got := l.states[:l.n]
		if len(got) != len(want) || !slices.IsSortedFunc(got, func(a, b *State) int {
			return cmp.Compare(uintptr(unsafe.Pointer(a)), uintptr(unsafe.Pointer(b)))
		}) {
			t.Errorf("added as %v they are locked as %v", order, got)
		}
	}
}
