package limit

import (
	"math"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func used(t *testing.T, set *Set, now time.Time, p Partitions, name string) int64 {
	t.Helper()
	for _, ls := range set.LimitStates(now, p) {
		if ls.Policy.Name == name {
			return ls.Used
		}
	}
	t.Fatalf("no policy %q", name)
	return 0
}

func TestQuotaReservesOneAndGivesItBackWhenNotChargeable(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("monthly", toll.UnitRequests, toll.Monthly, 2))
	p := Partitions{Customer: new(State)}
	var a, b, c Admission
	if !a.Admit(noon, p, "ner", "other", set) || !b.Admit(noon, p, "ner", "other", set) {
		t.Fatal("two of two were refused")
	}
	if c.Admit(noon, p, "ner", "other", set) {
		t.Fatal("a third was admitted while two reservations are open")
	}
	end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	if got := c.Results()[0]; got.RetryAfter != end.Sub(noon) || got.Remaining != 0 || !got.Refused {
		t.Errorf("the refusal says %+v, want RetryAfter %s", got, end.Sub(noon))
	}
	a.Settle(false, nil)
	a.Release()
	if !c.Admit(noon, p, "ner", "other", set) {
		t.Error("what was given back is not there")
	}
	b.Settle(true, nil)
	b.Release()
	c.Release() // never settled: given back
	if got := used(t, set, noon, p, "monthly"); got != 1 {
		t.Errorf("%d used, want 1", got)
	}
}

func TestQuotaOfReportedUnitAdmitsWhileAnyIsLeft(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 100))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	a.Settle(true, []toll.Amount{{Unit: "words", Count: 99}, {Unit: "characters", Count: 900}, {Unit: "words", Count: -5}})
	if !a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("refused at 99 of 100")
	}
	a.Settle(true, []toll.Amount{{Unit: "words", Count: 40}, {Unit: "words", Count: 2}})
	if a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("admitted at 141 of 100")
	}
	if got := used(t, set, noon, p, "words"); got != 141 {
		t.Errorf("%d used, want 141", got)
	}
	if got := a.Results()[0].Remaining; got != 0 {
		t.Errorf("%d remain, want 0", got)
	}
}

func TestUnitsOfAnAnswerThatIsNotChargeableAreNotCounted(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, 100))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	a.Settle(false, []toll.Amount{{Unit: "words", Count: 99}})
	a.Release()
	if got := used(t, set, noon, p, "words"); got != 0 {
		t.Errorf("%d used, want 0", got)
	}
}

func TestAbsurdUnitsStayAtTheEndOfTheirRange(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("words", "words", toll.Monthly, math.MaxInt64))
	p := Partitions{Customer: new(State)}
	var a Admission
	for range 2 {
		a.Admit(noon, p, "ner", "other", set)
		a.Settle(true, []toll.Amount{{Unit: "words", Count: math.MaxInt64}, {Unit: "words", Count: 7}})
	}
	if got := used(t, set, noon, p, "words"); got != math.MaxInt64 {
		t.Errorf("%d used, want all there is", got)
	}
}

func TestRequestSettlesInThePeriodItWasAdmittedIn(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("monthly", toll.UnitRequests, toll.Monthly, 10), quota("words", "words", toll.Monthly, 10))
	p := Partitions{Customer: new(State)}
	before := time.Date(2026, 11, 30, 23, 59, 59, 0, time.UTC)
	after := before.Add(2 * time.Second)
	var old, next Admission
	old.Admit(before, p, "ner", "other", set)
	next.Admit(after, p, "ner", "other", set)
	old.Settle(true, []toll.Amount{{Unit: "words", Count: 4}})
	next.Settle(true, []toll.Amount{{Unit: "words", Count: 3}})
	for _, c := range []struct {
		at       time.Time
		requests int64
		words    int64
	}{{before, 1, 4}, {after, 1, 3}} {
		if r, w := used(t, set, c.at, p, "monthly"), used(t, set, c.at, p, "words"); r != c.requests || w != c.words {
			t.Errorf("in the period of %s: %d requests and %d words, want %d and %d", c.at, r, w, c.requests, c.words)
		}
	}
}

