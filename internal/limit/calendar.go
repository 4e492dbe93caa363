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
	start, end := c.every.PeriodAt(now, c.loc)
	p := &period{start: start.UnixNano(), end: end.UnixNano(), number: periodNumber(start)}
	c.last.Store(p)
	return p
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
