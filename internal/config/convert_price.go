package config

import "github.com/tollhouse/tollhouse/internal/toll"

// priceOf gives a fee; one that is absent is nothing each month.
func priceOf(p priceFile) toll.Price {
	amount := p.Amount
	if amount == "" {
		amount = "0"
	}
	return toll.Price{Amount: toll.Decimal(amount), Currency: string(p.Currency), Every: string(p.Every)}
}

// includedOf gives an add-on's further units; nil for none.
func includedOf(list []extraFile) []toll.Amount {
	var out []toll.Amount
	for _, e := range list {
		out = append(out, toll.Amount{Unit: string(e.Unit), Count: int64(e.Count)})
	}
	return out
}

func couponsOf(list named[couponFile]) []toll.Coupon {
	var out []toll.Coupon
	for _, e := range list {
		c := toll.Coupon{Name: e.name, Title: title(e.value.Name, e.name), Percent: toll.Decimal(e.value.Percent), Months: int64(e.value.Months)}
		if e.value.Amount != "" {
			c.Amount = toll.Price{Amount: toll.Decimal(e.value.Amount), Currency: string(e.value.Currency)}
		}
		out = append(out, c)
	}
	return out
}

func taxesOf(list named[taxFile]) []toll.TaxRate {
	var out []toll.TaxRate
	for _, e := range list {
		out = append(out, toll.TaxRate{
			Name: e.name, Title: title(e.value.Name, e.name), Percent: toll.Decimal(e.value.Percent),
			Countries: texts(e.value.Countries), Inclusive: bool(e.value.Inclusive),
		})
	}
	return out
}
