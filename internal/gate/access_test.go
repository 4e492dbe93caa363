package gate_test

import (
	"net/netip"
	"testing"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// guarded is a gate before one service with address lists, CORS and a bound on
// addresses, and a recorder that remembers.
func guarded(t *testing.T) (*gate.Gate, *gatetest.Recorder) {
	t.Helper()
	recorder := new(gatetest.Recorder)
	g := gate.New(recorder, toll.NewIDs(nil))
	service := toll.Service{
		Name: "ner", Path: "/v1/ner", Access: toll.AccessKey, MaxBody: 1000, MaxURL: 20, Bill: billable,
		Allow: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Deny:  []netip.Prefix{netip.MustParsePrefix("198.51.100.7/32"), netip.MustParsePrefix("2001:db8:bad::/48")},
		CORS:  toll.CORS{Origins: []string{"https://app.example.com"}},
	}
	if err := g.Switch(gate.Rules{Services: []toll.Service{service}, Plans: []toll.PlanVersion{free()}}); err != nil {
		t.Fatal(err)
	}
	return g, recorder
}

func TestAddressListsAreAskedBeforeAnythingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		client string
		want   toll.RefusalReason
	}{
		{"198.51.100.1", toll.RefusedKeyMissing}, // got past the lists
		{"::ffff:198.51.100.1", toll.RefusedKeyMissing},
		{"2001:db8::1", toll.RefusedKeyMissing},
		{"198.51.100.7", toll.RefusedAddress},
		{"::ffff:198.51.100.7", toll.RefusedAddress},
		{"2001:db8:bad::1", toll.RefusedAddress},
		{"203.0.113.1", toll.RefusedAddress},
		{"::1", toll.RefusedAddress},
	} {
		g, recorder := guarded(t)
		var p gate.Pass
		ask := gate.Ask{Now: noon, Method: "GET", RawPath: "/v1/ner/", Client: netip.MustParseAddr(c.client)}
		if got := g.Admit(&ask, &p); got != gate.Refused || p.Reason != c.want {
			t.Errorf("%s: %d %s, want refused: %s", c.client, got, p.Reason, c.want)
		}
		if refusals := recorder.Refusals(); len(refusals) != 1 || refusals[0].Reason != c.want || refusals[0].Service != "ner" {
			t.Errorf("%s: counted %+v", c.client, refusals)
		}
	}
	g, _ := guarded(t)
	var p gate.Pass
	if g.Admit(&gate.Ask{Now: noon, Method: "GET", RawPath: "/v1/ner/"}, &p); p.Reason != toll.RefusedAddress {
		t.Errorf("a client without an address got past an allow list: %s", p.Reason)
	}
}

func TestAPreflightPassesTheListsAndNothingElse(t *testing.T) {
	t.Parallel()
	g, recorder := guarded(t)
	var p gate.Pass
	good := gate.Ask{Now: noon, Method: "OPTIONS", RawPath: "/v1/ner/", Client: netip.MustParseAddr("198.51.100.1"), Preflight: true, URL: 20}
	if got := g.Admit(&good, &p); got != gate.Preflight || p.Service == nil {
		t.Errorf("a preflight: %d %s", got, p.Reason)
	}
	if n := len(recorder.Refusals()); n != 0 {
		t.Errorf("%d refusals", n)
	}
	refused, long := good, good
	refused.Client = netip.MustParseAddr("198.51.100.7")
	long.URL = 21
	for want, ask := range map[toll.RefusalReason]*gate.Ask{toll.RefusedAddress: &refused, toll.RefusedURL: &long} {
		if got := g.Admit(ask, &p); got != gate.Refused || p.Reason != want {
			t.Errorf("%d %s, want refused: %s", got, p.Reason, want)
		}
	}
	elsewhere := good
	elsewhere.RawPath = "/v2"
	if got := g.Admit(&elsewhere, &p); got != gate.Elsewhere {
		t.Errorf("a preflight that no service takes: %d", got)
	}
}

func TestRefusingAnAddressAllocatesNothing(t *testing.T) {
	g := gate.New(quiet{}, toll.NewIDs(nil))
	service := toll.Service{Name: "ner", Access: toll.AccessKey, Deny: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}}
	if err := g.Switch(gate.Rules{Services: []toll.Service{service}}); err != nil {
		t.Fatal(err)
	}
	var p gate.Pass
	ask := gate.Ask{Now: noon, Method: "GET", RawPath: "/v1/ner/", Client: netip.MustParseAddr("198.51.100.7")}
	refuse := func() {
		if g.Admit(&ask, &p) != gate.Refused || p.Reason != toll.RefusedAddress {
			t.Fatal(p.Reason)
		}
	}
	refuse()
	if n := testing.AllocsPerRun(1000, refuse); n > 0 {
		t.Errorf("%v allocations, want none", n)
	}
}
