package limittest

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func unseeded(t *testing.T, e *examined) {
	a := quota("a", 1, 10, 0)
	a.Sure = false
	if g := e.ask(t, a); !g.Unseeded || g.Granted != 0 {
		t.Fatalf("a counter that nobody knows was granted from: %+v", g)
	}
	g := e.ask(t, quota("a", 1, 10, 9))
	wantGranted(t, g, 1)
	wantUsed(t, g, 9)
	b := quota("b", 1, 10, 0)
	b.Sure = false // it is there now
	wantGranted(t, e.ask(t, b), 0)
}

func lastUnit(t *testing.T, e *examined) {
	wantGranted(t, e.ask(t, quota("a", 7, 10, 0)), 7)
	wantGranted(t, e.ask(t, quota("b", 7, 10, 0)), 3)
	g := e.ask(t, quota("c", 1, 10, 0))
	wantGranted(t, g, 0)
	if g.Leased != 10 {
		t.Errorf("%d are leased, want 10", g.Leased)
	}
}

func shrink(t *testing.T, e *examined) {
	// Three replicas; each asks for 1000 on top of the one it needs, and uses all it gets.
	var used, acked int64
	generation, last := "", int64(1<<40)
	for used < 1000 {
		a := quota("a", 1, 1000, 0)
		a.Spare, a.Replicas, a.Used, a.Acked, a.Generation = 1000, 3, used, acked, generation
		g := e.ask(t, a)
		left := 1000 - used
		if g.Granted > max(1, 1+left/6) || g.Granted > last {
			t.Fatalf("granted %d of %d that are left, after %d", g.Granted, left, last)
		}
		if left < 6 && g.Granted != 1 {
			t.Fatalf("at the end, with %d left, a batch of %d", left, g.Granted)
		}
		last, acked, generation = g.Granted, used, g.Generation
		used += g.Granted
	}
}

func twice(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 5, 10, 0))
	again := quota("a", 0, 10, 0)
	again.Used, again.Acked, again.Generation, again.Have = 3, 0, g.Generation, 2
	for range 3 { // the first two answers were lost on the way
		wantUsed(t, e.ask(t, again), 3)
	}
	b := e.ask(t, quota("b", 10, 10, 0))
	wantGranted(t, b, 5)
}

func late(t *testing.T, e *examined) {
	first := e.ask(t, quota("a", 4, 10, 0))
	now := quota("a", 0, 10, 0)
	now.Seq, now.Used, now.Generation = 9, 4, first.Generation
	wantUsed(t, e.ask(t, now), 4)
	old := quota("a", 4, 10, 0)
	old.Seq, old.Have, old.Generation = 8, 4, first.Generation
	g := e.ask(t, old)
	if !g.Stale || g.Granted != 0 {
		t.Errorf("an old ask was carried out: %+v", g)
	}
	wantUsed(t, e.ask(t, quota("b", 0, 10, 0)), 4)
}

func handedBack(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 10, 10, 0))
	wantGranted(t, e.ask(t, quota("b", 1, 10, 0)), 0)
	back := quota("a", 0, 10, 0)
	back.Used, back.Have, back.Generation = 4, 0, g.Generation
	wantUsed(t, e.ask(t, back), 4)
	wantGranted(t, e.ask(t, quota("b", 10, 10, 0)), 6)
}

func givenBack(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 10, 10, 0))
	for used, acked := int64(10), int64(0); used > 7; used, acked = used-1, used {
		a := quota("a", 0, 10, 0)
		a.Used, a.Acked, a.Generation = used, acked, g.Generation
		wantUsed(t, e.ask(t, a), used)
	}
	wantGranted(t, e.ask(t, quota("b", 10, 10, 0)), 2) // 8 are reported
}

func dead(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 8, 10, 0))
	told := quota("a", 0, 10, 0)
	told.Used, told.Have, told.Generation = 3, 5, g.Generation
	e.ask(t, told)
	e.Pass(limit.DeadAfter / 2)
	wantGranted(t, e.ask(t, quota("b", 10, 10, 0)), 2)
	e.Pass(limit.DeadAfter)
	g = e.ask(t, quota("c", 10, 10, 0))
	wantUsed(t, g, 3)
	wantGranted(t, g, 7) // b, who told of nothing it used, is dead too
}

