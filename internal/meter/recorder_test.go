package meter_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/journal/journaltest"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// house is one process over a data directory in memory: what most tests need.
type house struct {
	files   *journaltest.Files
	store   *metertest.Memory
	lane    *journal.Lane
	rec     *meter.Recorder
	drainer *meter.Drainer
}

// quiet logs nothing.
var quiet = slog.New(slog.DiscardHandler)

// newHouse starts the nth process over the files and the store of another, or
// over new ones.
func newHouse(t testing.TB, n byte, before *house) *house {
	t.Helper()
	h := &house{}
	if before != nil {
		h.files, h.store = before.files, before.store
	} else {
		h.files, h.store = journaltest.New(t), &metertest.Memory{}
	}
	var err error
	h.lane, err = journal.Create(journal.Options{Root: root, Node: "n1", ID: toll.ULID{1, 15: n}, Files: h.files, SegmentSize: little})
	if err != nil {
		t.Fatal(err)
	}
	h.rec = meter.NewRecorder(h.lane)
	h.drainer = meter.NewDrainer(meter.DrainerOptions{Root: root, Sink: h.store, Own: h.lane, Files: h.files, Log: quiet})
	t.Cleanup(h.kill)
	return h
}

// kill ends the process as kill -9 does.
func (h *house) kill() {
	h.lane.Abandon()
	_ = h.rec.Close() // ends its goroutine: the lane takes nothing any more
}

// event returns the nth event of the tests.
func event(n int) toll.Event {
	e := typical()
	e.ID = toll.ULID{6: byte(n >> 16), 7: byte(n >> 8), 8: byte(n)}
	e.Time = noon.Add(time.Duration(n) * time.Millisecond)
	return e
}

func (h *house) record(t testing.TB, first, last int) (tickets []meter.Ticket) {
	t.Helper()
	for n := first; n < last; n++ {
		e := event(n)
		ticket, err := h.rec.Record(&e, meter.Ticket{})
		if err != nil || ticket.IsZero() {
			t.Fatalf("Record %d: %v, %v", n, ticket, err)
		}
		tickets = append(tickets, ticket)
	}
	return tickets
}

func (h *house) done(tickets []meter.Ticket) {
	for _, ticket := range tickets {
		h.rec.Done(ticket, true)
	}
}

