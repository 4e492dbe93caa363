package config

import (
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// counter is what a quota counts: two of one plan or service would be one
// number with two limits.
type counter struct{ unit, every, per, service, endpoint string }

func (c counter) String() string {
	said := fmt.Sprintf("%s per %s", c.unit, c.every)
	if c.per == "key" || c.per == "ip" {
		said += " and " + c.per
	}
	if c.service != "" {
		said += " of " + c.service
	}
	if c.endpoint != "" {
		said += " " + c.endpoint
	}
	return said
}

// checkQuotas notes what is wrong with a plan's quotas.
func (c *checker) checkQuotas(path string, p *planFile, policies map[label]int) {
	seen := map[counter]int{}
	for i := range p.Quotas {
		q := &p.Quotas[i]
		at := fmt.Sprintf("%s.quotas[%d]", path, i)
		c.checkName(policies, &q.Name, at, "plan")
		c.checkScope(at, &q.Service, &q.Endpoint, p)
		of := counter{service: string(q.Service)}
		if q.Endpoint.service != "" {
			of.service, of.endpoint = q.Endpoint.service, q.Endpoint.endpoint
		}
		if s := c.service(of.service); s != nil && !c.wrong(&q.Service) && !c.wrong(&q.Endpoint) {
			c.checkUnitOf(at, &q.Unit, s)
		} else if of.service == "" {
			c.checkUnit(at, &q.Unit, p)
		}
		c.checkQuotaTwice(at, "plan", &q.quotaFile, q, of, seen)
	}
}

// checkServiceQuotas notes what is wrong with a service's own quotas.
func (c *checker) checkServiceQuotas(path string, e *entry[serviceFile], names map[label]int) {
	s := &e.value
	seen := map[counter]int{}
	for i := range s.Quotas {
		q := &s.Quotas[i]
		at := fmt.Sprintf("%s.quotas[%d]", path, i)
		c.checkName(names, &q.Name, at, "service")
		if c.given(&q.Endpoint) {
			c.checkEndpoint(at, &q.Endpoint, e, q.Endpoint)
		}
		c.checkUnitOf(at, &q.Unit, e)
		c.checkPer(at, &q.Per, s)
		c.checkQuotaTwice(at, "service", &q.quotaFile, q, counter{endpoint: string(q.Endpoint)}, seen)
	}
}

// checkQuotaTwice notes a quota that counts what one before it does. Holder is
// a pointer to the element of the list, which has the place of the whole.
func (c *checker) checkQuotaTwice(at, within string, q *quotaFile, holder any, of counter, seen map[counter]int) {
	whole, ok := c.place(holder)
	if !ok || whole.bad {
		return
	}
	of.unit, of.every, of.per = string(q.Unit), string(q.Every), string(q.Per)
	if of.per == "customer" {
		of.per = "" // what is meant without a word
	}
	if first, twice := seen[of]; twice {
		c.at(c.node(&q.Unit, whole.value), "%s: the %s has a quota of %s already (line %d); keep the one that is meant", at, within, of, first)
		return
	}
	seen[of] = whole.value.line
}

// checkUnitOf notes a unit that the one service of a quota does not report.
func (c *checker) checkUnitOf(at string, unit *label, e *entry[serviceFile]) {
	s := &e.value
	if *unit == toll.UnitRequests || !c.given(unit) || c.wrong(&s.Units) {
		return
	}
	place, _ := c.place(unit)
	known := texts(s.Units)
	switch {
	case c.neverSettles(s):
		c.at(place.value, "%s.unit: `%s` cannot be counted: service `%s` is delegated, and tells nothing of its answers unless it settles them; write `delegated: { settle: true }` there, or count `requests`", at, *unit, e.name)
	case slices.Contains(known, string(*unit)):
	case nearest(string(*unit), known) != "":
		c.at(place.value, "%s.unit: service `%s` does not report `%s`; did you mean `%s`?", at, e.name, *unit, nearest(string(*unit), known))
	default:
		c.at(place.value, "%s.unit: service `%s` does not report `%s`; add it to its `units`", at, e.name, *unit)
	}
}
