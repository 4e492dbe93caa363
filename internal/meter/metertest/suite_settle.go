package metertest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// settleBoth settles some of what a history left unknown, and tries to settle
// what cannot be.
func (w world) settleBoth(rt *rapid.T, s Store, model *Memory) {
	for _, e := range model.All() {
		if e.Class != toll.Unknown && rapid.IntRange(0, 9).Draw(rt, "settle what is known") != 0 || !rapid.Bool().Draw(rt, "settle") {
			continue
		}
		in := meter.Settlement{
			Event: e.ID, As: rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.NotBillable}).Draw(rt, "as"),
			By: "ada", Reason: rapid.SampledFrom([]string{"", "it \"was\" served ✓"}).Draw(rt, "reason"), At: w.moment(rt),
		}
		for _, unit := range []string{"words", "pages", toll.UnitRequests} {
			if rapid.IntRange(0, 2).Draw(rt, unit) == 0 {
				in.Units = append(in.Units, toll.Amount{Unit: unit, Count: rapid.Int64Range(0, toll.MaxCount).Draw(rt, "settled count")})
			}
		}
		for range rapid.IntRange(1, 2).Draw(rt, "times") {
			want, refused := model.Settle(context.Background(), in, tolltest.Entry())
			got, err := s.Settle(context.Background(), in, tolltest.Entry())
			if toll.CodeOf(err) != toll.CodeOf(refused) || (err == nil) != (refused == nil) {
				rt.Fatalf("settle %+v: %v, want %v", in, err, refused)
			}
			same(rt, fmt.Sprintf("settle %+v", in), []toll.Event{got}, nil, []toll.Event{want})
		}
	}
}

func settlesWhatACrashLeftUnknown(t *testing.T, s Store) {
	ctx := context.Background()
	served, failed, open, recorded, lost := example(1), example(2), example(3), example(4), example(5)
	for _, e := range []*toll.Event{&served, &failed, &open} {
		e.Class, e.Status, e.Latency, e.BytesOut = toll.Unknown, 0, 0, 0
	}
	served.Units = []toll.Amount{{Unit: "words", Count: 10}}
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", Next: at(1, 100), Events: []toll.Event{served, failed, open, recorded, lost}, Undelivered: []toll.ULID{lost.ID}})

	decided := morning.Add(time.Hour)
	billed := meter.Settlement{
		Event: served.ID, As: toll.Chargeable, By: "ada", Reason: "the service has it in its log", At: decided,
		Units: []toll.Amount{{Unit: "words", Count: 7}, {Unit: "pages", Count: 2}},
	}
	wantServed := served
	wantServed.Class, wantServed.Units = toll.Chargeable, []toll.Amount{{Unit: "words", Count: 7}, {Unit: "pages", Count: 2}}
	got, err := s.Settle(ctx, billed, tolltest.Entry())
	same(t, "settled as chargeable", []toll.Event{got}, err, []toll.Event{wantServed})
	wantFailed := failed
	wantFailed.Class = toll.NotBillable
	free := meter.Settlement{Event: failed.ID, As: toll.NotBillable, At: decided}
	got, err = s.Settle(ctx, free, tolltest.Entry())
	same(t, "settled as not billable", []toll.Event{got}, err, []toll.Event{wantFailed})

	for what, c := range map[string]struct {
		in   meter.Settlement
		want toll.Code
	}{
		"a second time":            {billed, toll.Conflict},
		"a second time, otherwise": {meter.Settlement{Event: served.ID, As: toll.NotBillable}, toll.Conflict},
		"what is only undelivered": {meter.Settlement{Event: lost.ID, As: toll.NotBillable}, toll.Conflict},
		"what was recorded":        {meter.Settlement{Event: recorded.ID, As: toll.NotBillable}, toll.NotFound},
		"what there is not":        {meter.Settlement{Event: exampleID(morning, 99), As: toll.Chargeable}, toll.NotFound},
		"as unknown":               {meter.Settlement{Event: open.ID, As: toll.Unknown}, toll.Invalid},
		"as nothing":               {meter.Settlement{Event: open.ID}, toll.Invalid},
		"less than nothing":        {meter.Settlement{Event: open.ID, As: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: -1}}}, toll.Invalid},
		"more than there can be":   {meter.Settlement{Event: open.ID, As: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: toll.MaxCount + 1}}}, toll.Invalid},
		"a unit twice":             {meter.Settlement{Event: open.ID, As: toll.Chargeable, Units: []toll.Amount{{Unit: "a", Count: 1}, {Unit: "a", Count: 1}}}, toll.Invalid},
		"a unit without a name":    {meter.Settlement{Event: open.ID, As: toll.Chargeable, Units: []toll.Amount{{Count: 1}}}, toll.Invalid},
	} {
		if _, err := s.Settle(ctx, c.in, tolltest.Entry()); toll.CodeOf(err) != c.want {
			t.Errorf("%s: %v (%s), want %s", what, err, toll.CodeOf(err), c.want)
		}
	}

	events, err := s.Events(ctx, meter.EventQuery{Limit: 10})
	same(t, "events", events, err, []toll.Event{lost, recorded, open, wantFailed, wantServed})
	rows, err := s.Audit(ctx, morning, morning.Add(time.Hour))
	cell := func(unit string, class toll.Class, count int64) meter.AuditRow {
		return meter.AuditRow{Customer: "cus_a", PlanVersion: "free@000000000001", Unit: unit, Class: class, Count: count}
	}
	same(t, "audit", rows, err, []meter.AuditRow{
		cell("pages", toll.Chargeable, 2), cell(toll.UnitRequests, toll.Chargeable, 3), cell(toll.UnitRequests, toll.NotBillable, 1),
		cell(toll.UnitRequests, toll.Unknown, 1), cell("words", toll.Chargeable, 7),
	})
	for _, step := range []meter.Step{meter.Quarter, meter.Hour, meter.Day, meter.Whole} {
		points, err := s.Series(ctx, meter.Question{Unit: "words", From: morning, To: morning.Add(time.Hour), Step: step, Classes: []toll.Class{toll.Chargeable, toll.Unknown}})
		if err != nil || len(points) != 1 || points[0].Count != 7 {
			t.Errorf("words by %q: %v, %v; want 7", step, points, err)
		}
	}
	doubts, err := s.Doubts(ctx, morning, morning.Add(time.Hour))
	same(t, "doubts", doubts, err, []meter.Doubt{{Event: open, Kind: meter.DoubtUnknown}, {Event: lost, Kind: meter.DoubtUndelivered}})
	latencies, err := s.Latencies(ctx, meter.LatencyQuestion{From: morning, To: morning.Add(time.Hour)})
	if err != nil || len(latencies) != 1 || latencies[0].Count != 2 {
		t.Errorf("latencies of %v, %v; want those of two", latencies, err)
	}
	entries, err := s.Settlements(ctx, morning, morning.Add(time.Hour))
	same(t, "entries", entries, err, []meter.Settled{
		{Settlement: billed, RequestID: served.RequestID, Time: served.Time, Customer: "cus_a", Service: "ner", Endpoint: "POST /extractions", Before: served.Units, After: wantServed.Units},
		{Settlement: free, RequestID: failed.RequestID, Time: failed.Time, Customer: "cus_a", Service: "ner", Endpoint: "POST /extractions"},
	})
	entries, err = s.Settlements(ctx, morning.Add(-time.Hour), morning)
	same(t, "entries of another time", entries, err, nil)
}

