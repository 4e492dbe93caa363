package edge

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// original is the request that a foreign proxy asks about, as the proxy tells
// it: X-Forwarded-Method, -Proto, -Host, -Uri and -For (Traefik, Caddy), or
// X-Original-Method and X-Original-URI or X-Original-URL (nginx) beside
// X-Forwarded-Host and -For.
type original struct {
	method   string
	scheme   string
	host     string // without port, lower case
	hostPort string
	path     string // as it was sent
	query    string
	client   netip.Addr
}

// badOriginal is what a proxy, or a client through it, said wrongly. Its text is safe to show.
func badOriginal(format string, args ...any) error { return toll.Errorf(toll.Invalid, format, args...) }

// originalOf reads the fields of a question. Whatever is missing, said twice or
// said differently is an error: a client could have sent a field that the proxy
// does not set, and nothing tells whose it is.
func originalOf(h http.Header, proxies Proxies) (o original, err error) {
	one := func(names ...string) (value string) {
		if err != nil {
			return ""
		}
		value, err = agreed(h, names...)
		return value
	}
	method := one("X-Forwarded-Method", "X-Original-Method")
	uri := one("X-Forwarded-Uri", "X-Original-Uri")
	whole := one("X-Original-Url")
	host := one("X-Forwarded-Host")
	scheme := one("X-Forwarded-Proto")
	if err != nil {
		return o, err
	}
	if whole != "" {
		if err := unfold(whole, &scheme, &host, &uri); err != nil {
			return o, err
		}
	}
	for _, field := range []struct{ value, name string }{
		{method, "X-Forwarded-Method"}, {uri, "X-Forwarded-Uri"}, {host, "X-Forwarded-Host"},
	} {
		if field.value == "" {
			return o, badOriginal("The proxy does not say what it asks about: %s is missing. It must set it for each request.", field.name)
		}
	}
	if !strings.HasPrefix(uri, "/") && strings.Contains(uri, "://") { // as some clients send it (RFC 9112 §3.2.2)
		if err := unfold(uri, &scheme, &host, nil); err != nil {
			return o, err
		}
		_, uri = splitAbsolute(uri)
	}
	if !isToken(method) {
		return o, badOriginal("X-Forwarded-Method is no method.")
	}
	if !isHostPort(host) {
		return o, badOriginal("X-Forwarded-Host is no host.")
	}
	switch o.scheme = strings.ToLower(scheme); o.scheme {
	case "", "http", "ws":
		o.scheme = "http"
	case "https", "wss":
		o.scheme = "https"
	default:
		return o, badOriginal("X-Forwarded-Proto is neither http nor https.")
	}
	o.method, o.host, o.hostPort = method, hostOf(host), host
	o.path, o.query, _ = strings.Cut(uri, "?")
	if o.client, err = clientBehind(h["X-Forwarded-For"], proxies); err != nil {
		return o, err
	}
	return o, nil
}

// agreed gives the one value that the fields have together, "" when there is none.
func agreed(h http.Header, names ...string) (string, error) {
	value, from := "", ""
	for _, name := range names {
		for _, v := range h[name] {
			switch {
			case v == "" && len(h[name]) == 1: // nginx and HAProxy clear a field so
			case from == "":
				value, from = v, name
			case v != value:
				return "", badOriginal("%s and %s say different things about the request. The proxy must set both, or remove what clients send.", from, name)
			}
		}
	}
	return value, nil
}

// unfold takes a whole address apart. What was said already must be the same.
func unfold(address string, scheme, host, uri *string) error {
	before, rest, ok := strings.Cut(address, "://")
	if !ok || rest == "" {
		return badOriginal("The request's address is not whole: scheme, host and path.")
	}
	authority, path := splitAbsolute(address)
	for _, part := range []struct {
		is   string
		said *string
		fold bool
	}{{before, scheme, true}, {authority, host, true}, {path, uri, false}} {
		switch {
		case part.said == nil:
		case *part.said == "":
			*part.said = part.is
		case *part.said != part.is && !(part.fold && strings.EqualFold(*part.said, part.is)):
			return badOriginal("The request's whole address and the fields beside it say different things. The proxy must set each, or remove what clients send.")
		}
	}
	return nil
}

// splitAbsolute takes authority and path, with the query, out of an address.
func splitAbsolute(address string) (authority, path string) {
	_, rest, _ := strings.Cut(address, "://")
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		authority, path = rest[:at], rest[at:]
	} else {
		authority, path = rest, "/"
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return authority, path
}

// clientBehind finds the address that a request comes from, as a proxy tells it
// that has shown the secret: the last one, and those before it as far as the
// proxies that stand for them are trusted too.
func clientBehind(forwardedFor []string, proxies Proxies) (netip.Addr, error) {
	all := strings.Join(forwardedFor, ",")
	at := strings.LastIndexByte(all, ',')
	last, ok := parseForwarded(strings.TrimSpace(all[at+1:]))
	switch {
	case strings.TrimSpace(all) == "":
		return netip.Addr{}, badOriginal("The proxy does not say where the request comes from: X-Forwarded-For is missing. It must set it for each request.")
	case !ok:
		return netip.Addr{}, badOriginal("X-Forwarded-For does not end with an address.")
	case at < 0:
		return last, nil
	}
	return proxies.Client(last, []string{all[:at]}), nil
}

// isToken tells whether s is a token (RFC 9110 §5.6.2), as a method is.
func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isHostPort tells whether s can be a Host (RFC 9110 §7.2): one of them, without
// a user, a path or a second one behind a comma.
func isHostPort(s string) bool {
	if s == "" || len(s) > 300 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("-._:[]", c) < 0 {
			return false
		}
	}
	return true
}
