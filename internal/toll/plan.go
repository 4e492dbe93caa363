package toll

import (
	"slices"
	"time"
)

// Plan is a price, limits, quotas, unit prices, and which services, endpoints
// and features it includes. A Plan is not changed after it was made.
type Plan struct {
	Name     string // its name in the configuration: "free"
	Title    string // what people read: "Free"
	Includes []string
	Features []string
	Price    Price
	Months   Every    // whose months its quotas and its invoices follow: Monthly or "" (the calendar's), or SubscriptionMonth
	Policies []Policy // limits and quotas, in the order of the file
	Usage    []UnitPrice
	Trial    int64   // days, from when a customer first comes to the plan, in which nothing is billed; 0: none
	Minimum  Decimal // the least that a month costs, in major units of Price.Currency; "" for none
	SpendCap Decimal // what a month may cost before calls are refused, in the same; "" for none
}

// PeriodAt returns the month [start, end) that holds t, for quotas and invoice
// of a subscription to the plan that began at since, in loc.
func (p *Plan) PeriodAt(t time.Time, loc *time.Location, since time.Time) (start, end time.Time) {
	return p.MonthlyQuotas().PeriodSince(t, loc, since)
}

// MonthlyQuotas is the period of the plan's monthly quotas.
func (p *Plan) MonthlyQuotas() Every {
	if p.Months == SubscriptionMonth {
		return SubscriptionMonth
	}
	return Monthly
}

// IncludesService tells whether a customer on the plan may call the service.
func (p *Plan) IncludesService(service string) bool { return slices.Contains(p.Includes, service) }

// Addon is what a subscription can add to its plan.
type Addon struct {
	Name     string
	Title    string
	Includes []string
	Features []string
	Price    Price
	Included []Amount // further units of a month that cost nothing, each unit once
}

// Price is a fee per month or year.
type Price struct {
	Amount   Decimal // in major units: "29.00"
	Currency string  // ISO 4217, upper case; "" when Amount is zero and none was named
	Every    string  // "month" or "year"
}

// Decimal is an exact decimal number in the form that people write it
// ("0.00002"): an optional minus, digits, and optionally a point and digits.
// Billing does the arithmetic.
type Decimal string

// UnitPrice is what one unit costs: Included units are free, then either each
// costs Each (or each started Package of them), or Tiers say what each costs.
type UnitPrice struct {
	Unit     string
	Included int64
	Each     Decimal // "" when there are Tiers
	Package  int64   // Each is for so many, and for what is begun of the last; 0 or 1: for one
	Tiers    []Tier
	Tiering  Tiering
}

// Tiering says how tiers are read.
type Tiering string

// The ways. "" is Graduated.
const (
	Graduated Tiering = "graduated" // each unit costs what its own tier says
	Volume    Tiering = "volume"    // all units cost what the tier says that the whole month's number falls into
)

// Tier is a step of a price.
type Tier struct {
	UpTo int64 // the last unit of the tier, counted from 1; 0: without end
	Each Decimal
}

// PlanVersion is a plan as it stood once. Every version that was ever loaded is
// kept, immutably, so that an old invoice can be explained.
type PlanVersion struct {
	ID       string // "free@" and the first 12 hex digits of the SHA-256 of its canonical JSON
	Plan     Plan
	LoadedAt time.Time
}
