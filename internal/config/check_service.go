package config

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func (c *checker) checkServices() {
	takes := map[string]*entry[serviceFile]{} // by host and path
	for i := range c.file.Services {
		e := &c.file.Services[i]
		s := &e.value
		path := "services." + e.name
		if !c.wrong(&s.Host) && !c.wrong(&s.Path) {
			c.checkRoute(path, e, takes)
		}
		if host := s.Host; host != "" && c.given(&s.Host) && host == c.file.Console.Host {
			p, _ := c.place(&s.Host)
			console, _ := c.place(&c.file.Console.Host)
			c.at(p.value, "%s.host: the console has this host (line %d); a service would see the console's visitors, so give one of them another", path, console.value.line)
		}
		c.checkTimeouts(s)
		c.checkForwardAuth(path, s)
		c.checkDelegated(path, e)
		c.checkBehind(path, e)
		for i := range s.Units {
			if p, _ := c.place(&s.Units[i]); s.Units[i] == toll.UnitRequests {
				c.at(p.value, "%s: `requests` is counted of itself; delete it here", p.path)
			}
		}
		c.checkEndpoints(s)
		c.checkCosts(path, e)
		c.checkCache(path, s)
		c.checkModels(path, s)
		c.checkProtection(path, s)
		c.checkServiceLimits(path, e)
	}
}

// shortestTimeout is what a network may need at the least: with less nothing
// would ever be answered.
const shortestTimeout = duration(time.Millisecond)

func (c *checker) checkTimeouts(s *serviceFile) {
	for _, d := range []*duration{&s.Timeouts.Connect, &s.Timeouts.Response, &s.Timeouts.Idle, &s.Timeouts.Stream} {
		if p, ok := c.place(d); ok && !p.bad && *d > 0 && *d < shortestTimeout {
			c.at(p.value, "%s: %s is too short for anything to be answered; write 1ms or more, or 0s for no limit", p.path, p.value.show())
		}
	}
}

// checkCache notes answers that are to be kept and have no room.
func (c *checker) checkCache(path string, s *serviceFile) {
	o, m := &s.Cache.MaxObject, &s.Cache.MaxSize
	if section, ok := c.place(&s.Cache); ok && !c.wrong(o) && !c.wrong(m) && *o > *m {
		c.at(c.node(o, c.node(m, section.value)), "%s.cache: max_object (%d bytes) is larger than max_size (%d bytes), so such an answer would not be kept; make it smaller", path, *o, *m)
	}
}

// checkEndpoints notes endpoints that no request could tell apart.
func (c *checker) checkEndpoints(s *serviceFile) {
	seen := map[string]*node{}
	for i := range s.Endpoints {
		p, ok := c.place(&s.Endpoints[i])
		if !ok || p.bad {
			continue
		}
		shape := s.Endpoints[i].shape()
		if first := seen[shape]; first != nil && first.text != p.value.text {
			c.at(p.value, "%s: no request tells this from %s (line %d); delete one", p.path, first.show(), first.line)
		}
		seen[shape] = p.value
	}
}

// checkRoute notes two services that would take the same requests.
func (c *checker) checkRoute(path string, e *entry[serviceFile], takes map[string]*entry[serviceFile]) {
	at := string(e.value.Host) + strings.TrimSuffix(string(e.value.Path), "/")
	other, taken := takes[at]
	if !taken {
		takes[at] = e
		return
	}
	place := c.node(&e.value.Path, c.node(&e.value.Host, e.key))
	what := "every host and path"
	if at != "" {
		what = at
	}
	c.at(place, "%s: service `%s` (line %d) takes %s too; give one of them another host or path", path, other.name, other.key.line, what)
}

// checkBehind notes a service that nothing answers for, or two things.
func (c *checker) checkBehind(path string, e *entry[serviceFile]) {
	s := &e.value
	upstreams, has := c.place(&s.Upstreams)
	files, isFiles := c.place(&s.Files)
	switch {
	case c.isDelegated(s): // it has neither, and checkDelegated says so
	case isFiles && has:
		c.at(files.key, "%s.files: it has `upstreams` already (line %d), and one service is answered by one of the two; make two services of it", path, upstreams.key.line)
	case isFiles:
		for _, field := range []any{&s.Balance, &s.SlowStart, &s.Health, &s.Retry, &s.Breaker, &s.MaxInFlight, &s.Cache, &s.Units} {
			if p, ok := c.place(field); ok && !p.bad {
				c.at(p.key, "%s: it says something about upstreams, and this service is answered by files; delete it", p.path)
			}
		}
	case has && !upstreams.bad && len(s.Upstreams) == 0:
		c.at(upstreams.value, "%s.upstreams: the list is empty; name at least one, for example [http://127.0.0.1:9001]", path)
	}
	c.checkUpstreams(path, s)
}

