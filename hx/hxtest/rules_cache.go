package hxtest

import (
	"net/http"
	"strings"
)

// vary: when two requests that differ in one header get another form or, where
// the answer is the same each time, another text, Vary must name that header on
// both, unless nobody may keep them.
func (e *examination) vary(replies map[string]reply) {
	for _, pair := range []struct{ header, a, b string }{
		{"HX-Request", "plain", "partial htmx 2"},
		{"HX-Request", "plain", "partial htmx 4"},
		{"HX-Request-Type", "partial htmx 4", "boosted htmx 4"},
		{"HX-Boosted", "partial htmx 2", "boosted htmx 2"},
		{"HX-History-Restore-Request", "partial htmx 2", "restore htmx 2"},
	} {
		a, there := replies[pair.a]
		b, too := replies[pair.b]
		if !there || !too || a.panic != nil || b.panic != nil || shape(a) == shape(b) {
			continue
		}
		for name, got := range map[string]reply{pair.a: a, pair.b: b} {
			if got.kept() && !got.varies(pair.header) {
				e.find(Vary, name, "the form depends on %s, and Vary (%q) does not name it", pair.header, strings.Join(got.header.Values("Vary"), ", "))
			}
		}
	}
	e.varyOnTarget(replies)
}

func (e *examination) varyOnTarget(replies map[string]reply) {
	if !e.route.safe() || e.route.Target == "" {
		return
	}
	for _, a := range e.asks() {
		if !a.partial {
			continue
		}
		got := replies[a.name]
		if got.panic != nil || !got.kept() || got.varies("HX-Target") {
			continue
		}
		again := e.send(e.request(a, signedIn, nil))
		other := a
		other.headers = headers("HX-Target", "hxtest-no-such-place")
		for k, v := range a.headers {
			if k != "HX-Target" {
				other.headers[k] = v
			}
		}
		if elsewhere := e.send(e.request(other, signedIn, nil)); again.body == got.body && elsewhere.body != got.body {
			e.find(Vary, a.name, "the part depends on HX-Target, and Vary does not name it")
		}
	}
}

// shape is the form of an answer.
func shape(g reply) string {
	switch {
	case g.page():
		return "page"
	case g.led() != "":
		return "led"
	case g.redirects():
		return "redirect"
	}
	return "fragment"
}

func (e *examination) etag(replies map[string]reply) {
	tags := map[string]string{} // the shape that a tag was seen on
	for _, a := range e.asks() {
		got := replies[a.name]
		tag := got.header.Get("ETag")
		if tag == "" || got.panic != nil {
			continue
		}
		opaque := strings.TrimPrefix(tag, "W/")
		if was, seen := tags[opaque]; seen && was != shape(got) {
			e.find(ETag, a.name, "%s and %s share the tag %s", was, shape(got), tag)
		}
		tags[opaque] = shape(got)
	}
	for _, a := range e.asks() {
		got := replies[a.name]
		if got.panic != nil {
			continue
		}
		for opaque, was := range tags {
			r := e.request(a, signedIn, nil)
			r.Header.Set("If-None-Match", opaque)
			again := e.send(r)
			own := strings.TrimPrefix(got.header.Get("ETag"), "W/") == opaque
			if again.status == http.StatusNotModified && !own && was != shape(got) {
				e.find(ETag, a.name, "the tag of a %s confirms a %s", was, shape(got))
			}
			if own && again.status == http.StatusOK && strings.TrimPrefix(again.header.Get("ETag"), "W/") == opaque {
				e.find(ETag, a.name, "its own tag is not confirmed by 304")
			}
		}
	}
}

// cache: what needs a session is nobody else's, and neither is a cookie.
func (e *examination) cache(a ask, got reply) {
	rule := strings.ToLower(strings.Join(got.header.Values("Cache-Control"), ","))
	shared := strings.Contains(rule, "public") || strings.Contains(rule, "s-maxage")
	switch {
	case shared && e.app.SignIn != nil && !e.route.Public:
		e.find(Cache, a.name, "needs a session, and shared caches may keep it: %q", rule)
	case shared && got.header.Get("Set-Cookie") != "":
		e.find(Cache, a.name, "sets a cookie, and shared caches may keep it: %q", rule)
	case rule == "" && got.status == http.StatusOK && e.route.safe():
		e.find(Cache, a.name, "says nothing of caches: they guess (RFC 9111 section 4.2.2)")
	}
}
