package exchange

import (
	"strings"
	"time"
)

// Opaque is an entity tag without its weakness: two that agree in it match
// weakly (RFC 9110 §8.8.3.2).
func Opaque(tag string) string { return strings.TrimPrefix(tag, "W/") }

// NotModified tells whether a client that has an answer already may go on with
// it (RFC 9110 §13.1.2, §13.1.3; RFC 9111 §4.3.2): the entity tag decides where
// one is named, the date otherwise. etag is "" and modified zero where the
// answer has none.
func NotModified(request Header, etag string, modified time.Time) bool {
	if fields := request.Values("If-None-Match"); len(fields) > 0 {
		for _, field := range fields {
			if strings.Trim(field, " \t") == "*" {
				return true
			}
			if etag != "" && lists(field, Opaque(etag), true) {
				return true
			}
		}
		return false
	}
	since, ok := ParseDate(request.Get("If-Modified-Since"))
	return ok && !modified.IsZero() && !modified.Truncate(time.Second).After(since)
}

// lists tells whether a list of entity tags holds one, given without weakness;
// weakly says that a weak one will do. A comma may stand within a tag.
func lists(list, tag string, weakly bool) bool {
	for list != "" {
		var weak bool
		list, weak = strings.CutPrefix(strings.TrimLeft(list, " \t,"), "W/")
		if list == "" || list[0] != '"' {
			return false // no list of tags: nothing after it can be trusted
		}
		end := strings.IndexByte(list[1:], '"')
		if end < 0 {
			return false
		}
		if list[:end+2] == tag && (weakly || !weak) {
			return true
		}
		list = list[end+2:]
	}
	return false
}

// Validators are what tells the states of a resource apart (RFC 9110 §8.8).
type Validators struct {
	ETag         string    // "" for none
	LastModified string    // as it stands in the answer, "" for none
	Date         time.Time // when the answer was made; zero when that is not known
}

// Same tells whether a part may be given to a client that has another part of
// the state that an If-Range names (RFC 9110 §13.1.5): only what tells states
// apart strongly will do. An absent If-Range, "", always holds.
func (v Validators) Same(ifRange string) bool {
	ifRange = strings.Trim(ifRange, " \t")
	switch {
	case ifRange == "":
		return true
	case ifRange[0] == '"':
		return ifRange == v.ETag // which is then no weak one either
	case ifRange != v.LastModified:
		return false
	}
	// Within its second a resource may have changed again (§8.8.2.2).
	modified, ok := ParseDate(v.LastModified)
	return ok && v.Date.Sub(modified) >= time.Second
}

// Unchanged tells whether the state that a request is meant for is still there
// (RFC 9110 §13.1.1, §13.1.4): If-Match decides where it is there,
// If-Unmodified-Since otherwise. Where it is false the answer is 412.
func Unchanged(request Header, etag string, modified time.Time) bool {
	if fields := request.Values("If-Match"); len(fields) > 0 {
		for _, field := range fields {
			if strings.Trim(field, " \t") == "*" {
				return true
			}
			if strings.HasPrefix(etag, `"`) && lists(field, etag, false) {
				return true
			}
		}
		return false
	}
	since, ok := ParseDate(request.Get("If-Unmodified-Since"))
	return !ok || modified.IsZero() || !modified.Truncate(time.Second).After(since)
}
