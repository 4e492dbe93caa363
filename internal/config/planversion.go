package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// PlanVersion gives the immutable version of a plan: its ID is the plan's name,
// "@" and the first 12 hex digits of the SHA-256 of its canonical JSON. Two
// plans have the same ID exactly when they mean the same: the order of lists
// that have none ("includes", limits), zeros behind a decimal point, and a
// burst that repeats the rate's count make no difference.
func PlanVersion(plan toll.Plan, loadedAt time.Time) toll.PlanVersion {
	sum := sha256.Sum256(canonicalPlan(plan))
	return toll.PlanVersion{
		ID:       plan.Name + "@" + hex.EncodeToString(sum[:])[:12],
		Plan:     plan,
		LoadedAt: loadedAt.UTC(),
	}
}

// The canonical form has names of its own, apart from those of the Go types,
// and leaves out what is empty: a field that is added later does not change
// the identity of plans that do not use it. Identities are kept for ever, so
// nothing here may be renamed.
type canonical struct {
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	Includes []string           `json:"includes,omitempty"`
	Features []string           `json:"features,omitempty"`
	Amount   string             `json:"amount"`
	Currency string             `json:"currency,omitempty"`
	Every    string             `json:"every"`
	Months   string             `json:"months,omitempty"`
	Policies []canonicalPolicy  `json:"policies,omitempty"`
	Usage    []canonicalUnitFee `json:"usage,omitempty"`
	Trial    int64              `json:"trial_days,omitempty"`
	Minimum  string             `json:"minimum,omitempty"`
	SpendCap string             `json:"spend_cap,omitempty"`
}

type canonicalPolicy struct {
	Name        string `json:"name"`
	Rate        int64  `json:"rate,omitempty"`
	Seconds     int64  `json:"seconds,omitempty"`
	Burst       int64  `json:"burst,omitempty"`
	Concurrency int64  `json:"concurrency,omitempty"`
	Quota       int64  `json:"quota,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Every       string `json:"every,omitempty"`
	Per         string `json:"per"`
	Service     string `json:"service,omitempty"`
	Endpoint    string `json:"endpoint,omitempty"`
	Shadow      bool   `json:"shadow,omitempty"`
	Away        string `json:"when_shared_away,omitempty"`
}

type canonicalUnitFee struct {
	Unit     string          `json:"unit"`
	Included int64           `json:"included,omitempty"`
	Each     string          `json:"each,omitempty"`
	Tiers    []canonicalTier `json:"tiers,omitempty"`
	Tiering  string          `json:"tiering,omitempty"`
	Package  int64           `json:"package,omitempty"`
}

type canonicalTier struct {
	UpTo int64  `json:"up_to,omitempty"`
	Each string `json:"each"`
}

// canonicalPlan gives the bytes that a plan's identity is made of.
func canonicalPlan(p toll.Plan) []byte {
	out := canonical{
		Name:     p.Name,
		Title:    p.Title,
		Includes: sorted(p.Includes),
		Features: sorted(p.Features),
		Amount:   canonicalDecimal(p.Price.Amount),
		Currency: p.Price.Currency,
		Every:    p.Price.Every,
		Months:   string(p.Months),
		Trial:    p.Trial,
	}
	if p.Minimum != "" && canonicalDecimal(p.Minimum) != "0" {
		out.Minimum = canonicalDecimal(p.Minimum)
	}
	if p.SpendCap != "" {
		out.SpendCap = canonicalDecimal(p.SpendCap)
	}
	for _, policy := range p.Policies {
		out.Policies = append(out.Policies, canonicalPolicyOf(policy))
	}
	slices.SortStableFunc(out.Policies, func(a, b canonicalPolicy) int { return cmp.Compare(a.Name, b.Name) })
	for _, u := range p.Usage {
		fee := canonicalUnitFee{Unit: u.Unit, Included: u.Included}
		if len(u.Tiers) == 0 {
			fee.Each = canonicalDecimal(u.Each)
		}
		if u.Tiering != toll.Graduated {
			fee.Tiering = string(u.Tiering)
		}
		if u.Package > 1 {
			fee.Package = u.Package
		}
		for _, t := range u.Tiers {
			fee.Tiers = append(fee.Tiers, canonicalTier{UpTo: t.UpTo, Each: canonicalDecimal(t.Each)})
		}
		out.Usage = append(out.Usage, fee)
	}
	slices.SortStableFunc(out.Usage, func(a, b canonicalUnitFee) int { return cmp.Compare(a.Unit, b.Unit) })
	b, err := json.Marshal(out)
	if err != nil {
		panic("config: a plan has no JSON: " + err.Error()) // it has only texts, numbers and lists
	}
	return b
}

func canonicalPolicyOf(p toll.Policy) canonicalPolicy {
	out := canonicalPolicy{Name: p.Name, Service: p.Service, Endpoint: p.Endpoint, Shadow: p.Shadow, Away: string(p.WhenSharedAway)}
	switch p.Partition {
	case toll.PerKey:
		out.Per = "key"
	case toll.PerIP:
		out.Per = "ip"
	default:
		out.Per = "customer"
	}
	switch p.Kind {
	case toll.RateLimit:
		out.Rate, out.Seconds, out.Burst = p.Count, int64(p.Window/time.Second), p.Burst
		if out.Burst == 0 {
			out.Burst = p.Count
		}
	case toll.ConcurrencyLimit:
		out.Concurrency = p.Count
	case toll.Quota:
		out.Quota, out.Unit, out.Every = p.Count, p.Unit, string(p.Every)
	}
	return out
}

// canonicalDecimal writes a number without what does not change it: "029.50"
// becomes "29.5", "" and "0.00" become "0".
func canonicalDecimal(d toll.Decimal) string {
	s, negative := strings.CutPrefix(string(d), "-")
	whole, fraction, _ := strings.Cut(s, ".")
	whole = strings.TrimLeft(whole, "0")
	fraction = strings.TrimRight(fraction, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	if negative && whole != "0" {
		return "-" + whole
	}
	return whole
}

func sorted(list []string) []string {
	out := slices.Clone(list)
	slices.Sort(out)
	return out
}