func thoughtDead(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 8, 10, 0))
	told := quota("a", 0, 10, 0)
	told.Used, told.Have, told.Generation = 3, 5, g.Generation
	e.ask(t, told)
	e.Pass(limit.DeadAfter + time.Second)
	wantUsed(t, e.ask(t, quota("b", 0, 10, 0)), 3)
	late := quota("a", 0, 10, 0)
	late.Used, late.Acked, late.Generation = 5, 3, g.Generation
	wantUsed(t, e.ask(t, late), 5)
}

func lostQuota(t *testing.T, e *examined) {
	a := e.ask(t, quota("a", 10, 100, 50))
	b := e.ask(t, quota("b", 10, 100, 50))
	told := quota("a", 0, 100, 0)
	told.Used, told.Generation = 10, a.Generation
	wantUsed(t, e.ask(t, told), 60)
	e.Lose()
	// Meanwhile a has used five more, and b fifteen. b comes first, and saw less.
	told = quota("b", 0, 100, 0)
	told.Used, told.Acked, told.Generation, told.Known = 15, 0, b.Generation, 50
	g := e.ask(t, told)
	wantUsed(t, g, 65)
	if g.Generation == b.Generation {
		t.Error("a counter that was lost came back under its old generation")
	}
	told = quota("a", 0, 100, 0)
	told.Used, told.Acked, told.Generation, told.Known = 15, 10, a.Generation, 60
	wantUsed(t, e.ask(t, told), 80)
}

func lostAndStored(t *testing.T, e *examined) {
	a := e.ask(t, quota("a", 1, 1000, 100))
	e.Lose()
	// For an hour a counts alone, 300 requests, and all of it is in the store.
	wantUsed(t, e.ask(t, quota("b", 0, 1000, 400)), 400)
	told := quota("a", 0, 1000, 0)
	told.Used, told.Generation, told.Known = 300, a.Generation, 100
	wantUsed(t, e.ask(t, told), 400)
}

func raises(t *testing.T, e *examined) {
	wantUsed(t, e.ask(t, quota("a", 0, 100, 40)), 40)
	wantUsed(t, e.ask(t, quota("b", 0, 100, 10)), 40)
	wantUsed(t, e.ask(t, quota("c", 0, 100, 70)), 70)
}

func smaller(t *testing.T, e *examined) {
	g := e.ask(t, quota("a", 8, 10, 0))
	wantGranted(t, e.ask(t, quota("b", 1, 5, 0)), 0)
	told := quota("a", 1, 5, 0)
	told.Used, told.Generation = 8, g.Generation
	wantGranted(t, e.ask(t, told), 0)
	wantGranted(t, e.ask(t, quota("b", 10, 20, 0)), 10)
}

func places(t *testing.T, e *examined) {
	ask := func(replica string, need, have int64) limit.Grant {
		return e.ask(t, limit.Ask{Counter: limit.Counter{Kind: toll.ConcurrencyLimit, Who: "acme", What: "||"}, Replica: replica, Need: need, Have: have, Limit: 4})
	}
	wantGranted(t, ask("a", 3, 0), 3)
	wantGranted(t, ask("b", 3, 0), 1)
	wantGranted(t, ask("b", 1, 1), 0)
	ask("a", 0, 1)
	wantGranted(t, ask("b", 5, 1), 2)
	e.Pass(limit.DeadAfter / 2)
	ask("b", 0, 3)
	e.Pass(limit.DeadAfter/2 + time.Second)
	wantGranted(t, ask("b", 5, 3), 1) // a is dead
}

func apart(t *testing.T, e *examined) {
	wantGranted(t, e.ask(t, quota("a", 1, 1, 0)), 1)
	for _, other := range []limit.Counter{
		{Kind: toll.Quota, Who: "acme", What: monthly.What, Period: monthly.Period + 1},
		{Kind: toll.Quota, Who: "acme", What: "ner||requests|month", Period: monthly.Period},
		{Kind: toll.Quota, Who: "emca", What: monthly.What, Period: monthly.Period},
		{Kind: toll.ConcurrencyLimit, Who: "acme", What: monthly.What, Period: monthly.Period},
		{Kind: toll.Quota, Who: "} odd {:\n", What: monthly.What, Period: monthly.Period},
	} {
		a := quota("a", 1, 1, 0)
		a.Counter = other
		wantGranted(t, e.ask(t, a), 1)
	}
}
