package httpcache

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// object is a stored answer. But for live it is never changed once it is stored;
// freshening makes another one that shares its body.
type object struct {
	times
	status       int
	header       exchange.Fields // without what belongs to one connection or one request
	body         *content
	length       int64 // of the body; -1 while it is coming and was not said
	selecting    []selecting
	tags         []string
	etag         string
	lastModified string
	modified     time.Time // Last-Modified, or when it was made, for If-Modified-Since

	validate        bool          // never without validation (no-cache)
	strict          bool          // never stale (must-revalidate, proxy-revalidate)
	shared          bool          // s-maxage: stale only where the answer itself says so
	whileRevalidate time.Duration // RFC 5861 §3
	ifError         time.Duration // RFC 5861 §4

	owner owner  // whose it is; zero: everybody's
	epoch epoch  // what its URI's epoch was when it was asked for
	size  uint32 // bytes of memory, roughly
	live  uint32 // atomic; 1 once it may be found
}

// newObject makes an object of an answer's head.
func newObject(a *ask, status int, h exchange.Fields, d *directives, t times) *object {
	o := &object{times: t, status: status, header: h, selecting: selectingOf(h, a.request.Header), tags: tagsOf(h)}
	o.etag, o.lastModified = etagOf(h), lastModified(h)
	o.modified = t.received
	if date, ok := exchange.ParseDate(h.Get("Date")); ok {
		o.modified = date
	}
	if date, ok := exchange.ParseDate(o.lastModified); ok {
		o.modified = date
	}
	o.validate = d.has(noCache)
	o.strict = d.has(mustRevalidate | proxyRevalidate)
	o.shared = d.sMaxAge >= 0
	o.whileRevalidate, o.ifError = seconds(max(0, d.whileRevalidate)), seconds(max(0, d.ifError))
	return o
}

// keptFields copies the fields of an answer that are kept (RFC 9111 §3.1). The
// upstream has taken out those of its connection.
func keptFields(h exchange.Header, received time.Time) exchange.Fields {
	kept := exchange.Fields{}
	for name, value := range h.All() {
		kept.Add(name, value)
	}
	for _, name := range notStored {
		kept.Del(name)
	}
	if kept.Get("Date") == "" { // RFC 9110 §6.6.1
		kept.Set("Date", exchange.FormatDate(received))
	}
	clip(kept)
	return kept
}

// notStored are about one connection, one request or one cache.
var notStored = [...]string{
	"Age", "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
	"Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization", "X-Request-Id", "Content-Length",
}

// clip makes it safe to add to a copy of the map: an append makes a new slice.
func clip(h exchange.Fields) {
	for name, values := range h {
		h[name] = slices.Clip(values)
	}
}

// tagsOf are the tags by which an answer can be purged: Surrogate-Key, parted
// by spaces, and Cache-Tag, parted by commas.
func tagsOf(h exchange.Header) []string {
	var tags []string
	for _, field := range h.Values("Surrogate-Key") {
		tags = append(tags, strings.Fields(field)...)
	}
	for _, field := range h.Values("Cache-Tag") {
		for tag := range strings.SplitSeq(field, ",") {
			if tag = strings.TrimSpace(tag); tag != "" {
				tags = append(tags, tag)
			}
		}
	}
	return tags
}

// weigh reckons how much memory an object takes.
func (o *object) weigh() uint32 {
	const perField, perObject = 64, 512
	n := perObject + len(o.body.data)
	for name, values := range o.header {
		n += perField + len(name)
		for _, v := range values {
			n += 16 + len(v)
		}
	}
	for _, s := range o.selecting {
		n += 32 + len(s.name) + len(s.value)
	}
	for _, t := range o.tags {
		n += 16 + len(t)
	}
	return uint32(min(n, 1<<31))
}

// freshened is the object after an upstream said 304, or answered HEAD, with
// these fields (RFC 9111 §3.2, §4.3.4). Its directives and times are the caller's to set.
func (o *object) freshened(h exchange.Header) exchange.Fields {
	updated := maps.Clone(o.header)
	replaced := map[string]bool{}
	for name := range h.All() {
		if !keepsOnUpdate(name) {
			replaced[name] = true
		}
	}
	for name := range replaced {
		updated[name] = slices.Clone(h.Values(name))
	}
	clip(updated)
	return updated
}

// keepsOnUpdate tells whether a stored field stays when a validation brings
// another: those that describe the stored bytes, and those not stored at all.
func keepsOnUpdate(name string) bool {
	switch name {
	case "Content-Encoding", "Content-Range", "Content-Type", "Set-Cookie", "Cache-Status":
		return true
	}
	return slices.Contains(notStored[:], name)
}
