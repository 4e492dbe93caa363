package metertest

import (
	"context"
	"encoding/binary"
	"errors"
	"reflect"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestSink holds a store to what meter.Sink and meter.Questions promise. open
// returns an empty store and closes it with t.Cleanup; each part of the suite
// opens its own, several at the same time.
func TestSink(t *testing.T, open func(t *testing.T) Store) {
	parts := []struct {
		name string
		test func(t *testing.T, s Store)
	}{
		{"StartsAnUnseenLaneAtZero", startsAnUnseenLaneAtZero},
		{"MovesTheCursorWithTheRows", movesTheCursorWithTheRows},
		{"RefusesABatchThatDoesNotStartAtTheCursor", refusesABatchThatDoesNotStartAtTheCursor},
		{"LetsOneOfManyConcurrentDrainsWin", letsOneOfManyConcurrentDrainsWin},
		{"KeepsNothingOfABatchWithAnEventThatIsThere", keepsNothingOfABatchWithAnEventThatIsThere},
		{"KeepsNothingWhenTheContextIsOver", keepsNothingWhenTheContextIsOver},
		{"ForgetsALaneAndKeepsItsEvents", forgetsALaneAndKeepsItsEvents},
		{"KeepsLanesApart", keepsLanesApart},
		{"DoesNotKeepTheBatch", doesNotKeepTheBatch},
		{"GivesEventsBackAsTheyWere", givesEventsBackAsTheyWere},
		{"TakesAFullBatch", takesAFullBatch},
		{"AnswersNothingWhenEmpty", answersNothingWhenEmpty},
		{"AnswersSeries", answersSeries},
		{"AnswersLatencies", answersLatencies},
		{"AddsUpRefusals", addsUpRefusals},
		{"PagesEvents", pagesEvents},
		{"SumsUsageThatCounts", sumsUsageThatCounts},
		{"AuditsEveryClass", auditsEveryClass},
		{"ListsDoubts", listsDoubts},
		{"TakesLateAndFutureEvents", takesLateAndFutureEvents},
		{"SettlesWhatACrashLeftUnknown", settlesWhatACrashLeftUnknown},
		{"SettlesOnceWhoeverTries", settlesOnceWhoeverTries},
		{"AgreesWithTheModel", agreesWithTheModel},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.test(t, open(t))
		})
	}
}

// morning is when the examples of the suite happen: a Monday, 10:00 UTC.
var morning = time.Date(2026, 11, 16, 10, 0, 0, 0, time.UTC)

// example returns the nth example event, at morning and n milliseconds.
func example(n int) toll.Event {
	at := morning.Add(time.Duration(n) * time.Millisecond)
	return toll.Event{
		ID: exampleID(at, uint64(n)), Time: at, RequestID: "req-" + at.Format("05.000"),
		Customer: "cus_a", Key: "key_a", Plan: "free", PlanVersion: "free@000000000001",
		Service: "ner", Endpoint: "POST /extractions", Method: "POST", Status: 200,
		Class: toll.Chargeable, Latency: 1500 * time.Microsecond, BytesIn: 40, BytesOut: 200,
	}
}

// exampleID returns an identifier that has its time and holds n.
func exampleID(at time.Time, n uint64) toll.ULID {
	var id toll.ULID
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint64(id[:8], ms<<16)
	binary.BigEndian.PutUint64(id[8:], n)
	return id
}

func at(segment uint64, offset int64) meter.Position {
	return meter.Position{Segment: segment, Offset: offset}
}

// fill stores events as the whole of a lane of their own.
func fill(t rapid.TB, s Store, lane string, events ...toll.Event) {
	t.Helper()
	mustDrain(t, s, &meter.Batch{Lane: lane, Next: at(1, 4096), Events: events})
}

func mustDrain(t rapid.TB, s Store, b *meter.Batch) {
	t.Helper()
	if err := s.Drain(context.Background(), b); err != nil {
		t.Fatalf("Drain %s %v to %v: %v", b.Lane, b.From, b.Next, err)
	}
}

