package hx

import (
	"fmt"
	"strings"
	"time"
)

// CacheRule says who may keep an answer and for how long: the value of
// Cache-Control (RFC 9111 section 5.2.2). Make one with Private or Public, or
// take one of the named ones. Where a fragment and a page share an address, Vary keeps them apart,
// and every rule holds for both. The zero value is no rule.
type CacheRule struct {
	noStore, noCache, public, immutable bool
	noTransform                         bool
	browser, shared, stale, staleError  int64 // seconds
	set                                 bool
}

// The rules that need no figure.
var (
	// NoStore: nobody keeps it, the browser's Back included. For what is secret.
	NoStore = CacheRule{noStore: true, set: true}
	// Secret: nobody keeps it, and nobody compresses it on the way: together with
	// what a caller can put into a page, the compressed length tells of what else
	// is in it (BREACH). For a page that shows a password or a key.
	Secret = CacheRule{noStore: true, noTransform: true, set: true}
	// Revalidate: the person's browser keeps it and asks each time whether it
	// still holds, which costs a 304 without a body. Back may show it as it was.
	Revalidate = CacheRule{noCache: true, set: true}
	// Immutable: everybody keeps it for a year and never asks. For what has a
	// hash of its content in its address, and nothing else.
	Immutable = CacheRule{public: true, immutable: true, browser: 365 * 24 * 3600, set: true}
)

// Private lets the person's own browser keep an answer, for d in whole seconds
// (at least 0): the second click inside it makes no request.
func Private(d time.Duration) CacheRule { return CacheRule{browser: seconds(d), set: true} }

// Public lets every cache keep an answer: browsers for one time, caches that
// many people share (a CDN, a gateway) for another. Only for what is the same
// for everybody.
func Public(browser, shared time.Duration) CacheRule {
	return CacheRule{public: true, browser: seconds(browser), shared: seconds(shared), set: true}
}

// Stale lets a cache give the old answer while it fetches a new one, for as
// long as while, and when the server fails, for as long as failing (RFC 5861).
// It has no effect on NoStore, Revalidate and Immutable.
func (c CacheRule) Stale(while, failing time.Duration) CacheRule {
	if c.noStore || c.noCache || c.immutable {
		return c
	}
	c.stale, c.staleError = seconds(while), seconds(failing)
	return c
}

func seconds(d time.Duration) int64 { return max(0, int64(d/time.Second)) }

// String is the value of Cache-Control; "" for the zero value.
func (c CacheRule) String() string {
	switch {
	case !c.set:
		return ""
	case c.noTransform:
		return "no-store, no-transform"
	case c.noStore:
		return "no-store"
	case c.noCache:
		return "private, no-cache"
	}
	parts := []string{"private"}
	if c.public {
		parts[0] = "public"
	}
	parts = append(parts, fmt.Sprintf("max-age=%d", c.browser))
	if c.public && !c.immutable && c.shared != c.browser {
		parts = append(parts, fmt.Sprintf("s-maxage=%d", c.shared))
	}
	if c.immutable {
		parts = append(parts, "immutable")
	}
	if c.stale > 0 {
		parts = append(parts, fmt.Sprintf("stale-while-revalidate=%d", c.stale))
	}
	if c.staleError > 0 {
		parts = append(parts, fmt.Sprintf("stale-if-error=%d", c.staleError))
	}
	return strings.Join(parts, ", ")
}

// Where says in words what is kept where, for a page of documentation or a log.
func (c CacheRule) Where() string {
	switch {
	case !c.set:
		return "no rule"
	case c.noStore:
		return "browser: not kept; shared caches: not kept"
	case c.noCache:
		return "browser: kept, asked for again each time; shared caches: not kept"
	}
	browser := "browser: " + inWords(c.browser)
	if c.immutable {
		return "browser: a year, never asked for again; shared caches: the same"
	}
	if !c.public {
		return browser + "; shared caches: not kept"
	}
	return browser + "; shared caches: " + inWords(c.shared)
}

// inWords writes seconds without the parts that are zero: 1h, not 1h0m0s.
func inWords(seconds int64) string {
	text := (time.Duration(seconds) * time.Second).String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}
