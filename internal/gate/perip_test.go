package gate_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func ofEachIP(p *toll.Policy) { p.Partition = toll.PerIP }
func daily(p *toll.Policy)    { p.Every = toll.Daily }

// onTheStreet is a house whose public service has a quota per IP.
func onTheStreet(t *testing.T, policies ...toll.Policy) *house {
	t.Helper()
	h := newHouse(t)
	all := services()
	all[2].Policies = policies
	if err := h.Switch(gate.Rules{Services: all, Plans: []toll.PlanVersion{free()}}); err != nil {
		t.Fatal(err)
	}
	return h
}

// visit walks one request of a stranger through the gate.
func (h *house) visit(t testing.TB, from string, out gate.Outcome) gate.Decision {
	t.Helper()
	ask := gate.Ask{Now: noon, RequestID: "visit", Host: "site.example", Method: "GET", RawPath: "/", Client: netip.MustParseAddr(from)}
	d := h.Admit(&ask, &h.pass)
	if d != gate.Admitted {
		return d
	}
	if _, err := h.pass.Record(&out); err != nil {
		t.Fatal(err)
	}
	h.pass.Done().Delivered(true)
	return d
}

func TestAPublicServicesQuotaPerIPCountsWhatItAnswered(t *testing.T) {
	t.Parallel()
	h := onTheStreet(t, requests("visits", 3, ofEachIP, daily))
	fine, broken := gate.Outcome{Status: 200, Answered: true}, gate.Outcome{Status: 503, Answered: true}
	for _, from := range []string{"192.0.2.1", "2001:db8::1"} {
		for _, out := range []gate.Outcome{fine, broken, {Status: 504}, {Status: 404, Answered: true}, {Status: 200, Answered: true, Cached: true}, fine} {
			if d := h.visit(t, from, out); d != gate.Admitted {
				t.Fatalf("%s, %+v: %v", from, out, d)
			}
		}
		if d := h.visit(t, from, fine); d != gate.Refused || h.pass.Reason != toll.RefusedLimit {
			t.Errorf("%s: the fourth that counts: %v %s", from, d, h.pass.Reason)
		}
	}
	if d := h.visit(t, "2001:db8::ffff", fine); d != gate.Refused {
		t.Errorf("another address of the /64: %v", d)
	}
	counted := 0
	for _, e := range h.recorder.Events() {
		if e.Class != toll.NotBillable {
			t.Errorf("a stranger's call is %s", e.Class)
		}
		for _, u := range e.PerAddress {
			counted++
			if u.Unit != toll.UnitRequests || u.Service != "site" || u.Every != toll.Daily || u.Count != 1 || u.Start != noon.Truncate(24*time.Hour).Unix() || e.Address.IsZero() {
				t.Errorf("the journal has %+v of %s", u, e.Address)
			}
		}
		if len(e.PerAddress) == 0 && !e.Address.IsZero() {
			t.Error("an address is journalled of which nothing is counted")
		}
	}
	if counted != 6 { // a 404 and two others of each
		t.Errorf("the journal counts %d for addresses", counted)
	}
}

func TestAPlansQuotaPerIPHoldsForItsCustomersAddresses(t *testing.T) {
	t.Parallel()
	h := everywhere(t, func(r *gate.Rules, _ *toll.Customer, _ *toll.Key) {
		r.Plans[0].Plan.Policies = append(r.Plans[0].Plan.Policies, requests("plan-ip", 2, ofEachIP))
		r.Services[0].Policies = append(r.Services[0].Policies, toll.Policy{Name: "words-ip", Kind: toll.Quota, Unit: "words", Count: 10, Every: toll.Monthly, Partition: toll.PerIP})
	})
	call := func(from, key string) (gate.Decision, map[string]int64) {
		ask := h.ask()
		ask.Client, ask.Authorization = netip.MustParseAddr(from), "Bearer "+key
		d := h.Admit(&ask, &h.pass)
		if d == gate.Admitted {
			if _, err := h.pass.Record(&gate.Outcome{Status: 200, Answered: true, Usage: []string{"words=4"}}); err != nil {
				t.Fatal(err)
			}
			h.pass.Done().Delivered(true)
		}
		return d, h.left()
	}
	test, testText := newKey(t, "cus_1", toll.Test)
	h.PutKey(test)
	for i, want := range []gate.Decision{gate.Admitted, gate.Admitted, gate.Refused, gate.Refused} {
		if d, left := call("192.0.2.1", h.text); d != want {
			t.Errorf("call %d: %v, %v", i+1, d, left)
		}
	}
	if d, left := call("192.0.2.2", h.text); d != gate.Admitted || left["plan-ip"] != 1 || left["plan"] != 997 || left["words-ip"] != 10 {
		t.Errorf("from elsewhere: %v %v", d, left) // 2 + 1 of the customer's; a refusal took nothing
	}
	if d, left := call("192.0.2.1", testText); d != gate.Admitted || len(left) != 1 {
		t.Errorf("a test key: %v %v", d, left)
	}
	for _, e := range h.recorder.Events() {
		if want := map[toll.Class]int{toll.Chargeable: 2, toll.TestUsage: 0}[e.Class]; len(e.PerAddress) != want {
			t.Errorf("a %s event counts %+v for its address", e.Class, e.PerAddress)
		}
	}
	// Usage that is told later is nobody's address's, and the customer's all the same.
	h.CountSettled(&toll.Event{Customer: "cus_1", Key: h.key.ID, Service: "ner", Endpoint: "POST /extractions", Time: noon, Class: toll.Chargeable}, noon)
	if _, left := call("192.0.2.2", h.text); left["plan-ip"] != 0 || left["plan"] != 995 {
		t.Errorf("after a call was settled: %v", left)
	}
}

