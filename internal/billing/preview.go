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

// Addons gives what subscriptions can add to their plans, as it is sold now.
type Addons interface {
	Addon(name string) (toll.Addon, bool)
}

// Preview is what a customer owes for a period, so far.
type Preview struct {
	Customer toll.Customer
	From, To time.Time // the period: [From, To)
	AsOf     time.Time // when it was asked for
	Draft    Draft
}

// Previews says what customers owe so far in the current period: the month that
// their plans' quotas follow (toll.Plan.Months). A customer's whole month is rated by the plan version that its
// subscription has now, and by its add-ons as they are sold now, from when the
// subscription began. Every method is safe for concurrent use.
type Previews struct {
	usage     Usage
	customers Customers
	plans     PlanVersions
	addons    Addons
	clock     toll.Clock
	zone      *time.Location
	invoicing *Invoicing // nil: there are no books
}

// ByTheBooks makes previews of the same books that invoices are cut from: with
// what the subscription was before in the month, its trial and its coupons. It
// is called before any other method, and returns p.
func (p *Previews) ByTheBooks(v *Invoicing) *Previews {
	p.invoicing = v
	return p
}

// booked is a customer's preview by the books.
func (p *Previews) booked(ctx context.Context, c toll.Customer) (Preview, error) {
	month, rated, err := p.invoicing.Month(ctx, c.ID)
	if err != nil {
		return Preview{}, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err)
	}
	return Preview{Customer: c, From: month.From, To: month.To, AsOf: p.clock(), Draft: rated.Draft}, nil
}

// NewPreviews puts together where usage, customers, plan versions and add-ons
// (nil: there are none) come from. zone is where months begin (nil: UTC), and must be the one that quotas
// are counted in, for the number that rejects is the number that is billed.
func NewPreviews(usage Usage, customers Customers, plans PlanVersions, addons Addons, clock toll.Clock, zone *time.Location) *Previews {
	if clock == nil {
		clock = toll.SystemClock
	}
	if zone == nil {
		zone = time.UTC
	}
	return &Previews{usage: usage, customers: customers, plans: plans, addons: addons, clock: clock, zone: zone}
}

// Period returns the period [from, to) of a customer's bill that holds now.
func (p *Previews) Period(ctx context.Context, c toll.Customer) (from, to time.Time, err error) {
	version, err := p.plans.PlanVersion(ctx, c.Subscription.PlanVersion)
	if err != nil {
		return from, to, fmt.Errorf("find the period of customer %s: %w", c.ID, err)
	}
	from, to = version.Plan.PeriodAt(p.clock(), p.zone, c.Subscription.Since)
	return from, to, nil
}

// Of gives one customer's preview from usage that the caller knows already:
// chargeable counts per unit since Period began. By the books it is read anew.
func (p *Previews) Of(ctx context.Context, c toll.Customer, usage map[string]int64) (Preview, error) {
	if p.invoicing != nil {
		return p.booked(ctx, c)
	}
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
	byPeriod := make(map[int64]usedBy) // by the period's start: the calendar's, and one for each day of a month at most
	versions := make(map[string]toll.Plan)
	var problems []error
	err := p.customers.EachCustomer(ctx, func(c toll.Customer) error {
		if p.invoicing != nil {
			preview, err := p.booked(ctx, c)
			if err != nil {
				problems = append(problems, err)
				return ctx.Err()
			}
			if left := c.ClosedAt; !left.IsZero() && !preview.From.Before(left) {
				return nil // nothing more will be billed
			}
			return f(preview)
		}
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
		from, to := plan.PeriodAt(now, p.zone, c.Subscription.Since)
		used, known := byPeriod[from.Unix()]
		if !known {
			var err error
			if used, err = p.usedBy(ctx, from, to); err != nil {
				return err
			}
			byPeriod[from.Unix()] = used
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

// usedBy are chargeable counts by customer, then unit.
type usedBy map[string]map[string]int64

func (p *Previews) usedBy(ctx context.Context, from, to time.Time) (usedBy, error) {
	rows, err := p.usage.UsedBetween(ctx, from, to)
	if err != nil {
		return nil, fmt.Errorf("read the usage since %s: %w", from.Format(time.DateOnly), err)
	}
	used := make(usedBy)
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
	return used, nil
}

// rate rates a month by what the subscription is now, as if it had been so from
// its beginning.
func (p *Previews) rate(c toll.Customer, plan toll.Plan, usage map[string]int64, now time.Time) (Preview, error) {
	from, to := plan.PeriodAt(now, p.zone, c.Subscription.Since)
	preview := Preview{Customer: c, From: from, To: to, AsOf: now}
	addons, err := p.sold(c)
	if err != nil {
		return Preview{}, err
	}
	version := c.Subscription.PlanVersion
	terms := Terms{
		Month: Span{from, to}, Since: c.Subscription.Since,
		Phases: []Phase{{From: c.Subscription.Since, Version: version, Plan: plan, Addons: addons}},
	}
	terms.Trial = TrialOf(terms.Phases, p.zone)
	start := from
	if terms.Trial.usage().Holds(now) {
		start = now
	} else { // what came in a trial that is over is not told apart here
		terms.Trial.Plan = ""
	}
	counted := make([]Counted, 0, len(usage))
	for unit, count := range usage {
		counted = append(counted, Counted{Start: start, Version: version, Unit: unit, Count: count})
	}
	rated, err := terms.Rate(counted)
	if err != nil {
		return Preview{}, fmt.Errorf("preview the bill of customer %s: %w", c.ID, err)
	}
	preview.Draft = rated.Draft
	return preview, nil
}

// sold are a customer's add-ons. One that is not sold any more has no price
// that is known here, and a bill that leaves something out would be worse than none.
func (p *Previews) sold(c toll.Customer) ([]toll.Addon, error) {
	var all []toll.Addon
	for _, name := range c.Subscription.Addons {
		var addon toll.Addon
		known := false
		if p.addons != nil {
			addon, known = p.addons.Addon(name)
		}
		if !known {
			return nil, toll.Errorf(toll.Invalid, "The bill of customer %s cannot be previewed: it has the add-on %q, which is not in the configuration.", c.ID, name)
		}
		all = append(all, addon)
	}
	return all, nil
}
