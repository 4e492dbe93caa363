package toll

import "slices"

// TaxRate is what is added to a bill, or is within it, for the state.
type TaxRate struct {
	Name      string   // its name in the configuration: "vat-de"
	Title     string   // what people read: "VAT"
	Percent   Decimal  // 0 to 100
	Countries []string // ISO 3166-1 alpha-2, upper case, whose customers pay it; none: every other country's
	Inclusive bool     // prices hold it already
}

// TaxFor finds the rate of a customer's country: the first that names it, else
// the first that names none. A country that is not known ("") has the latter.
// ok is false where no tax is due.
func TaxFor(rates []TaxRate, country string) (rate TaxRate, ok bool) {
	for _, r := range rates {
		if country != "" && slices.Contains(r.Countries, country) {
			return r, true
		}
	}
	for _, r := range rates {
		if len(r.Countries) == 0 {
			return r, true
		}
	}
	return TaxRate{}, false
}
