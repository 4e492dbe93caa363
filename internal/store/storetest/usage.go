package storetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func event(ids *toll.IDs, at time.Time) toll.Event {
	return toll.Event{
		ID: ids.New(at), Time: at, RequestID: "outside", Customer: "cus_0001", Key: "key_0001", Plan: "free", PlanVersion: "free@000000000001",
		Service: "ner", Endpoint: "POST /extractions", Method: "POST", Status: 200, Class: toll.Chargeable,
		Latency: 1500 * time.Microsecond, BytesIn: 40, BytesOut: 200, Units: []toll.Amount{{Unit: "words", Count: 3}},
	}
}

func raisesWhenAKeyWasLastUsed(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateKey(background, key(1, "cus_0001"), tolltest.Entry()))
	must(t, s.CreateKey(background, key(2, "cus_0001"), tolltest.Entry()))
	lastUsed := func(what, id string, want time.Time) {
		t.Helper()
		k, err := s.Key(background, id)
		if err != nil || !k.LastUsedAt.Equal(want) || k.Version != 1 {
			t.Errorf("%s: last used at %v, version %d, %v; want %v, version 1", what, k.LastUsedAt, k.Version, err, want)
		}
	}
	minute := noon.Truncate(time.Minute)
	first := &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{
		event(ids, noon), event(ids, noon.Add(3*time.Minute)), event(ids, noon.Add(time.Minute))}}
	must(t, s.Drain(background, first))
	lastUsed("the latest of a batch", "key_0001", minute.Add(3*time.Minute))
	lastUsed("another key", "key_0002", time.Time{})

	must(t, s.Drain(background, &meter.Batch{Lane: "n/b", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{event(ids, noon)}}))
	lastUsed("a late batch", "key_0001", minute.Add(3*time.Minute))

	again := event(ids, noon.Add(time.Hour))
	again.ID = first.Events[0].ID
	err := s.Drain(background, &meter.Batch{Lane: "n/c", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{event(ids, noon.Add(time.Hour)), again}})
	wantCode(t, "a batch with an event that is there", err, toll.Conflict)
	lastUsed("a batch that was not stored", "key_0001", minute.Add(3*time.Minute))

	unknown := event(ids, noon.Add(time.Hour))
	unknown.Key = "key_none"
	must(t, s.Drain(background, &meter.Batch{Lane: "n/c", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{unknown}}))
}

func countsTextThatCannotBeKept(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	e := event(ids, noon)
	e.Endpoint, e.Method, e.RequestID = "GET /\x00", "G\xffT", "\xf0\x28 id\x00"
	e.Customer, e.Units = "cus\xff", []toll.Amount{{Unit: "w\x00rds", Count: 4}, {Unit: `quo"te\ žluť`, Count: 5}}
	plain := event(ids, noon.Add(time.Millisecond))
	plain.Endpoint = "GET /\uFFFD" // what the other becomes
	must(t, s.Drain(background, &meter.Batch{
		Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{e, plain},
		Refusals: []toll.Refusal{{Minute: noon.Truncate(time.Minute), Policy: "p\x00", Reason: toll.RefusedLimit, Count: 2}},
	}))
	want := e
	want.Endpoint, want.Method, want.RequestID = "GET /\uFFFD", "G\uFFFDT", "\uFFFD( id\uFFFD"
	want.Customer, want.Units = "cus\uFFFD", []toll.Amount{{Unit: "w\uFFFDrds", Count: 4}, {Unit: `quo"te\ žluť`, Count: 5}}
	got, err := s.Events(background, meter.EventQuery{Limit: 10})
	wantSame(t, "events", got, err, []toll.Event{plain, want})
	points, err := s.Series(background, meter.Question{From: noon, To: noon.Add(time.Hour), Step: meter.Day, By: meter.ByEndpoint})
	wantSame(t, "endpoints", points, err, []meter.Point{{Start: noon.Truncate(24 * time.Hour), Group: "ner GET /\uFFFD", Count: 2}})
	refusals, err := s.Refusals(background, meter.RefusalQuery{From: noon.Truncate(time.Minute), To: noon.Add(time.Hour), Step: meter.Day})
	wantSame(t, "refusals", refusals, err, []meter.RefusalPoint{{Start: noon.Truncate(24 * time.Hour), Reason: toll.RefusedLimit, Policy: "p\uFFFD", Count: 2}})
	for what, q := range map[string]meter.Question{"customer": {Customer: "cus\xff"}, "unit": {Unit: "w\x00rds"}} {
		q.From, q.To = noon, noon.Add(time.Hour)
		points, err := s.Series(background, q)
		wantSame(t, "nothing is called so: "+what, points, err, nil)
	}
}

