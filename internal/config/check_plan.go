package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func (c *checker) checkPlans() {
	for i := range c.file.Plans {
		e := &c.file.Plans[i]
		p := &e.value
		path := "plans." + e.name
		c.checkIncludes(p.Includes)
		c.checkPrice(path+".price", &p.Price)
		policies := map[label]int{}
		for j := range p.Limits {
			c.checkPlanLimit(fmt.Sprintf("%s.limits[%d]", path, j), &p.Limits[j], policies, p)
		}
		c.checkQuotas(path, p, policies)
		c.checkUsage(path, p)
		c.checkBounds(path, p)
		c.checkCrossNames(path, p)
	}
	for i := range c.file.Addons {
		e := &c.file.Addons[i]
		c.checkIncludes(e.value.Includes)
		c.checkPrice("addons."+e.name+".price", &e.value.Price)
		c.checkExtra("addons."+e.name, &e.value)
	}
	c.checkCoupons()
	c.checkTaxes()
}

// service finds a service of the file.
func (c *checker) service(name string) *entry[serviceFile] {
	for i := range c.file.Services {
		if c.file.Services[i].name == name {
			return &c.file.Services[i]
		}
	}
	return nil
}

// unknownService notes a service that the file does not have.
func (c *checker) unknownService(at *node, path, name string) {
	var known []string
	for _, s := range c.file.Services {
		known = append(known, s.name)
	}
	cure := "add it under `services:`"
	if guess := nearest(name, known); guess != "" {
		cure = fmt.Sprintf("did you mean `%s`?", guess)
	} else if len(known) > 0 && len(known) <= 10 {
		cure = "there are " + strings.Join(known, ", ")
		if len(known) == 1 {
			cure = "there is only " + known[0]
		}
	}
	c.at(at, "%s: there is no service `%s`; %s", path, shorten(name), cure)
}

func (c *checker) checkIncludes(includes []label) {
	for i, name := range includes {
		p, ok := c.place(&includes[i])
		if ok && !p.bad && c.service(string(name)) == nil {
			c.unknownService(p.value, p.path, string(name))
		}
	}
}

// reaches tells whether customers of a plan may call a service, be it through
// an add-on.
func (c *checker) reaches(p *planFile, service string) bool {
	if slices.Contains(p.Includes, label(service)) {
		return true
	}
	for i := range c.file.Addons {
		if slices.Contains(c.file.Addons[i].value.Includes, label(service)) {
			return true
		}
	}
	return false
}

func (c *checker) checkPlanLimit(at string, l *planLimitFile, policies map[label]int, p *planFile) {
	c.checkName(policies, &l.Name, at, "plan")
	c.checkLimit(at, &l.limitFile, l)
	c.checkDelegatedLimit(at, l, p)
	c.checkScope(at, &l.Service, &l.Endpoint, p)
}

// checkScope notes a limit or quota of a plan for calls that there are none of.
func (c *checker) checkScope(at string, service *label, of *planEndpoint, p *planFile) {
	if c.given(service) {
		c.checkLimitService(at+".service", service, string(*service), p)
	}
	if !c.given(of) {
		return
	}
	place, _ := c.place(of)
	if c.given(service) && string(*service) != of.service {
		c.at(place.value, "%s: `endpoint` names service `%s` and `service` names `%s`; delete `service`", at, of.service, *service)
		return
	}
	s := c.service(of.service)
	if s == nil {
		c.unknownService(place.value, at+".endpoint", of.service)
		return
	}
	if !c.given(service) {
		c.checkLimitService(at+".endpoint", of, s.name, p)
	}
	c.checkEndpoint(at, of, s, endpoint(of.endpoint))
}

// checkLimitService notes a limit for a service that its plan does not reach.
func (c *checker) checkLimitService(at string, field any, name string, p *planFile) {
	place, _ := c.place(field)
	if c.service(name) == nil {
		c.unknownService(place.value, at, name)
		return
	}
	if !c.wrong(&p.Includes) && !c.reaches(p, name) {
		c.at(place.value, "%s: the plan does not include service `%s`, so this limits nothing; add it to `includes`", at, name)
	}
}

// checkUnit notes a unit that no service of the plan reports.
func (c *checker) checkUnit(at string, unit *label, p *planFile) {
	if *unit == toll.UnitRequests || !c.given(unit) || c.wrong(&p.Includes) {
		return
	}
	known := []string{toll.UnitRequests}
	elsewhere, unsettled := "", ""
	for i := range c.file.Services {
		s := &c.file.Services[i]
		if c.wrong(&s.value.Units) {
			return
		}
		if !c.reaches(p, s.name) {
			if slices.Contains(s.value.Units, *unit) {
				elsewhere = s.name
			}
			continue
		}
		if c.neverSettles(&s.value) {
			if slices.Contains(s.value.Units, *unit) {
				unsettled = s.name
			}
			continue
		}
		for _, u := range s.value.Units {
			known = append(known, string(u))
		}
	}
	if slices.Contains(known, string(*unit)) {
		return
	}
	place, _ := c.place(unit)
	guess := nearest(string(*unit), known)
	switch {
	case unsettled != "":
		c.at(place.value, "%s.unit: `%s` cannot be counted: service `%s` is delegated, and tells nothing of its answers unless it settles them; write `delegated: { settle: true }` there, or count `requests`", at, *unit, unsettled)
	case elsewhere != "":
		c.at(place.value, "%s.unit: only service `%s` reports `%s`, and the plan does not include it; add it to `includes`", at, elsewhere, *unit)
	case guess != "":
		c.at(place.value, "%s.unit: no included service reports `%s`; did you mean `%s`?", at, *unit, guess)
	default:
		c.at(place.value, "%s.unit: no included service reports `%s`; add it to the `units` of the service that does (known: %s)", at, *unit, strings.Join(known, ", "))
	}
}

