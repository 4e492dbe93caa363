package gate_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func requests(name string, limit int64, change ...func(*toll.Policy)) toll.Policy {
	p := toll.Policy{Name: name, Kind: toll.Quota, Unit: toll.UnitRequests, Count: limit, Every: toll.Monthly}
	for _, f := range change {
		f(&p)
	}
	return p
}

func perKey(p *toll.Policy)     { p.Partition = toll.PerKey }
func ofNer(p *toll.Policy)      { p.Service = "ner" }
func extracting(p *toll.Policy) { p.Service, p.Endpoint = "ner", "POST /extractions" }

// everywhere is a house with a quota on each place where one may stand.
func everywhere(t *testing.T, change func(*gate.Rules, *toll.Customer, *toll.Key)) *house {
	t.Helper()
	h := newHouse(t)
	all, plan := services(), free()
	plan.Plan.Includes = []string{"ner", "other"}
	all[0].Policies = []toll.Policy{requests("service", 1000, ofNer), requests("endpoint", 1000, extracting)}
	plan.Plan.Policies = []toll.Policy{
		requests("plan", 1000), requests("plan-service", 1000, ofNer), requests("plan-key", 1000, perKey),
		{Name: "minute", Kind: toll.RateLimit, Count: 1000, Window: time.Minute},
	}
	rules := gate.Rules{Services: all, Plans: []toll.PlanVersion{plan}}
	h.customer.Version++
	h.customer.Subscription.Overrides = []toll.Policy{requests("override", 1000, func(p *toll.Policy) { p.Every = toll.Daily })}
	h.key.Version++
	h.key.Limits = []toll.Policy{requests("key", 1000, ofNer)}
	if change != nil {
		change(&rules, &h.customer, &h.key)
	}
	if err := h.Switch(rules); err != nil {
		t.Fatal(err)
	}
	h.PutCustomer(h.customer)
	h.PutKey(h.key)
	return h
}

// left is what each policy said to the last request.
func (h *house) left() map[string]int64 {
	out := map[string]int64{}
	for _, r := range h.pass.Limits() {
		out[r.Policy.Name] = r.Remaining
	}
	return out
}

func TestEachPlaceOfAQuotaRefusesAloneAndThenNothingIsTaken(t *testing.T) {
	t.Parallel()
	tight := func(list []toll.Policy, name string) {
		for i := range list {
			if list[i].Name == name {
				list[i].Count = 2
			}
		}
	}
	for _, name := range []string{"service", "endpoint", "plan", "plan-service", "plan-key", "override", "key"} {
		for _, shadow := range []bool{false, true} {
			h := everywhere(t, func(r *gate.Rules, c *toll.Customer, k *toll.Key) {
				for _, list := range [][]toll.Policy{r.Services[0].Policies, r.Plans[0].Plan.Policies, c.Subscription.Overrides, k.Limits} {
					tight(list, name)
					for i := range list {
						list[i].Shadow = shadow && list[i].Name == name
					}
				}
			})
			want := gate.Refused
			if shadow {
				want = gate.Admitted
			}
			for range 2 {
				if d := h.call(t, gate.Outcome{Status: 200, Answered: true}); d != gate.Admitted {
					t.Fatalf("%s: decision %v", name, d)
				}
			}
			for range 5 {
				ask := h.ask()
				if d := h.Admit(&ask, &h.pass); d != want {
					t.Errorf("%s, shadow %v: the third call: %v, want %v", name, shadow, d, want)
				}
				would := ""
				for _, r := range h.pass.Limits() {
					if r.WouldRefuse {
						would += r.Policy.Name
					}
				}
				if would != name {
					t.Errorf("%s, shadow %v: %q would refuse", name, shadow, would)
				}
				for policy, left := range h.left() {
					if policy != name && !shadow && left != 998 {
						t.Errorf("%s refused, and %s has %d left, want 998", name, policy, left)
					}
				}
				if want == gate.Admitted {
					h.pass.Done().Delivered(true) // given back: the next finds the same
				}
			}
		}
	}
}

func TestScopedQuotasCountTheirCallsAlone(t *testing.T) {
	t.Parallel()
	h := everywhere(t, nil)
	second, text := newKey(t, "cus_1", toll.Live)
	h.PutKey(second)
	h.call(t, gate.Outcome{Status: 200, Answered: true}) // an extraction, with the first key
	ask := h.ask()
	ask.RawPath = "/v1/ner/elsewhere"
	ask.Authorization = "Bearer " + text
	h.Admit(&ask, &h.pass)
	left := h.left()
	for policy, want := range map[string]int64{"plan": 998, "plan-service": 998, "service": 998, "plan-key": 999, "override": 998} {
		if got := left[policy]; got != want {
			t.Errorf("%s has %d left, want %d", policy, got, want)
		}
	}
	h.pass.Done().Delivered(true)
	for policy, want := range map[string]int64{"plan": 1, "plan-service": 1, "service": 1, "endpoint": 1, "override": 1} {
		if got := h.used(t, policy); got != want {
			t.Errorf("pages show %d of %s, want %d", got, policy, want)
		}
	}
	if _, met := left["endpoint"]; met {
		t.Error("the endpoint's quota holds for another endpoint")
	}
	if _, met := left["key"]; met {
		t.Error("a key's quota holds for another key")
	}
}

