package billing

import (
	"fmt"
	"math/big"
	"slices"
	"time"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Terms are all that a month of a subscription is rated by, beside its usage.
// They are kept with the invoice, so that usage that comes later is rated by
// what held then, whatever the configuration says by now.
type Terms struct {
	Month  Span      // what is billed
	Base   Span      // the month that a whole fee is for; zero: Month, from Since on
	Since  time.Time // when the subscription began: the anchor of its years
	Trial  Trial     // TrialOf its history; zero for none
	Phases []Phase   // its history, as far as it touches Month, in the order of time
	Others []Phase   // plan versions that usage names and no phase has, by Version: calls that were under way when the plan changed
	// Coupons are those that hold in Month (Redemption.Covers), in the order in which they came.
	Coupons []toll.Coupon
}

// Counted is so much of a unit, as the rollups have it: chargeable usage that
// began at Start or in some time after it that no trial's end divides.
type Counted struct {
	Start   time.Time
	Version string // the plan version that the events were recorded with
	Unit    string
	Count   int64
}

// UnitSplit says what became of a unit's chargeable usage in a month:
// chargeable = Included + Billed, to the unit.
type UnitSplit struct {
	Unit             string
	Included, Billed int64
}

// Rated is a month with its prices.
type Rated struct {
	Draft
	Units []UnitSplit // every unit that was used, by name
}

// Stretches divides the month where a trial begins or ends: usage is to be
// asked for by these, one after the other.
func (t *Terms) Stretches() []Span {
	out := []Span{t.Month}
	free := t.Trial.usage()
	for _, at := range []time.Time{free.From, free.To} {
		last := &out[len(out)-1]
		if at.After(last.From) && at.Before(last.To) {
			out = append(out, Span{at, last.To})
			out[len(out)-2].To = at
		}
	}
	return out
}

// Rate prices a month.
//
// Fees are shared out by time where a plan or an add-on held for a part of the
// month; what was changed back and forth adds up to one line for each plan
// version and add-on. The shares of monthly fees are rounded so that they add
// up: of one fee in pieces, the pieces are the fee.
//
// Usage is priced by the plan version that its events were recorded with. A
// unit's places in the month go on from one version to the next, in the order in
// which they first held, so that a change of plan gives nobody the free or cheap
// first units twice. In a trial nothing costs anything, and takes no place.
//
// Errors are of the terms (two currencies, a price that is none, a version that
// nobody knows) or of the usage; nothing is priced halfway. Rate changes neither,
// and answers the same to the same.
func (t *Terms) Rate(usage []Counted) (Rated, error) {
	b := bill{terms: t, base: t.Base, units: map[string]*UnitSplit{}}
	if b.base.length() == 0 {
		b.base = Span{later(t.Month.From, t.Since), t.Month.To}
	}
	b.findCurrency()
	b.out.Total.Currency = b.currency
	for _, step := range []func() error{b.fees, b.addons, func() error { return b.usage(usage) }, b.minimum, b.coupons} {
		if err := step(); err != nil {
			return Rated{}, err
		}
	}
	for _, split := range b.units {
		b.out.Units = append(b.out.Units, *split)
	}
	slices.SortFunc(b.out.Units, func(x, y UnitSplit) int {
		if x.Unit < y.Unit {
			return -1
		}
		return 1
	})
	return b.out, nil
}

// bill is a month that is being rated.
type bill struct {
	terms    *Terms
	base     Span
	currency string
	units    map[string]*UnitSplit
	out      Rated
}

// findCurrency takes that of the first plan or add-on that names one.
func (b *bill) findCurrency() {
	for _, p := range b.versions() {
		if b.currency == "" {
			b.currency = p.Plan.Price.Currency
		}
	}
	for _, p := range b.terms.Phases {
		for i := range p.Addons {
			if b.currency == "" {
				b.currency = p.Addons[i].Price.Currency
			}
		}
	}
}

// versions gives each plan version once, in the order in which they first held;
// those that no phase has come last.
func (b *bill) versions() []Phase {
	var out []Phase
	for _, p := range slices.Concat(b.terms.Phases, b.terms.Others) {
		if !slices.ContainsFunc(out, func(q Phase) bool { return q.Version == p.Version }) {
			out = append(out, p)
		}
	}
	return out
}

func (b *bill) add(l Line, amount toll.Money) error {
	total, err := b.out.Total.Add(amount)
	if err != nil {
		return err
	}
	b.out.Total = total
	l.Amount, l.Month = amount, b.terms.Month
	if l.Exact == "" {
		l.Exact = amount.Decimal()
	}
	b.out.Lines = append(b.out.Lines, l)
	return nil
}

// fees are the plans' own. Those that are due monthly are rounded on their
// running sum, so that the pieces of one fee add up to it.
func (b *bill) fees() error {
	sum, rounded := new(big.Rat), toll.Money{Currency: b.currency}
	for _, p := range b.versions() {
		held := b.held(func(q *Phase) bool { return q.Version == p.Version })
		line := Line{Kind: FeeLine, Title: p.Plan.Title, Version: p.Version}
		exact, err := b.fee(&line, p.Plan.Price, held)
		if err != nil {
			return fmt.Errorf("rate the fee of plan %s: %w", p.Version, err)
		}
		if exact == nil {
			continue
		}
		var amount toll.Money
		if p.Plan.Price.Every == "year" {
			amount, err = round(exact, b.currency)
		} else {
			var next toll.Money
			if next, err = round(sum.Add(sum, exact), b.currency); err == nil {
				amount, err = next.Sub(rounded)
				rounded = next
			}
		}
		if err == nil {
			err = b.add(line, amount)
		}
		if err != nil {
			return fmt.Errorf("rate the fee of plan %s: %w", p.Version, err)
		}
	}
	return nil
}

// held are the times of phases, outside of the trial.
func (b *bill) held(has func(p *Phase) bool) tenure {
	return runs(b.terms.Phases, has).without(b.terms.Trial.Span)
}

// fee is a fee's share of the month, and sets what its line says of it; nil for
// none.
func (b *bill) fee(line *Line, price toll.Price, held tenure) (*big.Rat, error) {
	if price.Amount == "" {
		return nil, nil
	}
	fee, err := ParsePrice(price.Amount)
	if err != nil {
		return nil, err
	}
	part, err := share(price.Every, held, b.terms.Month, b.base, b.terms.Since)
	if err != nil || part.Sign() == 0 || fee.IsZero() {
		return nil, err
	}
	if price.Currency != b.currency {
		return nil, fmt.Errorf("it costs %s and the bill is in %s: a bill has one currency: %w", price.Currency, b.currency, toll.ErrCurrencies)
	}
	line.Quantity, line.Billed = 1, 1
	line.Parts = []Part{{Quantity: 1, Each: price.Amount, Exact: toll.Decimal(fee.String())}}
	if whole := part.IsInt() && part.Num().IsInt64() && part.Sign() > 0; whole {
		n := part.Num().Int64()
		exact := fee.Mul(decimal.NewFromInt(n))
		line.Quantity, line.Billed, line.Exact = n, n, toll.Decimal(exact.String())
		line.Parts[0].Quantity, line.Parts[0].Exact = n, line.Exact
	} else if part.Num().IsInt64() && part.Denom().IsInt64() {
		line.Share = Share{Held: part.Num().Int64(), Of: part.Denom().Int64()}
	}
	return part.Mul(part, fee.Rat()), nil
}

// addons are one line for each add-on and price, in the order in which they
// first held.
func (b *bill) addons() error {
	var seen []toll.Addon
	for i := range b.terms.Phases {
		for _, addon := range b.terms.Phases[i].Addons {
			same := func(a toll.Addon) bool { return a.Name == addon.Name && a.Price == addon.Price }
			if slices.ContainsFunc(seen, same) {
				continue
			}
			seen = append(seen, addon)
			line := Line{Kind: AddonLine, Title: addon.Title, Addon: addon.Title, Name: addon.Name}
			exact, err := b.fee(&line, addon.Price, b.held(func(p *Phase) bool { return slices.ContainsFunc(p.Addons, same) }))
			if err == nil && exact != nil {
				var amount toll.Money
				if amount, err = round(exact, b.currency); err == nil {
					err = b.add(line, amount)
				}
			}
			if err != nil {
				return fmt.Errorf("rate the add-on %s: %w", addon.Name, err)
			}
		}
	}
	return nil
}

// extra is how many units of the month the add-ons include: of one that held
// for a part of it that part, whole units.
func (b *bill) extra(unit string) int64 {
	var sum int64
	var seen []toll.Addon
	for i := range b.terms.Phases {
		for _, addon := range b.terms.Phases[i].Addons {
			same := func(a toll.Addon) bool { return a.Name == addon.Name && slices.Equal(a.Included, addon.Included) }
			if slices.ContainsFunc(seen, same) {
				continue
			}
			seen = append(seen, addon)
			on := runs(b.terms.Phases, func(p *Phase) bool { return slices.ContainsFunc(p.Addons, same) }).within(b.terms.Month)
			for _, a := range addon.Included {
				if a.Unit != unit || a.Count <= 0 || on == 0 {
					continue
				}
				part := new(big.Int).Mul(big.NewInt(a.Count), big.NewInt(on))
				part.Quo(part, big.NewInt(max(1, b.base.length())))
				if !part.IsInt64() {
					part.SetInt64(a.Count)
				}
				sum = plus(sum, part.Int64())
			}
		}
	}
	return sum
}

// minimum is what fees and usage do not reach of the plans' minimum, each
// plan's shared out by the time in which it held.
func (b *bill) minimum() error {
	least := new(big.Rat)
	for _, p := range b.versions() {
		if p.Plan.Minimum == "" {
			continue
		}
		amount, err := ParsePrice(p.Plan.Minimum)
		if err != nil {
			return fmt.Errorf("rate the minimum of plan %s: %w", p.Version, err)
		}
		part, err := share("month", b.held(func(q *Phase) bool { return q.Version == p.Version }), b.terms.Month, b.base, b.terms.Since)
		if err != nil {
			return err
		}
		least.Add(least, part.Mul(part, amount.Rat()))
	}
	due, err := round(least, b.currency)
	if err != nil {
		return fmt.Errorf("rate the minimum: %w", err)
	}
	missing := due
	for i := range b.out.Lines { // what is given back of a year is no reason to ask for more
		if l := &b.out.Lines[i]; l.Amount.Minor > 0 {
			missing.Minor = max(0, missing.Minor-l.Amount.Minor)
		}
	}
	if missing.Minor == 0 {
		return nil
	}
	return b.add(Line{Kind: MinimumLine, Quantity: 1, Billed: 1}, missing)
}

// coupons take off what they do, one after the other of what is left, and never
// more than that.
func (b *bill) coupons() error {
	for i := range b.terms.Coupons {
		c := &b.terms.Coupons[i]
		off, err := takeOff(c, b.out.Total)
		if err == nil && off.Minor > 0 {
			off.Minor = -off.Minor
			err = b.add(Line{Kind: CouponLine, Title: c.Title, Name: c.Name, Quantity: 1, Billed: 1}, off)
		}
		if err != nil {
			return fmt.Errorf("take off the coupon %s: %w", c.Name, err)
		}
	}
	return nil
}
