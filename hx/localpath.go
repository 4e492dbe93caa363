package hx

import (
	"errors"
	"net/url"
	"strings"
)

var errNotLocal = errors.New("hx: this is no path of this site")

const longestPath = 2048 // bytes

// LocalPath checks that an address is a path of this site, with or without a
// query and fragment, and returns it with all that is not ASCII escaped. It
// refuses other origins in every disguise
// that browsers accept: "//evil", "/\evil", "https:evil", control characters
// that a browser drops before it reads ("/\t/evil"), and a path that becomes
// "//" once its dots are resolved ("/.//evil"). It refuses what is longer than
// 2048 bytes once it is escaped.
func LocalPath(s string) (string, error) {
	if s == "" || s[0] != '/' || len(s) > longestPath {
		return "", errNotLocal
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return "", errNotLocal
		}
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", errNotLocal
	}
	// A browser resolves dots, escaped ones too, before it sends; http.Redirect
	// and proxies do as well. None of them may end at "//host".
	path := u.Path
	if strings.HasPrefix(path, "//") || strings.Contains(path, "\\") || strings.Contains(path, "/./") || strings.Contains(path, "/../") ||
		strings.HasSuffix(path, "/.") || strings.HasSuffix(path, "/..") {
		return "", errNotLocal
	}
	for i := range len(path) {
		if path[i] < ' ' || path[i] == 0x7f {
			return "", errNotLocal
		}
	}
	escaped := escapeNonASCII(s)
	if len(escaped) > longestPath { // what is given is what the next call takes
		return "", errNotLocal
	}
	return escaped, nil
}

// escapeNonASCII makes text fit for a header.
func escapeNonASCII(s string) string {
	const digits = "0123456789ABCDEF"
	var b []byte
	for i := range len(s) {
		switch c := s[i]; {
		case c < 0x80 && b != nil:
			b = append(b, c)
		case c >= 0x80:
			if b == nil {
				b = append(make([]byte, 0, len(s)+16), s[:i]...)
			}
			b = append(b, '%', digits[c>>4], digits[c&15])
		}
	}
	if b == nil {
		return s
	}
	return string(b)
}

// samePath compares two local paths without their queries.
func samePath(a, b string) bool {
	a, _, _ = strings.Cut(a, "?")
	b, _, _ = strings.Cut(b, "?")
	return a == b
}
