package httpcache

import (
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// understood are the statuses whose answers are kept when they say so (RFC
// 9111 §3). 206 and 304 are parts of other answers; 401 and 407 are about a
// credential; a status that is not here is passed on and not kept.
func understood(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 302, 303, 307, 308,
		400, 403, 404, 405, 406, 410, 414, 451, 500, 501, 502, 503, 504:
		return true
	}
	return false
}

// heuristic tells whether answers with a status may be kept without saying for
// how long (RFC 9110 §15.1).
func heuristic(status int) bool {
	switch status {
	case 200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501:
		return true
	}
	return false
}

// verdict is whether and for whom an answer is kept.
type verdict uint8

const (
	notKept   verdict = iota
	forCaller         // for the same credential only
	forAll
)

// judge decides whether the answer to a GET may be kept (RFC 9111 §3), and
// gives its times. It looks at heads only.
func (c *Cache) judge(a *ask, status int, h exchange.Header, d *directives, sent, received time.Time) (verdict, times) {
	if !understood(status) || a.directives.has(noStore) || d.has(private) {
		return notKept, times{}
	}
	if d.has(noStore) && !d.has(mustUnderstand) { // §5.2.2.3: must-understand overrides for those who do
		return notKept, times{}
	}
	if a.credential && !d.sharedWithCredential { // §3.5
		return notKept, times{}
	}
	if len(h.Values("Set-Cookie")) > 0 || len(h.Values("Content-Range")) > 0 || varyStar(h) || eventStream(h.Get("Content-Type")) {
		return notKept, times{}
	}
	var usual time.Duration
	// What says nothing may still be somebody's own page.
	if heuristic(status) && !a.credential && !a.cookie {
		usual = c.settings.Load().DefaultTTL
	}
	t := timesOf(h, d, sent, received, usual)
	if d.has(noCache) {
		t.lifetime = 0
	}
	// An answer that is stale on arrival is worth keeping only when it can be
	// validated, or may be served stale.
	validator := etagOf(h) != "" || lastModified(h) != ""
	explicit := d.said || !d.targeted && len(h.Values("Expires")) > 0
	if t.left(received) <= 0 && (!explicit || !validator && d.whileRevalidate <= 0 && d.ifError <= 0) {
		return notKept, times{}
	}
	if !explicit && usual <= 0 {
		return notKept, times{}
	}
	if a.credential && !d.has(public) {
		return forCaller, t
	}
	return forAll, t
}

func eventStream(contentType string) bool {
	media, _, _ := strings.Cut(contentType, ";")
	return strings.EqualFold(strings.TrimSpace(media), "text/event-stream")
}

// etagOf is an answer's entity tag, "" for none or for what is none (RFC 9110 §8.8.3).
func etagOf(h exchange.Header) string {
	tag := strings.Trim(h.Get("ETag"), " \t")
	if opaque := strings.TrimPrefix(tag, "W/"); len(opaque) < 2 || opaque[0] != '"' || opaque[len(opaque)-1] != '"' {
		return ""
	}
	return tag
}

// lastModified is an answer's Last-Modified where it is a date.
func lastModified(h exchange.Header) string {
	value := h.Get("Last-Modified")
	if value == "" {
		return ""
	}
	if _, ok := exchange.ParseDate(value); !ok {
		return ""
	}
	return value
}
