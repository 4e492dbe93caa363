package console

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

// span is a time that a chart shows: so many steps that end now.
type span struct {
	id    string // as it stands in the URL
	step  meter.Step
	count int
}

// spans are the choices of the usage page; the third is the default.
var spans = []span{
	{"24h", meter.Hour, 24},
	{"7d", meter.Day, 7},
	{"30d", meter.Day, 30},
	{"90d", meter.Day, 90},
}

var monthLong = spans[2]

// spanOf returns the span of a URL; what is none is the default.
func spanOf(id string) span {
	for _, s := range spans {
		if s.id == id {
			return s
		}
	}
	return monthLong
}

func (s span) width() time.Duration {
	if s.step == meter.Hour {
		return time.Hour
	}
	return 24 * time.Hour
}

// bounds returns [from, to) of the span that ends with the step that holds now.
func (s span) bounds(now time.Time) (from, to time.Time) {
	to = now.UTC().Truncate(s.width()).Add(s.width())
	return to.Add(-time.Duration(s.count) * s.width()), to
}

// starts lists the steps of the span.
func (s span) starts(now time.Time) []time.Time {
	from, _ := s.bounds(now)
	out := make([]time.Time, s.count)
	for i := range out {
		out[i] = from.Add(time.Duration(i) * s.width())
	}
	return out
}
