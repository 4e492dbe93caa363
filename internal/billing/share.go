package billing

import (
	"fmt"
	"math/big"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// share is the part of a fee that falls into a month, as a fraction: 1 is the
// whole fee; a yearly one that is given back in part is less than nothing.
//
// A monthly fee is shared out by time over base, the month that it is for. A
// yearly one is due whole where it begins and on each anniversary of since, for
// the time up to the next one; where it ends within its year, what is left of
// the year is given back.
func share(every string, held tenure, month, base Span, since time.Time) (*big.Rat, error) {
	switch every {
	case "month", "":
		return big.NewRat(held.within(month), max(1, base.length())), nil
	case "year":
	default:
		return nil, fmt.Errorf("a fee is due every month or every year, not every %q", every)
	}
	sum := new(big.Rat)
	since = since.In(month.From.Location())
	first, last := month.From.Year()-1, month.To.Year()
	for _, one := range held {
		for y := max(first, since.Year()); y <= last; y++ {
			year := Span{anniversary(since, y), anniversary(since, y+1)}
			active := one.within(year)
			if active.length() == 0 {
				continue
			}
			if month.Holds(active.From) {
				sum.Add(sum, big.NewRat(Span{active.From, year.To}.length(), year.length()))
			}
			if active.To.Before(year.To) && month.Holds(active.To) {
				sum.Sub(sum, big.NewRat(Span{active.To, year.To}.length(), year.length()))
			}
		}
	}
	return sum, nil
}

// round rounds an exact amount in major units to minor units of a currency, a
// half away from zero: up, where the customer pays, and as much as that where
// something is given back.
func round(exact *big.Rat, currency string) (toll.Money, error) {
	if currency == "" {
		if exact.Sign() == 0 {
			return toll.Money{}, nil
		}
		return toll.Money{}, fmt.Errorf("%s has no currency", exact.RatString())
	}
	places, err := toll.MinorUnits(currency)
	if err != nil {
		return toll.Money{}, err
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
	twice := new(big.Int).Mul(new(big.Int).Abs(exact.Num()), scale)
	twice.Lsh(twice, 1).Add(twice, exact.Denom())
	minor := twice.Quo(twice, new(big.Int).Lsh(exact.Denom(), 1))
	if exact.Sign() < 0 {
		minor.Neg(minor)
	}
	if !minor.IsInt64() {
		return toll.Money{}, fmt.Errorf("%s: %w", currency, toll.ErrMoneyOverflow)
	}
	return toll.Money{Minor: minor.Int64(), Currency: currency}, nil
}
