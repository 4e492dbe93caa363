package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Usage is what was used, as the rollups have it.
type Usage interface {
	// UsedBetween sums chargeable usage per customer and unit over [from, to),
	// whole quarters of an hour.
	UsedBetween(ctx context.Context, from, to time.Time) ([]toll.Used, error)
}

// Customers gives every customer, one after the other, until the function
// returns an error.
type Customers interface {
	EachCustomer(ctx context.Context, f func(toll.Customer) error) error
}

// PlanVersions gives a plan as it stood once.
type PlanVersions interface {
	PlanVersion(ctx context.Context, id string) (toll.PlanVersion, error)
}

// Preview is what a customer owes for a period, so far.
type Preview struct {
	Customer toll.Customer
	From, To time.Time // the period: [From, To)
	AsOf     time.Time // when it was asked for
	Draft    Draft
}

// Previews says what customers owe so far in the current period: the calendar
// month. A customer's whole month is rated by the plan version that its
// subscription has now. Every method is safe for concurrent use.
type Previews struct {
	usage     Usage
	customers Customers
	plans     PlanVersions
	clock     toll.Clock
	zone      *time.Location
}

// NewPreviews puts together where usage, customers and plan versions come
// from. zone is where months begin (nil: UTC), and must be the one that quotas
// are counted in, for the number that rejects is the number that is billed.
func NewPreviews(usage Usage, customers Customers, plans PlanVersions, clock toll.Clock, zone *time.Location) *Previews {
	if clock == nil {
		clock = toll.SystemClock
	}
	if zone == nil {
		zone = time.UTC
	}
	return &Previews{usage: usage, customers: customers, plans: plans, clock: clock, zone: zone}
}

// Of gives one customer's preview from usage that the caller knows already:
// chargeable counts per unit since the start of the calendar month.
func (p *Previews) Of(ctx context.Context, c toll.Customer, usage map[string]int64) (Preview, error) {
	version, err := p.plans.PlanVersion(ctx, c.Subscription.PlanVersion)
	if err != nil {
		return Preview{}, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err)
	}
	return p.rate(c, version.Plan, usage, p.clock())
}

// Each gives every customer's preview to f, also of those who have used
// nothing. What cannot be rated for one customer does not keep it from the
// others: those errors come joined, in the end. An error of f, of ctx or of the
// usage ends it at once.
func (p *Previews) Each(ctx context.Context, f func(Preview) error) error {
	now := p.clock()
	from, to := toll.Monthly.PeriodAt(now, p.zone)
	rows, err := p.usage.UsedBetween(ctx, from, to)
	if err != nil {
		return fmt.Errorf("preview bills: read the usage since %s: %w", from.Format(time.DateOnly), err)
	}
	used := make(map[string]map[string]int64)
	for _, row := range rows {
		if row.Customer == "" {
			continue // a public service's: nobody pays for it
		}
		units := used[row.Customer]
		if units == nil {
			units = make(map[string]int64)
			used[row.Customer] = units
		}
		units[row.Unit] += row.Count
	}
	versions := make(map[string]toll.Plan)
	var problems []error
	err = p.customers.EachCustomer(ctx, func(c toll.Customer) error {
		id := c.Subscription.PlanVersion
		plan, known := versions[id]
		if !known {
			version, err := p.plans.PlanVersion(ctx, id)
			if err != nil {
				problems = append(problems, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err))
				return ctx.Err()
			}
			plan = version.Plan
			versions[id] = plan
		}
		preview, err := p.rate(c, plan, used[c.ID], now)
		if err != nil {
			problems = append(problems, err)
			return ctx.Err()
		}
		return f(preview)
	})
	if err != nil {
		return fmt.Errorf("preview bills: %w", err)
	}
	return errors.Join(problems...)
}

func (p *Previews) rate(c toll.Customer, plan toll.Plan, usage map[string]int64, now time.Time) (Preview, error) {
	from, to := toll.Monthly.PeriodAt(now, p.zone)
	if len(c.Subscription.Addons) > 0 { // a bill that leaves something out would be worse than none
		return Preview{}, toll.Errorf(toll.Invalid, "The bill of customer %s cannot be previewed: it has add-ons, which are not rated yet.", c.ID)
	}
	fees, err := FeesDue(plan.Price, c.Subscription.Since, from, to)
	if err != nil {
		return Preview{}, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err)
	}
	draft, err := Rate(plan, usage, fees)
	if err != nil {
		return Preview{}, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err)
	}
	return Preview{Customer: c, From: from, To: to, AsOf: now, Draft: draft}, nil
}
