package limit

import (
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func reserves(words int64) *toll.Cost {
	return &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: words}}}
}

func words(n int64) []toll.Amount { return []toll.Amount{{Unit: "words", Count: n}} }

func TestRequestThatCostsFiveTakesFiveOfARate(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute))
	p := Partitions{Customer: new(State)}
	five := &toll.Cost{Rate: 5}
	var a Admission
	if !a.AdmitCost(noon, p, five, "ner", "other", set) || !a.AdmitCost(noon, p, nil, "ner", "other", set) {
		t.Fatal("six of ten were refused")
	}
	if a.AdmitCost(noon, p, five, "ner", "other", set) {
		t.Fatal("admitted five where four are left")
	}
	if got := a.Results()[0]; got.Remaining != 4 || got.RetryAfter != 6*time.Second {
		t.Errorf("the refusal says %+v, want 4 left and 6 seconds", got)
	}
	if a.AdmitCost(noon.Add(6*time.Second-1), p, five, "ner", "other", set) || !a.AdmitCost(noon.Add(6*time.Second), p, five, "ner", "other", set) {
		t.Error("RetryAfter is not the first moment at which it passes")
	}
}

func TestCostAboveTheBurstTakesAllThatPassesAtOnce(t *testing.T) {
	t.Parallel()
	set := compiled(t, toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: 60, Window: time.Minute, Burst: 3})
	p := Partitions{Customer: new(State)}
	var a Admission
	if !a.AdmitCost(noon, p, &toll.Cost{Rate: 1000}, "ner", "other", set) {
		t.Fatal("nobody could ever call it")
	}
	if a.Admit(noon, p, "ner", "other", set) || !a.AdmitCost(noon.Add(3*time.Second), p, &toll.Cost{Rate: 1000}, "ner", "other", set) {
		t.Error("it did not take all three")
	}
}

func TestReservationIsSettledByWhatWasReported(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		chargeable bool
		reported   []toll.Amount
		want       int64
	}{
		{"less was used", true, words(30), 30},
		{"just that", true, words(50), 50},
		{"more was used", true, words(80), 80},
		{"nothing was reported", true, nil, 0},
		{"another unit was", true, []toll.Amount{{Unit: "characters", Count: 9}}, 0},
		{"given back", false, words(30), 0},
	} {
		set := compiled(t, quota("words", "words", toll.Monthly, 100))
		p := Partitions{Customer: new(State)}
		var a Admission
		if !a.AdmitCost(noon, p, reserves(50), "ner", "other", set) || !a.Reserved() {
			t.Fatal("50 of 100 were not reserved")
		}
		if got := used(t, set, noon, p, "words"); got != 50 {
			t.Errorf("%s: %d used while the reservation is open, want 50", c.name, got)
		}
		a.Settle(c.chargeable, c.reported)
		a.Release()
		if got := used(t, set, noon, p, "words"); got != c.want || a.Reserved() {
			t.Errorf("%s: %d used, want %d", c.name, got, c.want)
		}
	}
}

func TestReservationIsGivenBackByARequestThatNeverSettles(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 100))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.AdmitCost(noon, p, reserves(100), "ner", "other", set)
	a.Release()
	if got := used(t, set, noon, p, "words"); got != 0 {
		t.Errorf("%d used, want 0", got)
	}
}

func TestQuotaWithLessLeftThanIsReservedRefuses(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 100))
	p := Partitions{Customer: new(State)}
	var a, b Admission
	if !a.AdmitCost(noon, p, reserves(60), "ner", "other", set) {
		t.Fatal("60 of 100 were refused")
	}
	if b.AdmitCost(noon, p, reserves(60), "ner", "other", set) {
		t.Fatal("120 of 100 were reserved")
	}
	if got := b.Results()[0]; got.Remaining != 40 || !got.Refused || b.Reserved() {
		t.Errorf("the refusal says %+v", got)
	}
	if !b.AdmitCost(noon, p, reserves(40), "ner", "other", set) {
		t.Error("the rest was refused")
	}
}

// TestConcurrentReservationsNeverOverrunAQuota is what reservations are for:
// without one, all of them would be let in while nothing is reported yet.
func TestConcurrentReservationsNeverOverrunAQuota(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 1000))
	p := Partitions{Customer: new(State)}
	admitted := make(chan *Admission, 64)
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			a := new(Admission)
			if a.AdmitCost(noon, p, reserves(100), "ner", "other", set) {
				admitted <- a
			}
		})
	}
	all.Wait()
	close(admitted)
	if len(admitted) != 10 {
		t.Errorf("%d of 64 were let in, want 10", len(admitted))
	}
	for a := range admitted {
		all.Go(func() { a.Settle(true, words(97)); a.Release() })
	}
	all.Wait()
	if got := used(t, set, noon, p, "words"); got != 970 {
		t.Errorf("%d used, want 970", got)
	}
}

func TestReservationOfAnotherProcessIsSettledThere(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 1000), quota("calls", toll.UnitRequests, toll.Monthly, 10))
	p := Partitions{Customer: new(State)}
	var there, here Admission
	there.AdmitCost(noon, p, reserves(100), "ner", "other", set)
	here.Borrow(there.Results(), there.Leases())
	if !here.Reserved() {
		t.Error("what another process reserved is not known")
	}
	here.Settle(true, words(30))
	for _, a := range here.Owed() {
		if !p.Customer.Adjust(a) {
			t.Fatal("not adjusted")
		}
	}
	if w, r := used(t, set, noon, p, "words"), used(t, set, noon, p, "calls"); w != 30 || r != 1 {
		t.Errorf("%d words and %d requests, want 30 and 1", w, r)
	}
}

func TestCostAllocatesNothing(t *testing.T) { // not parallel: it counts all that is allocated
	set := compiled(t, rate("minute", 1<<30, time.Minute), quota("words", "words", toll.Monthly, 1<<60), parallel("parallel", 9))
	p := Partitions{Customer: new(State)}
	cost := &toll.Cost{Rate: 7, Reserve: words(50)}
	reported := words(40)
	var a Admission
	walk := func() {
		a.AdmitCost(noon, p, cost, "ner", "other", set)
		a.Settle(true, reported)
		a.Release()
	}
	walk()
	if n := testing.AllocsPerRun(1000, walk); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}
