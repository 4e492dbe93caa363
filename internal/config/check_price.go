package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// checkForm notes a package of tiers, and a way to read tiers that are not there.
func (c *checker) checkForm(at string, u *usageFile) {
	_, hasTiers := c.place(&u.Tiers)
	if p, ok := c.place(&u.Package); ok && hasTiers {
		c.at(p.key, "%s.package: tiers are priced by the unit; delete `package`, or write `each` in the place of `tiers`", at)
	}
	if p, ok := c.place(&u.Tiering); ok && !p.bad && !hasTiers && !c.wrong(&u.Tiers) {
		c.at(p.key, "%s.tiering: there are no tiers to read; delete it, or add `tiers: [ { … } ]`", at)
	}
}

// checkBounds notes amounts of a plan that no month could reach or keep to.
func (c *checker) checkBounds(path string, p *planFile) {
	if c.wrong(&p.Price) || c.wrong(&p.Price.Currency) {
		return
	}
	for _, one := range []struct {
		name   string
		amount *decimal
	}{{"minimum", &p.Minimum}, {"spend_cap", &p.SpendCap}} {
		if !c.given(one.amount) {
			continue
		}
		place, _ := c.place(one.amount)
		at := path + "." + one.name
		switch digits := p.Price.Currency.digits(); {
		case p.Price.Currency == "" && !one.amount.zero():
			c.at(place.value, "%s: the plan names no currency; add `price: { amount: \"0\", currency: USD, every: month }` to it", at)
		case p.Price.Currency != "" && one.amount.places() > digits:
			c.at(place.value, "%s: %s has %d digits behind the point, and this has %d; round it", at, p.Price.Currency, digits, one.amount.places())
		}
	}
	if !c.given(&p.SpendCap) {
		return
	}
	place, _ := c.place(&p.SpendCap)
	if c.given(&p.Minimum) && p.SpendCap.below(p.Minimum) {
		c.at(place.value, "%s.spend_cap: it is below the plan's minimum (%s), which is billed each month; raise it", path, p.Minimum)
	}
	if c.given(&p.Price.Amount) && p.SpendCap.below(p.Price.Amount) {
		c.at(place.value, "%s.spend_cap: it is below the plan's own fee (%s), so no call would ever pass; raise it", path, p.Price.Amount)
	}
}

// below tells whether the amount is less than another.
func (d decimal) below(other decimal) bool {
	whole, fraction := padded(d)
	otherWhole, otherFraction := padded(other)
	return whole+fraction < otherWhole+otherFraction
}

// padded writes an amount with as many digits on either side as one may have.
func padded(d decimal) (whole, fraction string) {
	whole, fraction, _ = strings.Cut(string(d), ".")
	return strings.Repeat("0", 12-len(whole)) + whole, fraction + strings.Repeat("0", 12-len(fraction))
}

// checkExtra notes further units of an add-on that no service reports, or that
// stand there twice.
func (c *checker) checkExtra(path string, a *addonFile) {
	known := []string{toll.UnitRequests}
	for i := range c.file.Services {
		s := &c.file.Services[i].value
		if c.wrong(&s.Units) {
			return
		}
		for _, u := range s.Units {
			known = append(known, string(u))
		}
	}
	seen := map[label]bool{}
	for i := range a.Included {
		unit := &a.Included[i].Unit
		if !c.given(unit) {
			continue
		}
		at := fmt.Sprintf("%s.included[%d].unit", path, i)
		place, _ := c.place(unit)
		guess := nearest(string(*unit), known)
		switch {
		case seen[*unit]:
			c.at(place.value, "%s: `%s` stands here twice; add the counts up in one", at, *unit)
		case slices.Contains(known, string(*unit)):
		case guess != "":
			c.at(place.value, "%s: no service reports `%s`; did you mean `%s`?", at, *unit, guess)
		default:
			c.at(place.value, "%s: no service reports `%s`; add it to the `units` of the service that does (known: %s)", at, *unit, strings.Join(known, ", "))
		}
		seen[*unit] = true
	}
}

// checkCoupons notes coupons that take off nothing, or in two ways.
func (c *checker) checkCoupons() {
	for i := range c.file.Coupons {
		e := &c.file.Coupons[i]
		at := "coupons." + e.name
		f := &e.value
		if c.wrong(&f.Percent) || c.wrong(&f.Amount) || c.wrong(&f.Currency) {
			continue
		}
		percent, hasPercent := c.place(&f.Percent)
		amount, hasAmount := c.place(&f.Amount)
		switch {
		case hasPercent && hasAmount:
			c.at(amount.key, "%s: a coupon takes off either `percent` or `amount`; delete one", at)
		case !hasPercent && !hasAmount:
			c.at(e.key, "%s: it takes nothing off; add `percent: 20%%`, or `amount: \"10.00\"` and `currency: USD`", at)
		case hasPercent && decimal(f.Percent).zero():
			c.at(percent.value, "%s.percent: it takes nothing off; write more than 0%%", at)
		case hasPercent && c.given(&f.Currency):
			place, _ := c.place(&f.Currency)
			c.at(place.key, "%s.currency: a share has no currency; delete it", at)
		case hasAmount && f.Amount.zero():
			c.at(amount.value, "%s.amount: it takes nothing off; write more than 0", at)
		case hasAmount && f.Currency == "":
			c.at(amount.value, "%s: the amount has no currency; add for example `currency: USD`", at)
		case hasAmount && f.Amount.places() > f.Currency.digits():
			c.at(amount.value, "%s.amount: %s has %d digits behind the point, and this has %d; round it", at, f.Currency, f.Currency.digits(), f.Amount.places())
		}
	}
}

// checkTaxes notes rates that nobody would ever pay, because another comes first.
func (c *checker) checkTaxes() {
	first := map[country]string{}
	others := ""
	for i := range c.file.Taxes {
		e := &c.file.Taxes[i]
		at := "taxes." + e.name
		if c.wrong(&e.value.Countries) {
			continue
		}
		if len(e.value.Countries) == 0 {
			if others != "" {
				c.at(e.key, "%s: `%s` is for all other countries already; name `countries` in one of them", at, others)
			} else {
				others = e.name
			}
		}
		for j := range e.value.Countries {
			code := &e.value.Countries[j]
			if by, taken := first[*code]; taken && by != e.name {
				place, ok := c.place(code)
				if !ok {
					place, _ = c.place(&e.value.Countries)
				}
				c.at(place.value, "%s.countries: %s pays `%s` already; delete it from one of them", at, *code, by)
			} else {
				first[*code] = e.name
			}
		}
	}
}
