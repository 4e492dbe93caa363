package billing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Books are what is known of a customer's bills at one moment.
type Books struct {
	Customer    toll.Customer
	Phases      []Phase    // the whole history, in the order of time; of add-ons only the names
	Months      []Invoiced // that were cut, by month
	Redemptions []Redemption
	Credits     []toll.Money // what is left, by currency
	Country     string       // ISO 3166-1 alpha-2; "" where nobody said
	TaxExempt   bool
	Revision    int64 // counts what is written to the books: who writes names the one it has read
}

// Invoiced is a month that was cut.
type Invoiced struct {
	Terms  Terms
	Lines  []Line       // that name the month, of all invoices
	Splits []MonthSplit // likewise
}

// Reader reads a customer's books and usage as they are at one moment.
type Reader interface {
	Books(ctx context.Context) (Books, error)
	// Used sums the customer's chargeable usage of a span of whole quarters of an
	// hour by plan version and unit.
	Used(ctx context.Context, span Span) ([]Counted, error)
	// Phase gives a plan version that no phase of the customer's has; NotFound.
	Phase(ctx context.Context, version string) (Phase, error)
	// Evidence is about the customer's chargeable events of a span, as far as
	// single events are kept.
	Evidence(ctx context.Context, span Span) ([]Evidence, error)
}

// next is where the next month begins that is to be cut: where the last one
// ended, or, where there is none, in the month that holds since or in which the
// subscription began.
func (b *Books) next(since time.Time) (at time.Time, goesOn bool, err error) {
	if len(b.Phases) == 0 {
		return at, false, toll.Errorf(toll.Internal, "Customer %s has no subscription in the books.", b.Customer.ID)
	}
	if n := len(b.Months); n > 0 {
		return b.Months[n-1].Terms.Month.To, true, nil
	}
	return later(b.Phases[0].From, since), false, nil
}

// month is the month that holds a moment or, where it goes on from another
// month, begins with it, and the whole month that its fees are for: the plan's
// that holds then. Months follow each other without gap; where the plan has
// other months than the one before, the first ends where they do.
func (b *Books) month(at time.Time, goesOn bool, zone *time.Location) (month, base Span) {
	holds := &b.Phases[0]
	for i := range b.Phases {
		if !b.Phases[i].From.After(at) {
			holds = &b.Phases[i]
		}
	}
	base.From, base.To = holds.Plan.PeriodAt(at, zone, b.Customer.Subscription.Since)
	if month = base; goesOn {
		month.From = at.In(zone)
	}
	base.From = later(base.From, b.Customer.Subscription.Since)
	return month, base
}

// terms are what a month is rated by. Add-ons cost what they cost now, for
// their versions are not kept.
func (b *Books) terms(month, base Span, addons Addons, zone *time.Location) (Terms, error) {
	t := Terms{Month: month, Base: base, Since: b.Customer.Subscription.Since}
	known := b.Phases
	for i := range b.Phases {
		if !b.Phases[i].From.Before(month.To) {
			known = b.Phases[:i]
			break
		}
	}
	t.Trial = TrialOf(known, zone)
	for i, p := range known {
		if i+1 < len(known) && !known[i+1].From.After(month.From) {
			continue // was over before
		}
		p.Addons = slices.Clone(p.Addons)
		for k := range p.Addons {
			name := p.Addons[k].Name
			sold, ok := toll.Addon{}, false
			if addons != nil {
				sold, ok = addons.Addon(name)
			}
			if !ok {
				return t, toll.Errorf(toll.Invalid, "The bill of customer %s cannot be made: it has the add-on %q, which is not in the configuration.", b.Customer.ID, name)
			}
			p.Addons[k] = sold
		}
		t.Phases = append(t.Phases, p)
	}
	for _, r := range b.Redemptions {
		if r.Covers(month) {
			t.Coupons = append(t.Coupons, r.Coupon)
		}
	}
	return t, nil
}

// counted reads a month's usage, and adds to the terms the plan versions that
// only usage names.
func (t *Terms) counted(ctx context.Context, r Reader) ([]Counted, error) {
	var out []Counted
	for _, s := range t.Stretches() {
		used, err := r.Used(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("read the usage of %s: %w", monthOf(s), err)
		}
		out = append(out, used...)
	}
	for _, c := range out {
		has := func(p Phase) bool { return p.Version == c.Version }
		if slices.ContainsFunc(t.Phases, has) || slices.ContainsFunc(t.Others, has) {
			continue
		}
		other, err := r.Phase(ctx, c.Version)
		if err != nil {
			return nil, fmt.Errorf("%d %s were used on plan version %q: %w", c.Count, c.Unit, c.Version, err)
		}
		t.Others = append(t.Others, other)
	}
	slices.SortFunc(t.Others, func(a, b Phase) int {
		if a.Version < b.Version {
			return -1
		}
		return 1
	})
	return out, nil
}
