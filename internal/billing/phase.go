package billing

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Phase is what a subscription is from a moment on, until the next phase. The
// plan and the add-ons stand here as they were sold then.
type Phase struct {
	From    time.Time
	Version string // of the plan: toll.PlanVersion.ID
	Plan    toll.Plan
	Addons  []toll.Addon
}

// Span is a time [From, To).
type Span struct{ From, To time.Time }

// IsZero tells whether it is the zero Span.
func (s Span) IsZero() bool { return s.From.IsZero() && s.To.IsZero() }

// Holds tells whether t is within the span.
func (s Span) Holds(t time.Time) bool { return !t.Before(s.From) && t.Before(s.To) }

// within is the part of s that lies in t; empty spans have no length.
func (s Span) within(t Span) Span {
	if s.From.Before(t.From) {
		s.From = t.From
	}
	if s.To.After(t.To) {
		s.To = t.To
	}
	if s.To.Before(s.From) {
		s.To = s.From
	}
	return s
}

// length is exact to the microsecond that is stored, also across changes of the
// clock; 0 for an empty span.
func (s Span) length() int64 { return max(0, s.To.Sub(s.From).Microseconds()) }

// without gives s without t: up to two spans.
func (s Span) without(t Span) []Span {
	var out []Span
	for _, part := range []Span{{s.From, earlier(s.To, t.From)}, {later(s.From, t.To), s.To}} {
		if part.length() > 0 {
			out = append(out, part)
		}
	}
	return out
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// forever is when phases end that have not ended; no clock comes to it.
var forever = time.Date(9999, time.January, 1, 0, 0, 0, 0, time.UTC)

// Trial is the time in which nothing is billed, and the name of the plan that it
// is of.
type Trial struct {
	Span
	Plan string
}

// TrialOf finds the one trial that a subscription has in its whole history, in
// the order of time. It begins with the first plan that has one, and ends after
// the plan's days, by the calendar of zone (nil: UTC), or earlier, when the
// customer moves to another plan. The zero Trial: there is none.
func TrialOf(phases []Phase, zone *time.Location) Trial {
	if zone == nil {
		zone = time.UTC
	}
	first := slices.IndexFunc(phases, func(p Phase) bool { return p.Plan.Trial > 0 })
	if first < 0 {
		return Trial{}
	}
	begins := phases[first]
	trial := Trial{Plan: begins.Plan.Name, Span: Span{begins.From, begins.From.In(zone).AddDate(0, 0, int(min(begins.Plan.Trial, 100_000)))}}
	for _, p := range phases[first+1:] {
		if p.Plan.Name != begins.Plan.Name {
			trial.To = earlier(trial.To, p.From)
			break
		}
	}
	return trial
}

// quarter is what usage is added up by: no shorter time of it is known.
const quarter = 15 * time.Minute

// usage is when usage is free in the trial: whole quarters of an hour, with
// those in which it begins and ends.
func (t Trial) usage() Span {
	if t.length() == 0 {
		return Span{}
	}
	free := Span{t.From.Truncate(quarter), t.To.Truncate(quarter)}
	if free.To.Before(t.To) {
		free.To = free.To.Add(quarter)
	}
	return free
}

// tenure is when something of a subscription held, in order, without overlap.
type tenure []Span

// runs adds up the times in which phases have something: each one's is from it
// until the next. The last one's end is open.
func runs(phases []Phase, has func(p *Phase) bool) tenure {
	var out tenure
	for i := range phases {
		if !has(&phases[i]) {
			continue
		}
		s := Span{From: phases[i].From, To: forever}
		if i+1 < len(phases) {
			s.To = phases[i+1].From
		}
		if n := len(out); n > 0 && out[n-1].To.Equal(s.From) {
			out[n-1].To = s.To
		} else if s.length() > 0 {
			out = append(out, s)
		}
	}
	return out
}

// without gives the times that lie outside of a span.
func (t tenure) without(s Span) tenure {
	if s.length() == 0 {
		return t
	}
	var out tenure
	for _, one := range t {
		out = append(out, one.without(s)...)
	}
	return out
}

// within adds up how long the times are within a span.
func (t tenure) within(s Span) int64 {
	var sum int64
	for _, one := range t {
		sum += one.within(s).length()
	}
	return sum
}
