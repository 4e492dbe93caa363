package httpcache

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// Purge says what to forget. Exactly one of its parts is set.
type Purge struct {
	// URL is one resource with all its variants, whosever they are:
	// "https://shop.example/a?b", or "/a?b" on every host. The scheme does not
	// matter. Path and query stand as the service's clients send them, in
	// canonical form.
	URL string
	// Prefix is every resource whose URL, without the scheme, begins so.
	Prefix string
	// Tag is every answer that the service gave this Surrogate-Key or Cache-Tag.
	Tag string
	All bool
}

// Purge forgets stored answers and returns how many. What is being fetched at
// the moment is given to those who wait for it, and not stored. It looks at every
// stored answer, so it takes time in proportion to their number.
func (c *Cache) Purge(p Purge) int {
	c.store.epochs.purges.Add(1) // first, so that nothing on its way is stored after
	n := 0
	for k, e := range c.store.cache.All() {
		if p.All || c.named(&p, &k, e) {
			if _, there := c.store.cache.Invalidate(k); there {
				n += len(e.objects)
			}
		}
	}
	return n
}

// named tells whether a purge is about an entry.
func (c *Cache) named(p *Purge, k *key, e *entry) bool {
	switch {
	case p.Tag != "":
		return slices.ContainsFunc(e.objects, func(o *object) bool { return slices.Contains(o.tags, p.Tag) })
	case p.URL != "":
		host, rest := splitURL(p.URL)
		return (host == "" || host == k.host) && (rest == c.target(k) || c.prefix != "" && k.path == "/" && rest == c.root(k))
	case p.Prefix != "":
		host, rest := splitURL(p.Prefix)
		return (host == "" || host == k.host) && strings.HasPrefix(c.target(k), rest)
	}
	return false
}

// target is what a client sends for a key: path and query.
func (c *Cache) target(k *key) string { return withQuery(c.prefix+k.path, k.query) }

// root is the same for the service's root without a slash at its end.
func (c *Cache) root(k *key) string { return withQuery(c.prefix, k.query) }

func withQuery(path, query string) string {
	if query == "" {
		return path
	}
	return path + "?" + query
}

// splitURL parts a URL into its host, "" for any, and the rest.
func splitURL(s string) (host, rest string) {
	_, after, ok := strings.Cut(s, "://")
	if !ok || strings.HasPrefix(s, "/") {
		return "", s
	}
	slash := strings.IndexAny(after, "/?")
	if slash < 0 {
		return strings.ToLower(after), "/"
	}
	host, rest = strings.ToLower(after[:slash]), after[slash:]
	if rest[0] == '?' {
		rest = "/" + rest
	}
	return host, rest
}

// invalidate forgets what a request has changed: its own URI, and those of its
// own origin that the answer names (RFC 9111 §4.4).
func (c *Cache) invalidate(r *exchange.Request, answer exchange.Header) {
	own := uri{scheme: r.Scheme, host: hostOf(r), path: r.RawPath, query: r.RawQuery}
	c.store.invalidate(own)
	for _, name := range [...]string{"Location", "Content-Location"} {
		if value := answer.Get(name); value != "" {
			if u, ok := c.sameOrigin(&own, value); ok {
				c.store.invalidate(u)
			}
		}
	}
}

// sameOrigin resolves a reference in an answer and tells whether it is of the
// request's own origin: a service cannot have others' answers forgotten.
func (c *Cache) sameOrigin(own *uri, reference string) (uri, bool) {
	base := &url.URL{Scheme: own.scheme, Host: own.host, RawQuery: own.query}
	var err error
	if base.Path, err = url.PathUnescape(own.path); err != nil {
		return uri{}, false
	}
	base.RawPath = own.path
	parsed, err := url.Parse(reference)
	if err != nil {
		return uri{}, false
	}
	target := base.ResolveReference(parsed)
	if target.Scheme != own.scheme || strings.ToLower(target.Host) != own.host {
		return uri{}, false
	}
	path := target.EscapedPath()
	if path == "" {
		path = "/"
	}
	if parsed.IsAbs() || strings.HasPrefix(reference, "/") {
		// The service may name itself with or without what was taken off.
		if rest, ok := strings.CutPrefix(path, c.prefix); ok && c.prefix != "" && strings.HasPrefix(rest, "/") {
			path = rest
		}
	}
	return uri{target.Scheme, own.host, path, target.RawQuery}, true
}
