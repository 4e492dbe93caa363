package httpcache

import (
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// times are what freshness is reckoned from (RFC 9111 §4.2).
type times struct {
	received   time.Time     // when the answer, or its validation, came
	initialAge time.Duration // corrected_initial_age (§4.2.3)
	lifetime   time.Duration // freshness_lifetime for a shared cache (§4.2.1)
}

// age is current_age (§4.2.3).
func (t *times) age(now time.Time) time.Duration {
	return t.initialAge + max(0, now.Sub(t.received))
}

// left is how long the answer is fresh yet; zero or less: it is stale.
func (t *times) left(now time.Time) time.Duration { return t.lifetime - t.age(now) }

// timesOf reckons the times of an answer that was asked for at sent and came at
// received. heuristic is the lifetime of an answer that says none, 0 for none.
func timesOf(h exchange.Header, d *directives, sent, received time.Time, heuristic time.Duration) times {
	date, dated := exchange.ParseDate(h.Get("Date"))
	if !dated {
		date = received
	}
	t := times{received: received}
	apparent := max(0, received.Sub(date))
	t.initialAge = max(apparent, ageField(h)+max(0, received.Sub(sent)))
	lifetime, explicit := explicitLifetime(h, d, date)
	if !explicit {
		lifetime = heuristic
	}
	t.lifetime = lifetime
	return t
}

// explicitLifetime is what an answer says about its freshness (§4.2.1):
// s-maxage, then max-age, then Expires.
func explicitLifetime(h exchange.Header, d *directives, date time.Time) (time.Duration, bool) {
	switch {
	case d.sMaxAge >= 0:
		return seconds(d.sMaxAge), true
	case d.maxAge >= 0:
		return seconds(d.maxAge), true
	}
	values := h.Values("Expires")
	if len(values) == 0 || d.targeted {
		return 0, false
	}
	expires, ok := exchange.ParseDate(values[0])
	if !ok || len(values) > 1 { // "0" most of all: a time in the past (§5.3); of two, neither can be trusted
		return 0, true
	}
	return max(0, expires.Sub(date)), true
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// ageField is the Age of an answer that another cache had (§5.1): the first
// member counts, and what is no number of seconds is as if it were not there.
func ageField(h exchange.Header) time.Duration {
	values := h.Values("Age")
	if len(values) == 0 {
		return 0
	}
	first, _, _ := strings.Cut(values[0], ",")
	n, ok := deltaSeconds(strings.Trim(first, " \t"))
	if !ok || strings.HasPrefix(first, `"`) {
		return 0
	}
	return seconds(n)
}
