package api

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Steps are those of a time zone, and the store's are UTC's. Days of another
// zone are asked for one by one, each as a whole, which the store puts together
// from hours and quarters; hours of a zone that is no whole hours off are added
// up from quarters. So a day that clocks make 23 or 25 hours long is right, and
// so is one that begins at 18:30 UTC.

// window is a piece of a question that is asked at once: its points are held in
// memory, and no others.
type window struct{ from, to time.Time }

// windows cuts the question's time, from the one that holds a moment on (zero:
// all), in order. A day has as many points as it has steps and groups.
func (q *asked) windows(since time.Time, visit func(window) bool) {
	from, to := q.From, q.To
	if q.Step == meter.Whole {
		visit(window{from, to})
		return
	}
	start, _ := toll.Daily.PeriodAt(from, q.zone)
	if !since.IsZero() && since.After(start) {
		start, _ = toll.Daily.PeriodAt(since, q.zone)
	}
	for day := start; day.Before(to); {
		_, next := toll.Daily.PeriodAt(day, q.zone)
		w := window{day, next}
		if q.Step != meter.Day { // days are whole; hours and quarters begin and end where they were asked for
			w.from, w.to = later(day, q.floor(from)), earlier(next, to)
		}
		if w.from.Before(w.to) && !visit(w) {
			return
		}
		day = next
	}
}

// floor is the start of the hour or quarter that holds a moment, in the zone.
func (q *asked) floor(t time.Time) time.Time {
	width := time.Hour
	if q.Step == meter.Quarter {
		width = 15 * time.Minute
	}
	_, offset := t.In(q.zone).Zone()
	shift := time.Duration(offset) * time.Second % width
	return t.Add(shift).Truncate(width).Add(-shift)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// ask answers one window, by start, then group.
func (q *asked) ask(ctx context.Context, usage Usage, w window, after *cursor, limit int) ([]meter.Point, error) {
	one := q.Question
	one.From, one.To = w.from, w.to
	switch {
	case q.Step == meter.Whole:
		if q.paged() {
			if one.Limit = limit; after != nil {
				one.After = after.group
			}
		}
	case q.Step == meter.Day:
		one.Step = meter.Whole
	case q.Step == meter.Hour && !q.wholeHours(w):
		one.Step = meter.Quarter
		points, err := usage.Series(ctx, one)
		return q.hours(points), err
	}
	return usage.Series(ctx, one)
}

// paged tells whether the store gives the groups of the whole time in pages:
// where there may be a million.
func (q *asked) paged() bool {
	return q.Step == meter.Whole && (q.By == meter.ByCustomer || q.By == meter.ByKey || q.By == meter.ByService || q.By == meter.ByUnit)
}

// mostHeld is how many groups are held in memory at once, where the store gives pages.
const mostHeld = 100_000

// wholeHours tells whether the zone's hours are UTC's, within a window.
func (q *asked) wholeHours(w window) bool {
	for _, t := range []time.Time{w.from, w.to.Add(-1)} {
		if _, offset := t.In(q.zone).Zone(); offset%3600 != 0 {
			return false
		}
	}
	return true
}

// hours adds quarters up to hours of the zone.
func (q *asked) hours(quarters []meter.Point) []meter.Point {
	type at struct {
		start int64
		group string
	}
	sums := map[at]int64{}
	for _, p := range quarters {
		sums[at{q.floor(p.Start).UnixMicro(), p.Group}] += p.Count
	}
	points := make([]meter.Point, 0, len(sums))
	for k, n := range sums {
		points = append(points, meter.Point{Start: time.UnixMicro(k.start), Group: k.group, Count: n})
	}
	slices.SortFunc(points, func(a, b meter.Point) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	return points
}

// each gives the points of a question one by one, by start, then group, those
// after a cursor only, until visit says no. limit is how many will be looked at,
// 0 for all: a hint that keeps a page from reading more than it shows.
func (q *asked) each(ctx context.Context, usage Usage, after *cursor, limit int, visit func(meter.Point) bool) (err error) {
	var since time.Time
	if after != nil {
		since = time.UnixMicro(after.start)
	}
	if limit == 0 || limit > mostHeld {
		limit = mostHeld
	}
	q.windows(since, func(w window) bool {
		for {
			var points []meter.Point
			if points, err = q.ask(ctx, usage, w, after, limit); err != nil {
				return false
			}
			for _, p := range points {
				at := cursor{p.Start.UnixMicro(), p.Group}
				if after != nil && !at.follows(after) {
					continue
				}
				if !visit(p) {
					return false
				}
			}
			if !q.paged() || len(points) < limit {
				return true
			}
			last := points[len(points)-1]
			after = &cursor{last.Start.UnixMicro(), last.Group}
		}
	})
	return err
}

// follows tells whether a point comes after another, by start, then group.
func (c cursor) follows(other *cursor) bool {
	return c.start > other.start || c.start == other.start && c.group > other.group
}
