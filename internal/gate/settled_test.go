package gate_test

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestASettledRequestCountsInEveryQuotaOfItsCall(t *testing.T) {
	t.Parallel()
	h := everywhere(t, nil)
	call := toll.Event{Customer: "cus_1", Key: h.key.ID, Service: "ner", Endpoint: "POST /extractions", Time: noon, Units: []toll.Amount{{Unit: "words", Count: 5}}}
	h.CountSettled(&call, noon)
	elsewhere := call
	elsewhere.Service, elsewhere.Endpoint, elsewhere.Key = "other", "other", "key_gone"
	elsewhere.Units = []toll.Amount{{Unit: toll.UnitRequests, Count: 10}} // it cost ten
	h.CountSettled(&elsewhere, noon)
	late := call
	late.Time = noon.AddDate(0, -2, 0)
	h.CountSettled(&late, noon)
	stranger := call
	stranger.Customer = "cus_nobody"
	h.CountSettled(&stranger, noon)
	if h.call(t, gate.Outcome{Status: 200, Answered: true}) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	// The call itself is one more.
	for policy, want := range map[string]int64{"override": 988, "plan": 988, "plan-service": 998, "service": 998, "endpoint": 998, "plan-key": 998, "key": 998} {
		if got := h.left()[policy]; got != want {
			t.Errorf("%s has %d left, want %d", policy, got, want)
		}
	}
}

func TestASettledRequestCountsInTheSubscriptionsOwnMonth(t *testing.T) {
	t.Parallel()
	h := everywhere(t, func(r *gate.Rules, c *toll.Customer, _ *toll.Key) {
		p := &r.Plans[0].Plan
		p.Months = toll.SubscriptionMonth
		p.Policies = []toll.Policy{requests("own", 100, func(p *toll.Policy) { p.Every = toll.SubscriptionMonth })}
		c.Subscription.Since, c.Subscription.Overrides = noon.AddDate(0, -3, 1), nil // its month began on the day after noon's, a month ago
	})
	e := toll.Event{Customer: "cus_1", Key: h.key.ID, Service: "ner", Endpoint: "POST /extractions"}
	for _, days := range []int{0, -20, -40} { // two in this month of its own, one in the last
		e.Time = noon.AddDate(0, 0, days)
		h.CountSettled(&e, noon)
	}
	if h.call(t, gate.Outcome{Status: 200, Answered: true}) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	if got := h.left()["own"]; got != 97 {
		t.Errorf("%d left of 100, want 97", got)
	}
}
