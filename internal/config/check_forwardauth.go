package config

import (
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// checkForwardAuth notes an outside address that is missing, that nobody asks
// or that is Tollhouse itself, and fields that it must not set.
func (c *checker) checkForwardAuth(path string, s *serviceFile) {
	section, there := c.place(&s.ForwardAuth)
	asked := toll.Access(s.Access) == toll.AccessForwardAuth
	switch {
	case asked && !there:
		p, _ := c.place(&s.Access)
		c.at(p.value, "%s.access: no address is named that decides; add for example `forward_auth: { url: \"http://127.0.0.1:4180/auth\" }`", path)
		return
	case there && !asked && !c.wrong(&s.Access):
		c.at(section.key, "%s.forward_auth: nobody is asked without `access: forward_auth`; write that, or delete this", path)
		return
	case !there:
		return
	}
	f := &s.ForwardAuth
	if at, err := url.Parse(string(f.URL)); err == nil && c.given(&f.URL) {
		p, _ := c.place(&f.URL)
		if at.User != nil || at.Fragment != "" {
			c.at(p.value, "%s: an address that is asked has no user and no fragment; delete what stands before the @ or behind the #", p.path)
		}
		port := at.Port()
		if port == "" {
			port = map[string]string{"http": "80", "https": "443"}[at.Scheme]
		}
		if own := c.ourOwn(at.Scheme + "://" + at.Hostname() + ":" + port); own == "authorize" {
			c.at(p.value, "%s: this is Tollhouse itself (listen.authorize); name the address of who decides", p.path)
		}
	}
	for i, name := range f.Headers {
		if p, ok := c.place(&f.Headers[i]); ok && !p.bad && !mayCopy(string(name)) {
			c.at(p.value, "%s: the gateway sets or needs %s itself, so an answer cannot; delete it", p.path, p.value.show())
		}
	}
}

// mayCopy tells whether a service may get a field from the outside address: not
// who calls, where the request came from, or what the message itself hangs on.
func mayCopy(name string) bool {
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch name {
	case "connection", "proxy-connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length", "content-encoding",
		"content-type", "host", "expect", "x-request-id", "forwarded", "x-real-ip", "set-cookie":
		return false
	}
	return !strings.HasPrefix(name, "tollhouse-") && !strings.HasPrefix(name, "x-forwarded-") && !strings.HasPrefix(name, "proxy-")
}
