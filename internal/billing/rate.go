package billing

import (
	"fmt"
	"math"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// LineKind says what a line is for.
type LineKind string

// The kinds of line.
const (
	FeeLine     LineKind = "fee"     // the plan's own price
	AddonLine   LineKind = "addon"   // an add-on's price
	UsageLine   LineKind = "usage"   // a unit's
	MinimumLine LineKind = "minimum" // what was missing to the plan's minimum
	CouponLine  LineKind = "coupon"  // what a coupon takes off: never more than 0, but for a correction
)

// Line is a line of a draft or an invoice.
type Line struct {
	Kind     LineKind
	Unit     string       // of a UsageLine
	Addon    string       // of an AddonLine: its title
	Quantity int64        // of the unit, chargeable; of a FeeLine or AddonLine: how many fees
	Included int64        // of Quantity, free
	Billed   int64        // of Quantity, with a price: Quantity = Included + Billed
	Parts    []Part       // how Billed is priced, in the order of the tiers; those without units are left out
	Exact    toll.Decimal // the amount before rounding, in major units; of a share of a fee, after it
	Amount   toll.Money   // Exact, rounded to minor units, a half up

	// Of lines that Terms.Rate makes.
	Title   string // what people read: of the plan, the add-on, the coupon
	Version string // the plan version that prices it, "" for add-ons, coupons and the minimum
	Name    string // the add-on's or coupon's name in the configuration
	Share   Share  // which part of its fee a FeeLine or AddonLine is; zero for the whole
	Month   Span   // the month that the line is for: on an invoice of a later one it is a correction
	Late    bool   // it corrects a month that was invoiced before, for usage that was stored later
}

// Share is a part of a fee: so many microseconds of so many.
type Share struct{ Held, Of int64 }

// Part is so many units of a line at one price.
type Part struct {
	Quantity int64 // more than 0; of packages where Package is set
	Each     toll.Decimal
	Package  int64        // Each is for so many units, and for what is begun of the last; 0: for one
	Exact    toll.Decimal // Quantity x Each, in major units
}

// Draft is what a customer owes for a period, so far or in the end.
type Draft struct {
	Lines []Line // the fee first, then add-ons, then the plan's units in its order, also those without usage
	Total toll.Money
}

// plus adds what is never less than nothing, and stops at the largest int64.
func plus(a, b int64) int64 {
	if a > 0 && b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
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
// More usage never costs less, but for a volume price where it reaches a cheaper
// tier, and no amount is negative. Errors are of the
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
	more := map[string]int64{}
	for _, x := range extras {
		for _, a := range x.Addon.Included {
			if a.Count < 0 {
				return Draft{}, fmt.Errorf("rate plan %s: the add-on %s includes %d %s", plan.Name, x.Addon.Name, a.Count, a.Unit)
			}
			more[a.Unit] = plus(more[a.Unit], a.Count)
		}
	}
	for i := range plan.Usage {
		price := &plan.Usage[i]
		if price != unitPrice(plan, price.Unit) {
			return Draft{}, fmt.Errorf("rate plan %s: %s is priced twice", plan.Name, price.Unit)
		}
		line, exact, err := rateStretch(price, stretch{to: usage[price.Unit], included: plus(price.Included, more[price.Unit]), whole: usage[price.Unit]})
		if err == nil {
			err = add(line, exact)
		}
		if err != nil {
			return Draft{}, fmt.Errorf("rate plan %s: %s: %w", plan.Name, price.Unit, err)
		}
	}
	return draft, nil
}
