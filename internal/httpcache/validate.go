package httpcache

import (
	"context"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// freshen makes a new object of a stored one that the upstream confirmed with a
// 304 (RFC 9111 §4.3.4). It returns false when the 304 is about something else.
func (c *Cache) freshen(f *flight, l *landed, stored *object, response *exchange.Response, sent, received time.Time) bool {
	if stored.etag == "" && stored.lastModified == "" {
		return false // nothing was asked
	}
	if tag := etagOf(response.Header); tag != "" && stored.etag != "" && exchange.Opaque(tag) != exchange.Opaque(stored.etag) {
		return false
	}
	a := f.leader
	o, v, d := c.updated(a, stored, response.Header, sent, received)
	o.epoch, o.owner = f.epoch, c.keyFor(f, v).owner
	l.object, l.verdict, l.fresh304 = o, v, true
	if cookies := response.Header.Values("Set-Cookie"); len(cookies) > 0 {
		l.fields = exchange.Fields{"Set-Cookie": slices.Clip(cookies)} // for the one who asked
	}
	if v == notKept || o.owner != stored.owner || d.has(noStore) {
		c.store.remove(f.at(stored), stored)
	}
	if v != notKept {
		c.store.put(c.keyFor(f, v), a.hash, o)
	}
	return true
}

// updated is a stored object with the fields that a later answer brought, and
// whether it may still be kept.
func (c *Cache) updated(a *ask, stored *object, h exchange.Header, sent, received time.Time) (*object, verdict, directives) {
	header := stored.freshened(h)
	if h.Get("Date") == "" { // RFC 9110 §6.6.1
		header.Set("Date", exchange.FormatDate(received))
	}
	d := answerDirectives(header)
	if age := h.Get("Age"); age != "" {
		header.Set("Age", age)
	}
	v, t := c.judge(a, stored.status, header, &d, sent, received)
	header.Del("Age")
	o := newObject(a, stored.status, header, &d, t)
	o.body, o.length = stored.body, stored.length
	return o, v, d
}

// head forwards a HEAD that nothing stored answers. What it says about the
// stored answer to GET freshens it, or shows that it holds no more (RFC 9111 §4.3.5).
func (c *Cache) head(ctx context.Context, a *ask, stored *object, at owner, next Forwarder) (*exchange.Response, Result, error) {
	result := Result{Word: wordMiss, Asked: c.clock()}
	epoch := c.store.epochs.now(a.hash)
	response, err := next.Forward(ctx, a.request)
	received := c.clock()
	result.Answered = received
	if err != nil {
		if a.useOnError(stored, received) {
			result.Cached, result.Word = true, wordStale
			return c.respond(a, stored, received, note{fwd: "stale", detail: "stale-if-error"}), result, nil
		}
		return nil, result, err
	}
	if stored != nil && response.Status == 200 {
		k := key{uri: a.uri, owner: at}
		if describes(response, stored) {
			o, v, _ := c.updated(a, stored, response.Header, result.Asked, received)
			o.epoch, o.owner = epoch, at
			if v == forAll && at == everybody || v == forCaller && at != everybody {
				c.store.put(k, a.hash, o)
			} else {
				c.store.remove(k, stored)
			}
		} else {
			c.store.remove(k, stored)
		}
	}
	c.outward(response.Header, note{fwd: a.why(stored, false)})
	return response, result, nil
}

// describes tells whether the answer to a HEAD is about the stored one.
func describes(response *exchange.Response, stored *object) bool {
	h := response.Header
	if response.Length >= 0 && stored.length >= 0 && response.Length != stored.length {
		return false
	}
	if tag := etagOf(h); tag != "" || stored.etag != "" {
		return tag == stored.etag
	}
	return lastModified(h) == stored.lastModified
}
