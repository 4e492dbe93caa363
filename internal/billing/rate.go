package billing

import (
	"fmt"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// LineKind says what a line is for.
type LineKind string

// The kinds of line.
const (
	FeeLine   LineKind = "fee"   // the plan's own price
	AddonLine LineKind = "addon" // an add-on's price
	UsageLine LineKind = "usage" // a unit's
)

// Line is a line of a draft.
type Line struct {
	Kind     LineKind
	Unit     string       // of a UsageLine
	Addon    string       // of an AddonLine: its title
	Quantity int64        // of the unit, chargeable; of a FeeLine or AddonLine: how many fees
	Included int64        // of Quantity, free
	Billed   int64        // of Quantity, with a price: Quantity = Included + Billed
	Parts    []Part       // how Billed is priced, in the order of the tiers; those without units are left out
	Exact    toll.Decimal // the amount before rounding, in major units
	Amount   toll.Money   // Exact, rounded to minor units, a half up
}

// Part is so many units of a line at one price.
type Part struct {
	Quantity int64 // more than 0
	Each     toll.Decimal
	Exact    toll.Decimal // Quantity x Each, in major units
}

// Draft is what a customer owes for a period, so far or in the end.
type Draft struct {
	Lines []Line // the fee first, then add-ons, then the plan's units in its order, also those without usage
	Total toll.Money
}

// Extra is an add-on of a subscription, and how many of its fees fall into the
// period (see FeesDue).
type Extra struct {
	Addon toll.Addon
	Fees  int64
}

// Rate prices the chargeable usage of one customer in one period by a plan.
//
// fees is how many of the plan's own fees fall into the period (see FeesDue). A
// plan without a fee has no fee line. Units without a price on the plan cost
// nothing and make no line. Add-ons have a line each, where their fee is not
// zero; they cost in the plan's currency, or give a plan without one theirs.
//
// A graduated price counts its tiers from the period's first unit; included
// units take the first places, free of charge. A plan must price a unit once,
// its tiers must ascend, and the last must be without end.
//
// More usage never costs less, and no amount is negative. Errors are of the
// plan or the usage (a negative count, ErrPrice, a missing currency,
// toll.ErrMoneyOverflow); nothing is priced halfway.
func Rate(plan toll.Plan, usage map[string]int64, fees int64, extras ...Extra) (Draft, error) {
	draft := Draft{}
	currency := plan.Price.Currency
	for _, x := range extras {
		if currency == "" {
			currency = x.Addon.Price.Currency
		}
	}
	draft.Total.Currency = currency
	add := func(l Line, exact decimal.Decimal) error {
		amount, err := money(exact, currency)
		if err != nil {
			return err
		}
		if draft.Total, err = draft.Total.Add(amount); err != nil {
			return err
		}
		l.Exact, l.Amount = toll.Decimal(exact.String()), amount
		draft.Lines = append(draft.Lines, l)
		return nil
	}
	addFees := func(l Line, price toll.Price, fees int64) error {
		if fees < 0 {
			return fmt.Errorf("%d fees", fees)
		}
		if price.Amount == "" {
			return nil
		}
		fee, err := ParsePrice(price.Amount)
		if err != nil || fees == 0 || fee.IsZero() {
			return err
		}
		if price.Currency != currency {
			return fmt.Errorf("it costs %s and the bill is in %s: a bill has one currency", price.Currency, currency)
		}
		exact := fee.Mul(decimal.NewFromInt(fees))
		l.Quantity, l.Billed = fees, fees
		l.Parts = []Part{{Quantity: fees, Each: price.Amount, Exact: toll.Decimal(exact.String())}}
		return add(l, exact)
	}
	if err := addFees(Line{Kind: FeeLine}, plan.Price, fees); err != nil {
		return Draft{}, fmt.Errorf("rate plan %s: its fee: %w", plan.Name, err)
	}
	for _, x := range extras {
		if err := addFees(Line{Kind: AddonLine, Addon: x.Addon.Title}, x.Addon.Price, x.Fees); err != nil {
			return Draft{}, fmt.Errorf("rate plan %s: the add-on %s: %w", plan.Name, x.Addon.Name, err)
		}
	}
	for i := range plan.Usage {
		price := &plan.Usage[i]
		if price != unitPrice(plan, price.Unit) {
			return Draft{}, fmt.Errorf("rate plan %s: %s is priced twice", plan.Name, price.Unit)
		}
		line, exact, err := rateUnit(price, usage[price.Unit])
		if err == nil {
			err = add(line, exact)
		}
		if err != nil {
			return Draft{}, fmt.Errorf("rate plan %s: %s: %w", plan.Name, price.Unit, err)
		}
	}
	return draft, nil
}

// rateUnit prices so much of one unit.
func rateUnit(price *toll.UnitPrice, quantity int64) (Line, decimal.Decimal, error) {
	if quantity < 0 || price.Included < 0 {
		return Line{}, decimal.Zero, fmt.Errorf("%d used and %d included: neither can be negative", quantity, price.Included)
	}
	tiers, err := tiersOf(price)
	if err != nil {
		return Line{}, decimal.Zero, err
	}
	included := min(quantity, price.Included)
	line := Line{Kind: UsageLine, Unit: price.Unit, Quantity: quantity, Included: included, Billed: quantity - included}
	exact := decimal.Zero
	from := included // the last unit that is priced already
	for _, tier := range tiers {
		to := quantity
		if tier.UpTo != 0 {
			to = min(to, tier.UpTo)
		}
		if to <= from {
			continue
		}
		each, err := ParsePrice(tier.Each)
		if err != nil {
			return Line{}, decimal.Zero, err
		}
		part := each.Mul(decimal.NewFromInt(to - from))
		line.Parts = append(line.Parts, Part{Quantity: to - from, Each: tier.Each, Exact: toll.Decimal(part.String())})
		exact = exact.Add(part)
		from = to
	}
	return line, exact, nil
}

// tiersOf returns a unit's price as tiers, checked whole, so that a wrong tier
// is an error before the first customer reaches it.
func tiersOf(price *toll.UnitPrice) ([]toll.Tier, error) {
	tiers := price.Tiers
	switch {
	case len(tiers) == 0:
		tiers = []toll.Tier{{Each: price.Each}}
	case price.Each != "":
		return nil, fmt.Errorf("there is one price and there are tiers: it takes one of the two")
	}
	var last int64
	for i, tier := range tiers {
		switch {
		case tier.UpTo == 0 && i < len(tiers)-1:
			return nil, fmt.Errorf("tier %d is without end, but is not the last", i+1)
		case tier.UpTo != 0 && i == len(tiers)-1:
			return nil, fmt.Errorf("the last tier ends at %d: what comes after it has no price", tier.UpTo)
		case tier.UpTo != 0 && tier.UpTo <= last:
			return nil, fmt.Errorf("tier %d ends at %d, which is not after %d", i+1, tier.UpTo, last)
		}
		if _, err := ParsePrice(tier.Each); err != nil {
			return nil, fmt.Errorf("tier %d: %w", i+1, err)
		}
		last = tier.UpTo
	}
	return tiers, nil
}
