// Package rootpath tells an example program under which path clients reach it,
// when a gateway before it takes a prefix off.
package rootpath

import (
	"net/http"
	"strings"
)

// Of returns the root path of a request, "" for the root itself: what the
// gateway took off before it forwarded the request, as it says in
// X-Forwarded-Prefix. It starts with a slash and does not end with one. A value
// that is no plain path counts as none, so that nobody can make links, redirects
// or cookies of the answer point elsewhere.
func Of(r *http.Request) string {
	prefix := strings.TrimRight(r.Header.Get("X-Forwarded-Prefix"), "/")
	if !strings.HasPrefix(prefix, "/") || strings.Contains(prefix, "//") || strings.Contains(prefix, "/.") {
		return ""
	}
	for _, c := range []byte(prefix) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '/', c == '-', c == '_', c == '.', c == '~':
		default:
			return ""
		}
	}
	return prefix
}
