package metertest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// checks is how many random histories a store is compared on: a real database
// answers some sixty questions for each.
const checks = 25

// agreesWithTheModel fills the store and a Memory with the same random
// histories and asks both the same random questions. One store serves all
// histories: each has days and names of its own, so that it repeats the same
// while a failure is made smaller.
func agreesWithTheModel(t *testing.T, s Store) {
	tried, passed := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		if passed == checks {
			return
		}
		w := world{
			names: fmt.Sprintf("%d", tried),
			start: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, 5*tried),
		}
		tried++
		model := &Memory{}
		w.drainBoth(rt, s, model)
		w.settleBoth(rt, s, model)
		for range 20 {
			w.compareSeries(rt, s, model)
			w.compareTheRest(rt, s, model)
		}
		passed++
	})
}

// world is where one random history happens: four days and a few names.
type world struct {
	names string
	start time.Time
}

func (w world) name(rt *rapid.T, kind string, n int) string {
	return fmt.Sprintf("%s_%s_%d", kind, w.names, rapid.IntRange(1, n).Draw(rt, kind))
}

// moment draws a time on the four days, often on an edge of a quarter.
func (w world) moment(rt *rapid.T) time.Time {
	at := w.start.Add(time.Duration(rapid.IntRange(0, 4*96-1).Draw(rt, "quarter")) * 15 * time.Minute)
	if rapid.Bool().Draw(rt, "off the edge") {
		at = at.Add(time.Duration(rapid.Int64Range(0, int64(15*time.Minute/time.Microsecond)-1).Draw(rt, "µs")) * time.Microsecond)
	}
	return at
}

func (w world) event(rt *rapid.T, n uint64) toll.Event {
	e := toll.Event{
		Time: w.moment(rt), RequestID: w.name(rt, "req", 30),
		Customer: w.name(rt, "cus", 3), Plan: "free", PlanVersion: w.name(rt, "free@", 2),
		Service: w.name(rt, "svc", 2), Method: "POST", Latency: time.Duration(rapid.IntRange(0, 1e9).Draw(rt, "latency")) * time.Microsecond,
		Endpoint: rapid.SampledFrom([]string{"POST /extractions", "GET /{id}", "other"}).Draw(rt, "endpoint"),
		Status:   rapid.SampledFrom([]int{0, 200, 204, 304, 404, 422, 500, 504}).Draw(rt, "status"),
		Class:    rapid.SampledFrom([]toll.Class{toll.Chargeable, toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown}).Draw(rt, "class"),
		BytesIn:  rapid.Int64Range(0, 1<<40).Draw(rt, "in"), BytesOut: rapid.Int64Range(0, 1<<40).Draw(rt, "out"),
	}
	e.ID = exampleID(e.Time, n)
	e.Key = e.Customer + "_key" + rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "key")
	if rapid.IntRange(0, 3).Draw(rt, "outside") == 0 {
		e.Units = append(e.Units, toll.Amount{Unit: toll.UnitRequests, Count: rapid.SampledFrom([]int64{0, 0, 1, 7, toll.MaxCount}).Draw(rt, "requests")})
	}
	for _, unit := range []string{"words", "characters"} {
		if rapid.Bool().Draw(rt, unit) {
			e.Units = append(e.Units, toll.Amount{Unit: unit, Count: rapid.Int64Range(0, toll.MaxCount).Draw(rt, "count")})
		}
	}
	for _, every := range []toll.Every{toll.Daily, toll.Monthly} {
		if rapid.IntRange(0, 2).Draw(rt, "per IP and "+string(every)) == 0 {
			e.Address = toll.AddressHash{1, byte(rapid.IntRange(1, 3).Draw(rt, "address"))}
			e.PerAddress = append(e.PerAddress, toll.AddressUse{
				Unit: rapid.SampledFrom([]string{toll.UnitRequests, "words"}).Draw(rt, "unit per IP"), Service: w.maybe(rt, "svc", 2), Every: every,
				Start: w.start.AddDate(0, 0, rapid.IntRange(0, 1).Draw(rt, "period")).Unix(), Count: rapid.Int64Range(0, toll.MaxCount).Draw(rt, "count per IP"),
			})
		}
	}
	return e
}

