package words

import (
	"math"
	"strconv"
	"strings"
)

// Number writes a whole number with the language's groups: 12,345.
func (w *Words) Number(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "\u2212", digits[1:]
	}
	return sign + w.grouped(digits)
}

func (w *Words) grouped(digits string) string {
	if len(digits) < w.least {
		return digits
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(w.group)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Compact writes a number in little room, for the scale of a chart: 950, 1.5k, 20M.
func (w *Words) Compact(n int64) string {
	f, suffix := float64(n), ""
	for _, s := range []string{"k", "M", "G", "T"} {
		if math.Abs(f) < 1000 {
			break
		}
		f, suffix = f/1000, s
	}
	text := strconv.FormatFloat(f, 'f', 1, 64)
	text = strings.TrimSuffix(text, ".0")
	return strings.Replace(text, ".", w.decimal, 1) + suffix
}

// Percent writes a share as a percentage, to the whole: 0.124 is 12%.
func (w *Words) Percent(share float64) string {
	return w.Number(int64(math.Round(share*100))) + w.percent + "%"
}

// symbols are the currencies whose sign people know without a country before
// it; others are written by their code.
var symbols = map[string]string{"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}

// Money writes an amount that is given as an exact decimal in major units
// ("29.00", at least as many places as the currency has) in a currency (ISO 4217).
func (w *Words) Money(amount, currency string) string {
	sign := ""
	if rest, negative := strings.CutPrefix(amount, "-"); negative {
		sign, amount = "\u2212", rest
	}
	whole, places, hasPlaces := strings.Cut(amount, ".")
	text := w.grouped(whole)
	if hasPlaces {
		text += w.decimal + places
	}
	symbol, known := symbols[currency]
	switch {
	case currency == "":
		return sign + text
	case !known:
		return sign + text + "\u00a0" + currency
	case w.lang == "en":
		return sign + symbol + text
	}
	return sign + text + "\u00a0" + symbol
}