func TestQuotaFollowsTheCalendarOfItsZone(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	set, err := Compile([]toll.Policy{quota("daily", toll.UnitRequests, toll.Daily, 1)}, berlin)
	if err != nil {
		t.Fatal(err)
	}
	p := Partitions{Customer: new(State)}
	var a Admission
	// The day on which summer time ends has 25 hours.
	now := time.Date(2026, 10, 25, 0, 0, 0, 0, berlin)
	if !a.Admit(now, p, "ner", "other", set) {
		t.Fatal("refused the first of the day")
	}
	a.Settle(true, nil)
	if a.Admit(now, p, "ner", "other", set) || a.Results()[0].RetryAfter != 25*time.Hour {
		t.Errorf("RetryAfter is %s, want 25h", a.Results()[0].RetryAfter)
	}
	if a.Admit(now.Add(25*time.Hour-1), p, "ner", "other", set) {
		t.Error("admitted a nanosecond before midnight")
	}
	if !a.Admit(now.Add(25*time.Hour), p, "ner", "other", set) {
		t.Error("refused at midnight")
	}
}

func TestRestoreIsWhatTheStoreHolds(t *testing.T) {
	t.Parallel()
	berlin := zone(t, "Europe/Berlin")
	ner := quota("ner", toll.UnitRequests, toll.Daily, 50)
	ner.Service = "ner"
	set, err := Compile([]toll.Policy{quota("monthly", toll.UnitRequests, toll.Monthly, 100), ner}, berlin)
	if err != nil {
		t.Fatal(err)
	}
	start, _ := toll.Monthly.PeriodAt(noon, berlin)
	day, _ := toll.Daily.PeriodAt(noon, berlin)
	p := Partitions{Customer: new(State)}
	p.Customer.Restore(toll.UnitRequests, toll.Monthly, start.UTC(), 98) // the same moment, written otherwise
	p.Customer.RestoreScope(toll.UnitRequests, toll.Daily, day, 49, "ner", "")
	var a Admission
	if !a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("refused at 98 of 100 and 49 of 50")
	}
	a.Settle(true, nil)
	if a.Admit(noon, p, "ner", "other", set) {
		t.Fatal("admitted at 50 of 50 for ner")
	}
	if !a.Admit(noon, p, "ocr", "other", set) {
		t.Fatal("refused ocr at 99 of 100")
	}
	a.Settle(true, nil)
	if a.Admit(noon, p, "ocr", "other", set) {
		t.Fatal("admitted at 100 of 100")
	}
}

func TestWhatWasUsedStaysUsedWhenThePlanChanges(t *testing.T) {
	t.Parallel()
	free := []toll.Policy{rate("minute", 10, time.Minute), quota("monthly", toll.UnitRequests, toll.Monthly, 1000), parallel("parallel", 2)}
	pro := []toll.Policy{rate("minute", 300, time.Minute), quota("each-month", toll.UnitRequests, toll.Monthly, 5), parallel("at-once", 20)}
	freeSet, proSet := compiled(t, free...), compiled(t, pro...)
	p := Partitions{Customer: new(State)}
	var a, open Admission
	open.Admit(noon, p, "ner", "other", freeSet)
	open.Settle(true, nil)
	for range 9 {
		a.Admit(noon, p, "ner", "other", freeSet)
		a.Settle(true, nil)
		a.Release()
	}
	if a.Admit(noon, p, "ner", "other", freeSet) {
		t.Fatal("an eleventh passed on the free plan")
	}
	states := proSet.LimitStates(noon, p)
	for i, want := range []int64{10, 10, 1} {
		if states[i].Used != want {
			t.Errorf("%s after the change: %d used, want %d", states[i].Policy.Name, states[i].Used, want)
		}
	}
	if a.Admit(noon, p, "ner", "other", proSet) {
		t.Fatal("admitted at 10 of 5")
	}
	if r := a.Results(); r[0].Remaining != 290 || r[0].Refused || r[1].Remaining != 0 || !r[1].Refused || r[2].Remaining != 19 {
		t.Errorf("the results are %+v", r)
	}
	// And back: 10 of 10 are used, not 10 of 300.
	if a.Admit(noon, p, "ner", "other", freeSet) || a.Results()[0].RetryAfter != 6*time.Second {
		t.Errorf("back on the free plan: %+v", a.Results()[0])
	}
}

