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

// TestSteppedClockUnderSteadyLoad has a caller ask five times a second for ten
// minutes while the clock is stepped in the middle, against what passes of the
// same load without a step.
func TestSteppedClockUnderSteadyLoad(t *testing.T) {
	t.Parallel()
	const every, asks = 200 * time.Millisecond, 3000
	policies := []toll.Policy{rate("ten a second", 10, time.Second), rate("ten a minute", 10, time.Minute), rate("hundred an hour", 100, time.Hour),
		{Name: "burst", Kind: toll.RateLimit, Count: 10, Window: time.Minute, Burst: 25}}
	for _, policy := range policies {
		var unstepped int64
		for _, step := range []time.Duration{0, -time.Hour, -24 * time.Hour, time.Hour, 24 * time.Hour} {
			// The quota is there to show that nothing is counted twice or lost for a step.
			set, p := compiled(t, policy, quota("daily", toll.UnitRequests, toll.Daily, 1<<40), parallel("parallel", 2)), Partitions{Customer: new(State)}
			var a Admission
			var admitted int64
			var shut, longest time.Duration // of real time
			for i := range asks {
				now := noon.Add(time.Duration(i) * every)
				if i >= asks/2 {
					now = now.Add(step)
				}
				if shut += every; a.Admit(now, p, "ner", "other", set) {
					admitted, shut = admitted+1, 0
				}
				longest = max(longest, shut)
				a.Settle(true, nil)
				a.Release()
			}
			burst := policy.Burst
			if burst == 0 {
				burst = policy.Count
			}
			if step == 0 {
				unstepped = admitted
			}
			switch most := unstepped + burst; {
			case step <= 0 && admitted > unstepped:
				t.Errorf("%s, stepped by %s: %d passed, %d without the step", policy.Name, step, admitted, unstepped)
			case step > 0 && admitted > most:
				t.Errorf("%s, stepped by %s: %d passed, %d without the step and a burst", policy.Name, step, admitted, most)
			case longest > policy.Window+every:
				t.Errorf("%s, stepped by %s: nobody passed for %s, longer than its window", policy.Name, step, longest)
			}
			counted := int64(0)
			days := []time.Time{noon}
			if step.Abs() == 24*time.Hour {
				days = append(days, noon.Add(step))
			}
			for _, day := range days {
				for _, ls := range set.LimitStates(day, p) {
					switch {
					case ls.Policy.Kind == toll.Quota:
						counted += ls.Used
					case ls.Policy.Kind == toll.ConcurrencyLimit && ls.Used != 0:
						t.Errorf("%s, stepped by %s: %d are held", policy.Name, step, ls.Used)
					}
				}
			}
			if counted != admitted {
				t.Errorf("%s, stepped by %s: %d passed and %d were counted", policy.Name, step, admitted, counted)
			}
			t.Logf("%s, stepped by %s: %d of %d passed, shut for %s at most", policy.Name, step, admitted, asks, longest)
		}
	}
}