// settlesOnceWhoeverTries has four operators settle each of the same events at
// once, beside a drain of the same rollups.
func settlesOnceWhoeverTries(t *testing.T, s Store) {
	const events, operators = 8, 4
	var open, more []toll.Event
	for n := range events {
		e := example(n)
		e.Class, e.Units = toll.Unknown, []toll.Amount{{Unit: "words", Count: 3}}
		open, more = append(open, e), append(more, example(100+n))
	}
	fill(t, s, "n1/a", open...)
	var wg sync.WaitGroup
	won := make([]int, operators)
	for who := range operators {
		wg.Go(func() {
			for n := range events {
				in := meter.Settlement{Event: open[(n+who)%events].ID, As: toll.Chargeable, By: fmt.Sprint("operator ", who), At: morning}
				switch _, err := s.Settle(context.Background(), in, tolltest.Entry()); {
				case err == nil:
					won[who]++
				case toll.CodeOf(err) != toll.Conflict:
					t.Errorf("operator %d: %v", who, err)
				}
			}
		})
	}
	wg.Go(func() {
		for n, e := range more {
			if err := s.Drain(context.Background(), &meter.Batch{Lane: fmt.Sprint("n2/", n), Next: at(1, 1), Events: []toll.Event{e}}); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
	sum := 0
	for _, n := range won {
		sum += n
	}
	if sum != events {
		t.Errorf("%v settled, together %d, want each of %d once", won, sum, events)
	}
	wantEvents(t, s, 2*events)
	rows, err := s.Audit(context.Background(), morning, morning.Add(time.Hour))
	if err != nil || slices.ContainsFunc(rows, func(r meter.AuditRow) bool { return r.Class != toll.Chargeable }) || len(rows) != 2 || rows[0].Count != 2*events || rows[1].Count != 3*events {
		t.Errorf("the audit says %+v, %v", rows, err)
	}
}
