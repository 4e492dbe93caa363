package limittest

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// weekly is an ask for seven per week: no real time that a test takes makes a
// difference, and a step is no whole number of anything.
func weekly(replica string, need, have int64) limit.Ask {
	return limit.Ask{
		Counter: limit.Counter{Kind: toll.RateLimit, Who: "acme", What: "|||weekly"},
		Replica: replica, Need: need, Have: have, Count: 7, Window: week, Limit: 7,
	}
}

// told is what a replica says that has used some since its grant, and has some.
func told(replica string, g limit.Grant, need, have, used, acked int64) limit.Ask {
	a := weekly(replica, need, have)
	a.Generation, a.Known, a.Used, a.Acked = g.Generation, g.Moment, used, acked
	return a
}

const (
	week = 7*24*time.Hour + 3*time.Microsecond
	step = week / 7
)

// near tells whether a time in µs is what it should be, but for what passes by itself.
func near(got int64, want time.Duration) bool {
	off := want - time.Duration(got)*time.Microsecond
	return off < time.Hour && off > -time.Hour
}

func rateSteps(t *testing.T, e *examined) {
	g := e.ask(t, weekly("a", 3, 0))
	wantGranted(t, g, 3)
	if g.Moment != g.Now || g.Wait != 0 || g.Leased != 3 {
		t.Errorf("three are leased and none is used: %+v", g)
	}
	g = e.ask(t, told("a", g, 9, 0, 3, 0))
	wantGranted(t, g, 4)
	if !near(g.Moment-g.Now, 3*step) {
		t.Errorf("after three it is whole in %d µs", g.Moment-g.Now)
	}
	g = e.ask(t, told("a", g, 1, 0, 7, 3))
	wantGranted(t, g, 0)
	if !near(g.Wait, step) {
		t.Errorf("the next is free in %d µs, want %d", g.Wait, step.Microseconds())
	}
	e.Pass(step - time.Hour)
	wantGranted(t, e.ask(t, told("a", g, 1, 0, 7, 7)), 0)
	e.Pass(time.Hour + time.Minute)
	wantGranted(t, e.ask(t, told("a", g, 2, 0, 7, 7)), 1)
	e.Pass(10 * week)
	wantGranted(t, e.ask(t, weekly("b", 9, 0)), 7) // a has not been heard of for long
}

func rateLeased(t *testing.T, e *examined) {
	var total int64
	for i, ask := range []limit.Ask{weekly("a", 2, 0), weekly("b", 3, 0), weekly("a", 1, 2), weekly("c", 5, 0)} {
		g := e.ask(t, ask)
		total += g.Granted
		if want := []int64{2, 3, 1, 1}[i]; g.Granted != want || g.Leased != total {
			t.Errorf("ask %d: granted %d, want %d; %d leased, want %d", i, g.Granted, want, g.Leased, total)
		}
	}
}

func rateReturned(t *testing.T, e *examined) {
	a := e.ask(t, weekly("a", 3, 0))
	b := e.ask(t, weekly("b", 4, 0))
	wantGranted(t, e.ask(t, weekly("c", 1, 0)), 0)
	e.ask(t, told("a", a, 0, 0, 1, 0))
	if g := e.ask(t, told("b", b, 0, 0, 0, 0)); !near(g.Moment-g.Now, step) {
		t.Errorf("with one used, it is whole in %d µs", g.Moment-g.Now)
	}
	wantGranted(t, e.ask(t, weekly("c", 9, 0)), 6)
	wantGranted(t, e.ask(t, told("a", a, 1, 0, 1, 1)), 0)
}

func rateAge(t *testing.T, e *examined) {
	g := e.ask(t, weekly("a", 7, 0))
	e.Pass(2*step + time.Hour)
	late := told("a", g, 9, 0, 7, 0)
	late.Age = 2*step + time.Hour
	g = e.ask(t, late) // two have flowed off since
	wantGranted(t, g, 2)
	if !near(g.Moment-g.Now, 5*step-time.Hour) {
		t.Errorf("it is whole in %d µs", g.Moment-g.Now)
	}
}

func rateDead(t *testing.T, e *examined) {
	g := e.ask(t, weekly("a", 5, 0))
	e.ask(t, told("a", g, 0, 3, 2, 0))
	wantGranted(t, e.ask(t, weekly("b", 9, 0)), 2)
	e.Pass(limit.DeadAfter + time.Second)
	wantGranted(t, e.ask(t, weekly("c", 9, 0)), 5)
}

func rateLost(t *testing.T, e *examined) {
	a := e.ask(t, weekly("a", 5, 0))
	a = e.ask(t, told("a", a, 0, 0, 5, 0))
	b := e.ask(t, weekly("b", 1, 0))
	b = e.ask(t, told("b", b, 0, 0, 1, 0))
	e.Lose()
	wantGranted(t, e.ask(t, weekly("c", 1, 0)), 1) // knows nothing
	e.ask(t, told("a", a, 0, 0, 5, 5))
	g := e.ask(t, told("b", b, 9, 0, 1, 1))
	if g.Granted > 1 || !near(g.Moment-g.Now, 6*step) {
		t.Errorf("after six of seven and a loss, granted %d, whole in %d µs", g.Granted, g.Moment-g.Now)
	}
}

func rateMoment(t *testing.T, e *examined) {
	g := e.ask(t, weekly("a", 1, 0))
	long := weekly("a", 9, 0)
	long.Used, long.Acked, long.Known = 1000, 1000, g.Now+(4*step).Microseconds()
	wantGranted(t, e.ask(t, long), 3)
}

func rateChanged(t *testing.T, e *examined) {
	g := e.ask(t, weekly("a", 5, 0))
	more := told("a", g, 99, 0, 5, 0)
	e.ask(t, told("a", g, 0, 0, 5, 0))
	more.Count, more.Limit, more.Acked = 10, 10, 5
	wantGranted(t, e.ask(t, more), 5)
	more.Need, more.Used = 0, 10
	e.ask(t, more)
	less := weekly("b", 9, 0)
	less.Count, less.Limit = 3, 3
	wantGranted(t, e.ask(t, less), 0)
	e.Pass(week + time.Hour)
	wantGranted(t, e.ask(t, less), 3)
}
