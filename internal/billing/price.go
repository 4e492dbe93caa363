package billing

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// How many digits a price may have.
const (
	mostWhole    = 15 // before the point
	mostDecimals = 15 // after it
)

// ErrPrice is what ParsePrice answers for a text that is no price.
var ErrPrice = errors.New("a price is digits and, if need be, a point and digits, such as 29.00 or 0.00002")

// ParsePrice reads a price in major units: at most 15 digits, and optionally a
// point and at most 15 digits. It is never negative, and has no sign, exponent,
// space or separator.
func ParsePrice(d toll.Decimal) (decimal.Decimal, error) {
	whole, fraction, point := strings.Cut(string(d), ".")
	if !digits(whole, mostWhole) || (point && !digits(fraction, mostDecimals)) {
		return decimal.Decimal{}, fmt.Errorf("%w: %q", ErrPrice, shorten(string(d)))
	}
	price, err := decimal.NewFromString(string(d))
	if err != nil {
		return decimal.Decimal{}, fmt.Errorf("%w: %w", ErrPrice, err)
	}
	return price, nil
}

func digits(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

func shorten(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// ReadMoney reads an amount in major units that is not rounded: it has no more
// decimals than its currency. Errors: ErrPrice, toll.ErrUnknownCurrency,
// toll.ErrMoneyOverflow.
func ReadMoney(d toll.Decimal, currency string) (toll.Money, error) {
	price, err := ParsePrice(d)
	if err != nil {
		return toll.Money{}, err
	}
	places, err := toll.MinorUnits(currency)
	if err != nil {
		return toll.Money{}, err
	}
	if !price.Equal(price.Truncate(int32(places))) {
		return toll.Money{}, fmt.Errorf("%w: %s has %d decimals", ErrPrice, currency, places)
	}
	return money(price, currency)
}

// money rounds an exact amount in major units to minor units, a half up. It is
// never given anything negative.
func money(exact decimal.Decimal, currency string) (toll.Money, error) {
	if currency == "" {
		if exact.IsZero() {
			return toll.Money{}, nil
		}
		return toll.Money{}, fmt.Errorf("%s has no currency", exact)
	}
	places, err := toll.MinorUnits(currency)
	if err != nil {
		return toll.Money{}, err
	}
	minor := exact.Shift(int32(places)).Round(0).BigInt() // Round is half away from zero: up, here
	if !minor.IsInt64() {
		return toll.Money{}, fmt.Errorf("%s %s: %w", exact, currency, toll.ErrMoneyOverflow)
	}
	return toll.Money{Minor: minor.Int64(), Currency: currency}, nil
}