func findsEventsByRequestID(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	at := func(ms int) time.Time { return noon.Add(time.Duration(ms) * time.Millisecond) } // the order of IDs is that of times
	own, outside, none, another := event(ids, at(0)), event(ids, at(1)), event(ids, at(2)), event(ids, at(3))
	own.RequestID = own.ID.String()
	outside.RequestID = another.ID.String() // a trusted caller chose what looks like an ID of ours
	none.RequestID = ""
	another.RequestID = "x"
	must(t, s.Drain(background, &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{own, outside, none, another}}))
	all, err := s.Events(background, meter.EventQuery{Limit: 10})
	wantSame(t, "as they were", all, err, []toll.Event{another, none, outside, own})
	for id, want := range map[string][]toll.Event{
		own.ID.String(): {own}, another.ID.String(): {outside}, "x": {another}, "y": nil, none.ID.String(): nil, "=": nil,
	} {
		got, err := s.Events(background, meter.EventQuery{RequestID: id, Limit: 10})
		wantSame(t, "request "+id, got, err, want)
	}
	for _, limit := range []int{0, -1, 1001} {
		_, err := s.Events(background, meter.EventQuery{Limit: limit})
		wantCode(t, fmt.Sprint("limit ", limit), err, toll.Invalid)
	}
}

// drainsManyLanesAtOnce drains the same customers from several lanes, with
// names that are new to all of them, while others ask: nothing is lost, nobody
// is locked out.
func drainsManyLanesAtOnce(t *testing.T, s *store.Store) {
	const lanes, batches, events = 6, 5, 60
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	for n := range 10 {
		must(t, s.CreateKey(background, key(n, "cus_0001"), tolltest.Entry()))
	}
	ids := toll.NewIDs(nil)
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			var from meter.Position
			for n := range batches {
				b := &meter.Batch{Lane: fmt.Sprint("n/", lane), From: from, Next: meter.Position{Segment: 1, Offset: int64(n + 1)}}
				for i := range events {
					// Each lane goes through the same rows in another order.
					at := (i*7 + lane*11) % events
					e := event(ids, noon.Add(time.Duration(at)*time.Minute))
					e.Key, e.Customer, e.Endpoint = fmt.Sprintf("key_%04d", at%10), fmt.Sprintf("cus_%d", at%7), fmt.Sprintf("GET /%d/%d", n, at)
					b.Events = append(b.Events, e)
					b.Refusals = append(b.Refusals, toll.Refusal{Minute: noon.Truncate(time.Minute), Customer: e.Customer, Reason: toll.RefusedLimit, Count: 1})
				}
				if err := s.Drain(background, b); err != nil {
					t.Errorf("lane %d: %v", lane, err)
				}
				from = b.Next
			}
		})
	}
	wg.Go(func() {
		for range 20 {
			if _, err := s.UsedBetween(background, noon, noon.Add(time.Hour)); err != nil {
				t.Errorf("asking meanwhile: %v", err)
			}
			if _, err := s.KeysOf(background, "cus_0001"); err != nil {
				t.Errorf("asking meanwhile: %v", err)
			}
		}
	})
	wg.Wait()
	const want = lanes * batches * events
	for _, step := range []meter.Step{meter.Quarter, meter.Hour, meter.Day, meter.Whole} {
		for _, by := range []meter.By{meter.ByNothing, meter.ByCustomer, meter.ByEndpoint} {
			points, err := s.Series(background, meter.Question{From: noon.Add(-time.Hour), To: noon.Add(25 * time.Hour), Step: step, By: by})
			must(t, err)
			var sum int64
			for _, p := range points {
				sum += p.Count
			}
			if sum != want {
				t.Errorf("step %q by %q: %d requests, want %d", step, by, sum, want)
			}
		}
	}
	refusals, err := s.Refusals(background, meter.RefusalQuery{From: noon.Truncate(time.Minute), To: noon.Add(time.Hour)})
	wantSame(t, "refusals", refusals, err, []meter.RefusalPoint{{Start: noon.Truncate(time.Minute), Reason: toll.RefusedLimit, Count: want}})
}

