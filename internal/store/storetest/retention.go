package storetest

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

const days = 24 * time.Hour

// dropsEventsThatCameTooLongAgo: of an old, a late and a fresh event the old
// goes, and no sum changes.
func dropsEventsThatCameTooLongAgo(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	now := time.Now().UTC().Truncate(time.Microsecond) // the store's clock is the system's here
	old, doubtful, late, fresh := event(ids, now.Add(-120*days)), event(ids, now.Add(-119*days)), event(ids, now.Add(-time.Minute)), event(ids, now)
	late.Time = old.Time.Add(time.Second)
	unknown := old
	unknown.Class = toll.Unknown
	must(t, s.Drain(background, &meter.Batch{
		Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{unknown, doubtful, late, fresh}, Undelivered: []toll.ULID{doubtful.ID},
	}))
	settled, err := s.Settle(background, meter.Settlement{Event: old.ID, As: old.Class, Reason: "seen in the log", At: now}, tolltest.Entry())
	wantSame(t, "settled", settled, err, old)
	whole := meter.Question{From: now.Add(-150 * days), To: now.Add(time.Hour)}
	wantAll := func(what string, events ...toll.Event) {
		t.Helper()
		got, err := s.Events(background, meter.EventQuery{Limit: 10})
		wantSame(t, what, got, err, events)
		points, err := s.Series(background, whole)
		wantSame(t, what+", in the rollups", points, err, []meter.Point{{Start: whole.From, Count: 4}})
		took, err := s.Latencies(background, meter.LatencyQuestion{From: whole.From, To: whole.To})
		if err != nil || len(took) != 1 || took[0].Count != 3 { // not of the one that was unknown
			t.Errorf("%s: latencies %+v, %v", what, took, err)
		}
	}
	wantAll("at first", fresh, late, doubtful, old)
	since, err := s.EventsSince(background)
	wantSame(t, "all are there", since, err, time.Time{})

	got, err := s.Retain(background, 200*days)
	wantSame(t, "nothing is too old", got, err, store.Retained{})
	wantAll("when nothing is too old", fresh, late, doubtful, old)

	for range 2 { // the second time there is nothing left to do
		got, err = s.Retain(background, 90*days)
		must(t, err)
		if off := got.Since.Sub(now.Add(-90 * days)).Abs(); off > time.Hour {
			t.Errorf("events are kept since %v, want %v", got.Since, now.Add(-90*days))
		}
		wantAll("after the old are gone", fresh, late)
		doubts, err := s.Doubts(background, whole.From, whole.To)
		wantSame(t, "doubts", doubts, err, nil)
	}

	entries, err := s.Settlements(background, whole.From, whole.To)
	if must(t, err); len(entries) != 1 || entries[0].Event != old.ID || entries[0].Reason != "seen in the log" || entries[0].Customer != old.Customer {
		t.Errorf("the entry of a settlement is %+v after its event is gone", entries)
	}
	_, err = s.Settle(background, meter.Settlement{Event: old.ID, As: toll.NotBillable, At: now}, tolltest.Entry())
	wantCode(t, "to settle again what is gone", err, toll.Conflict)

	another := event(ids, now.Add(time.Second))
	must(t, s.Drain(background, &meter.Batch{Lane: "n/a", From: meter.Position{Segment: 1, Offset: 1}, Next: meter.Position{Segment: 1, Offset: 2}, Events: []toll.Event{another}}))
	_, err = s.Retain(background, time.Minute)
	wantCode(t, "to keep nothing", err, toll.Invalid)
}

