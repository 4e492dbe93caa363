package gate_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAKeyMayBeForSomeMethodsAndAddressesOnly(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k := h.key
	k.Methods, k.Origins, k.Version = []string{"GET"}, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}, 2
	h.PutKey(k)
	for name, c := range map[string]struct {
		method, from string
		want         toll.RefusalReason
	}{
		"as it is for":         {"GET", "192.0.2.9", ""},
		"HEAD asks for less":   {"HEAD", "2001:db8::7", ""},
		"another method":       {"POST", "192.0.2.9", toll.RefusedOutOfScope},
		"in lower case":        {"get", "192.0.2.9", toll.RefusedOutOfScope},
		"another address":      {"GET", "192.0.3.1", toll.RefusedKeyOrigin},
		"mapped into IPv6":     {"GET", "::ffff:192.0.2.9", ""},
		"another, mapped":      {"GET", "::ffff:192.0.3.1", toll.RefusedKeyOrigin},
		"from nowhere":         {"GET", "", toll.RefusedKeyOrigin},
		"both wrong, one told": {"POST", "192.0.3.1", toll.RefusedKeyOrigin},
	} {
		ask := h.ask()
		ask.Method, ask.Client = c.method, netip.Addr{}
		if c.from != "" {
			ask.Client = netip.MustParseAddr(c.from)
		}
		d := h.Admit(&ask, &h.pass)
		if (d == gate.Admitted) != (c.want == "") || h.pass.Reason != c.want {
			t.Errorf("%s: decision %d, reason %q, want %q", name, d, h.pass.Reason, c.want)
		}
		if d == gate.Admitted {
			h.pass.Done()
		}
	}
}

func TestAKeysOwnLimitsHoldBesideThePlansAndForItAlone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k := h.key
	k.Limits, k.Version = []toll.Policy{{Name: "minute", Kind: toll.RateLimit, Partition: toll.PerKey, Count: 2, Window: time.Minute}}, 2
	h.PutKey(k)
	other, text := newKey(t, h.customer.ID, toll.Live)
	h.PutKey(other)
	ok := gate.Outcome{Status: 503} // so that the quota of five is not in the way
	for i := range 3 {
		if got, want := h.call(t, ok) == gate.Admitted, i < 2; got != want {
			t.Errorf("call %d with the limited key: admitted %v, want %v", i, got, want)
		}
	}
	h.text = text
	if h.call(t, ok) != gate.Admitted {
		t.Error("the customer's other key is held to the first one's limit")
	}
}

func TestAnOverrideHoldsForOneCustomerAndSurvivesReloadAndPlanChange(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c := h.customer
	c.Subscription.Overrides, c.Version = []toll.Policy{
		{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Count: 7, Every: toll.Monthly}, // 5 on the plan
		{Name: "extra", Kind: toll.RateLimit, Count: 1000, Window: time.Minute},
	}, 2
	spend := func(n int) (admitted int) {
		for range n {
			if h.call(t, gate.Outcome{Status: 200, Answered: true}) == gate.Admitted {
				admitted++
			}
		}
		return admitted
	}
	if got := spend(5); got != 5 {
		t.Fatalf("%d of the plan's five", got)
	}
	h.PutCustomer(c)
	if got := spend(1); got != 1 {
		t.Error("the override does not hold for the next request")
	}
	if err := h.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{free()}}); err != nil {
		t.Fatal(err)
	}
	if got := spend(3); got != 1 {
		t.Errorf("after a reload %d more were admitted, want the one that is left of seven", got)
	}
	names := map[string]int64{}
	for _, s := range h.LimitStates(c.ID, noon) {
		names[s.Policy.Name] = s.Limit
	}
	if names["monthly"] != 7 || names["extra"] != 1000 || len(names) != 4 {
		t.Errorf("pages show %v", names)
	}
	c.Subscription.Overrides, c.Version = nil, 3
	h.PutCustomer(c)
	if got := spend(1); got != 0 {
		t.Error("without the override the plan's own limit should hold again, with what was used")
	}
}
