package console

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// per is so many units as a price is said for. Nobody reads $0.00002 each;
// $0.02 per 1,000 is the same, exactly, for only the point moves.
type per struct {
	count int64
	shift int32 // the decimal places that the point moves
}

var pers = []per{{1, 0}, {1000, 3}, {1_000_000, 6}}

// perFor chooses the smallest number of units for which all prices are whole
// minor units of the currency, the largest when there is none: prices that
// stand beside each other are said for the same number.
func perFor(currency string, prices ...toll.Decimal) per {
	places, err := toll.MinorUnits(currency)
	if err != nil {
		places = 0
	}
	for _, p := range pers {
		fits := true
		for _, price := range prices {
			d, err := billing.ParsePrice(price)
			fits = fits && err == nil && decimals(d.Shift(p.shift).String()) <= places
		}
		if fits {
			return p
		}
	}
	return pers[len(pers)-1]
}

// pricesOf lists all that a unit can cost on a plan.
func pricesOf(u toll.UnitPrice) []toll.Decimal {
	if u.Package > 1 {
		return nil // is said for its package, whatever stands beside it
	}
	if len(u.Tiers) == 0 {
		return []toll.Decimal{u.Each}
	}
	prices := make([]toll.Decimal, 0, len(u.Tiers))
	for _, t := range u.Tiers {
		prices = append(prices, t.Each)
	}
	return prices
}

// unitPrice writes what units cost: "$0.10 each", "$0.02 per 1,000", "free".
func (v *visit) unitPrice(price toll.Decimal, currency string, p per) string {
	d, err := billing.ParsePrice(price)
	switch {
	case err != nil: // the configuration's check lets none through
		return string(price)
	case d.IsZero():
		return v.T("price.free")
	}
	amount := v.exactly(toll.Decimal(d.Shift(p.shift).String()), currency)
	if p.count == 1 {
		return v.T("price.each", amount)
	}
	return v.T("price.per", amount, v.words.Number(p.count))
}

// packagePrice writes what a package of units costs: "$0.50 per 1,000".
func (v *visit) packagePrice(price toll.Decimal, size int64, currency string) string {
	if d, err := billing.ParsePrice(price); err == nil && d.IsZero() {
		return v.T("price.free")
	}
	return v.T("price.per", v.exactly(price, currency), v.words.Number(size))
}

// exactly writes an amount with all its decimals, and at least as many as its
// currency has: "$0.50", "$0.00123".
func (v *visit) exactly(amount toll.Decimal, currency string) string {
	text := string(amount)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	if places, err := toll.MinorUnits(currency); err == nil {
		if missing := places - decimals(text); missing > 0 {
			if !strings.Contains(text, ".") {
				text += "."
			}
			text += strings.Repeat("0", missing)
		}
	}
	return v.words.Money(text, currency)
}

func decimals(number string) int {
	_, fraction, _ := strings.Cut(number, ".")
	return len(fraction)
}

// fee writes a plan's own price: "$29.00 a month", "No fee".
func (v *visit) fee(p toll.Price) string {
	d, err := billing.ParsePrice(p.Amount)
	if p.Amount == "" || (err == nil && d.IsZero()) {
		return v.T("fee.none")
	}
	amount := v.exactly(p.Amount, p.Currency)
	if p.Every == "year" {
		return v.T("fee.year", amount)
	}
	return v.T("fee.month", amount)
}

// tierLines writes a unit's price on a plan in plain words, a line for each
// step: what is free first, then each tier.
func (v *visit) tierLines(u toll.UnitPrice, currency string, p per) []string {
	var lines []string
	step := func(upTo int64, price string) {
		switch {
		case upTo == 0 && len(lines) == 0:
			lines = append(lines, price)
		case upTo == 0:
			lines = append(lines, v.T("price.after", price))
		case len(lines) == 0:
			lines = append(lines, v.T("price.first", v.words.Number(upTo), price))
		default:
			lines = append(lines, v.T("price.upto", v.words.Number(upTo), price))
		}
	}
	if u.Included > 0 {
		step(u.Included, v.T("price.free"))
	}
	if u.Package > 1 {
		step(0, v.packagePrice(u.Each, u.Package, currency))
		return lines
	}
	tiers := u.Tiers
	if u.Tiering == toll.Volume {
		lines = append(lines, v.T("price.volume"))
	}
	if len(tiers) == 0 {
		tiers = []toll.Tier{{Each: u.Each}}
	}
	for _, t := range tiers {
		if t.UpTo == 0 || t.UpTo > u.Included { // included units take the first places
			step(t.UpTo, v.unitPrice(t.Each, currency, p))
		}
	}
	return lines
}
