package billing

import (
	"fmt"
	"math/big"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// taxOn is the tax on the sum of an invoice's lines, and what is to be paid with
// it. It is rounded once for the whole invoice, a half away from zero; of an
// inclusive rate it is the part of the sum that is tax.
func taxOn(sum toll.Money, rate *toll.TaxRate) (tax, total toll.Money, err error) {
	if rate == nil {
		return toll.Money{Currency: sum.Currency}, sum, nil
	}
	percent, err := ParsePercent(rate.Percent)
	if err != nil {
		return tax, total, fmt.Errorf("the tax rate %s: %w", rate.Name, err)
	}
	hundred := big.NewRat(100, 1)
	if rate.Inclusive {
		return percentOf(sum, percent, hundred.Add(hundred, percent)), sum, nil
	}
	tax = percentOf(sum, percent, hundred)
	total, err = sum.Add(tax)
	return tax, total, err
}

// IsCountry tells whether a text has the form of a country's code, or is empty.
func IsCountry(code string) bool {
	if code == "" {
		return true
	}
	return len(code) == 2 && code[0] >= 'A' && code[0] <= 'Z' && code[1] >= 'A' && code[1] <= 'Z'
}