// drainBoth makes a history and hands it to both stores, in batches over two
// lanes, some of them at a wrong place.
func (w world) drainBoth(rt *rapid.T, s Store, model *Memory) {
	cursors := map[string]meter.Position{}
	var stored []toll.ULID
	for i := range rapid.IntRange(1, 6).Draw(rt, "batches") {
		lane := w.name(rt, "node/lane", 2)
		b := &meter.Batch{Lane: lane, From: cursors[lane], Next: at(cursors[lane].Segment+1, int64(i))}
		wrong := rapid.IntRange(0, 4).Draw(rt, "wrong") == 0
		if wrong {
			b.From.Offset += 8
		}
		for range rapid.IntRange(0, 12).Draw(rt, "events") {
			b.Events = append(b.Events, w.event(rt, uint64(len(stored)+len(b.Events))))
		}
		for range rapid.IntRange(0, 4).Draw(rt, "refusals") {
			r := toll.Refusal{
				Minute: w.moment(rt).Truncate(time.Minute), Customer: w.name(rt, "cus", 2), Key: w.name(rt, "key", 2), Service: w.name(rt, "svc", 1),
				Reason: rapid.SampledFrom([]toll.RefusalReason{toll.RefusedLimit, toll.RefusedKeyExpired}).Draw(rt, "reason"),
				Count:  rapid.Int64Range(1, 1000).Draw(rt, "refused"),
			}
			if r.Reason == toll.RefusedLimit {
				r.Policy = rapid.SampledFrom([]string{"minute", "monthly"}).Draw(rt, "policy")
			}
			b.Refusals = append(b.Refusals, r)
		}
		for _, id := range stored {
			if rapid.IntRange(0, 9).Draw(rt, "undelivered") == 0 {
				b.Undelivered = append(b.Undelivered, id)
			}
		}
		got, want := s.Drain(context.Background(), b), model.Drain(context.Background(), b)
		if (got == nil) != (want == nil) || errors.Is(got, meter.ErrCursorMoved) != wrong {
			rt.Fatalf("Drain %+v: got %v, want %v", b, got, want)
		}
		if !wrong {
			cursors[lane] = b.Next
			for _, e := range b.Events {
				stored = append(stored, e.ID)
			}
		}
		wantCursor(rt, s, lane, cursors[lane])
	}
}

// maybe draws a name half of the time, "" otherwise.
func (w world) maybe(rt *rapid.T, kind string, n int) string {
	if rapid.Bool().Draw(rt, "any "+kind) {
		return ""
	}
	return w.name(rt, kind, n)
}

func (w world) compareSeries(rt *rapid.T, s Store, model *Memory) {
	q := meter.Question{
		Unit: rapid.SampledFrom([]string{"", toll.UnitRequests, "words", "characters", "pages"}).Draw(rt, "unit"),
		From: w.moment(rt), To: w.moment(rt),
		Step: rapid.SampledFrom([]meter.Step{meter.Quarter, meter.Hour, meter.Day, meter.Whole}).Draw(rt, "step"),
		By: rapid.SampledFrom([]meter.By{meter.ByNothing, meter.ByCustomer, meter.ByKey, meter.ByService,
			meter.ByEndpoint, meter.ByStatus, meter.ByClass, meter.ByUnit}).Draw(rt, "by"),
		Customer: w.maybe(rt, "cus", 3), Service: w.maybe(rt, "svc", 2),
		Endpoint:    rapid.SampledFrom([]string{"", "", "", "other", "POST /extractions"}).Draw(rt, "of endpoint"),
		StatusClass: rapid.SampledFrom([]int{0, 0, 0, 2, 5}).Draw(rt, "of status"),
	}
	if q.Customer != "" && rapid.Bool().Draw(rt, "of a key") {
		q.Key = q.Customer + "_key1"
	}
	if rapid.Bool().Draw(rt, "of classes") {
		q.Classes = []toll.Class{toll.Chargeable, toll.Unknown}
	}
	if q.Step == meter.Whole {
		switch paged := q.By == meter.ByCustomer || q.By == meter.ByKey || q.By == meter.ByService || q.By == meter.ByUnit; rapid.IntRange(0, 3).Draw(rt, "of the groups") {
		case 0:
			q.Top = rapid.IntRange(1, 4).Draw(rt, "top")
		case 1:
			if paged {
				q.Limit = rapid.IntRange(0, 3).Draw(rt, "at most")
				q.After = rapid.SampledFrom([]string{"", "cus", w.name(rt, "cus", 3), w.name(rt, "svc", 2), "words"}).Draw(rt, "after")
			}
		}
	}
	want, _ := model.Series(context.Background(), q)
	got, err := s.Series(context.Background(), q)
	same(rt, fmt.Sprintf("series %+v", q), got, err, want)
}

