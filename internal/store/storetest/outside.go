package storetest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// sent is an event from outside that says so many words.
func sent(ids *toll.IDs, source, id string, words int64) meter.Outside {
	e := event(ids, noon)
	e.Service, e.Endpoint, e.Key, e.Method, e.Latency, e.BytesIn, e.BytesOut = toll.OutsideService, "job.done", "", "", 0, 0, 0
	e.Units = []toll.Amount{{Unit: "words", Count: words}, {Unit: toll.UnitRequests, Count: 0}}
	return meter.Outside{Source: source, ID: id, Content: sha256.Sum256(fmt.Append(nil, words)), Event: e}
}

func words(t *testing.T, s *store.Store) int64 {
	t.Helper()
	n, err := s.UsedBy(background, "cus_0001", "words", noon.Add(-time.Hour), noon.Add(time.Hour))
	must(t, err)
	return n
}

func countsAnEventFromOutsideOnceForEver(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	take := func(what string, partial bool, want []meter.Fate, events ...meter.Outside) {
		t.Helper()
		fates, err := s.TakeOutside(background, events, partial)
		wantSame(t, what, fates, err, want)
	}
	take("two, one of them twice", false, []meter.Fate{meter.Stored, meter.Repeated, meter.Stored},
		sent(ids, "worker", "1", 10), sent(ids, "worker", "1", 10), sent(ids, "worker", "2", 20))
	take("the same again", false, []meter.Fate{meter.Repeated}, sent(ids, "worker", "1", 10))
	take("the same ID of another source", false, []meter.Fate{meter.Stored}, sent(ids, "other", "1", 300))
	take("another content, and a new one", false, []meter.Fate{meter.Differs, meter.NotTaken}, sent(ids, "worker", "1", 11), sent(ids, "worker", "3", 5))
	take("another content in one batch", false, []meter.Fate{meter.NotTaken, meter.Differs}, sent(ids, "worker", "4", 5), sent(ids, "worker", "4", 6))
	if got := words(t, s); got != 330 {
		t.Errorf("%d words, want 330: what was refused is not stored", got)
	}
	take("the rest of a batch", true, []meter.Fate{meter.Differs, meter.Stored, meter.Repeated}, sent(ids, "worker", "1", 11), sent(ids, "worker", "3", 5), sent(ids, "worker", "2", 20))
	take("nothing", false, []meter.Fate{})
	if got := words(t, s); got != 335 {
		t.Errorf("%d words, want 335", got)
	}
	requests, err := s.UsedBy(background, "cus_0001", toll.UnitRequests, noon.Add(-time.Hour), noon.Add(time.Hour))
	if must(t, err); requests != 0 {
		t.Errorf("an event that says nothing of requests counted %d", requests)
	}
	received, err := s.Received(background, noon.Add(-time.Hour), noon.Add(time.Hour))
	wantSame(t, "counted one by one", received, err, map[string]int64{"words": 335, toll.UnitRequests: 0})
	list, err := s.Events(background, meter.EventQuery{Limit: 100})
	if must(t, err); len(list) != 4 {
		t.Errorf("%d single events, want 4", len(list))
	}
}

func countsTheRequestsThatAnEventFromOutsideNames(t *testing.T, s *store.Store) {
	e := sent(toll.NewIDs(nil), "worker", "1", 10)
	e.Event.Units[1].Count = 7
	fates, err := s.TakeOutside(background, []meter.Outside{e}, false)
	wantSame(t, "taken", fates, err, []meter.Fate{meter.Stored})
	points, err := s.Series(background, meter.Question{From: noon, To: noon.Add(time.Hour), By: meter.ByEndpoint})
	wantSame(t, "requests", points, err, []meter.Point{{Start: noon, Group: "(outside) job.done", Count: 7}})
	rows, err := s.Audit(background, noon.Add(-time.Hour), noon.Add(time.Hour))
	must(t, err)
	sums := map[string]int64{}
	for _, r := range rows {
		sums[r.Unit] += r.Count
	}
	received, err := s.Received(background, noon.Add(-time.Hour), noon.Add(time.Hour))
	wantSame(t, "the audit and the single events", sums, err, received)
}

// countsABatchOnceThatCameManyTimesAtOnce is eight programs that send the same
// batch at the same moment, each in an order of its own, two of them with an
// event that differs.
func countsABatchOnceThatCameManyTimesAtOnce(t *testing.T, s *store.Store) {
	const programs, events = 8, 200
	ids := toll.NewIDs(nil)
	var wg sync.WaitGroup
	var mu sync.Mutex
	counted := 0
	for p := range programs {
		wg.Go(func() {
			batch := make([]meter.Outside, events)
			for i := range batch {
				batch[i] = sent(ids, "worker", fmt.Sprint((i*7+p*31)%events), int64((i*7+p*31)%events))
			}
			fates, err := s.TakeOutside(background, batch, false)
			if err != nil {
				t.Errorf("program %d: %v", p, err)
				return
			}
			n := len(slices.DeleteFunc(slices.Clone(fates), func(f meter.Fate) bool { return f != meter.Stored }))
			if n+len(slices.DeleteFunc(slices.Clone(fates), func(f meter.Fate) bool { return f != meter.Repeated })) != events {
				t.Errorf("program %d: %v", p, fates)
			}
			mu.Lock()
			counted += n
			mu.Unlock()
		})
	}
	wg.Wait()
	if want := int64(events * (events - 1) / 2); counted != events || words(t, s) != want {
		t.Errorf("%d counted, %d words; want %d and %d", counted, words(t, s), events, want)
	}
}

func storesNothingOfABatchThatCannotBeStored(t *testing.T, s *store.Store) {
	ids := toll.NewIDs(nil)
	bad := sent(ids, "worker", "2", 1)
	bad.ID = "nul\x00"
	_, err := s.TakeOutside(background, []meter.Outside{sent(ids, "worker", "1", 1), bad}, true)
	wantCode(t, "a NUL", err, toll.Invalid)
	bad = sent(ids, "worker", "2", -1)
	_, err = s.TakeOutside(background, []meter.Outside{sent(ids, "worker", "1", 1), bad}, true)
	wantCode(t, "a negative amount", err, toll.Invalid)
	must(t, s.Close())
	_, err = s.TakeOutside(background, []meter.Outside{sent(ids, "worker", "1", 1)}, false)
	wantCode(t, "a store that is away", err, toll.Unavailable)
}
