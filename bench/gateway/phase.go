package main

import (
	"fmt"
	"os"
	"os/exec"
)

// tlsConnections is how many connections the phases behind TLS have.
const tlsConnections = 64

// phase is one kind of load, with what each proxy made of it.
type phase struct {
	title   string
	light   bool // how much goes through is given
	proxies []*proxy
	load    func(x *proxy, seconds int) (sample, error)
	results map[*proxy]*result
}

// phases lists what is measured, one after the other.
func phases(s settings, proxies []*proxy) (all []phase) {
	var plain, secure []*proxy
	for _, x := range proxies {
		if x.job == "tls" {
			secure = append(secure, x)
		} else {
			plain = append(plain, x)
		}
	}
	for _, c := range s.connections {
		all = append(all, phase{title: fmt.Sprintf("%d connections, as much as goes through", c), proxies: plain,
			load: func(x *proxy, seconds int) (sample, error) { return wrk(x, c, seconds) }})
	}
	if s.pace > 0 {
		all = append(all, phase{title: fmt.Sprintf("Light load: %d requests a second over %d connections", s.pace, pacedConnections), light: true, proxies: plain,
			load: func(x *proxy, seconds int) (sample, error) { return paced(x, s.pace, seconds) }})
	}
	if len(secure) > 0 {
		all = append(all, phase{title: fmt.Sprintf("Behind TLS, HTTP/1.1: %d connections, as much as goes through", tlsConnections), proxies: secure,
			load: func(x *proxy, seconds int) (sample, error) { return wrk(x, tlsConnections, seconds) }})
		if _, err := exec.LookPath("h2load"); err == nil {
			all = append(all, phase{title: fmt.Sprintf("Behind TLS, HTTP/2: %d connections with one request at a time each, as much as goes through", tlsConnections), proxies: secure,
				load: func(x *proxy, seconds int) (sample, error) { return h2load(x, tlsConnections, seconds) }})
		}
	}
	return all
}

// measure sends the load to each proxy in turn, round after round. Each round
// begins with another one.
func (p *phase) measure(rounds, seconds int) error {
	p.results = map[*proxy]*result{}
	for round := -1; round < rounds; round++ { // the first is for warmth, and is not kept
		for i := range p.proxies {
			x := p.proxies[(i+max(round, 0))%len(p.proxies)]
			of := seconds
			if round < 0 {
				of, p.results[x] = 1, &result{}
			}
			got, err := p.load(x, of)
			if err != nil {
				return fmt.Errorf("%s: %w", x.name, err)
			}
			if round < 0 {
				continue
			}
			p.results[x].samples = append(p.results[x].samples, got)
		}
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", p.title, round+1, rounds)
	}
	for x, r := range p.results {
		r.memory = peakMemory(x.pids())
	}
	return nil
}