func refusesAnEventItCannotAddUp(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	classless, negative := event(ids, noon), event(ids, noon)
	classless.Class = "free of charge"
	negative.Units = []toll.Amount{{Unit: "words", Count: -1}}
	for _, e := range []toll.Event{classless, negative} {
		err := s.Drain(background, &meter.Batch{Lane: "n/a", Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{event(ids, noon), e}})
		wantCode(t, "the batch", err, toll.Invalid)
	}
	wantCode(t, "a batch of no lane", s.Drain(background, &meter.Batch{Next: meter.Position{Segment: 1, Offset: 1}}), toll.Invalid)
	_, err := s.Series(background, meter.Question{From: noon, To: noon.Add(time.Hour), Step: "week"})
	wantCode(t, "a step that is none", err, toll.Invalid)
	_, err = s.Series(background, meter.Question{From: noon, To: noon.Add(time.Hour), By: "moon"})
	wantCode(t, "a split that is none", err, toll.Invalid)
	_, err = s.Series(background, meter.Question{From: noon, To: noon.Add(time.Hour), Classes: []toll.Class{"free"}})
	wantCode(t, "a class that is none", err, toll.Invalid)
	_, err = s.Refusals(background, meter.RefusalQuery{From: noon, To: noon.Add(time.Hour), Step: meter.Quarter})
	wantCode(t, "refusals per quarter", err, toll.Invalid)
	events, err := s.Events(background, meter.EventQuery{Limit: 10})
	wantSame(t, "events", events, err, nil)
}