func (c *checker) checkPrice(at string, price *priceFile) {
	if !c.given(&price.Amount) || c.wrong(&price.Currency) {
		return
	}
	amount, _ := c.place(&price.Amount)
	if price.Currency == "" {
		if !price.Amount.zero() {
			c.at(amount.value, "%s: the amount has no currency; add for example `currency: USD`", at)
		}
		return
	}
	if digits := price.Currency.digits(); price.Amount.places() > digits {
		c.at(amount.value, "%s.amount: %s has %d digits behind the point, and this has %d; round it", at, price.Currency, digits, price.Amount.places())
	}
}

func (c *checker) checkUsage(path string, p *planFile) {
	seen := map[label]int{}
	for i := range p.Usage {
		u := &p.Usage[i]
		at := fmt.Sprintf("%s.usage[%d]", path, i)
		whole, ok := c.place(u)
		if !ok || whole.value.kind != mapping {
			continue
		}
		c.checkUnit(at, &u.Unit, p)
		if c.given(&u.Unit) {
			if first, twice := seen[u.Unit]; twice {
				c.at(c.node(&u.Unit, whole.value), "%s.unit: `%s` has a price in this plan already (line %d); delete one", at, u.Unit, first)
			} else {
				seen[u.Unit] = whole.value.line
			}
		}
		c.checkTiers(at, u, whole.value)
		c.checkForm(at, u)
		if c.costs(u) && p.Price.Currency == "" && !c.wrong(&p.Price) {
			c.at(whole.value, "%s: the unit costs money and the plan names no currency; add `price: { amount: \"0\", currency: USD, every: month }` to the plan", at)
		}
	}
}

// costs tells whether a unit is not free.
func (c *checker) costs(u *usageFile) bool {
	if c.given(&u.Each) && !u.Each.zero() {
		return true
	}
	for i := range u.Tiers {
		if c.given(&u.Tiers[i].Each) && !u.Tiers[i].Each.zero() {
			return true
		}
	}
	return false
}

// checkTiers notes a unit price that is not one, and steps that do not ascend.
func (c *checker) checkTiers(at string, u *usageFile, whole *node) {
	if c.wrong(&u.Each) || c.wrong(&u.Tiers) {
		return
	}
	tiers, hasTiers := c.place(&u.Tiers)
	switch {
	case hasTiers && c.given(&u.Each):
		c.at(tiers.key, "%s: a unit has either `each` or `tiers`; delete one", at)
		return
	case !hasTiers && !c.given(&u.Each):
		c.at(whole, "%s: it has no price; add `each: \"0.001\"` or `tiers: [ { … } ]`", at)
		return
	case !hasTiers:
		return
	case len(u.Tiers) == 0:
		c.at(tiers.value, "%s.tiers: the list is empty; add for example `{ each: \"0.001\" }`", at)
		return
	}
	var below count
	for i := range u.Tiers {
		t := &u.Tiers[i]
		one := fmt.Sprintf("%s.tiers[%d]", at, i)
		whole, _ := c.place(t)
		last := i == len(u.Tiers)-1
		upTo, ends := c.place(&t.UpTo)
		switch {
		case last && ends:
			c.at(upTo.value, "%s: the last tier ends, so units beyond %d have no price; delete its `up_to`, or add a tier without one", one, t.UpTo)
		case !last && !ends:
			c.at(whole.value, "%s: only the last tier may be without end; add `up_to`", one)
		case ends && t.UpTo <= below:
			c.at(upTo.value, "%s.up_to: %d is not above the tier before it (%d); tiers ascend", one, t.UpTo, below)
		}
		if ends {
			below = max(below, t.UpTo)
		}
	}
}

// checkCrossNames notes a policy of a plan that has the name of a policy of a
// service it includes: both would stand in one answer under one name.
func (c *checker) checkCrossNames(path string, p *planFile) {
	of := map[label]string{}
	for i := range c.file.Services {
		s := &c.file.Services[i]
		if !slices.Contains(p.Includes, label(s.name)) {
			continue
		}
		for _, l := range s.value.Limits {
			of[l.Name] = s.name
		}
		for _, q := range s.value.Quotas {
			of[q.Name] = s.name
		}
	}
	note := func(name *label, at string) {
		if service, ok := of[*name]; ok && c.given(name) {
			place, _ := c.place(name)
			c.at(place.value, "%s.name: service `%s`, which the plan includes, has a limit `%s` too; answers name limits and quotas, so give each its own", at, service, *name)
		}
	}
	for i := range p.Limits {
		note(&p.Limits[i].Name, fmt.Sprintf("%s.limits[%d]", path, i))
	}
	for i := range p.Quotas {
		note(&p.Quotas[i].Name, fmt.Sprintf("%s.quotas[%d]", path, i))
	}
}
