package app

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// shelf is events by ID, ascending, read as a store would.
type shelf []toll.Event

func (s shelf) Events(_ context.Context, q meter.EventQuery) ([]toll.Event, error) {
	var page []toll.Event
	for _, e := range slices.Backward(s) {
		if string(e.ID[:]) < string(q.Before[:]) && len(page) < q.Limit {
			page = append(page, e)
		}
	}
	return page, nil
}

func TestEventsComeOldestFirstAndOnceHoweverManyThereAre(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	to := from.Add(time.Hour)
	var all shelf
	ids := toll.NewIDs(nil)
	add := func(at time.Time) { all = append(all, toll.Event{ID: ids.New(at), Time: at}) }
	add(from.Add(-time.Second))
	const n = rehearsalPages*exportPage + 7 // more than is held at a time, most of them at once
	for i := range n {
		at := from
		if i > n-100 {
			at = from.Add(time.Duration(i-n+100) * time.Second)
		}
		add(at)
	}
	add(to)
	slices.SortFunc(all, func(a, b toll.Event) int { return slices.Compare(a.ID[:], b.ID[:]) })
	var got []toll.Event
	for e, err := range eventsOf(t.Context(), all, "", from, to) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if len(got) != n || !slices.IsSortedFunc(got, func(a, b toll.Event) int { return slices.Compare(a.ID[:], b.ID[:]) }) {
		t.Errorf("%d events, want %d in order", len(got), n)
	}
}