func goesOnBehindAnAmountThatIsTooLarge(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	large, also := event(ids, noon), event(ids, noon)
	large.Units = []toll.Amount{{Unit: "words", Count: math.MaxInt64}}
	also.Units = large.Units
	to := meter.Position{}
	for _, events := range [][]toll.Event{{large, also}, {event(ids, noon)}} {
		from := to
		to = meter.Position{Segment: 1, Offset: from.Offset + 100}
		must(t, s.Drain(background, &meter.Batch{Lane: "n/a", From: from, Next: to, Events: events}))
	}
	used, err := s.UsedBetween(background, noon.Add(-time.Hour), noon.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	words := int64(0)
	for _, u := range used {
		if u.Unit == "words" {
			words += u.Count
		}
	}
	if want := int64(2*toll.MaxCount + 3); words != want {
		t.Errorf("%d words were used; want %d", words, want)
	}
	for _, u := range append(used, meter.Used{Customer: "nobody", Unit: "words"}, meter.Used{Customer: used[0].Customer, Unit: "none"}, meter.Used{Customer: "\x00", Unit: "words"}) {
		got, err := s.UsedOf(background, meter.UsedQuery{From: noon.Add(-time.Hour), To: noon.Add(time.Hour), Customer: u.Customer, Unit: u.Unit})
		var sum int64
		for _, row := range got {
			sum += row.Count
		}
		if err != nil || sum != u.Count {
			t.Errorf("%s used %d %s (%v), want %d", u.Customer, sum, u.Unit, err, u.Count)
		}
	}
}

func refusesUnstorableText(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	for _, bad := range []string{"nul\x00", "half\xe2\x82"} {
		c, k, m, o := customer(2), key(2, "cus_0001"), member(2, "cus_0001"), operator(2)
		c.Name, k.Name, m.Name, o.Email = bad, bad, bad, bad
		for what, err := range map[string]error{
			"customer": s.CreateCustomer(background, c, tolltest.Entry()), "key": s.CreateKey(background, k, tolltest.Entry()),
			"member": s.CreateMember(background, m, tolltest.Entry()), "operator": s.CreateOperator(background, o, tolltest.Entry()),
			"plan": s.SavePlanVersion(background, toll.PlanVersion{ID: bad}, tolltest.Entry()),
		} {
			var e *toll.Error
			if !errors.As(err, &e) || e.Code != toll.Invalid || e.Field == "" {
				t.Errorf("%s with %q: got %v, want Invalid about a field", what, bad, err)
			}
		}
		c = customer(1)
		c.Subscription.Addons = []string{bad}
		_, err := s.UpdateCustomer(background, c, tolltest.Entry())
		wantCode(t, "a changed customer", err, toll.Invalid)

		_, e1 := s.Customer(background, bad)
		_, e2 := s.Key(background, bad)
		_, e3 := s.MemberByEmail(background, bad)
		_, e4 := s.Session(background, bad)
		_, e5 := s.PlanVersion(background, bad)
		for _, err := range []error{e1, e2, e3, e4, e5, s.TouchSession(background, bad, noon), s.RevokeSession(background, bad, noon, tolltest.Entry()), s.SetMemberPassword(background, bad, "x", tolltest.Entry())} {
			wantCode(t, "looking up what cannot be", err, toll.NotFound)
		}
	}
}

func keepsNothingUnderAContextThatIsOver(t *testing.T, s *store.Store) {
	over, cancel := context.WithCancel(background)
	cancel()
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateKey(background, key(1, "cus_0001"), tolltest.Entry()))
	for what, err := range map[string]error{
		"creating":  s.CreateCustomer(over, customer(2), tolltest.Entry()),
		"replacing": s.ReplaceKey(over, key(1, "cus_0001"), key(2, "cus_0001"), tolltest.Entry()),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want the context's error", what, err)
		}
	}
	_, err := s.Customer(background, "cus_0002")
	wantCode(t, "the customer", err, toll.NotFound)
	k, err := s.KeysOf(background, "cus_0001")
	wantSame(t, "the keys", k, err, []toll.Key{key(1, "cus_0001")})
}

// tellsWhatWasCountedAtOneMoment reads while batches are stored: what was used
// and the cursor must be of the same one.
func tellsWhatWasCountedAtOneMoment(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	day := meter.Period{From: noon.Truncate(24 * time.Hour), To: noon.Truncate(24 * time.Hour).Add(24 * time.Hour)}
	earlier := meter.Period{From: day.From.Add(-24 * time.Hour), To: day.From}
	const batches = 40
	stored := make(chan error, 1)
	go func() {
		for i := range int64(batches) {
			b := &meter.Batch{Lane: "n/one", From: meter.Position{Segment: 1, Offset: i}, Next: meter.Position{Segment: 1, Offset: i + 1}, Events: []toll.Event{event(ids, noon)}}
			if i == 0 {
				b.From = meter.Position{}
			}
			if err := s.Drain(background, b); err != nil {
				stored <- err
				return
			}
		}
		stored <- nil
	}()
	seen := int64(-1)
	for done := false; !done; {
		select {
		case err := <-stored:
			must(t, err)
			done = true
		default:
		}
		c, err := s.Counted(background, []meter.UsedQuery{{From: day.From, To: day.To}, {From: earlier.From, To: earlier.To}})
		must(t, err)
		at, used := c.Cursors["n/one"].Offset, map[string]int64{}
		for _, u := range c.Used[0] {
			used[u.Unit] = u.Count
		}
		if used[toll.UnitRequests] != at || used["words"] != 3*at || len(c.Used[1]) > 0 || at < seen {
			t.Fatalf("used %v, before %v, with the cursor at %d after %d", used, c.Used[1], at, seen)
		}
		seen = at
	}
	if seen != batches {
		t.Errorf("the last says %d of %d", seen, batches)
	}
}