// checkUpstreams notes upstreams that are named twice or are Tollhouse itself,
// and what leaves none to take requests.
func (c *checker) checkUpstreams(path string, s *serviceFile) {
	seen := map[upstreamURL]*node{}
	takes := len(s.Upstreams) == 0
	for i := range s.Upstreams {
		u := &s.Upstreams[i]
		takes = takes || u.Weight > 0 || c.wrong(&u.Weight)
		p, ok := c.place(&u.URL)
		if !ok || p.bad || u.URL == "" {
			continue
		}
		if own := c.ourOwn(string(u.URL)); own != "" {
			c.at(p.value, "%s: this is Tollhouse itself (listen.%s); requests would go round in circles, so name the service's own address", p.path, own)
		}
		switch first := seen[u.URL]; {
		case first == nil:
			seen[u.URL] = p.value
		case first.text == p.value.text:
			c.at(p.value, "%s: %s stands here twice, first on line %d; delete one", p.path, p.value.show(), first.line)
		default:
			c.at(p.value, "%s: %s and %s are the same upstream; delete one", p.path, first.show(), p.value.show())
		}
	}
	if p, ok := c.place(&s.Upstreams); ok && !p.bad && !takes {
		c.at(p.value, "%s.upstreams: every weight is 0, so nobody would take a request; give one of them a weight of 1 or more", path)
	}
	if b := &s.Breaker; c.given(&b.Longest) && !c.wrong(&b.Open) && b.Longest < b.Open {
		p, _ := c.place(&b.Longest)
		c.at(p.value, "%s.breaker.longest: this is shorter than `open`, with which it begins; write a longer time", path)
	}
}

func (c *checker) checkServiceLimits(path string, e *entry[serviceFile]) {
	s := &e.value
	names := map[label]int{}
	for i := range s.Limits {
		l := &s.Limits[i]
		at := fmt.Sprintf("%s.limits[%d]", path, i)
		c.checkName(names, &l.Name, at, "service")
		c.checkLimit(at, &l.limitFile, l)
		c.checkPer(at, &l.Per, s)
		if c.given(&l.Endpoint) {
			c.checkEndpoint(at, &l.Endpoint, e, l.Endpoint)
		}
	}
	c.checkServiceQuotas(path, e, names)
}

// checkPer notes a limit or quota that counts somebody whom nobody knows.
func (c *checker) checkPer(at string, per *choice, s *serviceFile) {
	access := toll.Access(s.Access)
	if access == toll.AccessKey || c.wrong(&s.Access) || *per != "customer" && *per != "key" {
		return
	}
	p, _ := c.place(per)
	kind := "a public service"
	if access == toll.AccessForwardAuth {
		kind = "a service with `access: forward_auth`"
	}
	c.at(p.value, "%s.per: nobody shows a key to %s, so there is no %s to count; write `per: ip`", at, kind, *per)
}

// checkName notes a policy whose name was used before.
func (c *checker) checkName(names map[label]int, name *label, at, within string) {
	if !c.given(name) {
		return
	}
	p, _ := c.place(name)
	if first, twice := names[*name]; twice {
		c.at(p.value, "%s.name: `%s` is used twice in this %s, first on line %d; answers name limits and quotas, so give each its own", at, *name, within, first)
		return
	}
	names[*name] = p.value.line
}

// checkLimit notes a limit that is none, or two. Holder is a pointer to the
// element of the list, which has the place of the whole.
func (c *checker) checkLimit(at string, l *limitFile, holder any) {
	if c.wrong(&l.Rate) || c.wrong(&l.Concurrency) {
		return
	}
	whole, ok := c.place(holder)
	if !ok || whole.value.kind != mapping {
		return
	}
	rate, concurrency := c.given(&l.Rate), c.given(&l.Concurrency)
	switch {
	case rate && concurrency:
		p, _ := c.place(&l.Concurrency)
		c.at(p.key, "%s: a limit is either a rate or a concurrency; make two of it, each with its name", at)
	case !rate && !concurrency:
		c.at(whole.value, "%s: it limits nothing; add `rate: 10/minute` or `concurrency: 2`", at)
	case concurrency && c.given(&l.Burst):
		p, _ := c.place(&l.Burst)
		c.at(p.key, "%s: `burst` belongs to a rate; delete it here", at)
	case rate && c.given(&l.Burst) && longBurst(l):
		p, _ := c.place(&l.Burst)
		c.at(p.value, "%s.burst: at this rate it takes more than ten years until %d may pass at once again; write a smaller one", at, l.Burst)
	}
}

// longBurst tells whether a burst takes longer to come back than counters keep.
func longBurst(l *limitFile) bool {
	const tenYears = 10 * 365 * 24 * 3600
	return float64(l.Burst)*l.Rate.window.Seconds()/float64(l.Rate.count) > tenYears
}

// checkEndpoint notes an endpoint that its service does not list.
func (c *checker) checkEndpoint(at string, field any, e *entry[serviceFile], named endpoint) {
	s := &e.value
	if c.wrong(&s.Endpoints) || slices.Contains(s.Endpoints, named) {
		return
	}
	known := make([]string, len(s.Endpoints))
	for i, k := range s.Endpoints {
		known[i] = string(k)
	}
	p, _ := c.place(field)
	cure := fmt.Sprintf("add it to services.%s.endpoints", e.name)
	if guess := nearest(string(named), known); guess != "" {
		cure = fmt.Sprintf("did you mean `%s`?", guess)
	}
	c.at(p.value, "%s.endpoint: service `%s` has no endpoint `%s`; %s", at, e.name, shorten(string(named)), cure)
}
