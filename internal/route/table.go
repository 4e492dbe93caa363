package route

import (
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Table says which service a request is for. It is immutable and safe for
// concurrent use. The zero value and nil match nothing.
type Table struct {
	exact    fork[paths] // by host
	wildcard fork[paths] // by what follows the first label, with its dot: ".example.com"
	any      paths
}

// paths is a tree of path segments. The route of the deepest node on the way
// is the one with the longest prefix.
type paths struct {
	route *Route
	next  fork[paths]
}

// Route is where a request goes.
type Route struct {
	Service *toll.Service // must not be changed

	depth     int // segments of the service's path prefix
	endpoints endpoints
}

// New makes the table of services. A service's host is exact, or "*." and a
// domain, which stands for exactly one more label (as certificates read it, RFC
// 9525 §6.3), or empty for any host; its path is a prefix on the borders of
// segments, or empty for any path. The slice's services are pointed to, and must not be
// changed afterwards.
//
// An error is a *toll.Error with code Invalid: two services (both named) with
// the same host and path, a host or path that can match nothing, an endpoint
// pattern that is broken or there twice.
func New(services []toll.Service) (*Table, error) {
	t := new(Table)
	for i := range services {
		s := &services[i]
		top, err := t.host(s)
		if err != nil {
			return nil, err
		}
		prefix := strings.TrimRight(s.Path, "/")
		if prefix != "" || s.Path != "" {
			if decoded, _, err := Canonical(prefix + "/"); err != nil || decoded != prefix+"/" {
				return nil, toll.FieldError("path", "The path %q of service %s can match nothing. Write it decoded, from a slash on, without . and .. segments.", s.Path, s.Name)
			}
		}
		r := &Route{Service: s, depth: strings.Count(prefix, "/")}
		if r.endpoints, err = newEndpoints(s); err != nil {
			return nil, err
		}
		node := top.at(prefix)
		if node.route != nil {
			return nil, toll.FieldError("path", "The services %s and %s both take %s. Give one of them another host or path.",
				node.route.Service.Name, s.Name, place(strings.ToLower(s.Host), prefix))
		}
		node.route = r
	}
	return t, nil
}

func place(host, path string) string {
	if host == "" {
		host = "any host"
	}
	if path == "" {
		path = "/"
	}
	return "the path " + path + " on " + host
}

// host returns the tree of a service's host.
func (t *Table) host(s *toll.Service) (*paths, error) {
	host := strings.ToLower(s.Host)
	if host == "" {
		return &t.any, nil
	}
	in, name, labels := &t.exact, host, host
	if rest, ok := strings.CutPrefix(host, "*."); ok {
		in, name, labels = &t.wildcard, "."+rest, rest
	}
	if !isHost(labels) {
		return nil, toll.FieldError("host", "The host %q of service %s can match nothing. Write a name such as api.example.com or *.example.com, without scheme and port.", s.Host, s.Name)
	}
	return in.grow(name), nil
}

// isHost tells whether s can be the host of a request: labels of a domain name,
// or an address (IPv6 in brackets).
func isHost(s string) bool {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		return !strings.ContainsAny(s[1:len(s)-1], "[]/ *")
	}
	if len(s) > 253 {
		return false
	}
	return !slices.ContainsFunc(strings.Split(s, "."), func(label string) bool {
		return label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool {
			return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '_')
		})
	})
}

// at returns the node of a prefix and makes it where there is none.
func (p *paths) at(prefix string) *paths {
	for prefix != "" {
		var segment string
		segment, prefix = cut(prefix)
		p = p.next.grow(segment)
	}
	return p
}

// cut takes the first segment off a path that starts with a slash.
func cut(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// longest returns the route with the longest prefix of path.
func (p *paths) longest(path string) *Route {
	best := p.route
	for path != "" {
		var segment string
		segment, path = cut(path)
		p = p.next.find(segment)
		if p == nil {
			break
		}
		if p.route != nil {
			best = p.route
		}
	}
	return best
}

// Match finds the route of a request: host in lower case without a port, path
// decoded by Canonical. The most specific one wins: an exact host before a
// wildcard before none, and among those the longest path. A final dot of the
// host is no part of it (RFC 3986 §3.2.2). It allocates nothing.
func (t *Table) Match(host, path string) (*Route, bool) {
	if t == nil || path == "" || path[0] != '/' {
		return nil, false
	}
	host = strings.TrimSuffix(host, ".")
	if p := t.exact.find(host); p != nil {
		if r := p.longest(path); r != nil {
			return r, true
		}
	}
	if i := strings.IndexByte(host, '.'); i > 0 {
		if p := t.wildcard.find(host[i:]); p != nil {
			if r := p.longest(path); r != nil {
				return r, true
			}
		}
	}
	r := t.any.longest(path)
	return r, r != nil
}

// Prefix returns what is taken off a request's path before it is forwarded, as
// X-Forwarded-Prefix tells it: "" when nothing is.
func (r *Route) Prefix() string {
	if !r.Service.StripPath {
		return ""
	}
	return strings.TrimRight(r.Service.Path, "/")
}

// Strip returns the two forms of a canonical path as the upstream is to see
// them: without the service's path where it says so, and "/" when nothing is left.
func (r *Route) Strip(decoded, encoded string) (string, string) {
	if !r.Service.StripPath {
		return decoded, encoded
	}
	return after(decoded, r.depth), after(encoded, r.depth)
}

// after takes the first n segments off. A slash is never escaped in a canonical
// path, so both forms have the same segments.
func after(path string, n int) string {
	for ; n > 0 && path != ""; n-- {
		_, path = cut(path)
	}
	if path == "" {
		return "/"
	}
	return path
}
