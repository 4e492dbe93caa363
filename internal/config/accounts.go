package config

import (
	"cmp"
	"net"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// loopbackHost tells whether a host is this machine.
func loopbackHost(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

func (c *checker) checkAccounts() {
	names := map[label]bool{}
	for i := range c.file.Accounts.OIDC {
		p := &c.file.Accounts.OIDC[i]
		if place, ok := c.place(&p.Name); ok && names[p.Name] {
			c.at(place.value, "accounts.oidc: there are two providers %q; give one another name", string(p.Name))
		}
		names[p.Name] = true
		if place, ok := c.place(&p.Issuer); ok && !place.bad {
			if u, err := url.Parse(string(p.Issuer)); err == nil && u.Scheme != "https" && !loopbackHost(u.Hostname()) {
				c.at(place.value, "accounts.oidc.issuer: whoever is on the way could sign anybody in; write it with https://")
			}
		}
		if place, ok := c.place(&p.Operators.Group); ok && !bool(p.Operators.Allow) {
			c.at(place.value, "accounts.oidc.operators.group: without `allow: true` the provider signs no operators in; add it, or delete the line")
		}
	}
}

func accountsOf(f *accountsFile) Accounts {
	out := Accounts{TwoFactors: f.Operators.SecondFactor == "required"}
	for i := range f.OIDC {
		p := &f.OIDC[i]
		one := OpenID{
			Name: string(p.Name), Title: cmp.Or(string(p.Title), string(p.Name)), Issuer: string(p.Issuer), ClientID: string(p.ClientID), ClientSecret: p.ClientSecret.Secret,
			Strong: bool(p.Strong), Operators: bool(p.Operators.Allow),
			Claim: string(p.Operators.Claim), Group: string(p.Operators.Group), Role: toll.OperatorRole(p.Operators.Role),
		}
		for _, d := range p.Domains {
			one.Domains = append(one.Domains, string(d))
		}
		out.OIDC = append(out.OIDC, one)
	}
	return out
}
