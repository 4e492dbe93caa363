package upstream

import (
	"net"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// address is where an upstream listens, parsed from its URL.
type address struct {
	scheme string // http or https
	h2c    bool   // HTTP/2 without TLS, known beforehand (RFC 9113 §3.3)
	host   string // host:port, as it is dialled
	base   string // the path before every request's own, without a slash at its end; encoded
}

// parseAddress reads an upstream's URL. It takes http, https and h2c with a host,
// an optional port and an optional path, and nothing else.
func parseAddress(text string) (address, error) {
	u, err := url.Parse(text)
	if err != nil {
		return address{}, toll.FieldError("upstreams", "%q is no URL: write it like http://127.0.0.1:9001", text)
	}
	port := map[string]string{"http": "80", "https": "443", "h2c": "80"}[u.Scheme]
	switch {
	case port == "":
		return address{}, toll.FieldError("upstreams", "%q must begin with http://, https:// or h2c://", text)
	case u.Hostname() == "":
		return address{}, toll.FieldError("upstreams", "%q names no host: write it like http://127.0.0.1:9001", text)
	case u.User != nil:
		// The URL itself stays out of the message: it holds a password.
		return address{}, toll.FieldError("upstreams", "the upstream at %s holds a user name: credentials do not belong into an upstream's URL", u.Host)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return address{}, toll.FieldError("upstreams", "%q has a query or a fragment: an upstream is an address and at most a path", text)
	}
	if p := u.Port(); p != "" {
		port = p
	}
	h2c := u.Scheme == "h2c"
	if h2c {
		u.Scheme = "http"
	}
	return address{
		scheme: u.Scheme,
		h2c:    h2c,
		host:   net.JoinHostPort(u.Hostname(), port),
		base:   strings.TrimRight(u.EscapedPath(), "/"),
	}, nil
}
