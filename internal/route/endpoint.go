package route

import (
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Other is the endpoint of every request that matches none of its service's
// patterns, so that the number of endpoints stays bounded.
const Other = "other"

// endpoints are a service's patterns by method, each a tree of segments.
type endpoints = fork[branch]

// branch is one segment of the patterns.
type branch struct {
	pattern  string // as it stands in the configuration; "" when none ends here
	literal  fork[branch]
	variable *branch // {param}
}

// newEndpoints reads patterns such as "POST /documents/{id}/entities".
func newEndpoints(s *toll.Service) (endpoints, error) {
	var all endpoints
	for _, pattern := range s.Endpoints {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok || !isMethod(method) {
			return all, toll.FieldError("endpoints", "The endpoint %q of service %s is not a method, a space and a path, such as \"POST /extractions\".", pattern, s.Name)
		}
		path = trimSlash(path)
		if decoded, _, err := Canonical(path + "/"); err != nil || decoded != path+"/" {
			return all, toll.FieldError("endpoints", "The path of the endpoint %q of service %s can match nothing. Write it decoded, from a slash on.", pattern, s.Name)
		}
		b := all.grow(method)
		for path != "" {
			var segment string
			segment, path = cut(path)
			next, fault := b.grow(segment)
			if fault != "" {
				return all, toll.FieldError("endpoints", "In the endpoint %q of service %s, %s.", pattern, s.Name, fault)
			}
			b = next
		}
		if b.pattern != "" {
			return all, toll.FieldError("endpoints", "The endpoints %q and %q of service %s are the same.", b.pattern, pattern, s.Name)
		}
		b.pattern = pattern
	}
	return all, nil
}

// grow returns the branch of a pattern's segment; fault says what is wrong with it.
func (b *branch) grow(segment string) (next *branch, fault string) {
	if name, ok := strings.CutPrefix(segment, "{"); ok {
		name, ok = strings.CutSuffix(name, "}")
		if !ok || name == "" || strings.ContainsAny(name, "{}") {
			return nil, "a parameter is written {name}"
		}
		if b.variable == nil {
			b.variable = &branch{}
		}
		return b.variable, ""
	}
	if strings.ContainsAny(segment, "{}") {
		return nil, "a parameter takes a whole segment: {name}"
	}
	if strings.Contains(segment, ";") {
		return nil, "a ; begins path parameters, which no endpoint is told apart by"
	}
	return b.literal.grow(segment), ""
}

func isMethod(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < 'A' || r > 'Z' })
}

// Endpoint names the endpoint of a request: the pattern of its service as it
// stands in the configuration, or Other. Path is the decoded path as it came in; what
// Strip takes off is taken off here too. A literal segment is matched before a
// parameter, which takes any segment but an empty one.
//
// Policies hang on endpoints, so what upstreams commonly read as the same is
// the same here: HEAD counts as GET where it has no pattern of its own (RFC 9110
// §9.3.2), a final slash makes no difference, and path parameters (;…) are not
// looked at. It allocates nothing.
func (r *Route) Endpoint(method, path string) string {
	if path == "" || path[0] != '/' {
		return Other
	}
	if r.Service.StripPath {
		path = after(path, r.depth)
	}
	path = trimSlash(path)
	if b := r.endpoints.find(method); b != nil {
		if pattern := b.match(path); pattern != "" {
			return pattern
		}
	}
	if method == "HEAD" {
		if b := r.endpoints.find("GET"); b != nil {
			if pattern := b.match(path); pattern != "" {
				return pattern
			}
		}
	}
	return Other
}

// match returns the pattern for a path, "" for none. Each segment offers two
// ways at most, and no path is followed deeper than the deepest pattern.
func (b *branch) match(path string) string {
	if path == "" {
		return b.pattern
	}
	segment, rest := cut(path)
	if i := strings.IndexByte(segment, ';'); i >= 0 {
		segment = segment[:i]
	}
	if next := b.literal.find(segment); next != nil {
		if pattern := next.match(rest); pattern != "" {
			return pattern
		}
	}
	if b.variable != nil && segment != "" {
		return b.variable.match(rest)
	}
	return ""
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// Endpoints returns the names that Endpoint may answer: the patterns in the
// order of the configuration, then Other.
func (r *Route) Endpoints() []string { return append(slices.Clone(r.Service.Endpoints), Other) }