func wantCursor(t rapid.TB, s Store, lane string, want meter.Position) {
	t.Helper()
	got, err := s.Cursor(context.Background(), lane)
	if err != nil || got != want {
		t.Fatalf("cursor of %s: %v, %v; want %v", lane, got, err, want)
	}
}

func wantEvents(t rapid.TB, s Store, want int) {
	t.Helper()
	got, err := s.Events(context.Background(), meter.EventQuery{Limit: 1000})
	if err != nil || len(got) != want {
		t.Fatalf("%d events, %v; want %d", len(got), err, want)
	}
	points, err := s.Series(context.Background(), meter.Question{From: morning.AddDate(-1, 0, 0), To: morning.AddDate(1, 0, 0)})
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, p := range points {
		sum += p.Count
	}
	if sum != int64(want) {
		t.Fatalf("the rollups hold %d requests, want %d: %v", sum, want, points)
	}
}

// same compares an answer with what was expected; nil and empty are the same.
func same[T any](t rapid.TB, what string, got []T, err error, want []T) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(got) == 0 && len(want) == 0 {
		return
	}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func startsAnUnseenLaneAtZero(t *testing.T, s Store) {
	wantCursor(t, s, "n1/never", meter.Position{})
}

func movesTheCursorWithTheRows(t *testing.T, s Store) {
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", Next: at(1, 300), Events: []toll.Event{example(1)}})
	wantCursor(t, s, "n1/a", at(1, 300))
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", From: at(1, 300), Next: at(1<<40, 64), Events: []toll.Event{example(2)}})
	wantCursor(t, s, "n1/a", at(1<<40, 64))
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", From: at(1<<40, 64), Next: at(1<<40, 64+1<<33)}) // nothing in it: only the cursor moves
	wantCursor(t, s, "n1/a", at(1<<40, 64+1<<33))
	wantEvents(t, s, 2)
}

func refusesABatchThatDoesNotStartAtTheCursor(t *testing.T, s Store) {
	first := &meter.Batch{Lane: "n1/a", Next: at(1, 300), Events: []toll.Event{example(1)}}
	mustDrain(t, s, first)
	for name, b := range map[string]*meter.Batch{
		"the same again":  first,
		"an earlier one":  {Lane: "n1/a", From: at(1, 64), Next: at(1, 200), Events: []toll.Event{example(2)}},
		"a later one":     {Lane: "n1/a", From: at(1, 400), Next: at(1, 500), Events: []toll.Event{example(3)}},
		"another segment": {Lane: "n1/a", From: at(2, 300), Next: at(2, 500), Events: []toll.Event{example(4)}},
		"an unseen lane":  {Lane: "n1/b", From: at(1, 300), Next: at(1, 500), Events: []toll.Event{example(5)}},
		"without events":  {Lane: "n1/a", From: at(1, 100), Next: at(1, 500)},
	} {
		if err := s.Drain(context.Background(), b); !errors.Is(err, meter.ErrCursorMoved) {
			t.Errorf("%s: got %v, want ErrCursorMoved", name, err)
		}
	}
	wantCursor(t, s, "n1/a", at(1, 300))
	wantCursor(t, s, "n1/b", meter.Position{})
	wantEvents(t, s, 1)
}

func letsOneOfManyConcurrentDrainsWin(t *testing.T, s Store) {
	from := meter.Position{}
	for round := 1; round <= 3; round++ {
		next := at(1, int64(round*100))
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			b := &meter.Batch{Lane: "n1/a", From: from, Next: next, Events: []toll.Event{example(2 * round), example(2*round + 1)}}
			wg.Go(func() { errs[i] = s.Drain(context.Background(), b) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, meter.ErrCursorMoved) {
				t.Errorf("round %d: a drain that lost got %v, want ErrCursorMoved", round, err)
			}
		}
		if won != 1 {
			t.Errorf("round %d: %d of 4 drains of the same batch were stored, want 1", round, won)
		}
		wantCursor(t, s, "n1/a", next)
		from = next
	}
	wantEvents(t, s, 6)
}

