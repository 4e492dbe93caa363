package toll

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an exact amount in the minor units of a currency: 2900 USD is
// 29.00 dollars, 2900 JPY is 2,900 yen. The zero Money has no currency and can
// be added to any other.
type Money struct {
	Minor    int64
	Currency string // ISO 4217, three upper-case letters; "" only when Minor is 0
}

// What arithmetic with Money can refuse.
var (
	ErrMoneyOverflow   = errors.New("the amount is too large to be counted in minor units")
	ErrCurrencies      = errors.New("amounts in different currencies cannot be added or compared")
	ErrUnknownCurrency = errors.New("a currency is three upper-case letters of ISO 4217, such as USD")
)

// Add returns m + n. Errors: ErrCurrencies, ErrMoneyOverflow.
func (m Money) Add(n Money) (Money, error) {
	currency, err := sameCurrency(m, n)
	if err != nil {
		return Money{}, err
	}
	sum := m.Minor + n.Minor
	if (n.Minor > 0 && sum < m.Minor) || (n.Minor < 0 && sum > m.Minor) {
		return Money{}, ErrMoneyOverflow
	}
	return Money{Minor: sum, Currency: currency}, nil
}

// Sub returns m - n. Errors: ErrCurrencies, ErrMoneyOverflow.
func (m Money) Sub(n Money) (Money, error) {
	currency, err := sameCurrency(m, n)
	if err != nil {
		return Money{}, err
	}
	difference := m.Minor - n.Minor
	if (n.Minor < 0 && difference < m.Minor) || (n.Minor > 0 && difference > m.Minor) {
		return Money{}, ErrMoneyOverflow
	}
	return Money{Minor: difference, Currency: currency}, nil
}

// Mul returns m times n. Error: ErrMoneyOverflow.
func (m Money) Mul(n int64) (Money, error) {
	if m.Minor == 0 || n == 0 {
		return Money{Currency: m.Currency}, nil
	}
	product := m.Minor * n
	if product/n != m.Minor || (n == -1 && m.Minor == math.MinInt64) {
		return Money{}, ErrMoneyOverflow
	}
	return Money{Minor: product, Currency: m.Currency}, nil
}

// Cmp returns -1, 0 or +1 as m is less than, equal to or more than n. Error:
// ErrCurrencies.
func (m Money) Cmp(n Money) (int, error) {
	if _, err := sameCurrency(m, n); err != nil {
		return 0, err
	}
	switch {
	case m.Minor < n.Minor:
		return -1, nil
	case m.Minor > n.Minor:
		return 1, nil
	}
	return 0, nil
}

// IsZero tells whether the amount is nothing, in whatever currency.
func (m Money) IsZero() bool { return m.Minor == 0 }

// Decimal returns the amount in major units, with as many decimals as the
// currency has: "29.00" for 2900 USD, "2900" for 2900 JPY. A currency that is
// no ISO 4217 code is written in minor units.
func (m Money) Decimal() Decimal {
	places, err := MinorUnits(m.Currency)
	if err != nil {
		places = 0
	}
	digits := strconv.FormatUint(magnitude(m.Minor), 10)
	sign := ""
	if m.Minor < 0 {
		sign = "-"
	}
	if places == 0 {
		return Decimal(sign + digits)
	}
	if missing := places + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	point := len(digits) - places
	return Decimal(sign + digits[:point] + "." + digits[point:])
}

// String returns the amount for logs and for the command line: "29.00 USD".
// Pages write it in the reader's language instead.
func (m Money) String() string {
	if m.Currency == "" {
		return string(m.Decimal())
	}
	return string(m.Decimal()) + " " + m.Currency
}

// MinorUnits returns how many decimals a currency has, by ISO 4217: 2, but for
// the table of exceptions. Error: ErrUnknownCurrency for what is not three
// upper-case letters; whether the letters are in use today is not looked at,
// because the list changes more often than programs are upgraded.
func MinorUnits(currency string) (int, error) {
	if len(currency) != 3 {
		return 0, fmt.Errorf("%w: %q", ErrUnknownCurrency, currency)
	}
	for i := range 3 {
		if currency[i] < 'A' || currency[i] > 'Z' {
			return 0, fmt.Errorf("%w: %q", ErrUnknownCurrency, currency)
		}
	}
	if places, ok := minorUnits[currency]; ok {
		return places, nil
	}
	return 2, nil
}

// minorUnits are the currencies of ISO 4217 (list one) that have another
// number of decimals than two.
var minorUnits = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0,
	"RWF": 0, "UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
	"CLF": 4, "UYW": 4,
}

// sameCurrency returns the currency of a result; nothing at all has any.
func sameCurrency(m, n Money) (string, error) {
	switch {
	case m.Currency == n.Currency, n == Money{}:
		return m.Currency, nil
	case m == Money{}:
		return n.Currency, nil
	}
	return "", fmt.Errorf("%w: %s and %s", ErrCurrencies, m.Currency, n.Currency)
}

// magnitude is the absolute value, also of the smallest int64.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}
