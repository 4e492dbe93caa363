package meter_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// run runs the drainer until the returned function is called.
func (h *house) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.drainer.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// wantStored checks that events first to last-1 are stored, and nothing else.
func (h *house) wantStored(t testing.TB, first, last int) {
	t.Helper()
	all := h.store.All()
	if len(all) != last-first {
		t.Fatalf("%d events are stored, want %d", len(all), last-first)
	}
	for i, e := range all {
		if want := event(first + i).ID; e.ID != want {
			t.Fatalf("event %d is %s, want %s", i, e.ID, want)
		}
	}
}

func (h *house) doubts(t testing.TB) (kinds map[toll.ULID]string) {
	t.Helper()
	doubts, err := h.store.Doubts(context.Background(), noon.AddDate(0, 0, -1), noon.AddDate(0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	kinds = map[toll.ULID]string{}
	for _, d := range doubts {
		kinds[d.Event.ID] = d.Kind
	}
	return kinds
}

// segments lists what is left of a process's lane.
func (h *house) segments(t testing.TB, of *house) (names []string) {
	t.Helper()
	all, err := h.files.List(root + "/" + of.lane.Name())
	if err != nil {
		return nil
	}
	for _, name := range all {
		if strings.HasSuffix(name, ".thj") {
			names = append(names, name)
		}
	}
	return names
}

func TestRunDrainsWithinItsDelayAndSleepsOtherwise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		var drains atomic.Int64
		h.store.Fail = func(*meter.Batch) error { drains.Add(1); return nil }
		stop := h.run()
		time.Sleep(time.Hour)
		if n := drains.Load(); n != 0 {
			t.Fatalf("%d drains of nothing", n)
		}
		h.done(h.record(t, 0, 100))
		if s := h.drainer.Status(); s.Backlog < 100*100 {
			t.Errorf("the backlog is %d bytes", s.Backlog)
		}
		time.Sleep(150 * time.Millisecond)
		if s := h.drainer.Status(); s.Lag < 100*time.Millisecond || s.Lag > 200*time.Millisecond {
			t.Errorf("the lag is %v", s.Lag)
		}
		time.Sleep(51 * time.Millisecond)
		h.wantStored(t, 0, 100)
		if n := drains.Load(); n != 1 {
			t.Errorf("%d drains, want what gathered in one", n)
		}
		if s := h.drainer.Status(); s.Backlog != 0 || s.Lag != 0 || s.Stored != 100 || s.StoredAt.IsZero() || s.Error != "" {
			t.Errorf("status %+v", s)
		}
		stop()
		h.kill()
	})
}

func TestDeletesSegmentsThatAreDrainedAndDone(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	flush := func() {
		t.Helper()
		if err := h.drainer.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	tickets := h.record(t, 0, 200)
	flush()
	h.wantStored(t, 0, 200)
	if n := uint64(len(h.segments(t, h))); n < h.lane.End().Segment {
		t.Fatalf("%d segments are left of %d, nothing is done", n, h.lane.End().Segment)
	}
	h.done(tickets)
	flush()
	if names := h.segments(t, h); len(names) > 2 {
		t.Fatalf("left: %v, want the one being written and the one made ready", names)
	}
	h.done(h.record(t, 200, 260))
	flush()
	h.wantStored(t, 0, 260)
}

func TestKeepsEverythingWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		away := errors.New("the database is away")
		var down atomic.Bool
		h.store.Fail = func(*meter.Batch) error {
			if down.Load() {
				return away
			}
			return nil
		}
		stop := h.run()
		h.done(h.record(t, 0, 10))
		time.Sleep(time.Second)
		down.Store(true)
		for n := 10; n < 610; n++ { // ten minutes
			h.done(h.record(t, n, n+1))
			time.Sleep(time.Second)
		}
		s := h.drainer.Status()
		if !strings.Contains(s.Error, away.Error()) || s.Lag < 9*time.Minute || time.Since(s.ErrorSince) < 9*time.Minute || s.Stored != 10 {
			t.Errorf("status %+v", s)
		}
		down.Store(false)
		time.Sleep(6 * time.Second) // the longest pause between two tries
		h.wantStored(t, 0, 610)
		if s := h.drainer.Status(); s.Error != "" || !s.ErrorSince.IsZero() || s.Backlog != 0 {
			t.Errorf("status %+v", s)
		}
		stop()
		h.kill()
	})
}

func TestACommitWhoseAnswerWasLostIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		lost := true
		h.store.Lost = func(*meter.Batch) error {
			lost = !lost
			if !lost {
				return errors.New("connection reset")
			}
			return nil
		}
		for n := range 5 {
			h.done(h.record(t, 100*n, 100*n+100))
			if err := h.drainer.Flush(context.Background()); err != nil {
				t.Fatal(err)
			}
			h.wantStored(t, 0, 100*n+100)
		}
		h.kill()
	})
}

func TestEndsInOrderAndLeavesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		stop := h.run()
		h.done(h.record(t, 0, 300))
		h.rec.Refuse(noon, "cus_a", "key_a", "ner", "minute", toll.RefusedLimit)
		if err := h.rec.Close(); err != nil {
			t.Fatal(err)
		}
		stop()
		if err := h.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.wantStored(t, 0, 300)
		if d := h.doubts(t); len(d) != 0 || len(h.refusals(t)) != 1 {
			t.Fatalf("doubts %v, refusals %v", d, h.refusals(t))
		}
		if lanes, err := journal.Lanes(h.files, root); err != nil || len(lanes) != 0 || len(h.store.Lanes()) != 0 {
			t.Fatalf("left: %v, %v, cursors %v", lanes, err, h.store.Lanes())
		}
	})
}

func TestRunFinishesLanesWhoseProcessEndsMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := newHouse(t, 1, nil)
		h := newHouse(t, 2, old)
		stop := h.run()
		old.record(t, 0, 40)
		time.Sleep(10 * time.Second)
		h.wantStored(t, 0, 40) // it lives, and is followed
		if s := h.drainer.Status(); s.Followed != 1 {
			t.Errorf("status %+v, want one lane followed", s)
		}
		old.record(t, 40, 50)
		old.kill()
		time.Sleep(6 * time.Second)
		h.wantStored(t, 0, 50)
		if s := h.drainer.Status(); s.Followed != 0 || s.Stuck != 0 {
			t.Errorf("status %+v, want no lane followed", s)
		}
		if d := h.doubts(t); len(d) != 50 {
			t.Fatalf("%d doubts, want 50: nobody finished them", len(d))
		}
		stop()
		h.kill()
	})
}

func TestDoubtsReachBackToWhatWasDrainedAlive(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	tickets := h.record(t, 0, 200)
	if err := h.drainer.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	h.done(tickets[1:199])
	h.done(h.record(t, 200, 300))
	if err := h.drainer.Flush(context.Background()); err != nil { // and what is done is deleted
		t.Fatal(err)
	}
	h.kill()
	next := newHouse(t, 2, h)
	if err := next.drainer.DrainDead(context.Background()); err != nil {
		t.Fatal(err)
	}
	next.wantStored(t, 0, 300)
	if d := next.doubts(t); len(d) != 2 || d[event(0).ID] == "" || d[event(199).ID] != meter.DoubtUndelivered {
		t.Fatalf("doubts %v, want the first and the two hundredth", d)
	}
	if s := next.drainer.Status(); s.Damages != 0 {
		t.Fatalf("deleted segments are taken for damage: %+v", s)
	}
}

func TestDamageIsCountedKeptAsideAndStepsOver(t *testing.T) {
	t.Parallel()
	for _, live := range []bool{true, false} {
		t.Run(fmt.Sprintf("live %v", live), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 1, nil)
			h.done(h.record(t, 0, 100))
			dir := root + "/" + h.lane.Name()
			h.files.Bytes(dir + "/00000002.thj")[64+30] ^= 1                    // the first record of the second segment
			if _, err := h.lane.Append(2, []byte{1, 2, 3}, false); err != nil { // an event that is none
				t.Fatal(err)
			}
			h.done(h.record(t, 100, 200))
			by := h
			if live {
				for range 2 {
					if err := h.drainer.Flush(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			} else {
				h.kill()
				by = newHouse(t, 2, h)
				if err := by.drainer.DrainDead(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			if n := len(by.store.All()); n != 199 {
				t.Errorf("%d events are stored, want all but the damaged one", n)
			}
			if s := by.drainer.Status(); s.Damages != 2 || s.DamagedBytes < 150 || s.DamagedBytes > 500 {
				t.Errorf("status %+v, want two damages", s)
			}
			if names, err := by.files.List(dir + ".damaged"); err != nil || len(names) != 2 {
				t.Errorf("kept aside: %v, %v; want two segments", names, err)
			}
		})
	}
}

func TestANewerJournalIsRefusedAndOthersAreDrained(t *testing.T) {
	t.Parallel()
	newerRecord := meter.AppendEvent(nil, &toll.Event{})
	newerRecord[0] = 200
	for name, c := range map[string]struct {
		kind    journal.Kind
		payload []byte
	}{
		"a newer encoding": {2, newerRecord},
		"a newer kind":     {99, []byte{1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newer := newHouse(t, 1, nil)
			newer.record(t, 0, 3)
			if _, err := newer.lane.Append(c.kind, c.payload, true); err != nil {
				t.Fatal(err)
			}
			newer.kill()
			fine := newHouse(t, 2, newer)
			fine.record(t, 10, 13)
			fine.kill()
			h := newHouse(t, 3, newer)
			before := h.segments(t, newer)
			for range 2 {
				err := h.drainer.DrainDead(context.Background())
				if !errors.Is(err, journal.ErrNewer) || !strings.Contains(err.Error(), newer.lane.Name()) {
					t.Fatalf("got %v, want ErrNewer and the lane's name", err)
				}
			}
			h.wantStored(t, 10, 13)
			if after := h.segments(t, newer); strings.Join(after, " ") != strings.Join(before, " ") {
				t.Fatalf("segments %v, were %v", after, before)
			}
			if s := h.drainer.Status(); s.Stuck != 1 || s.StuckError == "" {
				t.Fatalf("status %+v", s)
			}
		})
	}
}

func TestAStoreThatRefusesForGoodIsNotAskedForEver(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]error{
		"the event is there":       toll.Errorf(toll.Conflict, "The usage event is stored already."),
		"the cursor is not moving": meter.ErrCursorMoved,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, 1, nil)
			h.record(t, 0, 3)
			h.kill()
			next := newHouse(t, 2, h)
			next.store.Fail = func(*meter.Batch) error { return refuse }
			if err := next.drainer.DrainDead(context.Background()); !errors.Is(err, refuse) {
				t.Fatalf("got %v, want %v", err, refuse)
			}
			next.store.Fail = nil // mended
			if err := next.drainer.DrainDead(context.Background()); err != nil {
				t.Fatal(err)
			}
			next.wantStored(t, 0, 3)
			if s := next.drainer.Status(); s.Stuck != 0 || s.StuckError != "" {
				t.Fatalf("status %+v", s)
			}
		})
	}
}

func TestDrainDeadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, 1, nil)
		h.record(t, 0, 3)
		h.kill()
		next := newHouse(t, 2, h)
		away := errors.New("the database is away")
		next.store.Fail = func(*meter.Batch) error { return away }
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err := next.drainer.DrainDead(ctx)
		if !errors.Is(err, away) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v, want the store's error and that time is over", err)
		}
		next.store.Fail = nil
		if err := next.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		next.wantStored(t, 0, 3)
		next.kill()
	})
}

func TestALaneThatCannotBeReadIsLeftForLater(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	h.done(h.record(t, 0, 100))
	h.kill()
	next := newHouse(t, 2, h)
	next.files.Fault(func(op, name string) error {
		if op == "read" && strings.Contains(name, "00000002") {
			return syscall.EIO
		}
		return nil
	})
	if err := next.drainer.DrainDead(context.Background()); !errors.Is(err, syscall.EIO) {
		t.Fatalf("got %v, want EIO", err)
	}
	next.files.Fault(nil)
	if err := next.drainer.DrainDead(context.Background()); err != nil {
		t.Fatal(err)
	}
	next.wantStored(t, 0, 100)
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t, 1, nil)
	var sizes []int
	h.store.Fail = func(b *meter.Batch) error {
		sizes = append(sizes, len(b.Events))
		return nil
	}
	h.done(h.record(t, 0, 12_345))
	if err := h.drainer.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(sizes) != "[5000 5000 2345]" {
		t.Fatalf("batches of %v", sizes)
	}
	h.wantStored(t, 0, 12_345)
}

func BenchmarkDrain(b *testing.B) {
	const events = 50_000
	b.ReportAllocs()
	for range b.N {
		b.StopTimer()
		lane, err := journal.Create(journal.Options{Root: b.TempDir(), Node: "n1", ID: toll.ULID{1}})
		if err != nil {
			b.Fatal(err)
		}
		rec := meter.NewRecorder(lane)
		e := typical()
		for n := range events {
			e.ID = event(n).ID
			ticket, err := rec.Record(&e, meter.Ticket{})
			if err != nil {
				b.Fatal(err)
			}
			rec.Done(ticket, true)
		}
		counted := &counter{}
		drainer := meter.NewDrainer(meter.DrainerOptions{Root: "none", Sink: counted, Own: lane, Log: quiet})
		b.StartTimer()
		if err := drainer.Flush(context.Background()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if counted.events != events {
			b.Fatalf("%d events", counted.events)
		}
		if err := rec.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.N)*events/b.Elapsed().Seconds(), "events/s")
}

// counter is a sink that only counts: what is measured is the drainer.
type counter struct {
	metertest.Memory
	at     meter.Position
	events int
}

func (c *counter) Cursor(context.Context, string) (meter.Position, error) { return c.at, nil }

func (c *counter) Drain(_ context.Context, b *meter.Batch) error {
	c.at = b.Next
	c.events += len(b.Events)
	return nil
}
