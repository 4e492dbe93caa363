package limit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestReplicasTogetherNeverAdmitMoreThanOneWould holds replicas with leases to
// the sequential model: a bucket of exact fractions, a number, and a number in
// flight. While the ledger answers, nothing is admitted that the model refuses;
// what the model would admit and a replica refuses is leased by others; and a
// second after the last request nothing is.
var errAway = errors.New("connection refused")

func TestWhileTheLedgerIsAwayEachPolicyDoesWhatItSays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		when     toll.WhenSharedAway
		min, max int // admitted by three replicas that are asked a hundred times each
	}{{"", 45, 60}, {toll.AwayShare, 45, 60}, {toll.AwayOpen, 300, 300}, {toll.AwayClosed, 0, 0}} {
		t.Run("quota "+string(c.when), func(t *testing.T) {
			t.Parallel()
			policy := monthly(90)
			policy.WhenSharedAway = c.when
			h := newHouse(t, 3, policy)
			for i := range 30 {
				if !h.replicas[i%3].one() {
					t.Fatal("refused before the end")
				}
			}
			h.quiet()
			h.ledger.Away(errAway)
			h.now = h.now.Add(2 * limit.LeaseLife)
			got := 0
			for i := range 300 {
				if h.replicas[i%3].one() {
					got++
				}
			}
			if got < c.min || got > c.max {
				t.Errorf("%d were admitted, want %d to %d", got, c.min, c.max)
			}
			for _, r := range h.replicas {
				s := r.pool.Status()
				if !s.Away || s.Outages != 1 || s.Alone == 0 {
					t.Errorf("%s: %+v", r.name, s)
				}
			}
			h.ledger.Away(nil)
			h.quiet()
			more := 0
			for i := range 300 {
				if h.replicas[i%3].one() {
					more++
				}
			}
			if want := max(0, 60-got); more != want {
				t.Errorf("%d more were admitted once it was back, want %d", more, want)
			}
			if r := h.replicas[0]; r.pool.Away() {
				t.Error("still away")
			}
		})
	}
}

func TestAClosedPolicySaysThatItCannotKnow(t *testing.T) {
	t.Parallel()
	policy := parallel(3)
	policy.WhenSharedAway = toll.AwayClosed
	h := newHouse(t, 2, policy)
	h.ledger.Away(errAway)
	var a limit.Admission
	if h.replicas[0].admit(&a) {
		t.Fatal("admitted")
	}
	if r := a.Results()[0]; !r.Away || !r.Refused || r.RetryAfter != time.Second {
		t.Errorf("%+v", r)
	}
}

func TestAnEmptiedLedgerGivesNobodyAFreshQuota(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{"while it answers", "while it is away"} {
		t.Run(lost, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 3, monthly(100))
			got := 0
			count := func(requests int) {
				for i := range requests {
					if h.replicas[i%3].one() {
						got++
					}
				}
			}
			count(80)
			h.quiet()
			if lost == "while it is away" {
				h.ledger.Away(errAway)
				h.now = h.now.Add(2 * time.Second)
				count(9)
				h.ledger.Away(nil)
			}
			h.ledger.Lose()
			h.quiet()
			count(200)
			if got != 100 {
				t.Errorf("%d were admitted of 100", got)
			}
		})
	}
}

func TestAReplicaThatStartsTellsTheLedgerWhatTheStoreSaid(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, monthly(100))
	r := h.replicas[0]
	r.state.Restore(toll.UnitRequests, toll.Monthly, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), 97)
	got := 0
	for range 10 {
		if r.one() {
			got++
		}
	}
	if got != 3 {
		t.Errorf("%d were admitted of the 3 that are left", got)
	}
	other := h.join() // was told nothing by its store, and asks the ledger
	if other.one() {
		t.Error("another replica admitted one more")
	}
}

func TestAShareIsOfWhatTheStoreSaysIsLeftWhereAReplicaHasNotLookedLately(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(100))
	busy := h.replicas[0]
	for range 90 {
		if !busy.one() {
			t.Fatal("refused")
		}
	}
	h.quiet()
	idle := h.join()
	idle.pool = limit.NewPool(h.ledger, limit.PoolOptions{Replica: "idle", Clock: idle.clock, Used: func(_ context.Context, q limit.UsedQuestion) (int64, error) {
		if q.Who != "acme" || q.Unit != toll.UnitRequests || !q.From.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) || !q.To.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
			t.Errorf("the store is asked for %+v", q)
		}
		return 90, nil
	}})
	idle.parts.SharedCustomer = idle.pool.Share("acme", true, idle.state)
	idle.pool.Beat(t.Context())
	h.ledger.Away(errAway)
	h.now = h.now.Add(2 * time.Second)
	got := 0
	for range 50 {
		if idle.one() {
			got++
		}
	}
	if got != 3 { // of ten that are left, and three replicas
		t.Errorf("%d were admitted, want 3", got)
	}
}

// A ledger that comes back empty knows what the first to ask it knew. It is
// asked once the others have told too.
func TestTheFirstToComeBackDoesNotUseWhatTheOthersUsedAlone(t *testing.T) {
	t.Parallel()
	for _, policy := range []toll.Policy{monthly(90), perMinute(90)} {
		h := newHouse(t, 3, policy)
		admitted := 0
		ask := func(r *replica, times int) {
			for range times {
				if r.one() {
					admitted++
				}
			}
		}
		for _, r := range h.replicas {
			ask(r, 1)
		}
		h.quiet()
		h.ledger.Away(errAway)
		h.now = h.now.Add(2 * limit.LeaseLife)
		for _, r := range h.replicas {
			ask(r, 100) // its share
		}
		h.ledger.Lose()
		h.ledger.Away(nil)
		first := h.replicas[0]
		for range 2 { // the others beat within a quarter of a second, which is one of its beats
			first.pool.Beat(t.Context())
			ask(first, 100)
		}
		for range 3 {
			for _, r := range h.replicas {
				r.pool.Beat(t.Context())
			}
		}
		for _, r := range h.replicas {
			if s := r.pool.Status(); s.Away || s.Replicas != 3 {
				t.Errorf("%s, %s: %+v", policy.Name, r.name, s)
			}
			ask(r, 100)
		}
		flowed := 0
		if policy.Kind == toll.RateLimit {
			flowed = int(h.now.Sub(start)*90/time.Minute) + 1
		}
		if admitted > 90+flowed {
			t.Errorf("%s: %d were admitted of 90, and %d that flowed off", policy.Name, admitted, flowed)
		}
	}
}
