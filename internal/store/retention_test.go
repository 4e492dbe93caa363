package store

import (
	"context"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestDrainsWhileOldEventsAreDeleted: on SQLite there is one writer, and a
// drain has its turn between two batches of what is deleted.
func TestDrainsWhileOldEventsAreDeleted(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	s, err := Open(ctx, Options{Dir: t.TempDir(), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const old = 60 * deletedAtOnce
	ids := toll.NewIDs(nil)
	event := func(at time.Time) toll.Event {
		return toll.Event{ID: ids.New(at), Time: at, Customer: "c", Service: "s", Endpoint: "e", Method: "GET", Status: 200, Class: toll.Chargeable}
	}
	b := &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}}
	for n := range old {
		b.Events = append(b.Events, event(now.Add(-100*24*time.Hour+time.Duration(n)*time.Millisecond)))
	}
	if err := s.Drain(ctx, b); err != nil {
		t.Fatal(err)
	}
	retained := make(chan error, 1)
	go func() {
		got, err := s.Retain(ctx, 90*24*time.Hour)
		if err == nil && got.Dropped != old {
			t.Errorf("%d events were dropped, want %d", got.Dropped, old)
		}
		retained <- err
	}()
	between, drained, over := 0, 0, false
	for !over {
		from := b.Next
		b = &meter.Batch{Lane: "n/a", From: from, Next: meter.Position{Segment: 1, Offset: from.Offset + 1}, Events: []toll.Event{event(now)}}
		if err := s.Drain(ctx, b); err != nil {
			t.Fatal(err)
		}
		drained++
		if left := countIn(t, s, "usage_event"); left > drained && left < old {
			between++
		}
		select {
		case err := <-retained:
			if over = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
	}
	if between == 0 {
		t.Errorf("none of %d drains came between the batches of what was deleted", drained)
	}
	if left := countIn(t, s, "usage_event"); left != drained {
		t.Errorf("%d events are left, want %d", left, drained)
	}
}

// TestGoesOnWithWhatAnEndingContextCutShort: nothing is half dropped.
func TestGoesOnWithWhatAnEndingContextCutShort(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)
	s, err := Open(context.Background(), Options{Dir: t.TempDir(), Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	drain(t, s, "n/1", now.AddDate(0, 0, -100), now)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Retain(over, 90*24*time.Hour); err == nil {
		t.Error("it dropped events under a context that was over")
	}
	if n := countIn(t, s, "usage_event"); n != 2 {
		t.Errorf("%d events are left, want 2", n)
	}
	if got, err := s.Retain(context.Background(), 90*24*time.Hour); err != nil || got.Dropped != 1 || !got.Since.Equal(now.AddDate(0, 0, -90)) {
		t.Errorf("afterwards: %+v, %v", got, err)
	}
}
