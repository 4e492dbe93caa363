package upstream

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// check refuses what must not be put on a connection to an upstream. The front
// and the route have looked already; a request that could be read as two is
// not a thing to find out elsewhere.
func check(req *exchange.Request) *failed {
	if req.Method == http.MethodConnect {
		return &failed{status: 501, kind: "http_request_error", cause: errNoTunnel}
	}
	if !printable(req.RawPath) || !printable(req.RawQuery) {
		return &failed{status: 400, kind: "http_request_error", cause: errTarget}
	}
	return nil
}

// printable says whether s has no space, control character or '#'.
func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '#' {
			return false
		}
	}
	return true
}

// upgradeOf is the protocol that is asked for on the upstream's connection, ""
// for none. h2c is not: what is said after such a switch would pass the gate
// unseen.
func upgradeOf(req *exchange.Request) string {
	if strings.EqualFold(req.Upgrade, "h2c") {
		return ""
	}
	return req.Upgrade
}

// outgoing makes the request for net/http's client. body may be nil.
func outgoing(u *upstream, req *exchange.Request, fields http.Header, body *upload) *http.Request {
	out := &http.Request{
		Method:     req.Method,
		URL:        target(u, req),
		Proto:      "HTTP/1.1",
		ProtoMajor: 1,
		ProtoMinor: 1,
		Header:     fields,
		Host:       req.HostPort,
		Body:       http.NoBody,
	}
	if u.h2c && fields["Upgrade"] == nil && fields["Connection"] != nil {
		out.Header = maps.Clone(fields) // another try may need it
		delete(out.Header, "Connection")
	}
	if body != nil {
		out.Body = body
		out.ContentLength = req.Length
	}
	return out
}

// target is the URL whose request line is exactly RawPath and RawQuery behind
// the upstream's base path.
func target(u *upstream, req *exchange.Request) *url.URL {
	path := u.base + req.RawPath
	if path == "" {
		path = "/"
	}
	t := &url.URL{Scheme: u.scheme, Host: u.host, RawQuery: req.RawQuery}
	if !strings.HasPrefix(path, "//") {
		t.Opaque = path // written as it is
		return t
	}
	// net/url would take an Opaque of this form for a host.
	t.Path, t.RawPath = path, path
	if decoded, err := url.PathUnescape(path); err == nil {
		t.Path = decoded
	}
	return t
}
