package limit_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func wordsADay(limitIs int64) toll.Policy {
	return toll.Policy{Name: "words", Kind: toll.Quota, Unit: "words", Every: toll.Daily, Count: limitIs}
}

// TestReplicasTogetherNeverReserveMoreThanIsLeft walks calls that reserve, and
// use as much or less, through several replicas.
func TestReplicasTogetherNeverReserveMoreThanIsLeft(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(0, 3000).Draw(t, "limit")
		policies := []toll.Policy{wordsADay(most)}
		set, err := limit.Compile(policies, time.UTC)
		if err != nil {
			t.Fatal(err)
		}
		h := found(t, set, policies)
		for range rapid.IntRange(1, 3).Draw(t, "replicas") {
			h.join().pool.Beat(context.Background())
		}
		type call struct {
			a        *limit.Admission
			reserved int64
		}
		var open []call
		var used int64 // with what is reserved
		finish := func(i int) {
			c := open[i]
			reported := rapid.Int64Range(0, c.reserved).Draw(t, "reported")
			keep := rapid.Bool().Draw(t, "keep")
			c.a.Settle(keep, []toll.Amount{{Unit: "words", Count: reported}})
			c.a.Release()
			open = append(open[:i], open[i+1:]...)
			if used -= c.reserved; keep {
				used += reported
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			r := h.replicas[rapid.IntRange(0, len(h.replicas)-1).Draw(t, "replica")]
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				h.now = h.now.Add(limit.Beat)
				for _, r := range h.replicas {
					r.pool.Beat(context.Background())
				}
			case 1, 2:
				if len(open) > 0 {
					finish(rapid.IntRange(0, len(open)-1).Draw(t, "call"))
				}
			default:
				reserved := rapid.Int64Range(1, 900).Draw(t, "reserve")
				a := new(limit.Admission)
				cost := &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: reserved}}}
				if !a.AdmitCost(r.clock(), r.parts, cost, "ner", "other", h.counting, h.set) {
					continue
				}
				if used += reserved; used > most {
					t.Fatalf("%s let %d in, and %d of %d are used then", r.name, reserved, used, most)
				}
				open = append(open, call{a, reserved})
			}
		}
		for len(open) > 0 {
			finish(0)
		}
		h.quiet()
		// Nothing is lost: the rest is there for whoever asks for all of it.
		if rest := most - used; rest > 0 {
			r := h.replicas[0]
			a := new(limit.Admission)
			cost := &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: rest}}}
			if !a.AdmitCost(r.clock(), r.parts, cost, "ner", "other", h.counting, h.set) {
				t.Fatalf("the %d that are left are refused: %+v", rest, a.Results())
			}
		}
	})
}

func TestReplicasTakeTheCostOfARateTogether(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, perMinute(20))
	five, got := &toll.Cost{Rate: 5}, 0
	for i := range 40 {
		var a limit.Admission
		r := h.replicas[i%2]
		if a.AdmitCost(r.clock(), r.parts, five, "ner", "other", h.set) {
			got++
		} else if wait := a.Results()[0].RetryAfter; wait < time.Second {
			t.Fatalf("told to come again after %s", wait)
		}
		a.Release()
		if i%8 == 7 {
			for range 4 {
				h.now = h.now.Add(limit.Beat)
				for _, r := range h.replicas {
					r.pool.Beat(t.Context())
				}
			}
		}
	}
	if got != 4 { // 5 s passed: less than a fifth request's five
		t.Errorf("%d requests of five were admitted of a rate of 20, want 4", got)
	}
}

func TestAReservationWhileTheLedgerIsAwayComesOutOfTheShare(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, wordsADay(1000))
	r := h.replicas[0]
	admit := func(words int64) bool {
		var a limit.Admission
		cost := &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: words}}}
		ok := a.AdmitCost(r.clock(), r.parts, cost, "ner", "other", h.set)
		a.Settle(true, []toll.Amount{{Unit: "words", Count: words}})
		a.Release()
		return ok
	}
	if !admit(200) {
		t.Fatal("refused")
	}
	h.quiet()
	h.ledger.Away(errAway)
	r.pool.Beat(t.Context())
	if !admit(300) || !admit(100) { // half of the 800 that were left
		t.Error("its share was refused")
	}
	if admit(1) {
		t.Error("admitted more than its share")
	}
}

// TestACallAboveTheWholeQuotaLeavesTheOthersTheirs: were it asked for, what is
// left would be leased to a call that cannot use it.
func TestACallAboveTheWholeQuotaLeavesTheOthersTheirs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, wordsADay(100))
	admit := func(r *replica, words int64) limit.Result {
		var a limit.Admission
		defer a.Release()
		cost := &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: words}}}
		a.AdmitCost(r.clock(), r.parts, cost, "ner", "other", h.set)
		return a.Results()[0]
	}
	if r := admit(h.replicas[0], 101); !r.Refused || !r.Never || r.RetryAfter != 0 {
		t.Errorf("101 of 100: %+v", r)
	}
	if r := admit(h.replicas[1], 100); r.Refused {
		t.Errorf("100 of 100 beside it: %+v", r)
	}
	h.quiet()
	h.ledger.Away(errAway)
	h.replicas[0].pool.Beat(t.Context())
	if r := admit(h.replicas[0], 101); !r.Refused || !r.Never || r.Away || r.RetryAfter != 0 {
		t.Errorf("101 of 100 while the ledger is away: %+v", r)
	}
}

func TestWhatIsTrulyUsedIsNotSaidToComeBackInASecond(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, wordsADay(100))
	use := func(r *replica, words int64) limit.Result {
		var a limit.Admission
		defer a.Release()
		cost := &toll.Cost{Reserve: []toll.Amount{{Unit: "words", Count: words}}}
		a.AdmitCost(r.clock(), r.parts, cost, "ner", "other", h.set)
		a.Settle(true, []toll.Amount{{Unit: "words", Count: words}})
		return a.Results()[0]
	}
	if r := use(h.replicas[0], 80); r.Refused {
		t.Fatalf("80 of 100: %+v", r)
	}
	h.quiet()
	if r := use(h.replicas[1], 30); !r.Refused || r.Never || r.RetryAfter != r.Reset || r.Remaining != 20 {
		t.Errorf("30 where 20 are left: %+v, want the period's end", r)
	}
}
