package billing

import (
	"errors"
	"fmt"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// stretch is so many units of a month in a row, by their places: the first unit
// of the month has place 1. A stretch holds the places from+1 to to.
type stretch struct {
	from, to int64
	included int64 // the places up to this one are free
	whole    int64 // how many units the month has in all: what a volume price asks
}

// rateStretch prices so many units of a month in a row. The line's Quantity is
// their number; what it is called and belongs to is the caller's.
func rateStretch(price *toll.UnitPrice, s stretch) (Line, decimal.Decimal, error) {
	if s.from < 0 || s.to < s.from || price.Included < 0 || s.included < 0 {
		return Line{}, decimal.Zero, fmt.Errorf("%d used and %d included: neither can be negative", s.to-s.from, price.Included)
	}
	if price.Package < 0 {
		return Line{}, decimal.Zero, fmt.Errorf("a package of %d", price.Package)
	}
	tiers, err := tiersOf(price)
	if err != nil {
		return Line{}, decimal.Zero, err
	}
	free := max(0, min(s.to, s.included)-s.from)
	line := Line{Kind: UsageLine, Unit: price.Unit, Quantity: s.to - s.from, Included: free, Billed: s.to - s.from - free}
	exact := decimal.Zero
	add := func(count int64, each toll.Decimal) error {
		if count <= 0 {
			return nil
		}
		one, err := ParsePrice(each)
		if err != nil {
			return err
		}
		sum := one.Mul(decimal.NewFromInt(count))
		part := Part{Quantity: count, Each: each, Exact: toll.Decimal(sum.String())}
		if price.Package > 1 {
			part.Package = price.Package
		}
		line.Parts = append(line.Parts, part)
		exact = exact.Add(sum)
		return nil
	}
	switch {
	case price.Package > 1:
		begun := packages(s.to-s.included, price.Package) - packages(s.from-s.included, price.Package)
		err = add(begun, price.Each)
	case price.Tiering == toll.Volume:
		err = add(line.Billed, tierOf(tiers, s.whole).Each)
	default:
		from := s.from + free // the last place that is priced already
		for _, tier := range tiers {
			to := s.to
			if tier.UpTo != 0 {
				to = min(to, tier.UpTo)
			}
			if to <= from {
				continue
			}
			if err = add(to-from, tier.Each); err != nil {
				break
			}
			from = to
		}
	}
	return line, exact, err
}

// packages is how many packages so many units begin; those that are less than
// nothing begin none.
func packages(units, size int64) int64 {
	if units <= 0 {
		return 0
	}
	return (units-1)/size + 1
}

// tierOf is the tier that so many units fall into.
func tierOf(tiers []toll.Tier, units int64) toll.Tier {
	for _, t := range tiers {
		if t.UpTo == 0 || units <= t.UpTo {
			return t
		}
	}
	return tiers[len(tiers)-1]
}

// tiersOf returns a unit's price as tiers, checked whole, so that a wrong tier
// is an error before the first customer reaches it.
func tiersOf(price *toll.UnitPrice) ([]toll.Tier, error) {
	tiers := price.Tiers
	switch {
	case len(tiers) == 0:
		tiers = []toll.Tier{{Each: price.Each}}
	case price.Each != "":
		return nil, errors.New("there is one price and there are tiers: it takes one of the two")
	case price.Package > 1:
		return nil, errors.New("there are tiers, and they are priced by the package: it takes one of the two")
	}
	switch price.Tiering {
	case "", toll.Graduated, toll.Volume:
	default:
		return nil, fmt.Errorf("tiers cannot be read as %q", price.Tiering)
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
