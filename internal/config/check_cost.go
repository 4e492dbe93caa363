package config

import (
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// checkCosts notes costs that say nothing, say it twice, or of what nobody counts.
func (c *checker) checkCosts(path string, e *entry[serviceFile]) {
	s := &e.value
	seen := map[endpoint]int{}
	for i := range s.Costs {
		f := &s.Costs[i]
		at := fmt.Sprintf("%s.costs[%d]", path, i)
		whole, ok := c.place(f)
		if !ok || whole.value.kind != mapping {
			continue
		}
		if first, twice := seen[f.Endpoint]; twice && !c.wrong(&f.Endpoint) {
			what := "`" + string(f.Endpoint) + "` has"
			if f.Endpoint == "" {
				what = "the other endpoints have"
			}
			c.at(c.node(&f.Endpoint, whole.value), "%s: %s a cost already (line %d); make one of the two", at, what, first)
		} else {
			seen[f.Endpoint] = whole.value.line
		}
		if c.given(&f.Endpoint) {
			c.checkEndpoint(at, &f.Endpoint, e, f.Endpoint)
		}
		_, cost := c.place(&f.Cost)
		_, uses := c.place(&f.Uses)
		_, reserve := c.place(&f.Reserve)
		if !cost && !uses && !reserve {
			c.at(whole.value, "%s: it costs nothing in particular; add `cost: 5`, `uses: credits=5` or `reserve: words=500`", at)
		}
		c.checkAmounts(at+".uses", &f.Uses, s)
		c.checkAmounts(at+".reserve", &f.Reserve, s)
		for _, a := range f.Reserve.list {
			if slices.ContainsFunc(f.Uses.list, func(b toll.Amount) bool { return b.Unit == a.Unit }) {
				p, _ := c.place(&f.Reserve)
				c.at(p.value, "%s.reserve: what a call uses of `%s` is known before (`uses`), so there is nothing to reserve; delete it here", at, a.Unit)
			}
		}
	}
}

// checkAmounts notes units that the service does not have, or that nobody could
// be held to.
func (c *checker) checkAmounts(at string, a *amounts, s *serviceFile) {
	if !c.given(a) {
		return
	}
	p, _ := c.place(a)
	switch {
	case toll.Access(s.Access) != toll.AccessKey && !c.wrong(&s.Access):
		c.at(p.key, "%s: nobody shows a key to this service, so there is nobody whose quota it could be; delete it", at)
		return
	case c.neverSettles(s):
		c.at(p.key, "%s: nobody tells what became of a delegated request; write `delegated: { settle: true }` and let the service settle each request, or delete it", at)
		return
	case c.wrong(&s.Units):
		return
	}
	known := texts(s.Units)
	for _, one := range a.list {
		if slices.Contains(known, one.Unit) {
			continue
		}
		cure := "add it to the service's `units`"
		if guess := nearest(one.Unit, known); guess != "" {
			cure = fmt.Sprintf("did you mean `%s`?", guess)
		}
		c.at(p.value, "%s: the service has no unit `%s`; %s", at, one.Unit, cure)
	}
}
