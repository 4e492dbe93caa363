package console

import (
	"net/url"
	"strings"
)

// ownPath returns the path and query that next names when it is one of this
// console's own pages, "" otherwise: sign-in must send nobody elsewhere.
func ownPath(next string) string {
	if len(next) == 0 || len(next) > 2000 || next[0] != '/' || strings.ContainsAny(next, "\\\r\n\t\x00") {
		return ""
	}
	if strings.HasPrefix(next, "//") {
		return ""
	}
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") {
		return ""
	}
	if u.Path == "/sign-in" || u.Path == "/sign-out" {
		return ""
	}
	return u.RequestURI()
}
