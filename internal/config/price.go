package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"golang.org/x/text/currency"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// decimal is an exact amount of money as people write it. It is read from the
// text of the file, so 0.1 stays 0.1, in quotes or not.
type decimal string

var decimalForm = regexp.MustCompile(`^[0-9]{1,12}(\.[0-9]{1,12})?$`)

func (d *decimal) parse(s string) error {
	if !decimalForm.MatchString(s) {
		switch {
		case decimalForm.MatchString(strings.TrimPrefix(s, "-")):
			return errors.New("is negative; an amount is 0 or more")
		case decimalForm.MatchString(strings.ReplaceAll(s, ",", ".")):
			return errors.New("is no amount; write a point instead of the comma, for example \"29.00\"")
		}
		return errors.New("is no amount; write digits and at most one point, without a currency sign, for example \"29.00\"")
	}
	*d = decimal(s)
	return nil
}

func (d *decimal) form() form {
	return form{what: "an amount", example: "29.00", pattern: `^[0-9]{1,12}(\.[0-9]{1,12})?$`, json: "number"}
}

// zero tells whether the amount is nothing.
func (d decimal) zero() bool { return strings.Trim(string(d), "0.") == "" }

// places is how many digits stand behind the point.
func (d decimal) places() int {
	_, fraction, _ := strings.Cut(string(d), ".")
	return len(fraction)
}

// currencyCode is an ISO 4217 currency.
type currencyCode string

func (c *currencyCode) parse(s string) error {
	if _, err := currency.ParseISO(s); err == nil && s == strings.ToUpper(s) {
		*c = currencyCode(s)
		return nil
	}
	if upper := strings.ToUpper(s); len(s) == 3 && upper != s {
		if _, err := currency.ParseISO(upper); err == nil {
			return fmt.Errorf("is no currency; did you mean `%s`?", upper)
		}
	}
	return errors.New("is no currency; write its three letters after ISO 4217, for example USD or EUR")
}

func (c *currencyCode) form() form {
	return form{what: "a currency", example: "USD", pattern: `^[A-Z]{3}$`}
}

// digits is how many digits the currency has behind the point: 2 for USD, 0
// for JPY.
func (c currencyCode) digits() int {
	digits, err := toll.MinorUnits(string(c))
	if err != nil {
		return 2
	}
	return digits
}
