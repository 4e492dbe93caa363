package gate_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/limittest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func wordsAndRequests(words, requests int64) []toll.Amount {
	return []toll.Amount{{Unit: "words", Count: words}, {Unit: toll.UnitRequests, Count: requests}}
}

// monthly is what the gate says is used of the monthly quota.
func monthly(t *testing.T, g *gate.Gate, now time.Time) int64 {
	t.Helper()
	for _, s := range g.LimitStates("cus_1", now) {
		if s.Policy.Name == "monthly" {
			return s.Used
		}
	}
	t.Fatal("no monthly quota")
	return 0
}

func TestUsageFromOutsideCountsInTheQuotaOfItsOwnMonth(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	if plan, version, known := h.PlanOf("cus_1"); plan != "free" || version == "" || !known {
		t.Errorf("the plan of cus_1: %q %q %v", plan, version, known)
	}
	if _, _, known := h.PlanOf("cus_nobody"); known {
		t.Error("nobody is known")
	}
	h.CountOutside("cus_nobody", noon, noon, wordsAndRequests(1, 1))
	h.CountOutside("cus_1", noon, noon, wordsAndRequests(100, 3)) // before any request of the month
	if got := monthly(t, h.Gate, noon); got != 3 {
		t.Errorf("%d used, want 3", got)
	}
	if h.call(t, gate.Outcome{Status: 200, Answered: true}) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	h.CountOutside("cus_1", noon, noon.AddDate(0, 0, -40), wordsAndRequests(0, 50)) // late: another month
	h.CountOutside("cus_1", noon, noon.AddDate(0, 1, 0), wordsAndRequests(0, 70))   // ahead: another month too
	h.CountOutside("cus_1", noon, noon, wordsAndRequests(100, 0))
	if got := monthly(t, h.Gate, noon); got != 4 {
		t.Errorf("%d used, want 4", got)
	}
	if got := monthly(t, h.Gate, noon.AddDate(0, 1, 0)); got != 70 {
		t.Errorf("%d used in the month after, want 70", got)
	}
}

// TestUsageFromOutsideCountsInTheSubscriptionsOwnMonth: what a worker reports is
// held against the quota that the customer's requests are.
func TestUsageFromOutsideCountsInTheSubscriptionsOwnMonth(t *testing.T) {
	t.Parallel()
	h := everywhere(t, func(r *gate.Rules, c *toll.Customer, _ *toll.Key) {
		p := &r.Plans[0].Plan
		p.Months = toll.SubscriptionMonth
		p.Policies = []toll.Policy{requests("own", 2, func(p *toll.Policy) { p.Every = toll.SubscriptionMonth })}
		c.Subscription.Since = noon.AddDate(0, -3, -5)
		c.Subscription.Overrides = nil
	})
	used := func() int64 { return h.LimitStates("cus_1", noon)[0].Used }
	h.CountOutside("cus_1", noon, noon.AddDate(0, -1, -10), wordsAndRequests(0, 40)) // late: another of its months
	if got := used(); got != 0 {
		t.Errorf("%d used by what was used in another month, want 0", got)
	}
	h.CountOutside("cus_1", noon, noon, wordsAndRequests(0, 2))
	if got := used(); got != 2 {
		t.Errorf("%d used, want 2", got)
	}
	ask := h.ask()
	if d := h.Admit(&ask, &h.pass); d != gate.Refused {
		t.Errorf("a call beyond the quota: %v", d)
	}
}

func TestUsageFromOutsideRefusesAtTheGate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.CountOutside("cus_1", noon, noon, wordsAndRequests(0, 1<<40))
	if d := h.call(t, gate.Outcome{Status: 200, Answered: true}); d != gate.Refused || h.pass.Reason != toll.RefusedLimit {
		t.Errorf("decision %v (%s)", d, h.pass.Reason)
	}
}

func TestUsageFromOutsideIsKnownToEveryReplica(t *testing.T) {
	t.Parallel()
	ledger := limittest.NewMemory(func() time.Time { return noon })
	all := threeGates(t, ledger, toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: 100})
	var p gate.Pass
	if reason := all[1].call(t, &p, 200); reason != "" {
		t.Fatal(reason)
	}
	for _, r := range all { // one of each, through each
		r.PrepareOutside(t.Context(), "cus_1", noon)
		r.CountOutside("cus_1", noon, noon, wordsAndRequests(5, 10))
	}
	for range 2 {
		for _, r := range all {
			r.pool.Beat(t.Context())
		}
	}
	for i, r := range all {
		if got := monthly(t, r.Gate, noon.Add(2*limit.LeaseLife)); got != 31 { // what was known at noon is not believed any more
			t.Errorf("replica %d: %d used, want 31", i, got)
		}
	}
}

func TestUsageFromOutsideFollowsCountersThatHaveLeft(t *testing.T) {
	t.Parallel()
	m := newMovingKeys(t)
	g := m.gate(t)
	g.CountOutside("cus_1", noon, noon, wordsAndRequests(0, 3))
	next := m.move(t, g)
	g.CountOutside("cus_1", noon, noon, wordsAndRequests(0, 4))
	for _, s := range next.gate.LimitStates("cus_1", noon) {
		if s.Policy.Kind == toll.Quota && s.Policy.Unit == toll.UnitRequests && s.Used != 7 {
			t.Errorf("%s: %d used, want 7", s.Policy.Name, s.Used)
		}
	}
}