func keepsNothingOfABatchWithAnEventThatIsThere(t *testing.T, s Store) {
	fill(t, s, "n1/a", example(1))
	for name, events := range map[string][]toll.Event{
		"stored before":     {example(2), example(3), example(1), example(4)},
		"twice in the same": {example(5), example(6), example(5)},
	} {
		b := &meter.Batch{
			Lane: "n1/b", Next: at(1, 900), Events: events, Undelivered: []toll.ULID{example(1).ID},
			Refusals: []toll.Refusal{{Minute: morning, Reason: toll.RefusedLimit, Count: 3}},
		}
		err := s.Drain(context.Background(), b)
		if err == nil || errors.Is(err, meter.ErrCursorMoved) {
			t.Errorf("%s: got %v, want an error about the event", name, err)
		}
		if toll.CodeOf(err) != toll.Conflict {
			t.Errorf("%s: the error's code is %q, want %q", name, toll.CodeOf(err), toll.Conflict)
		}
	}
	wantCursor(t, s, "n1/b", meter.Position{})
	wantEvents(t, s, 1)
	refusals, err := s.Refusals(context.Background(), meter.RefusalQuery{From: morning, To: morning.Add(time.Hour)})
	same(t, "refusals", refusals, err, nil)
	doubts, err := s.Doubts(context.Background(), morning, morning.Add(time.Hour))
	same(t, "doubts", doubts, err, nil)
	fill(t, s, "n1/b", example(2)) // and the lane goes on
	wantEvents(t, s, 2)
}

func keepsNothingWhenTheContextIsOver(t *testing.T, s Store) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Drain(ctx, &meter.Batch{Lane: "n1/a", Next: at(1, 100), Events: []toll.Event{example(1)}}); err == nil {
		t.Fatal("Drain stored a batch under a context that was over")
	}
	wantCursor(t, s, "n1/a", meter.Position{})
	wantEvents(t, s, 0)
}

func forgetsALaneAndKeepsItsEvents(t *testing.T, s Store) {
	ctx := context.Background()
	fill(t, s, "n1/a", example(1))
	fill(t, s, "n1/a"+meter.DoubtsSuffix)
	if err := s.ForgetLane(ctx, "n1/a"); err != nil {
		t.Fatal(err)
	}
	wantCursor(t, s, "n1/a", meter.Position{})
	wantCursor(t, s, "n1/a"+meter.DoubtsSuffix, at(1, 4096))
	wantEvents(t, s, 1)
	if err := s.ForgetLane(ctx, "n1/a"); err != nil {
		t.Fatalf("forgetting a lane that is not there: %v", err)
	}
}

func keepsLanesApart(t *testing.T, s Store) {
	fill(t, s, "n1/a", example(1))
	fill(t, s, "n2/a", example(2))
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", From: at(1, 4096), Next: at(3, 64), Events: []toll.Event{example(3)}})
	wantCursor(t, s, "n1/a", at(3, 64))
	wantCursor(t, s, "n2/a", at(1, 4096))
	wantEvents(t, s, 3)
}

func doesNotKeepTheBatch(t *testing.T, s Store) {
	e := example(1)
	e.Units = []toll.Amount{{Unit: "words", Count: 7}}
	want := e
	want.Units = []toll.Amount{{Unit: "words", Count: 7}}
	b := &meter.Batch{Lane: "n1/a", Next: at(1, 100), Events: []toll.Event{e}}
	mustDrain(t, s, b)
	b.Events[0].Customer = "changed"
	b.Events[0].Units[0] = toll.Amount{Unit: "changed", Count: 1}
	got, err := s.Events(context.Background(), meter.EventQuery{Limit: 10})
	same(t, "events", got, err, []toll.Event{want})
}