// refusals returns all that is stored.
func (h *house) refusals(t testing.TB) (points []meter.RefusalPoint) {
	t.Helper()
	points, err := h.store.Refusals(context.Background(), meter.RefusalQuery{From: noon.AddDate(0, 0, -1), To: noon.AddDate(0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return points
}

func TestRecordingAllocatesNothing(t *testing.T) {
	lane, err := journal.Create(journal.Options{Root: t.TempDir(), Node: "n1", ID: toll.ULID{1}})
	if err != nil {
		t.Fatal(err)
	}
	rec := meter.NewRecorder(lane)
	defer rec.Close()
	e := typical()
	if n := testing.AllocsPerRun(1000, func() {
		ticket, err := rec.Record(&e, meter.Ticket{})
		if err != nil {
			t.Fatal(err)
		}
		rec.Done(ticket, true)
	}); n != 0 {
		t.Errorf("Record and Done allocate %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() {
		opened, err := rec.Open(&e)
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := rec.Record(&e, opened)
		if err != nil {
			t.Fatal(err)
		}
		rec.Done(ticket, false)
	}); n != 0 {
		t.Errorf("Open, Record and Done allocate %v times", n)
	}
}

func TestRefusingAllocatesNothingInTheSteadyState(t *testing.T) {
	lane, err := journal.Create(journal.Options{Root: t.TempDir(), Node: "n1", ID: toll.ULID{1}})
	if err != nil {
		t.Fatal(err)
	}
	rec := meter.NewRecorder(lane)
	defer rec.Close()
	refuse := func() {
		rec.Refuse(noon, "cus_a", "key_a", "ner", "minute", toll.RefusedLimit)
		rec.Refuse(noon, "", "", "", "", toll.RefusedKeyMissing)
	}
	for range 1000 { // every shard has met both
		refuse()
	}
	rec.Flush()
	if n := testing.AllocsPerRun(1000, refuse); n != 0 {
		t.Errorf("Refuse allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { refuse(); rec.Flush() }); n != 0 {
		t.Errorf("Refuse and Flush allocate %v times", n)
	}
}

func TestRefusalsAreAddedUpExactly(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	const workers, each = 8, 500
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for n := range each {
				h.rec.Refuse(noon.Add(time.Duration(n%2)*time.Minute), "cus_a", fmt.Sprintf("key_%d", w%2), "ner", "minute", toll.RefusedLimit)
				if n%100 == 0 {
					h.rec.Flush()
				}
			}
		})
	}
	wg.Wait()
	h.rec.Refuse(noon, "", "", "", "", toll.RefusedNoRoute)
	h.rec.Flush()
	if err := h.drainer.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	var limit, noRoute int64
	for _, p := range h.refusals(t) {
		switch {
		case p.Reason == toll.RefusedLimit && p.Policy == "minute":
			limit += p.Count
		case p.Reason == toll.RefusedNoRoute && p.Policy == "":
			noRoute += p.Count
		default:
			t.Errorf("nobody refused %+v", p)
		}
	}
	if limit != workers*each || noRoute != 1 {
		t.Fatalf("%d and %d refusals, want %d and 1", limit, noRoute, workers*each)
	}
}

func TestManyKindsOfRefusalAreBoundedAndExact(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	const kinds = 40_000 // more than all shards hold
	for n := range kinds {
		h.rec.Refuse(noon, "cus_a", fmt.Sprintf("key_%d", n), "ner", "minute", toll.RefusedLimit)
	}
	h.rec.Flush()
	if err := h.drainer.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	points := h.refusals(t)
	if len(points) != 1 || points[0].Count != kinds || h.rec.LostRefusals() != 0 {
		t.Fatalf("%v, lost %d; want %d of one kind", points, h.rec.LostRefusals(), kinds)
	}
}

func TestRefusalsWaitWhileTheJournalIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		synctest.Wait()
		h.files.Capacity(2 * little)
		e := event(1)
		var err error
		for n := 0; err == nil; n++ {
			e.ID[0] = byte(n)
			_, err = h.rec.Record(&e, meter.Ticket{})
		}
		if !errors.Is(err, journal.ErrFull) || !errors.Is(h.rec.Err(), journal.ErrFull) {
			t.Fatalf("Record: %v, Err: %v; want ErrFull", err, h.rec.Err())
		}
		for n := range 200 { // little is left in the segment
			h.rec.Refuse(noon, "cus_a", fmt.Sprintf("key_%d", n), "ner", "", toll.RefusedJournal)
			time.Sleep(100 * time.Millisecond)
		}
		h.files.Capacity(0)
		time.Sleep(2 * time.Second) // the segment is made, the background flushes
		if err := h.drainer.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if points := h.refusals(t); len(points) != 1 || points[0].Count != 200 {
			t.Fatalf("%v, want 200", points)
		}
		h.kill()
	})
}

func TestRefusalsAreWrittenEverySecondAndAtTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		h.rec.Refuse(noon, "cus_a", "key_a", "ner", "minute", toll.RefusedLimit)
		time.Sleep(1100 * time.Millisecond)
		if err := h.drainer.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		if points := h.refusals(t); len(points) != 1 || points[0].Count != 1 {
			t.Fatalf("after a second: %v", points)
		}
		h.rec.Refuse(noon, "cus_a", "key_a", "ner", "minute", toll.RefusedLimit)
		if err := h.rec.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		if points := h.refusals(t); len(points) != 1 || points[0].Count != 2 {
			t.Fatalf("after the end: %v", points)
		}
	})
}

