package config

import (
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// checkNeverPasses notes calls that take more of a plan's or service's limit
// than it ever holds. It may be meant (a plan whose customers may not make the
// dear calls), and a customer's override lifts it, so these are notices.
func (c *checker) checkNeverPasses() {
	if len(c.problems) > 0 {
		return
	}
	plans := make([]toll.Plan, len(c.file.Plans))
	for i := range plans {
		plans[i] = planOf(c.file.Plans[i])
	}
	for i := range c.file.Services {
		e := &c.file.Services[i]
		service := serviceOf(*e)
		for k := range e.value.Costs {
			f := &e.value.Costs[k]
			at := fmt.Sprintf("services.%s.costs[%d]", e.name, k)
			for _, p := range service.Policies {
				c.noteNever(at, f, &p, &service, "service `"+e.name+"`")
			}
			for _, plan := range plans {
				if !plan.IncludesService(e.name) {
					continue
				}
				for _, p := range plan.Policies {
					c.noteNever(at, f, &p, &service, "plan `"+plan.Name+"`")
				}
			}
		}
	}
}

// noteNever notes where one cost is more than one policy of a plan or service
// (of) holds.
func (c *checker) noteNever(at string, f *costFile, p *toll.Policy, s *toll.Service, of string) {
	if p.Shadow || !costCovers(f, p, s) {
		return
	}
	calls := "`" + string(f.Endpoint) + "`"
	if f.Endpoint == "" {
		calls = "its other endpoints"
		if p.Endpoint != "" {
			calls = "`" + p.Endpoint + "`"
		}
	}
	switch p.Kind {
	case toll.RateLimit:
		burst := p.Burst
		if burst == 0 {
			burst = p.Count
		}
		if int64(f.Cost) > burst {
			c.notice(c.node(&f.Cost, nil), "%s.cost: the rate limit `%s` of %s lets %d pass at once, so a call of %s takes those and not %d; raise its `burst`, or lower the cost",
				at, p.Name, of, burst, calls, int64(f.Cost))
		}
	case toll.Quota:
		for _, a := range []struct {
			field string
			given *amounts
		}{{"uses", &f.Uses}, {"reserve", &f.Reserve}} {
			for _, amount := range a.given.list {
				if amount.Unit == p.Unit && amount.Count > p.Count {
					c.notice(c.node(a.given, nil), "%s.%s: %d %s are more than the whole quota `%s` of %s (%d a %s), so calls of %s never pass there; make it less, or the quota larger",
						at, a.field, amount.Count, amount.Unit, p.Name, of, p.Count, p.Every.Noun(), calls)
				}
			}
		}
	}
}

// costCovers tells whether a call that costs f is held against the policy.
func costCovers(f *costFile, p *toll.Policy, s *toll.Service) bool {
	switch {
	case p.Service != "" && p.Service != s.Name:
		return false
	case p.Endpoint == "" || p.Endpoint == string(f.Endpoint):
		return true
	case f.Endpoint != "":
		return false
	}
	_, own := s.Costs[p.Endpoint]
	return !own && slices.Contains(s.Endpoints, p.Endpoint)
}
