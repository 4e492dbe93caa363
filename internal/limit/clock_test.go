package limit

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestSteppedClockLocksNobodyOut steps the clock at every point of use.
func TestSteppedClockLocksNobodyOut(t *testing.T) {
	t.Parallel()
	rates := []toll.Policy{rate("minute", 10, time.Minute), rate("one", 1, time.Hour), rate("odd", 7, time.Second),
		{Name: "burst", Kind: toll.RateLimit, Count: 20, Window: time.Second, Burst: 5000}}
	for _, policy := range rates {
		for _, step := range []time.Duration{time.Hour, 24 * time.Hour, -time.Hour, -24 * time.Hour, -time.Second, -30 * 24 * time.Hour} {
			for _, usedBefore := range []int64{0, 1, policy.Count, max(policy.Burst, policy.Count)} {
				set := compiled(t, policy)
				p := Partitions{Customer: new(State)}
				var a Admission
				for range usedBefore {
					a.Admit(noon, p, "ner", "other", set)
				}
				now := noon.Add(step)
				if a.Admit(now, p, "ner", "other", set) {
					continue
				}
				wait := a.Results()[0].RetryAfter
				if wait > policy.Window {
					t.Errorf("%s, clock stepped by %s after %d: locked out for %s, longer than its window", policy.Name, step, usedBefore, wait)
				}
				if a.Admit(now.Add(wait-1), p, "ner", "other", set) {
					t.Errorf("%s, clock stepped by %s after %d: admitted before RetryAfter", policy.Name, step, usedBefore)
				}
				if !a.Admit(now.Add(wait), p, "ner", "other", set) {
					t.Errorf("%s, clock stepped by %s after %d: still refused at RetryAfter", policy.Name, step, usedBefore)
				}
			}
		}
	}
}

func TestSteppedBackClockGivesNothingOnTop(t *testing.T) {
	t.Parallel()
	set := compiled(t, rate("minute", 10, time.Minute))
	p := Partitions{Customer: new(State)}
	var a Admission
	for range 10 {
		a.Admit(noon, p, "ner", "other", set)
	}
	// An hour back: in the minute that follows, ten more and not twenty.
	back, admitted := noon.Add(-time.Hour), 0
	for s := range 60 {
		for range 3 {
			if a.Admit(back.Add(time.Duration(s)*time.Second), p, "ner", "other", set) {
				admitted++
			}
		}
	}
	if admitted != 9 { // at 6, 12, … 54 s
		t.Errorf("%d were admitted in the minute after the step, want 9", admitted)
	}
}

func TestClockSteppedOverTheEndOfAPeriodAndBackLosesNothing(t *testing.T) {
	t.Parallel()
	for _, every := range []toll.Every{toll.Daily, toll.Monthly} {
		set := compiled(t, quota("q", toll.UnitRequests, every, 3))
		p := Partitions{Customer: new(State)}
		last := time.Date(2026, 11, 30, 20, 0, 0, 0, time.UTC)
		var a Admission
		admit := func(at time.Time, want bool) {
			t.Helper()
			if got := a.Admit(at, p, "ner", "other", set); got != want {
				t.Fatalf("%s: admitted %v at %s, want %v", every, got, at, want)
			}
			a.Settle(true, nil)
		}
		admit(last, true)
		admit(last, true)
		admit(last.Add(24*time.Hour), true) // stepped forward, into the next period
		admit(last, true)                   // and back: the third of three
		admit(last, false)
		admit(last.Add(24*time.Hour), true)
		admit(last.Add(24*time.Hour), true)
		admit(last.Add(24*time.Hour), false)
		admit(last.Add(-time.Hour), false) // an hour back within the period
	}
}

func TestClockThatWasYearsWrongLocksNobodyOut(t *testing.T) {
	t.Parallel()
	set := compiled(t, quota("q", toll.UnitRequests, toll.Monthly, 1))
	p := Partitions{Customer: new(State)}
	var a Admission
	for _, at := range []time.Time{
		time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC), // a machine without a battery starts so
		time.Date(2038, 1, 20, 0, 0, 0, 0, time.UTC),
		time.Date(2038, 2, 20, 0, 0, 0, 0, time.UTC),
		noon,
	} {
		if !a.Admit(at, p, "ner", "other", set) {
			t.Errorf("refused the first of the month at %s", at)
		}
		a.Settle(true, nil)
		if a.Admit(at, p, "ner", "other", set) {
			t.Errorf("admitted a second at %s", at)
		}
	}
}