func TestATestKeyUsesNothingOfAServicesQuotas(t *testing.T) {
	t.Parallel()
	h := everywhere(t, nil)
	test, text := newKey(t, "cus_1", toll.Test)
	h.PutKey(test)
	ask := h.ask()
	ask.Authorization = "Bearer " + text
	if h.Admit(&ask, &h.pass) != gate.Admitted {
		t.Fatal(h.pass.Reason)
	}
	if len(h.left()) != 1 { // the small limit of test keys
		t.Errorf("it met %v", h.left())
	}
	h.pass.Done().Delivered(true)
}

func TestQuotasAreRestoredWhereverTheyStand(t *testing.T) {
	t.Parallel()
	h := everywhere(t, nil)
	month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i, r := range []gate.Restored{
		{Customer: "cus_1", Service: "ner"},
		{Customer: "cus_1", Service: "ner", Endpoint: "POST /extractions"},
		{Customer: "cus_1", Key: h.key.ID},
		{Customer: "cus_1", Key: h.key.ID, Service: "ner"},
		{Customer: "cus_1", Key: "key_unknown"},
	} {
		r.Unit, r.Every, r.Start, r.Used = toll.UnitRequests, toll.Monthly, month, int64(100*(i+1))
		h.RestoreScope(r)
	}
	h.Restore("cus_1", toll.UnitRequests, toll.Monthly, month, 700)
	ask := h.ask()
	h.Admit(&ask, &h.pass)
	for policy, want := range map[string]int64{"plan": 299, "plan-service": 899, "service": 899, "endpoint": 799, "plan-key": 699, "key": 599} {
		if got := h.left()[policy]; got != want {
			t.Errorf("%s has %d left, want %d", policy, got, want)
		}
	}
	h.pass.Done().Delivered(true)
	for _, r := range []gate.Restored{{Customer: "cus_1"}, {Customer: "cus_1", Service: "ner"}, {Customer: "cus_1", Key: h.key.ID}, {Customer: "cus_1", Key: "key_unknown"}} {
		r.Unit, r.Every, r.Start = toll.UnitRequests, toll.Monthly, month
		h.Correct(r, 50)
	}
	ask = h.ask()
	h.Admit(&ask, &h.pass)
	for policy, want := range map[string]int64{"plan": 249, "plan-service": 849, "service": 849, "endpoint": 799, "plan-key": 649, "key": 599} {
		if got := h.left()[policy]; got != want {
			t.Errorf("corrected, %s has %d left, want %d", policy, got, want)
		}
	}
	h.pass.Done().Delivered(true)
}

func TestQuotasFollowTheSubscriptionsOwnMonths(t *testing.T) {
	t.Parallel()
	h := everywhere(t, func(r *gate.Rules, c *toll.Customer, _ *toll.Key) {
		p := &r.Plans[0].Plan
		p.Months = toll.SubscriptionMonth
		p.Policies = []toll.Policy{requests("own", 2, func(p *toll.Policy) { p.Every = toll.SubscriptionMonth })}
		c.Subscription.Since = time.Date(2026, 1, 21, 15, 0, 0, 0, time.UTC)
		c.Subscription.Overrides = nil
	})
	at := func(now time.Time, want gate.Decision) {
		t.Helper()
		ask := h.ask()
		ask.Now = now
		if d := h.Admit(&ask, &h.pass); d != want {
			t.Fatalf("at %s: %v, want %v", now, d, want)
		}
		if want == gate.Admitted {
			if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true}); err != nil {
				t.Fatal(err)
			}
			h.pass.Done().Delivered(true)
		}
	}
	begins := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	at(noon, gate.Admitted)
	at(noon, gate.Admitted)
	at(begins.Add(-1), gate.Refused)
	if wait := h.pass.Limits()[0].RetryAfter; wait != 1 {
		t.Errorf("the refusal says %s, want one nanosecond", wait)
	}
	state := h.LimitStates("cus_1", noon)[0]
	if state.Used != 2 || !state.ResetAt.Equal(begins) {
		t.Errorf("a page shows %d until %s, want 2 until %s", state.Used, state.ResetAt, begins)
	}
	at(begins, gate.Admitted)
	at(begins, gate.Admitted)
	at(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), gate.Refused) // the calendar's month is not its own
	at(time.Date(2026, 12, 21, 0, 0, 0, 0, time.UTC), gate.Admitted)
}
