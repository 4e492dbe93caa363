package config

import (
	"slices"
	"strings"
)

// checkHTTPS judges where certificates are to come from.
func (c *checker) checkHTTPS() {
	acme := &c.file.ACME
	if bool(acme.Staging) && c.given(&acme.Staging) && c.given(&acme.Directory) {
		p, _ := c.place(&acme.Staging)
		c.at(p.value, "acme.staging: acme.directory names the authority already; delete one of the two")
	}
	if p, ok := c.place(&acme.Directory); ok && !p.bad && !strings.HasPrefix(string(acme.Directory), "https:") {
		c.at(p.value, "acme.directory: %s is not https, and an authority is never asked without (RFC 8555); write https://", p.value.show())
	}
	https := &c.file.Listen.HTTPS
	if *https == "" {
		for _, field := range []any{&c.file.Listen.RedirectHTTP, &c.file.Listen.HSTS, acme, &c.file.Certificates} {
			if p, ok := c.place(field); ok && !p.bad {
				c.notice(p.key, "%s: it says something about HTTPS, which this file does not turn on; set `listen.https`", p.path)
			}
		}
		return
	}
	if p, ok := c.place(&acme.Enabled); ok && !p.bad && !bool(acme.Enabled) {
		if len(c.file.Certificates) == 0 {
			c.at(p.value, "acme.enabled: nothing is fetched, and there is no certificate of your own; name files under `certificates:`, or delete this")
		}
		return
	}
	if !c.given(https) || len(c.problems) > 0 || len(c.file.Certificates) > 0 {
		return
	}
	hosts := c.hosts()
	if len(hosts) == 0 {
		p, _ := c.place(https)
		c.at(p.value, "listen.https: no host is named that a certificate can be fetched for; give a service a `host:`, set `console.host`, or name files under `certificates:`")
	}
	if acme.Directory != "" {
		return
	}
	for _, h := range hosts {
		if noPublicName(string(*h)) {
			p, _ := c.place(h)
			c.notice(p.value, "%s: Let's Encrypt gives no certificate to a name that only private networks know; name files under `certificates:`, or an authority of your own in `acme.directory`", p.path)
		}
	}
}

// hosts gives the fields that name a host.
func (c *checker) hosts() []*hostName {
	var out []*hostName
	if c.file.Console.Host != "" {
		out = append(out, &c.file.Console.Host)
	}
	for i := range c.file.Services {
		if h := &c.file.Services[i].value.Host; *h != "" && !c.isDelegated(&c.file.Services[i].value) {
			out = append(out, h)
		}
	}
	return out
}

// noPublicName tells whether a name is set aside for private use (RFC 6761,
// RFC 6762, RFC 8375, ICANN's "internal"), or has no top level at all.
func noPublicName(host string) bool {
	labels := strings.Split(strings.TrimPrefix(host, "*."), ".")
	if len(labels) < 2 {
		return true
	}
	private := []string{"localhost", "local", "internal", "test", "example", "invalid", "onion"}
	return slices.Contains(private, labels[len(labels)-1]) || strings.HasSuffix(host, ".home.arpa")
}