// dropsSumsThatAreTooOld: whole months of sums go, latencies by the day, and
// what must be kept is not dropped.
func dropsSumsThatAreTooOld(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	now := time.Now().UTC().Truncate(time.Microsecond) // the store's clock is the system's here
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	kept := first.Add(-store.LeastSums)
	kept = time.Date(kept.Year(), kept.Month(), 1, 0, 0, 0, 0, time.UTC).Add(-days) // from here on, whatever day of the month this is
	keep := store.LeastSums + now.Sub(first)
	old, edge, fresh := event(ids, kept.Add(-time.Microsecond)), event(ids, kept), event(ids, now)
	must(t, s.Drain(background, &meter.Batch{
		Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{old, edge, fresh},
		Refusals: []toll.Refusal{{Minute: now.Add(-10 * days).Truncate(time.Minute), Customer: "c", Reason: toll.RefusedKeyExpired, Count: 1}},
	}))
	count := func() (found [3]int) {
		t.Helper()
		for i, q := range []meter.Question{{Step: meter.Quarter}, {Step: meter.Hour, Customer: old.Customer}, {Step: meter.Day, Customer: old.Customer}} {
			q.From, q.To = old.Time.Add(-days), now.Add(time.Hour)
			points, err := s.Series(background, q)
			must(t, err)
			found[i] = len(points)
		}
		return found
	}
	latencies := func() int {
		points, err := s.Latencies(background, meter.LatencyQuestion{From: old.Time.Add(-days), To: now.Add(time.Hour), Step: meter.Hour})
		must(t, err)
		return len(points)
	}
	for _, wrong := range []store.Keep{{Sums: store.LeastSums - 1}, {Latencies: time.Hour}, {Refusals: time.Hour}} {
		_, err := s.RetainSums(background, wrong)
		wantCode(t, "to keep too little", err, toll.Invalid)
	}
	n, err := s.RetainSums(background, store.Keep{})
	wantSame(t, "for ever", n, err, int64(0))
	since, err := s.SumsSince(background)
	wantSame(t, "since, for ever", since, err, time.Time{})
	wantSame(t, "at first", count(), nil, [3]int{3, 3, 3})

	for range 2 {
		_, err = s.RetainSums(background, store.Keep{Sums: keep})
		must(t, err)
		wantSame(t, "of the sums", count(), nil, [3]int{2, 2, 2})
		wantSame(t, "of the latencies", latencies(), nil, 3)
		since, err = s.SumsSince(background)
		wantSame(t, "since", since, err, kept)
	}
	_, err = s.RetainSums(background, store.Keep{Latencies: 2 * days, Refusals: 2 * days})
	must(t, err)
	wantSame(t, "of the latencies, then", latencies(), nil, 1)
	refusals, err := s.Refusals(background, meter.RefusalQuery{From: now.Add(-20 * days).Truncate(time.Minute), To: now.Truncate(time.Minute)})
	wantSame(t, "refusals", refusals, err, nil)
	// The journal comes again with what is too old: it is counted, and goes.
	late := event(ids, now.Add(time.Second))
	late.Time = old.Time
	must(t, s.Drain(background, &meter.Batch{Lane: "n/a", From: meter.Position{Segment: 1, Offset: 1}, Next: meter.Position{Segment: 1, Offset: 2}, Events: []toll.Event{late}}))
	wantSame(t, "with a late one", count(), nil, [3]int{3, 3, 3})
	_, err = s.RetainSums(background, store.Keep{Sums: keep})
	must(t, err)
	wantSame(t, "after the late one", count(), nil, [3]int{2, 2, 2})
}

// keepsAnIDUniqueWheneverItCame: an event may lie in any week, and each week
// refuses an ID that is there.
func keepsAnIDUniqueWheneverItCame(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	now := time.Now().UTC().Truncate(time.Microsecond)
	to := meter.Position{}
	for _, at := range []time.Time{
		time.UnixMilli(0).UTC(), now.AddDate(-5, 0, 0), now.Add(-40 * days), now.Add(-8 * days), now, now.Add(20 * days), now.AddDate(50, 0, 0),
	} {
		e := event(ids, at)
		from := to
		to = meter.Position{Segment: 1, Offset: from.Offset + 1}
		must(t, s.Drain(background, &meter.Batch{Lane: "n/a", From: from, Next: to, Events: []toll.Event{e}}))
		e.Time = now // the same ID, another time
		err := s.Drain(background, &meter.Batch{Lane: "n/a", From: to, Next: meter.Position{Segment: 2}, Events: []toll.Event{event(ids, now), e}})
		wantCode(t, "an ID of "+at.String()+" that is there", err, toll.Conflict)
	}
	got, err := s.Events(background, meter.EventQuery{Limit: 100})
	if err != nil || len(got) != 7 {
		t.Errorf("%d events, %v; want 7", len(got), err)
	}
}
