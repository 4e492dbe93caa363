package billing

import (
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Redemption is a coupon that a customer got. The coupon stands here as it was
// given out then.
type Redemption struct {
	Coupon toll.Coupon
	From   time.Time // the beginning of the first month that it holds for
	Ended  time.Time // months that begin from then on have it no more; zero: until it is over
}

// Covers tells whether the coupon holds for a month. From and the month begin
// where months of the subscription do.
func (r Redemption) Covers(month Span) bool {
	if month.From.Before(r.From) || (!r.Ended.IsZero() && !month.From.Before(r.Ended)) {
		return false
	}
	if r.Coupon.Months == 0 {
		return true
	}
	from := r.From.In(month.From.Location())
	passed := int64(month.From.Year()-from.Year())*12 + int64(month.From.Month()-from.Month())
	return passed < r.Coupon.Months
}

// CheckCoupon tells whether a coupon can be taken off bills in a currency at
// all: it has either a share or an amount, and the amount is in the currency.
func CheckCoupon(c toll.Coupon, currency string) error {
	_, err := takeOff(&c, toll.Money{Minor: 1, Currency: currency})
	return err
}

// takeOff is how much a coupon takes off a sum: rounded to minor units, a half
// up, and at most all of it.
func takeOff(c *toll.Coupon, of toll.Money) (toll.Money, error) {
	if (c.Percent == "") == (c.Amount.Amount == "") {
		return toll.Money{}, errors.New("a coupon has either a share or an amount")
	}
	if c.Percent != "" {
		percent, err := ParsePercent(c.Percent)
		if err != nil || of.Minor <= 0 {
			return toll.Money{}, err
		}
		return percentOf(of, percent, big.NewRat(100, 1)), nil
	}
	amount, err := ParsePrice(c.Amount.Amount)
	if err != nil {
		return toll.Money{}, err
	}
	off, err := money(amount, c.Amount.Currency)
	if err != nil || of.Minor <= 0 {
		return toll.Money{}, err
	}
	if off.Currency != of.Currency {
		return toll.Money{}, fmt.Errorf("it is in %s and the bill is in %s", off.Currency, of.Currency)
	}
	off.Minor = min(off.Minor, of.Minor)
	return off, nil
}

// ErrPercent is what ParsePercent answers for a text that is no share.
var ErrPercent = errors.New("a share is 0 to 100, such as 19 or 8.25")

// ParsePercent reads a share in percent, 0 to 100, in the form of a price.
func ParsePercent(d toll.Decimal) (*big.Rat, error) {
	price, err := ParsePrice(d)
	if err != nil {
		return nil, fmt.Errorf("%w: %q", ErrPercent, shorten(string(d)))
	}
	percent := price.Rat()
	if percent.Cmp(big.NewRat(100, 1)) > 0 {
		return nil, fmt.Errorf("%w: %q", ErrPercent, shorten(string(d)))
	}
	return percent, nil
}

// percentOf is of x percent / whole, in minor units, a half away from zero. As
// percent is at most whole it cannot overflow.
func percentOf(of toll.Money, percent, whole *big.Rat) toll.Money {
	exact := new(big.Rat).Quo(percent, whole)
	exact.Mul(exact, new(big.Rat).SetInt64(of.Minor))
	twice := new(big.Int).Lsh(new(big.Int).Abs(exact.Num()), 1)
	twice.Add(twice, exact.Denom())
	minor := twice.Quo(twice, new(big.Int).Lsh(exact.Denom(), 1)).Int64()
	if exact.Sign() < 0 {
		minor = -minor
	}
	return toll.Money{Minor: minor, Currency: of.Currency}
}
