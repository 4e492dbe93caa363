package config

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAMistakeThatShowsInUseHasAPlaceToo(t *testing.T) {
	t.Parallel()
	c := mustParse(t, "services:\n  a: { path: /a, access: public, upstreams: [ \"http://127.0.0.1:1\" ] }\nplans:\n  free: { name: Free, includes: [ a ] }\n")
	cause := toll.Errorf(toll.Conflict, "it is in use")
	for path, want := range map[string]string{
		"plans.free":            ":4:3: plans.free: it is in use",
		"plans.gone":            ":3:1: plans.gone: it is in use",
		"services.a.path":       ":2:8: services.a.path: it is in use",
		"services.a.cache.size": ":2:3: services.a.cache.size: it is in use",
		"certificates":          ":1:1: certificates: it is in use",
	} {
		err := c.Problem(path, cause)
		var e *Error
		if !errors.As(err, &e) || err.Error() != e.Problems[0].File+want {
			t.Errorf("%s: %v", path, err)
		}
		if toll.CodeOf(err) != toll.Conflict || e.Long() == "" {
			t.Errorf("%s: %s", path, toll.CodeOf(err))
		}
	}
}

func TestAFingerprintIsOfTheContent(t *testing.T) {
	t.Parallel()
	const text = "services:\n  a: { path: /a, access: public, upstreams: [ \"http://127.0.0.1:1\" ] }\n"
	one, same, other := mustParse(t, text), mustParse(t, text), mustParse(t, text+"# a word\n")
	if len(one.Fingerprint) != 12 || one.Fingerprint != same.Fingerprint || one.Fingerprint == other.Fingerprint {
		t.Errorf("%q, %q, %q", one.Fingerprint, same.Fingerprint, other.Fingerprint)
	}
}

func TestRefusesTimeoutsThatLeaveNoTimeToAnswer(t *testing.T) {
	t.Parallel()
	const text = "services:\n  a: { path: /a, access: public, upstreams: [ \"http://127.0.0.1:1\" ], timeouts: { idle: %s } }\n"
	for _, good := range []string{"0s", "1ms", "120s"} {
		if _, err := Parse("x.yml", fmt.Appendf(nil, text, good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"1ns", "999us"} {
		if _, err := Parse("x.yml", fmt.Appendf(nil, text, bad)); err == nil || !strings.Contains(err.Error(), "x.yml:2:89: services.a.timeouts.idle") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
