package store_test

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// turns are days around which calendars are odd: clocks go forward and back in
// New York, a leap day, the end of a year, and a day like any other.
var turns = []string{"2025-03-09", "2025-11-02", "2026-03-08", "2026-11-01", "2024-02-29", "2025-12-31", "2026-06-17"}

// TestRollupsAreARecountOfTheEvents stores random histories, with events that
// come late, ahead of their time and on the edges of days, and adds the stored
// events up again: every quarter, hour and day says the same, by the calendars
// of UTC, of half an hour's offset, and of days with 23 and 25 hours.
// `make proof-rollups` runs 10,000 histories on each engine.
func TestRollupsAreARecountOfTheEvents(t *testing.T) {
	t.Parallel()
	var zones []*time.Location
	for _, name := range []string{"UTC", "Asia/Kolkata", "America/New_York"} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		zones = append(zones, zone)
	}
	storetest.EachEngine(t, func(t *testing.T, open storetest.Opener) {
		s := open(t)
		tried := 0
		ranked := map[rank]int64{}
		rapid.Check(t, func(rt *rapid.T) {
			tried++
			h := history{customer: fmt.Sprintf("cus_%d", tried), zones: zones, ids: toll.NewIDs(nil)}
			h.drain(rt, s)
			h.settle(rt, s)
			h.recount(rt, s)
			h.rank(ranked)
		})
		compareRanks(t, s, ranked)
		t.Logf("%d histories", tried)
	})
}

// history is what happened to one customer.
type history struct {
	customer string
	zones    []*time.Location
	ids      *toll.IDs
	events   []toll.Event
	settled  []toll.Event // as they are stored in the end
}

// moment draws when something happened near a day: often on the edge of a
// quarter of an hour, an hour or a day of one of the calendars.
func (h *history) moment(rt *rapid.T, day time.Time) time.Time {
	zone := rapid.SampledFrom(h.zones).Draw(rt, "zone")
	at := time.Date(day.Year(), day.Month(), day.Day()+rapid.IntRange(-1, 2).Draw(rt, "day"), 0, 0, 0, 0, zone)
	at = at.Add(time.Duration(rapid.IntRange(0, 99).Draw(rt, "quarter")) * 15 * time.Minute)
	switch rapid.IntRange(0, 9).Draw(rt, "odd") {
	case 0:
		at = at.AddDate(0, 0, -40) // late
	case 1:
		at = at.AddDate(0, 0, 3) // from a clock that is ahead
	}
	return at.Add(time.Duration(rapid.SampledFrom([]int64{0, -1, 1, 449_999_999, 899_999_999}).Draw(rt, "µs")) * time.Microsecond).UTC()
}

func (h *history) drain(rt *rapid.T, s meter.Sink) {
	day, err := time.Parse(time.DateOnly, rapid.SampledFrom(turns).Draw(rt, "turn"))
	if err != nil {
		rt.Fatal(err)
	}
	to := meter.Position{}
	for range rapid.IntRange(1, 3).Draw(rt, "batches") {
		b := &meter.Batch{Lane: h.customer, From: to, Next: meter.Position{Segment: 1, Offset: to.Offset + 1}}
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			e := toll.Event{
				ID: h.ids.New(day.Add(36 * time.Hour)), Time: h.moment(rt, day), Customer: h.customer, Key: rapid.SampledFrom([]string{"k1", "k2"}).Draw(rt, "key"),
				Plan: "free", PlanVersion: "free@1", Service: "ner", Endpoint: rapid.SampledFrom([]string{"POST /x", "other"}).Draw(rt, "endpoint"), Method: "POST",
				Status:  rapid.SampledFrom([]int{200, 404, 503}).Draw(rt, "status"),
				Class:   rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}).Draw(rt, "class"),
				Latency: time.Millisecond,
			}
			if rapid.Bool().Draw(rt, "reports words") {
				e.Units = []toll.Amount{{Unit: "words", Count: rapid.Int64Range(0, 1000).Draw(rt, "words")}}
			}
			b.Events = append(b.Events, e)
		}
		if err := s.Drain(context.Background(), b); err != nil {
			rt.Fatal(err)
		}
		to = b.Next
		h.events = append(h.events, b.Events...)
	}
}

// settle has an operator decide about some of what is unknown; what the events
// then say is what the recount counts.
func (h *history) settle(rt *rapid.T, s meter.Settler) {
	for _, e := range h.events {
		if e.Class != toll.Unknown || !rapid.Bool().Draw(rt, "settle") {
			continue
		}
		in := meter.Settlement{Event: e.ID, As: rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.NotBillable}).Draw(rt, "as"), At: e.Time}
		if rapid.Bool().Draw(rt, "with words") {
			in.Units = []toll.Amount{{Unit: "words", Count: rapid.Int64Range(0, 1000).Draw(rt, "settled words")}}
		}
		if _, err := s.Settle(context.Background(), in, tolltest.Entry()); err != nil {
			rt.Fatal(err)
		}
	}
}

// rank is what a customer stands by in a ranking.
type rank struct {
	month          time.Time
	unit, customer string
}

// rank adds the history's events to the ranking of their months.
func (h *history) rank(ranked map[rank]int64) {
	for at, n := range recounted(h.settled, func(t time.Time) time.Time {
		return time.Date(t.UTC().Year(), t.UTC().Month(), 1, 0, 0, 0, 0, time.UTC)
	}) {
		ranked[rank{at.at, at.unit, h.customer}] += n
	}
}