func (w world) compareTheRest(rt *rapid.T, s Store, model *Memory) {
	ctx := context.Background()
	from, to := w.moment(rt), w.moment(rt)

	r := meter.RefusalQuery{
		Customer: w.maybe(rt, "cus", 2), From: from.Truncate(time.Minute), To: to.Truncate(time.Minute),
		Step: rapid.SampledFrom([]meter.Step{meter.Hour, meter.Day, meter.Whole}).Draw(rt, "refusal step"),
	}
	w.compareLatencies(rt, s, model)
	wantRefusals, _ := model.Refusals(ctx, r)
	refusals, err := s.Refusals(ctx, r)
	same(rt, fmt.Sprintf("refusals %+v", r), refusals, err, wantRefusals)

	e := meter.EventQuery{ // of one customer: others of this store had their own days
		Customer: w.name(rt, "cus", 3), Service: w.maybe(rt, "svc", 2), StatusClass: rapid.SampledFrom([]int{0, 0, 2, 4}).Draw(rt, "event status"),
		RequestID: rapid.SampledFrom([]string{"", "", w.name(rt, "req", 30)}).Draw(rt, "request"),
		Limit:     rapid.IntRange(1, 20).Draw(rt, "limit"),
	}
	if rapid.Bool().Draw(rt, "paged") {
		e.Before = exampleID(w.moment(rt), 5)
	}
	wantEvents, _ := model.Events(ctx, e)
	events, err := s.Events(ctx, e)
	same(rt, fmt.Sprintf("events %+v", e), events, err, wantEvents)

	wantDoubts, _ := model.Doubts(ctx, from, to)
	doubts, err := s.Doubts(ctx, from, to)
	same(rt, fmt.Sprintf("doubts from %v to %v", from, to), doubts, err, wantDoubts)

	wantSettled, _ := model.Settlements(ctx, from, to)
	settled, err := s.Settlements(ctx, from, to)
	same(rt, fmt.Sprintf("settlements from %v to %v", from, to), settled, err, wantSettled)

	perIP := meter.UsedQuery{
		From: w.start.AddDate(0, 0, rapid.IntRange(0, 1).Draw(rt, "asked period")), Unit: rapid.SampledFrom([]string{toll.UnitRequests, "words"}).Draw(rt, "asked unit per IP"),
		Service: w.maybe(rt, "svc", 2), ByAddress: rapid.SampledFrom([]toll.Every{toll.Daily, toll.Monthly}).Draw(rt, "asked every"),
	}
	wantPerIP, _ := model.UsedOf(ctx, perIP)
	gotPerIP, err := s.UsedOf(ctx, perIP)
	same(rt, fmt.Sprintf("per IP %+v", perIP), gotPerIP, err, wantPerIP)

	from, to = down(from, 15*time.Minute), down(to, 15*time.Minute)
	wantUsed, _ := model.UsedBetween(ctx, from, to)
	q := meter.UsedQuery{
		From: from, To: to, Customer: w.maybe(rt, "cus", 2), Service: w.maybe(rt, "svc", 2),
		Endpoint: rapid.SampledFrom([]string{"", "", "other", "POST /extractions"}).Draw(rt, "used at"),
		Unit:     rapid.SampledFrom([]string{"", toll.UnitRequests, "words"}).Draw(rt, "used unit"), ByKey: rapid.Bool().Draw(rt, "by key"),
	}
	if q.Customer != "" && rapid.Bool().Draw(rt, "used by one key") {
		q.Key = q.Customer + "_key1"
	}
	wantOf, _ := model.UsedOf(ctx, q)
	usedOf, err := s.UsedOf(ctx, q)
	same(rt, fmt.Sprintf("used of %+v", q), usedOf, err, wantOf)
	used, err := s.UsedBetween(ctx, from, to)
	same(rt, fmt.Sprintf("used from %v to %v", from, to), used, err, wantUsed)
	wantRows, _ := model.Audit(ctx, from, to)
	rows, err := s.Audit(ctx, from, to)
	same(rt, fmt.Sprintf("audit from %v to %v", from, to), rows, err, wantRows)
}
