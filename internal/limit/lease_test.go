package limit_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestTheCommonRequestNeedsNoRoundTrip(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 3, monthly(1_000_000), perMinute(600_000), parallel(1000))
	const requests = 20_000
	for range requests {
		h.now = h.now.Add(50 * time.Microsecond)
		if !h.replicas[0].one() {
			t.Fatal("refused")
		}
	}
	if asked := h.replicas[0].pool.Status().Asked; asked > requests/100 {
		t.Errorf("%d of %d requests waited for the ledger", asked, requests)
	}
}

func TestTheCommonRequestOfASharedCustomerAllocatesNothing(t *testing.T) {
	h := newHouse(t, 3, monthly(1_000_000), perMinute(600_000), parallel(1000))
	r := h.replicas[0]
	for range 2000 { // to a batch that lasts
		r.one()
	}
	var a limit.Admission
	now := r.clock()
	before := r.pool.Status().Asked
	if n := testing.AllocsPerRun(100, func() {
		a.Admit(now, r.parts, "ner", "other", h.counting, h.set)
		a.Settle(true, nil)
		a.Release()
	}); n != 0 && r.pool.Status().Asked == before {
		t.Errorf("%v allocations a request", n)
	}
}

func TestOfTwoLimitsOnOneCounterTheSmallerHolds(t *testing.T) {
	t.Parallel()
	for _, limits := range [][2]int64{{40, 90}, {90, 40}} {
		one, other := monthly(limits[0]), monthly(limits[1])
		other.Name = "other"
		h := newHouse(t, 2, one, other)
		got := 0
		for i := range 120 {
			if h.replicas[i%2].one() {
				got++
			}
		}
		if got != 40 {
			t.Errorf("%v: %d were admitted, want 40", limits, got)
		}
	}
}

func TestAPlanChangeHoldsForTheNextRequest(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(10_000))
	for i := range 100 {
		h.replicas[i%2].one()
	}
	smaller, err := limit.Compile([]toll.Policy{monthly(50)}, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	h.set = smaller
	if h.replicas[0].one() || h.replicas[1].one() {
		t.Error("a lease of the larger plan was used")
	}
	if h.set, err = limit.Compile([]toll.Policy{monthly(102)}, time.UTC); err != nil {
		t.Fatal(err)
	}
	h.quiet()
	if !h.replicas[0].one() || !h.replicas[1].one() || h.replicas[0].one() {
		t.Error("two are left of 102 after 100, and not exactly two were admitted")
	}
}

func TestABusyReplicaHandsBackWhatItDoesNotUse(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 2, monthly(1000), parallel(100))
	busy, other := h.replicas[0], h.replicas[1]
	used := 0
	for range 500 { // to large batches
		if !busy.one() {
			t.Fatal("refused")
		}
		used++
	}
	for range 24 { // and then slowly, for two seconds and a half
		h.now = h.now.Add(limit.Beat / 2)
		if !busy.one() {
			t.Fatal("refused")
		}
		used++
		h.now = h.now.Add(limit.Beat / 2)
		for _, r := range h.replicas {
			r.pool.Beat(t.Context())
		}
	}
	left := busy.pool.Left()
	for other.one() {
		used++
	}
	t.Logf("the busy replica holds %d unused; %d of 1000 were used until the other was refused", left, used)
	if left > 12 {
		t.Errorf("the busy replica still holds %d", left)
	}
	if used < 1000-12 {
		t.Errorf("%d of 1000 were used", used)
	}
}

func TestADailyQuotaLeavesNoTrailOfLeases(t *testing.T) {
	t.Parallel()
	policy := monthly(10)
	policy.Every = toll.Daily
	h := newHouse(t, 1, policy)
	r := h.replicas[0]
	for range 40 {
		for range 12 {
			r.one()
		}
		h.quiet()
		h.now = h.now.Add(24 * time.Hour)
	}
	if got := r.parts.SharedCustomer.Leases(); got > 3 {
		t.Errorf("%d leases are kept after 40 days, want at most 3", got)
	}
}
