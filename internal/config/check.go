package config

import (
	"net"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// checker judges what the fields say together, after each was read by itself.
// A field that was already reported is left alone.
type checker struct {
	*binder
	file    *file
	notices []notice
}

// check runs all checks; what they find stands in the report and the notices.
func (c *checker) check() {
	c.checkListen()
	c.checkHTTPS()
	c.checkSecrets()
	c.checkConsole()
	c.checkAccounts()
	c.checkServices()
	c.checkPlans()
	c.checkMail()
	c.checkLater()
	c.checkReach()
	c.checkNeverPasses()
}

// at gives the node of a field's value, or of what holds it.
func (c *checker) node(field any, or *node) *node {
	if p, ok := c.place(field); ok {
		return p.value
	}
	return or
}

// listener is one address of the section "listen", for comparing them.
type listener struct {
	name    string
	address *listenAddress
}

func (c *checker) listeners() []listener {
	l := &c.file.Listen
	return []listener{
		{"http", &l.HTTP}, {"https", &l.HTTPS}, {"admin", &l.Admin}, {"authorize", &l.Authorize},
	}
}

func (c *checker) checkListen() {
	all := c.listeners()
	for i, a := range all {
		for _, b := range all[:i] {
			if !clash(string(*a.address), string(*b.address)) {
				continue
			}
			at, name, other := a, a.name, b.name
			if !c.given(a.address) {
				at, name, other = b, b.name, a.name
			}
			if p, ok := c.place(at.address); ok {
				c.at(p.value, "listen.%s: listen.%s has this address already; give each its own port", name, other)
			}
		}
	}
	admin := &c.file.Listen.Admin
	if c.given(admin) && !admin.loopback() {
		p, _ := c.place(admin)
		c.notice(p.value, "listen.admin: other machines may reach %s; it shows health, metrics and profiles, so keep it behind a firewall", p.value.show())
	}
	c.checkAuthorize()
}

// clash tells whether two listeners cannot both have their address.
func clash(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || anyHost(hostA) || anyHost(hostB)
}

func anyHost(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }

// ourOwn tells which listener an upstream would come back to, "" for none.
func (c *checker) ourOwn(upstream string) string {
	_, address, _ := strings.Cut(upstream, "://")
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	for _, l := range c.listeners() {
		ownHost, ownPort, err := net.SplitHostPort(string(*l.address))
		if err != nil || port != ownPort || port == "0" {
			continue
		}
		local := listenAddress(address).loopback()
		if host == ownHost || (local && (anyHost(ownHost) || (ownHost == "localhost") || host == "localhost" && l.address.loopback())) {
			return l.name
		}
	}
	return ""
}

func (c *checker) checkSecrets() {
	s := &c.file.Secrets
	for _, one := range []struct {
		name  string
		field *secret
	}{{"session", &s.Session}, {"session_before", &s.Before}, {"authorize", &s.Authorize}} {
		if c.given(one.field) && len(one.field.Secret) < minSecret {
			p, _ := c.place(one.field)
			c.at(p.value, "secrets.%s: the secret is shorter than %d characters; make one with `openssl rand -base64 32`, or delete the line and Tollhouse makes one", one.name, minSecret)
		}
	}
}

func (c *checker) checkConsole() {
	console := &c.file.Console
	if c.given(&console.Host) && strings.HasPrefix(string(console.Host), "*.") {
		p, _ := c.place(&console.Host)
		c.at(p.value, "console.host: the console has one host; write it without `*.`")
	}
	if p, ok := c.place(&console.Languages); ok && !p.bad && len(console.Languages) == 0 {
		c.at(p.value, "console.languages: the list is empty; name at least one language, for example [en]")
	}
	s := &console.Sessions
	if c.wrong(&s.Valid) || c.wrong(&s.Refresh) || c.wrong(&s.AtMost) {
		return
	}
	section, ok := c.place(s)
	if !ok {
		return
	}
	if s.Refresh > s.Valid {
		c.at(c.node(&s.Refresh, c.node(&s.Valid, section.value)), "console.sessions: refresh (%s) is longer than valid (%s), so sessions would end while in use; make it shorter", short(s.Refresh), short(s.Valid))
	}
	if s.Valid > s.AtMost {
		c.at(c.node(&s.Valid, c.node(&s.AtMost, section.value)), "console.sessions: valid (%s) is longer than at_most (%s); make it shorter", short(s.Valid), short(s.AtMost))
	}
}

// short writes a duration as people would: 48h, not 48h0m0s.
func short(d duration) string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// checkReach notes what the file as a whole leaves out of reach. It may be
// meant, so these are notices.
func (c *checker) checkReach() {
	if len(c.problems) > 0 {
		return
	}
	top := &node{line: 1, column: 1, width: 1}
	if c.given(&c.file.Redis) && !c.given(&c.file.Database) {
		c.notice(c.node(&c.file.Redis, top), "redis: without `database` each server has customers and keys of its own, so there is nothing to share; name the PostgreSQL of all in `database`")
	}
	if len(c.file.Services) == 0 {
		c.notice(top, "services: there are none, so no request is forwarded; add one under `services:`")
	}
	included := map[label]bool{}
	for i := range c.file.Plans {
		for _, s := range c.file.Plans[i].value.Includes {
			included[s] = true
		}
	}
	for i := range c.file.Addons {
		for _, s := range c.file.Addons[i].value.Includes {
			included[s] = true
		}
	}
	for i := range c.file.Services {
		e := &c.file.Services[i]
		if toll.Access(e.value.Access) == toll.AccessKey && !included[label(e.name)] {
			c.notice(e.key, "services.%s: no plan includes it, so every call is answered with 403; add it to the `includes` of a plan, or say `access: public`", e.name)
		}
		if c.file.Console.Host != "" || e.value.Host != "" || c.isDelegated(&e.value) {
			continue
		}
		if e.value.Path == "" || e.value.Path == "/" {
			c.notice(e.key, "services.%s: it takes every host and path, so nobody reaches the console; set `console.host`", e.name)
		} else {
			c.notice(e.key, "services.%s: it takes its path on every host, also on the console's; set `console.host`, so that the console has a host of its own", e.name)
		}
	}
}
