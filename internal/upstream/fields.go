package upstream

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// hopByHop says whether a field is about one connection and not about the
// message (RFC 9110 §7.6.1, with the proxies' own credentials of §11.7). The
// name is canonical. Trailer is no such field, but it goes too: on requests
// because their trailers are not passed on, on answers because net/http has
// taken it apart.
func hopByHop(name string) bool {
	switch name {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info":
		return true
	}
	return false
}

// ours says whether a field is one by which the gateway tells a service who
// calls and how. A client that lists it in Connection does not get rid of it:
// the service would take the caller for somebody else, or for nobody.
func ours(name string) bool {
	switch name {
	case "Forwarded", "X-Real-Ip", "X-Request-Id", "Via", "Traceparent", "Tracestate":
		return true
	}
	return strings.HasPrefix(name, "Tollhouse-") || strings.HasPrefix(name, "X-Forwarded-")
}

// named lists the canonical names that Connection's values hold, sorted: a
// client can name thousands and send thousands of fields, and each is looked up.
func named(connection []string) []string {
	var names []string
	for _, value := range connection {
		for name := range strings.SplitSeq(value, ",") {
			if name = textproto.TrimString(name); name != "" {
				names = append(names, textproto.CanonicalMIMEHeaderKey(name))
			}
		}
	}
	slices.Sort(names)
	return names
}

func listed(names []string, name string) bool {
	_, found := slices.BinarySearch(names, name)
	return found
}

// requestFields copies a request's fields for the upstream, without those of
// the client's connection. It is a copy because net/http's client may still
// read it when Forward has returned.
func requestFields(src exchange.Header, upgrade string) http.Header {
	drop := named(src.Values("Connection"))
	passed := func(name string) bool {
		return !hopByHop(name) && (len(drop) == 0 || ours(name) || !listed(drop, name))
	}
	var dst http.Header
	if fields, ok := src.(exchange.Fields); ok {
		dst = make(http.Header, len(fields)+2)
		for name, values := range fields {
			if passed(name) {
				dst[name] = values
			}
		}
	} else {
		dst = make(http.Header)
		for name, value := range src.All() {
			if name = textproto.CanonicalMIMEHeaderKey(name); passed(name) {
				dst[name] = append(dst[name], value)
			}
		}
	}
	if _, there := dst["User-Agent"]; !there {
		dst["User-Agent"] = nil // or net/http would say its own name
	}
	hideIdempotencyKey(dst)
	if takesTrailers(src.Values("Te")) {
		dst["Te"] = []string{"trailers"}
		dst["Connection"] = []string{"TE"}
	}
	if upgrade != "" {
		dst["Connection"] = []string{"Upgrade"}
		dst["Upgrade"] = []string{upgrade}
	}
	return dst
}

// hideIdempotencyKey keeps net/http's client from sending a POST twice because
// of a field that it believes and the service may never have heard of. It looks
// only for the canonical spelling, and to everybody else spelling means nothing
// (RFC 9110 §5.1).
func hideIdempotencyKey(fields http.Header) {
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if values, there := fields[name]; there {
			delete(fields, name)
			fields[strings.ToLower(name)] = values
		}
	}
}

// takesTrailers says whether TE's values hold the member "trailers" (RFC 9110 §10.1.4).
func takesTrailers(te []string) bool {
	for _, value := range te {
		for member := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(textproto.TrimString(member), "trailers") {
				return true
			}
		}
	}
	return false
}

// answerFields takes the fields of the upstream's connection out of an answer.
// After a 101, Upgrade is the answer's point and stays. (Beside "close" net/http
// has thrown away what else Connection named; such fields are passed on.)
func answerFields(h http.Header, switched bool) exchange.Fields {
	upgrade := h["Upgrade"]
	for _, name := range named(h["Connection"]) {
		delete(h, name)
	}
	for name := range h {
		if hopByHop(name) {
			delete(h, name)
		}
	}
	if switched {
		h["Connection"] = []string{"Upgrade"}
		h["Upgrade"] = upgrade
	}
	return exchange.Fields(h)
}
