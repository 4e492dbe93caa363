package limit

import (
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The fields of draft-ietf-httpapi-ratelimit-headers-10, as structured fields
// (RFC 9651). Shadow policies are not told: they limit nobody.

// AppendRateLimit appends the value of the RateLimit field (§4) to dst:
//
//	"minute";r=9;t=6, "monthly";r=999;t=1209600
//
// t is the whole seconds, rounded up, until more is there; it is left out where
// nothing is missing or nobody can know (concurrency). On a refused request
// only the policies that refused say t, for Retry-After should not be earlier
// than it (§6). Nothing is appended when there is nothing to tell: the
// field is then to be left out.
func AppendRateLimit(dst []byte, results []Result) []byte {
	refused := false
	for i := range results {
		refused = refused || results[i].Refused
	}
	first := true
	for i := range results {
		r := &results[i]
		if r.Policy.Shadow {
			continue
		}
		dst = append(separate(dst, &first), r.nameItem()...)
		dst = appendInteger(append(dst, ";r="...), r.Remaining)
		if r.Reset > 0 && r.Refused == refused {
			dst = appendInteger(append(dst, ";t="...), seconds(r.Reset))
		}
	}
	return dst
}

// AppendRateLimitPolicy appends the value of the RateLimit-Policy field (§3) to dst:
//
//	"minute";q=10;w=60, "parallel";q=2;qu="concurrent-requests", "monthly";q=1000;w=2592000
//
// It is the same for every answer under the same policies: a month is always
// thirty days. A burst that is not the rate's own count is told as
// tollhouse-burst, a quota on a reported unit as qu="words" though the registry
// of units (§10.3) has no such entry: to call them requests would be wrong.
func AppendRateLimitPolicy(dst []byte, results []Result) []byte {
	first := true
	for i := range results {
		if !results[i].Policy.Shadow {
			dst = append(separate(dst, &first), results[i].policyItem()...)
		}
	}
	return dst
}

// policyItem is one policy's part of RateLimit-Policy.
func policyItem(p *toll.Policy) string {
	dst := appendString(nil, p.Name)
	dst = appendInteger(append(dst, ";q="...), p.Count)
	var window time.Duration
	switch p.Kind {
	case toll.RateLimit:
		window = p.Window
	case toll.ConcurrencyLimit:
		dst = append(dst, `;qu="concurrent-requests"`...)
	case toll.Quota:
		if p.Unit != toll.UnitRequests {
			dst = appendString(append(dst, ";qu="...), p.Unit)
		}
		window = 24 * time.Hour
		if p.Every != toll.Daily {
			window *= 30
		}
	}
	if window > 0 {
		dst = appendInteger(append(dst, ";w="...), seconds(window))
	}
	if p.Kind == toll.RateLimit && p.Burst != 0 && p.Burst != p.Count {
		dst = appendInteger(append(dst, ";tollhouse-burst="...), p.Burst)
	}
	return string(dst)
}

// RetryAfter returns what the Retry-After field (RFC 9110 §10.2.3) of a refused
// request says: whole seconds, at least one, and not before each of the
// policies that refused would admit one. 0 when none refused, and when one
// never will: then there is no time to name.
func RetryAfter(results []Result) time.Duration {
	var wait time.Duration
	for i := range results {
		if results[i].Refused {
			if results[i].Never {
				return 0
			}
			wait = max(wait, results[i].RetryAfter, time.Second)
		}
	}
	return time.Duration(seconds(wait)) * time.Second
}

// seconds rounds up; d is not negative.
func seconds(d time.Duration) int64 {
	s := int64(d / time.Second)
	if d%time.Second > 0 {
		s++
	}
	return s
}

func separate(dst []byte, first *bool) []byte {
	if *first {
		*first = false
		return dst
	}
	return append(dst, ", "...)
}

// appendString writes a structured field's String (RFC 9651 §3.3.3). What one
// cannot hold becomes an underscore, so that nothing can break out of the field.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < 0x20 || c > 0x7e:
			dst = append(dst, '_')
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

// appendInteger writes a structured field's Integer that is not negative: at
// most fifteen digits (RFC 9651 §3.3.1).
func appendInteger(dst []byte, n int64) []byte {
	return strconv.AppendInt(dst, min(max(n, 0), 999_999_999_999_999), 10)
}
