package config

import (
	"regexp"
	"slices"
	"testing"
	"time"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// These identities are in databases and on invoices for ever.
func TestPlanVersionsKeepTheirIdentity(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.FixedZone("", 3600))
	want := map[string]string{
		"free": "free@a8cdf16d0241",
		"pro":  "pro@7e1228b913c6",
		"payg": "payg@981869f64232",
	}
	for _, p := range contract(t).Plans {
		v := PlanVersion(p, now)
		if v.ID != want[p.Name] {
			t.Errorf("%s is %s, was %s; its canonical form is now\n%s", p.Name, v.ID, want[p.Name], canonicalPlan(p))
		}
		if !regexp.MustCompile(`^[a-z]+@[0-9a-f]{12}$`).MatchString(v.ID) {
			t.Errorf("form of %s", v.ID)
		}
		if v.Plan.Name != p.Name || !v.LoadedAt.Equal(now) || v.LoadedAt.Location() != time.UTC {
			t.Errorf("version %+v", v)
		}
	}
}

func planWith(t *testing.T, body string) string {
	t.Helper()
	c := mustParse(t, `
services:
  a: { path: /a, upstreams: ["http://127.0.0.1:9001"], units: [words], endpoints: ["GET /x"] }
  b: { path: /b, upstreams: ["http://127.0.0.1:9002"] }
plans:
  p:
`+body)
	return PlanVersion(c.Plans[0], time.Time{}).ID
}

const plainPlan = `
    name: P
    includes: [a, b]
    features: [x, y]
    price: { amount: "29.00", currency: USD, every: month }
    limits: [ { name: m, rate: 10/minute }, { name: c, concurrency: 2 } ]
    quotas: [ { name: q, limit: 1000, every: month } ]
    usage: [ { unit: words, each: "0.10" }, { unit: requests, tiers: [ { up_to: 5, each: "1" }, { each: "0.5" } ] } ]
`

func TestPlanVersionIgnoresWhatMeansTheSame(t *testing.T) {
	t.Parallel()
	want := planWith(t, plainPlan)
	got := planWith(t, `
    price: { every: month, currency: USD, amount: 29 }   # said in another way
    usage: [ { unit: requests, included: 0, tiers: [ { up_to: 5, each: "1.00" }, { each: "0.50" } ], tiering: graduated }, { unit: words, each: 0.1, package: 1 } ]
    minimum: "0.00"
    quotas: [ { name: q, unit: requests, limit: 1_000, every: month, shadow: false } ]
    limits: [ { name: c, concurrency: 2, per: customer }, { name: m, rate: 10/60s, burst: 10 } ]
    features: [y, x]
    includes: [b, a]
    name: P
`)
	if got != want {
		t.Errorf("%s and %s mean the same", got, want)
	}
}

func TestPlanVersionTellsEveryChangeApart(t *testing.T) {
	t.Parallel()
	seen := map[string]string{planWith(t, plainPlan): "as it was"}
	for _, change := range [][2]string{
		{"name: P", "name: Q"},
		{"includes: [a, b]", "includes: [a]"},
		{"features: [x, y]", "features: [x]"},
		{`"29.00"`, `"29.01"`},
		{"USD", "EUR"},
		{"every: month }\n    limits", "every: year }\n    limits"},
		{"10/minute", "11/minute"},
		{"10/minute", "10/second"},
		{"10/minute", "10/minute, burst: 11"},
		{"10/minute", "10/minute, per: key"},
		{"10/minute", "10/minute, per: ip"},
		{"10/minute", "10/minute, shadow: true"},
		{"10/minute", "10/minute, service: a"},
		{"10/minute", `10/minute, endpoint: "a GET /x"`},
		{"name: m", "name: n"},
		{"concurrency: 2", "concurrency: 3"},
		{"limit: 1000", "limit: 1001"},
		{"limit: 1000", "unit: words, limit: 1000"},
		{"every: month } ]", "every: day } ]"},
		{`"0.10"`, `"0.11"`},
		{`"0.10"`, `"0.10", included: 1`},
		{"up_to: 5", "up_to: 6"},
		{`"0.10"`, `"0.10", package: 5`},
		{`"0.5" } ]`, `"0.5" } ], tiering: volume`},
		{"name: P", "name: P\n    trial: 14d"},
		{"name: P", "name: P\n    minimum: 1"},
		{"name: P", "name: P\n    spend_cap: 50"},
		{`"0.5"`, `"0.6"`},
	} {
		id := planWith(t, replaceOnce(t, plainPlan, change[0], change[1]))
		if other, same := seen[id]; same {
			t.Errorf("%q has the identity of %q", change[1], other)
		}
		seen[id] = change[1]
	}
}

func replaceOnce(t *testing.T, s, old, new string) string {
	t.Helper()
	at := regexp.MustCompile(regexp.QuoteMeta(old)).FindStringIndex(s)
	if at == nil {
		t.Fatalf("%q is not there", old)
	}
	return s[:at[0]] + new + s[at[1]:]
}

func TestCanonicalDecimalsAreEqualExactlyWhenTheNumbersAre(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.StringMatching(`[0-9]{1,4}(\.[0-9]{1,4})?`)
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		sameText := canonicalDecimal(toll.Decimal(a)) == canonicalDecimal(toll.Decimal(b))
		if sameText != (tenThousandths(a) == tenThousandths(b)) {
			t.Fatalf("%s and %s became %s and %s", a, b, canonicalDecimal(toll.Decimal(a)), canonicalDecimal(toll.Decimal(b)))
		}
	})
	for in, want := range map[toll.Decimal]string{"": "0", "-0.00": "0", "-1.50": "-1.5", "007": "7", "0.00002": "0.00002"} {
		if got := canonicalDecimal(in); got != want {
			t.Errorf("%q became %q, not %q", in, got, want)
		}
	}
}

// tenThousandths reads a decimal with at most four places as a whole number.
func tenThousandths(s string) (n int) {
	places, point := 0, false
	for _, r := range s {
		if r == '.' {
			point = true
			continue
		}
		n = n*10 + int(r-'0')
		if point {
			places++
		}
	}
	for ; places < 4; places++ {
		n *= 10
	}
	return n
}

func TestPlanVersionLeavesThePlanAsItWas(t *testing.T) {
	t.Parallel()
	p := toll.Plan{Name: "p", Includes: []string{"b", "a"}}
	v := PlanVersion(p, time.Time{})
	if !slices.Equal(v.Plan.Includes, []string{"b", "a"}) || !slices.Equal(p.Includes, []string{"b", "a"}) {
		t.Error("the plan's list was sorted in place")
	}
}
