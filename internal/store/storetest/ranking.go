package storetest

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// ranksTheCustomersOfAMonth: who used most in a UTC month is found as any other
// question finds it, also where some used the same, and after a settlement.
func ranksTheCustomersOfAMonth(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	month := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	next := month.AddDate(0, 1, 0)
	var events []toll.Event
	add := func(customer string, at time.Time, n int, words int64) {
		for range n {
			e := event(ids, at)
			e.Customer, e.Units = customer, []toll.Amount{{Unit: "words", Count: words}}
			events = append(events, e)
		}
	}
	add("c_few", month, 1, 900)
	add("c_same2", month.Add(40*time.Hour), 3, 0)
	add("c_same1", next.Add(-time.Microsecond), 3, 5)
	add("c_most", month.Add(300*time.Hour), 5, 1)
	add("c_before", month.Add(-time.Microsecond), 9, 9)
	add("c_after", next, 9, 9)
	add("", month.Add(time.Hour), 2, 0)
	unknown := event(ids, month.Add(5*time.Hour))
	unknown.Customer, unknown.Class, unknown.Units = "c_few", toll.Unknown, nil
	must(t, s.Drain(background, &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: append(events, unknown)}))
	want := func(what string, q meter.Question, points ...meter.Point) {
		t.Helper()
		q.From, q.To, q.By = month, next, meter.ByCustomer
		for i := range points {
			points[i].Start = month
		}
		got, err := s.Series(background, q)
		wantSame(t, what, got, err, points)
		q.Classes = []toll.Class{toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown} // the same, but added up
		got, err = s.Series(background, q)
		wantSame(t, what+", added up", got, err, points)
	}
	want("the first three", meter.Question{Top: 3}, meter.Point{Group: "c_most", Count: 5}, meter.Point{Group: "c_same1", Count: 3}, meter.Point{Group: "c_same2", Count: 3})
	want("of two alike the first by name", meter.Question{Top: 2}, meter.Point{Group: "c_most", Count: 5}, meter.Point{Group: "c_same1", Count: 3})
	want("all", meter.Question{Top: 50}, meter.Point{Group: "c_most", Count: 5}, meter.Point{Group: "c_same1", Count: 3}, meter.Point{Group: "c_same2", Count: 3}, meter.Point{Group: "", Count: 2}, meter.Point{Group: "c_few", Count: 2})
	want("by words", meter.Question{Unit: "words", Top: 2}, meter.Point{Group: "c_few", Count: 900}, meter.Point{Group: "c_same1", Count: 15})
	want("of an unknown unit", meter.Question{Unit: "tons", Top: 2})
	_, err := s.Settle(background, meter.Settlement{Event: unknown.ID, As: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: 7}}, At: month}, tolltest.Entry())
	must(t, err)
	want("with what was settled", meter.Question{Unit: "words", Top: 1}, meter.Point{Group: "c_few", Count: 907})
}
