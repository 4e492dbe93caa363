package config

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// isDelegated tells whether a foreign proxy forwards a service's requests.
func (c *checker) isDelegated(s *serviceFile) bool {
	_, there := c.place(&s.Delegated)
	return there && bool(s.Delegated.Enabled)
}

// neverSettles tells whether nothing is known of a service's answers.
func (c *checker) neverSettles(s *serviceFile) bool {
	return c.isDelegated(s) && !bool(s.Delegated.Settle)
}

// delegated gives the field in the noun of the house.
func (c *checker) delegated(s *serviceFile) toll.Delegated {
	if !c.isDelegated(s) {
		return toll.Delegated{}
	}
	out := toll.Delegated{On: true, Settle: bool(s.Delegated.Settle)}
	if out.Settle {
		out.Within = time.Duration(s.Delegated.Within)
	}
	return out
}

// checkAuthorize notes a listener that nobody asks, or that too many can.
func (c *checker) checkAuthorize() {
	authorize := &c.file.Listen.Authorize
	if !c.given(authorize) {
		return
	}
	p, _ := c.place(authorize)
	if !authorize.loopback() {
		c.notice(p.value, "listen.authorize: other machines may reach %s, and its secret crosses the network as it is; keep it in a private network, behind a firewall", p.value.show())
	}
	for i := range c.file.Services {
		if s := &c.file.Services[i].value; c.isDelegated(s) || c.wrong(&s.Delegated) {
			return
		}
	}
	c.notice(p.value, "listen.authorize: no service is delegated, so every question is answered with 404; say `delegated: true` on a service that another proxy forwards to")
}

// checkDelegated notes what cannot hold on a service whose requests a foreign
// proxy forwards, and what that proxy has to say instead.
func (c *checker) checkDelegated(path string, e *entry[serviceFile]) {
	s := &e.value
	section, there := c.place(&s.Delegated)
	if !there || section.bad {
		return
	}
	if !c.isDelegated(s) {
		_, upstreams := c.place(&s.Upstreams)
		if _, files := c.place(&s.Files); !upstreams && !files {
			c.at(section.value, "%s: it is not delegated, and `upstreams` is missing; add for example `upstreams: [\"http://127.0.0.1:9001\"]`", path)
		}
		return
	}
	if c.file.Listen.Authorize == "" && !c.wrong(&c.file.Listen.Authorize) {
		c.at(section.key, "%s.delegated: foreign proxies have no address to ask; set for example `listen: { authorize: \"127.0.0.1:9901\" }`", path)
	}
	if toll.Access(s.Access) == toll.AccessForwardAuth {
		p, _ := c.place(&s.Access)
		c.at(p.value, "%s.access: the proxy asks Tollhouse, and Tollhouse would ask another; let the proxy ask that one itself, and write `key` or `public`", path)
	}
	for _, field := range []any{
		&s.Upstreams, &s.Files, &s.Balance, &s.SlowStart, &s.Health, &s.Timeouts, &s.Retry, &s.Breaker, &s.MaxInFlight, &s.MaxBody,
		&s.Cache, &s.Compress, &s.CORS, &s.SecurityHeaders,
	} {
		if p, ok := c.place(field); ok && !p.bad {
			c.at(p.key, "%s: the service is delegated: another proxy forwards its requests, so this does nothing; delete it, and tell that proxy", p.path)
		}
	}
	if within := &s.Delegated.Within; c.given(within) && !bool(s.Delegated.Settle) {
		p, _ := c.place(within)
		c.at(p.key, "%s.delegated.within: nothing is waited for without `settle: true`; add it, or delete this", path)
	}
	if !c.neverSettles(s) {
		return
	}
	const cure = "write `delegated: { settle: true }` and let the service settle each request, or delete it"
	if p, ok := c.place(&s.Units); ok && !p.bad && len(s.Units) > 0 {
		c.at(p.key, "%s.units: nobody tells what a delegated request used; %s", path, cure)
	}
	if p, ok := c.place(&s.Bill); ok && !p.bad && len(s.Bill) > 0 {
		c.at(p.key, "%s.bill: nobody tells how a delegated request was answered; %s", path, cure)
	}
	for i := range s.Limits {
		if l := &s.Limits[i]; c.given(&l.Concurrency) {
			p, _ := c.place(&l.Concurrency)
			c.at(p.key, "%s: nobody tells when a delegated request ends, so this cannot be counted; %s", p.path, cure)
		}
	}
}

// checkDelegatedLimit notes a plan's concurrency limit that would have to count
// requests whose end nobody tells.
func (c *checker) checkDelegatedLimit(at string, l *planLimitFile, p *planFile) {
	if !c.given(&l.Concurrency) || c.wrong(&l.Service) || c.wrong(&l.Endpoint) {
		return
	}
	of := string(l.Service)
	if l.Endpoint.service != "" {
		of = l.Endpoint.service
	}
	var others []string
	for i := range c.file.Services {
		if e := &c.file.Services[i]; slices.Contains(p.Includes, label(e.name)) && !c.neverSettles(&e.value) {
			others = append(others, e.name)
		}
	}
	for i := range c.file.Services {
		e := &c.file.Services[i]
		if !c.neverSettles(&e.value) || !c.reaches(p, e.name) || of != "" && of != e.name {
			continue
		}
		cure := "write `delegated: { settle: true }` there, or delete the limit"
		if of == "" && len(others) > 0 {
			cure = "write `delegated: { settle: true }` there, or name the service that is meant, for example `service: " + others[0] + "`"
		}
		place, _ := c.place(&l.Concurrency)
		c.at(place.key, "%s.concurrency: service `%s` is delegated, and nobody tells when its requests end; %s", at, e.name, cure)
		return
	}
}
