package edge

import (
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// protect puts what the service's configuration says for browsers onto an
// answer, be it the service's or the gateway's own. Twice is as once.
func protect(h exchange.Header, r *exchange.Request, service *toll.Service) {
	if service == nil {
		return // refused before there was a service
	}
	if len(service.CORS.Origins) > 0 {
		share(h, r, &service.CORS)
	}
	if service.SecurityHeaders {
		harden(h)
	}
}

// hardening are the fields that browsers protect pages by. None of them keeps
// a page from working that does not frame, or is framed by, another site.
// (Strict-Transport-Security belongs to the listener that has the certificate.)
var hardening = [...]struct{ name, value string }{
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "strict-origin-when-cross-origin"},
	{"Cross-Origin-Opener-Policy", "same-origin-allow-popups"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
}

// harden adds the fields that are not there already, and takes off what tells
// strangers which program answers.
func harden(h exchange.Header) {
	for _, f := range hardening {
		if h.Get(f.name) == "" {
			h.Set(f.name, f.value)
		}
	}
	// frame-ancestors says the same and more (CSP 3 §6.4.2).
	if h.Get("X-Frame-Options") == "" && !strings.Contains(strings.ToLower(strings.Join(h.Values("Content-Security-Policy"), ";")), "frame-ancestors") {
		h.Set("X-Frame-Options", "SAMEORIGIN")
	}
	h.Del("Server")
	h.Del("X-Powered-By")
}

// xRateLimits tells the tightest limit in the fields that clients knew before
// RateLimit: Reset is a time in seconds since 1970, as GitHub's is. Concurrency
// limits are left out, unless one refused: they have no time.
func xRateLimits(h exchange.Header, results []limit.Result, now time.Time) {
	var tightest *limit.Result
	for i := range results {
		r := &results[i]
		if r.Policy.Shadow || r.Policy.Kind == toll.ConcurrencyLimit && !r.Refused {
			continue
		}
		if tightest == nil || tighter(r, tightest) {
			tightest = r
		}
	}
	if tightest == nil {
		return
	}
	wait, left := tightest.Reset, tightest.Remaining
	if tightest.Refused {
		wait, left = max(wait, tightest.RetryAfter), 0
	}
	at := now.Add(wait + time.Second - 1).Unix() // never early
	h.Set("X-RateLimit-Limit", strconv.FormatInt(tightest.Limit, 10))
	h.Set("X-RateLimit-Remaining", strconv.FormatInt(left, 10))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(at, 10))
}

// tighter tells whether a holds a client back more than b: one that refused,
// one that always will, the longest wait, then what has the fewest left.
func tighter(a, b *limit.Result) bool {
	switch {
	case a.Refused != b.Refused:
		return a.Refused
	case a.Never != b.Never:
		return a.Never
	case a.Refused:
		return a.RetryAfter > b.RetryAfter
	case a.Remaining != b.Remaining:
		return a.Remaining < b.Remaining
	}
	return a.Reset > b.Reset
}