func TestAShadowQuotaPerIPOnlyReports(t *testing.T) {
	t.Parallel()
	h := onTheStreet(t, requests("visits", 1, ofEachIP, func(p *toll.Policy) { p.Shadow = true }))
	for range 3 {
		if d := h.visit(t, "192.0.2.1", gate.Outcome{Status: 200, Answered: true}); d != gate.Admitted {
			t.Fatal(d)
		}
	}
	if r := h.pass.Limits(); len(r) != 1 || !r[0].WouldRefuse || r[0].Remaining != 0 {
		t.Errorf("it says %+v", r)
	}
}

// TestWhereNoMoreAddressesCanBeCountedCallsAreRefusedAndSaidSo fills every place
// that there is, as a flood of addresses would.
func TestWhereNoMoreAddressesCanBeCountedCallsAreRefusedAndSaidSo(t *testing.T) {
	t.Parallel()
	h := onTheStreet(t, requests("visits", 3, ofEachIP))
	h.visit(t, "192.0.2.99", gate.Outcome{Status: 200, Answered: true})
	one := h.recorder.Events()[0].Address
	for i := range gate.MaxQuotaAddresses * 9 / 8 {
		address := one
		address[15], address[14], address[13] = byte(i), byte(i>>8), byte(i>>16)
		h.RestoreScope(gate.Restored{
			Address: address, Unit: toll.UnitRequests, Service: "site", Every: toll.Monthly,
			Start: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), Used: 1,
		})
	}
	kept, _ := h.QuotaAddresses()
	h.RestoreScope(gate.Restored{Address: toll.AddressHash{1}, Unit: toll.UnitRequests, Service: "site", Every: toll.Monthly, Start: noon, Used: 1})
	if now, _ := h.QuotaAddresses(); now != kept || kept < gate.MaxQuotaAddresses {
		t.Errorf("%d addresses are kept, and %d with one that another replica counted", kept, now)
	}
	fine := gate.Outcome{Status: 200, Answered: true}
	if d := h.visit(t, "192.0.2.1", fine); d != gate.Refused || h.pass.Reason != toll.RefusedUncounted || len(h.pass.Limits()) != 0 {
		t.Errorf("a newcomer: %v %s %v", d, h.pass.Reason, h.pass.Limits())
	}
	if _, turned := h.QuotaAddresses(); turned != 1 {
		t.Errorf("%d were turned away", turned)
	}
	if d := h.call(t, fine); d != gate.Admitted {
		t.Errorf("a service without such a quota: %v", d)
	}
	all := services()
	all[2].Policies = []toll.Policy{requests("visits", 3, ofEachIP, func(p *toll.Policy) { p.Shadow = true })}
	if err := h.Switch(gate.Rules{Services: all, Plans: []toll.PlanVersion{free()}}); err != nil {
		t.Fatal(err)
	}
	if d := h.visit(t, "192.0.2.1", fine); d != gate.Admitted {
		t.Errorf("with a shadow alone: %v", d)
	}
	h.Trim(noon.AddDate(0, 1, 0))
	if kept, _ := h.QuotaAddresses(); kept != 0 {
		t.Errorf("%d are kept after their month", kept)
	}
}

// The number that refuses an address is made again from what its events say.
func TestAnAddressesQuotaIsMadeAgainFromTheJournal(t *testing.T) {
	t.Parallel()
	policy := requests("visits", 5, ofEachIP)
	before, after := onTheStreet(t, policy), onTheStreet(t, policy)
	before.HashAddresses("one data directory")
	after.HashAddresses("one data directory")
	for range 3 {
		before.visit(t, "192.0.2.1", gate.Outcome{Status: 200, Answered: true})
	}
	for _, e := range before.recorder.Events() {
		for _, u := range e.PerAddress {
			after.Correct(gate.Restored{Address: e.Address, Unit: u.Unit, Service: u.Service, Every: u.Every, Start: time.Unix(u.Start, 0)}, u.Count)
		}
	}
	var got []gate.Decision
	for range 3 {
		got = append(got, after.visit(t, "192.0.2.1", gate.Outcome{Status: 200, Answered: true}))
	}
	if !slices.Equal(got, []gate.Decision{gate.Admitted, gate.Admitted, gate.Refused}) {
		t.Errorf("with 3 of 5 used: %v", got)
	}
}
