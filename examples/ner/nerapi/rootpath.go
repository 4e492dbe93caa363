package nerapi

import (
	"net/http"
	"strings"
)

// rootPath is the path under which clients reach this API, "" for the root:
// what the gateway took off before it forwarded the request, as it says in
// X-Forwarded-Prefix. A value that is no plain path is ignored, so that nobody
// can have a document point elsewhere.
func rootPath(r *http.Request) string {
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
