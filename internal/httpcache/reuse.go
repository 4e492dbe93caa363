package httpcache

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// use is what may be done with a stored answer (RFC 9111 §4).
type use uint8

const (
	ask4It        use = iota // ask the upstream, with what is stored as a condition where there is something
	useIt                    // it is fresh
	useStale                 // the client takes it stale
	useAndRefresh            // the service lets it be used while another is fetched
)

// use decides whether a stored answer, nil for none, satisfies a request.
func (a *ask) use(o *object) use {
	if o == nil || o.validate || a.directives.has(noCache) {
		return ask4It
	}
	d := &a.directives
	age := o.age(a.now)
	left := o.lifetime - age
	if d.maxAge >= 0 && age > seconds(d.maxAge) { // §5.2.1.1
		return ask4It
	}
	if d.minFresh > 0 && left < seconds(d.minFresh) { // §5.2.1.3
		return ask4It
	}
	switch {
	case left > 0:
		return useIt
	case o.strict: // §4.2.4
		return ask4It
	case d.maxStale >= 0 && !o.shared && -left <= seconds(d.maxStale): // §5.2.1.2
		return useStale
	case o.whileRevalidate > 0 && -left <= o.whileRevalidate && d.maxAge < 0: // RFC 5861 §3
		return useAndRefresh
	}
	return ask4It
}

// useOnError tells whether a stale answer may stand in for one that failed (RFC 5861 §4).
func (a *ask) useOnError(o *object, now time.Time) bool {
	if o == nil || o.strict || o.validate {
		return false
	}
	stale := -o.left(now)
	if o.ifError > 0 && stale <= o.ifError {
		return true
	}
	return !o.shared && a.directives.ifError > 0 && stale <= seconds(a.directives.ifError)
}

// failedStatus are the answers in whose place a stale one may stand (RFC 5861 §4).
func failedStatus(status int) bool {
	return status == 500 || status == 502 || status == 503 || status == 504
}

// why is the fwd parameter of Cache-Status for a request that is forwarded (RFC 9211 §2.2).
func (a *ask) why(o *object, others bool) string {
	switch {
	case o == nil && others:
		return "vary-miss"
	case o == nil:
		return "uri-miss"
	case o.left(a.now) > 0 && !o.validate:
		return "request"
	}
	return "stale"
}

// conditional tells whether the client has an answer already and asks whether it still holds.
func (a *ask) conditional() bool {
	h := a.request.Header
	return h.Get("If-None-Match") != "" || h.Get("If-Modified-Since") != ""
}

// alone tells whether the request wants an answer that was made for it: it
// neither waits for others' nor is waited for.
func (a *ask) alone() bool {
	return a.directives.has(noCache|noStore) || a.directives.maxAge == 0
}

// fits tells whether what was fetched for one request may answer another.
func (a *ask) fits(l *landed, leader *ask) bool {
	switch l.verdict {
	case forAll:
	case forCaller:
		if !a.credential || a.owner != leader.owner {
			return false
		}
	default:
		return false
	}
	return chosenBy(l.object.selecting, a.request.Header)
}

// detached is a request for the upstream that outlives its client's: a GET
// without conditions but those that validate what is stored (RFC 9111 §4.3.1).
func detached(r *exchange.Request, stored *object) *exchange.Request {
	clone := *r
	h := exchange.Fields{}
	for name, value := range r.Header.All() {
		h.Add(name, value)
	}
	for _, name := range [...]string{"If-None-Match", "If-Modified-Since", "Range", "If-Range"} {
		h.Del(name)
	}
	if stored != nil {
		if stored.etag != "" {
			h.Set("If-None-Match", stored.etag)
		}
		if stored.lastModified != "" {
			h.Set("If-Modified-Since", stored.lastModified)
		}
	}
	clone.Header, clone.Body, clone.Length = h, nothing{}, 0
	return &clone
}