func TestCountingKeepsCountWhileNoPlanAsks(t *testing.T) {
	t.Parallel()
	payg := compiled(t, rate("minute", 600, time.Minute))
	freePolicies := []toll.Policy{quota("monthly", toll.UnitRequests, toll.Monthly, 3), quota("words", "words", toll.Daily, 100), rate("minute", 10, time.Minute)}
	free := compiled(t, freePolicies...)
	counting, err := Counting(freePolicies, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	p := Partitions{Customer: new(State)}
	var a Admission
	for range 5 {
		if !a.Admit(noon, p, "ner", "other", payg, counting) {
			t.Fatal("what is only counted refused")
		}
		if len(a.Results()) != 1 {
			t.Fatalf("%d results, want that of the plan alone", len(a.Results()))
		}
		a.Settle(true, []toll.Amount{{Unit: "words", Count: 7}})
	}
	if got := used(t, free, noon, p, "monthly"); got != 5 {
		t.Errorf("%d requests used, want 5", got)
	}
	if got := used(t, free, noon, p, "words"); got != 35 {
		t.Errorf("%d words used, want 35", got)
	}
	if a.Admit(noon, p, "ner", "other", free, counting) {
		t.Error("admitted at 5 of 3")
	}
	// Counted once, though two sets look at it.
	free2 := compiled(t, quota("monthly", toll.UnitRequests, toll.Monthly, 9))
	a.Admit(noon, p, "ner", "other", free2, counting)
	a.Settle(true, nil)
	if got := used(t, free, noon, p, "monthly"); got != 6 {
		t.Errorf("%d requests used, want 6", got)
	}
}

func TestTrimForgetsOnlyWhatMakesNoDifference(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute), rate("hour", 10, time.Hour), quota("monthly", toll.UnitRequests, toll.Monthly, 10), parallel("parallel", 3))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	a.Settle(true, nil)
	for _, c := range []struct {
		at    time.Time
		empty bool
	}{
		{noon, false},
		{noon.Add(24 * time.Hour), false},
		{noon, false},
		{time.Date(2026, 12, 2, 23, 0, 0, 0, time.UTC), false}, // in flight, and the month is not long past
	} {
		if got := p.Customer.Trim(c.at); got != c.empty {
			t.Errorf("at %s: empty is %v", c.at, got)
		}
		if got := used(t, set, noon, p, "monthly"); got != 1 {
			t.Fatalf("at %s the quota was forgotten: %d used", c.at, got)
		}
		if got := used(t, set, noon, p, "parallel"); got != 1 {
			t.Fatalf("at %s the lease was forgotten: %d in flight", c.at, got)
		}
	}
	a.Release()
	if !p.Customer.Trim(time.Date(2026, 12, 5, 0, 0, 0, 0, time.UTC)) {
		t.Error("something is left of a month that is long past")
	}
}

func TestTrimForgetsARateLimitOnceItIsWhole(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute), rate("hour", 1, time.Hour), rate("a", 1, time.Second), rate("b", 1, time.Second))
	p := Partitions{Customer: new(State)}
	var a Admission
	a.Admit(noon, p, "ner", "other", set)
	for _, c := range []struct {
		after time.Duration
		left  int64 // of the hour's one
		empty bool
	}{{time.Second + 1, 1, false}, {time.Hour, 1, false}, {time.Hour + 1, 0, true}} {
		if got := p.Customer.Trim(noon.Add(c.after)); got != c.empty {
			t.Errorf("after %s: empty is %v", c.after, got)
		}
		if got := used(t, set, noon, p, "hour"); got != c.left {
			t.Errorf("after %s: %d used of the hour's one", c.after, got)
		}
	}
	if p.Customer.slots.more != nil {
		t.Error("the memory of a fourth counter was kept")
	}
}

func TestGivingBackIntoAPeriodThatWasForgottenNeverGoesBelowNothing(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("daily", toll.UnitRequests, toll.Daily, 1))
	p := Partitions{Customer: new(State)}
	day := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	var open, a Admission
	if !open.Admit(day, p, "ner", "other", set) {
		t.Fatal("the first request of the day was refused")
	}
	for _, away := range []int{40, 80} { // a clock that is stepped, over more periods than are kept
		a.Admit(day.AddDate(0, 0, away), p, "ner", "other", set)
		a.Settle(true, nil)
	}
	a.Admit(day, p, "ner", "other", set) // the day comes again, with nothing used
	a.Release()
	open.Settle(false, nil) // gives back what nobody remembers
	if got := used(t, set, day, p, "daily"); got != 0 {
		t.Errorf("%d used, want 0", got)
	}
	if !a.Admit(day, p, "ner", "other", set) {
		t.Error("the day's one request was refused")
	}
	a.Settle(true, nil)
	if a2 := new(Admission); a2.Admit(day, p, "ner", "other", set) {
		t.Error("a second request of the day was admitted: what was given back twice was counted as room")
	}
}
