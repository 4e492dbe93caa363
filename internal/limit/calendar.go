package limit

import (
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// calendar finds the period of a quota. It remembers the last one, for turning
// a time into a date costs more than all the rest of a decision.
type calendar struct {
	every toll.Every
	loc   *time.Location
	since time.Time // of a subscription's own months
	last  atomic.Pointer[period]
}

// period is [start, end) in Unix nanoseconds.
type period struct {
	start, end int64
	number     uint32
}

// at returns the period that holds now (ns is the same moment).
func (c *calendar) at(now time.Time, ns int64) *period {
	if p := c.last.Load(); p != nil && p.start <= ns && ns < p.end {
		return p
	}
	start, end := c.every.PeriodSince(now, c.loc, c.since)
	p := &period{start: start.UnixNano(), end: end.UnixNano(), number: periodNumber(start)}
	c.last.Store(p)
	return p
}

// Months are the months of one subscription's own. It is safe for concurrent use.
type Months struct{ calendar }

// NewMonths returns the months of a subscription that began at since, in loc
// (nil: UTC). toll.SubscriptionMonth has the rules.
func NewMonths(since time.Time, loc *time.Location) *Months {
	if loc == nil {
		loc = time.UTC
	}
	return &Months{calendar{every: toll.SubscriptionMonth, loc: loc, since: since}}
}

// periods is the calendar that a quota follows for whom own months are given.
func (r *rule) periods(own *Months) *calendar {
	if own != nil && r.policy.Every == toll.SubscriptionMonth {
		return &own.calendar
	}
	return r.calendar
}

// periodNumber names a period by its start in Unix minutes: the same number in
// whatever time zone the start is written, and good until the year 6053.
func periodNumber(start time.Time) uint32 { return uint32(int32(start.Unix() / 60)) }

// minutesApart returns how far apart two periods start.
func minutesApart(a, b uint32) int64 {
	d := int64(int32(a)) - int64(int32(b))
	if d < 0 {
		return -d
	}
	return d
}