// compareRanks holds the rankings of all months to what the events say, of all
// customers together.
func compareRanks(t *testing.T, s meter.Questions, ranked map[rank]int64) {
	t.Helper()
	want := map[[2]string][]meter.Point{}
	months := map[[2]string]time.Time{}
	for of, n := range ranked {
		at := [2]string{of.month.Format(time.DateOnly), of.unit}
		months[at] = of.month
		if n != 0 {
			want[at] = append(want[at], meter.Point{Start: of.month, Group: of.customer, Count: n})
		}
	}
	for at, points := range want {
		slices.SortFunc(points, func(a, b meter.Point) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group, b.Group))
		})
		got, err := s.Series(context.Background(), meter.Question{From: months[at], To: months[at].AddDate(0, 1, 0), Unit: at[1], By: meter.ByCustomer, Top: len(ranked)})
		if err != nil || !slices.Equal(got, points) {
			t.Errorf("%s of %s: %v\n got %v\nwant %v", at[1], at[0], err, got, points)
		}
	}
	if len(want) < 3 {
		t.Errorf("only %d months and units were ranked", len(want))
	}
}

// total is a sum of a unit in a class.
type total struct {
	at    time.Time
	unit  string
	class toll.Class
}

// recount asks for the stored events and compares every sum with them.
func (h *history) recount(rt *rapid.T, s meter.Questions) {
	ctx := context.Background()
	stored, err := s.Events(ctx, meter.EventQuery{Customer: h.customer, Limit: 1000})
	if err != nil || len(stored) != len(h.events) {
		rt.Fatalf("%d events are stored, %v; want %d", len(stored), err, len(h.events))
	}
	h.settled = stored
	if len(stored) == 0 {
		return
	}
	from, to := stored[0].Time, stored[0].Time
	for _, e := range stored {
		if e.Time.Before(from) {
			from = e.Time
		}
		if !e.Time.Before(to) {
			to = e.Time.Add(time.Microsecond)
		}
	}
	for _, step := range []meter.Step{meter.Quarter, meter.Hour, meter.Day} {
		rolled := h.rolled(rt, s, meter.Question{From: from, To: to, Step: step})
		for _, zone := range h.zones {
			// A step can be folded into the hours and days of a calendar whose
			// hours begin with it: quarters into all, UTC's hours into New York's.
			for _, down := range foldings(step, zone) {
				got, want := fold(rolled, down), recounted(stored, down)
				if !maps.Equal(got, want) {
					rt.Fatalf("steps of %s by the calendar of %v:\n got %v\nwant %v", step, zone, got, want)
				}
			}
		}
	}
	// A day of each calendar, as quotas and bills ask for it.
	for _, zone := range h.zones {
		local := rapid.SampledFrom(stored).Draw(rt, "billed").Time.In(zone)
		start := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, zone)
		end := time.Date(local.Year(), local.Month(), local.Day()+1, 0, 0, 0, 0, zone)
		for _, unit := range []string{toll.UnitRequests, "words"} {
			want := recounted(stored, dayOf(zone))[total{start.UTC(), unit, toll.Chargeable}]
			got, err := s.(interface {
				UsedBy(ctx context.Context, customer, unit string, from, to time.Time) (int64, error)
			}).UsedBy(ctx, h.customer, unit, start, end)
			if err != nil || got != want {
				rt.Fatalf("%s from %v to %v (%v): %d, %v; want %d", unit, start, end, end.Sub(start), got, err, want)
			}
		}
	}
}

// rolled asks the rollups for each unit and class.
func (h *history) rolled(rt *rapid.T, s meter.Questions, q meter.Question) map[total]int64 {
	all := map[total]int64{}
	q.Customer, q.By = h.customer, meter.ByClass
	for _, unit := range []string{toll.UnitRequests, "words"} {
		q.Unit = unit
		points, err := s.Series(context.Background(), q)
		if err != nil {
			rt.Fatal(err)
		}
		for _, p := range points {
			all[total{p.Start, unit, toll.Class(p.Group)}] = p.Count
		}
	}
	return all
}

func dayOf(zone *time.Location) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		t = t.In(zone)
		return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, zone).UTC()
	}
}

// hourOf takes a moment down to the hour that a clock in a zone shows; by the
// offset, for in autumn it shows one hour twice.
func hourOf(zone *time.Location) func(time.Time) time.Time {
	return func(t time.Time) time.Time {
		_, offset := t.In(zone).Zone()
		east := time.Duration(offset) * time.Second
		return t.UTC().Add(east).Truncate(time.Hour).Add(-east)
	}
}

func foldings(step meter.Step, zone *time.Location) []func(time.Time) time.Time {
	switch {
	case step == meter.Quarter:
		return []func(time.Time) time.Time{hourOf(zone), dayOf(zone), func(t time.Time) time.Time { return t.UTC().Truncate(15 * time.Minute) }}
	case step == meter.Hour && zone.String() != "Asia/Kolkata":
		return []func(time.Time) time.Time{hourOf(zone), dayOf(zone)}
	case step == meter.Day && zone == time.UTC:
		return []func(time.Time) time.Time{dayOf(zone)}
	}
	return nil
}

func fold(sums map[total]int64, down func(time.Time) time.Time) map[total]int64 {
	all := map[total]int64{}
	for at, n := range sums {
		at.at = down(at.at)
		all[at] += n
	}
	return all
}

func recounted(events []toll.Event, down func(time.Time) time.Time) map[total]int64 {
	all := map[total]int64{}
	for _, e := range events {
		all[total{down(e.Time), toll.UnitRequests, e.Class}]++
		for _, u := range e.Units {
			if u.Count != 0 {
				all[total{down(e.Time), u.Unit, e.Class}] += u.Count
			}
		}
	}
	return all
}
