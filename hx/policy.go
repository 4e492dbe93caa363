package hx

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Policy is a Content-Security-Policy (Level 3): what this server itself gives
// and nothing else, no inline script or style, no eval, no frame around it. What
// pages take from elsewhere is allowed one by one. It is made once and not
// changed; safe for concurrent use.
type Policy struct{ text string }

// NewPolicy makes the policy, with the CDNs of the assets allowed for scripts,
// styles, images and fonts. allow adds sources to directives, "img-src" to "data:" for
// example. It fails for a directive or source that would break out of its place.
func NewPolicy(allow map[string][]string, assets ...*Assets) (Policy, error) {
	directives := map[string][]string{
		"default-src":     {"'self'"},
		"base-uri":        {"'none'"},
		"form-action":     {"'self'"},
		"frame-ancestors": {"'none'"},
		"object-src":      {"'none'"},
	}
	add := func(directive, source string) {
		have := directives[directive]
		switch {
		case slices.Contains(have, source):
			return
		case have == nil && strings.HasSuffix(directive, "-src"):
			have = []string{"'self'"} // what default-src allowed until now
		case len(have) == 1 && have[0] == "'none'":
			have = nil
		}
		directives[directive] = append(have, source)
	}
	for _, a := range assets {
		if a.cdn != "" {
			for _, directive := range []string{"script-src", "style-src", "img-src", "font-src"} {
				add(directive, a.cdn)
			}
		}
	}
	for _, directive := range slices.Sorted(maps.Keys(allow)) {
		for _, source := range allow[directive] {
			if !plainWord(directive) || !plainWord(source) {
				return Policy{}, fmt.Errorf("hx: a Content-Security-Policy cannot say %q of %q", source, directive)
			}
			add(directive, source)
		}
	}
	var all []string
	for _, directive := range slices.SortedFunc(maps.Keys(directives), defaultFirst) {
		all = append(all, directive+" "+strings.Join(directives[directive], " "))
	}
	return Policy{text: strings.Join(all, "; ")}, nil
}

func defaultFirst(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == "default-src":
		return -1
	case b == "default-src":
		return 1
	}
	return strings.Compare(a, b)
}

func plainWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c >= 0x7f || c == ';' || c == ',' })
}

// String is the value of the header.
func (p Policy) String() string { return p.text }

// Handler puts the policy on every answer, with X-Content-Type-Options.
func (p Policy) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", p.text)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}