func TestRecordFailsWhenASyncFails(t *testing.T) {
	t.Parallel()
	files := journaltest.New(t)
	lane, err := journal.Create(journal.Options{Root: root, Node: "n1", ID: toll.ULID{1}, Files: files, SegmentSize: little, Sync: journal.Sync{Always: true}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{files: files, store: &metertest.Memory{}, lane: lane, rec: meter.NewRecorder(lane)}
	h.done(h.record(t, 0, 2))
	files.Fault(func(op, _ string) error {
		if op == "sync" {
			return syscall.EIO
		}
		return nil
	})
	e := event(2)
	if ticket, err := h.rec.Record(&e, meter.Ticket{}); !errors.Is(err, syscall.EIO) || !ticket.IsZero() {
		t.Fatalf("Record: %v, %v; want EIO", ticket, err)
	}
	files.Fault(nil)
	e = event(3)
	if _, err := h.rec.Record(&e, meter.Ticket{}); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Record after it: %v, want EIO until the restart", err)
	}
	h.kill()
	next := newHouse(t, 2, h)
	if err := next.drainer.DrainDead(context.Background()); err != nil {
		t.Fatal(err)
	}
	doubts, err := next.store.Doubts(context.Background(), noon, noon.Add(time.Minute))
	if err != nil || len(doubts) != 1 || doubts[0].Event.ID != event(2).ID || doubts[0].Kind != meter.DoubtUndelivered {
		t.Fatalf("doubts %v, %v: want the event whose answer failed", doubts, err)
	}
	if n := len(next.store.All()); n != 3 {
		t.Fatalf("%d events, want 3", n)
	}
}

func TestAnOpenThatIsGivenUpLeavesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	e := event(1)
	opened, err := h.rec.Open(&e)
	if err != nil {
		t.Fatal(err)
	}
	h.rec.Done(opened, true)
	h.kill()
	next := newHouse(t, 2, h)
	if err := next.drainer.DrainDead(context.Background()); err != nil {
		t.Fatal(err)
	}
	if all := next.store.All(); len(all) != 0 {
		t.Fatalf("stored %v", all)
	}
}

func TestAnEventTooLongForTheJournalIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	e := event(1)
	e.RequestID = string(make([]byte, 2*little))
	if _, err := h.rec.Record(&e, meter.Ticket{}); !errors.Is(err, journal.ErrTooLong) {
		t.Fatalf("got %v, want ErrTooLong", err)
	}
	h.rec.Refuse(noon, e.RequestID, "", "", "", toll.RefusedLimit)
	h.rec.Flush()
	if h.rec.LostRefusals() != 1 {
		t.Fatalf("lost %d refusals, want the one that is too long", h.rec.LostRefusals())
	}
}

func BenchmarkRecord(b *testing.B) {
	for name, opened := range map[string]bool{"record": false, "open and record": true} {
		b.Run(name, func(b *testing.B) {
			var rec *meter.Recorder
			e := typical()
			b.ReportAllocs()
			for i := range b.N {
				if i%100_000 == 0 { // what fits into a segment: see journal's BenchmarkAppend
					b.StopTimer()
					rec = benchmarkRecorder(b, rec)
					b.StartTimer()
				}
				var open meter.Ticket
				var err error
				if opened {
					open, err = rec.Open(&e)
				}
				ticket, failed := rec.Record(&e, open)
				if err = errors.Join(err, failed); err != nil {
					b.Fatal(err)
				}
				rec.Done(ticket, true)
			}
		})
	}
}

func BenchmarkRefuse(b *testing.B) {
	rec := benchmarkRecorder(b, nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			rec.Refuse(noon, "cus_a", "key_a", "ner", "minute", toll.RefusedLimit)
		}
	})
}

func benchmarkRecorder(b *testing.B, was *meter.Recorder) *meter.Recorder {
	if was != nil {
		if err := was.Close(); err != nil {
			b.Fatal(err)
		}
	}
	lane, err := journal.Create(journal.Options{Root: b.TempDir(), Node: "n1", ID: toll.ULID{1}, SegmentSize: 64 << 20})
	if err != nil {
		b.Fatal(err)
	}
	rec := meter.NewRecorder(lane)
	b.Cleanup(func() { _ = rec.Close() })
	return rec
}
