package meter_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
)

func TestAProcessThatTookOverDrainsTheLaneOfTheOneBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := newHouse(t, 1, nil)
		stopOld := old.run()
		first := old.record(t, 0, 30)
		time.Sleep(time.Second)
		old.wantStored(t, 0, 30)
		rest := old.record(t, 30, 60) // in the middle of a batch that never comes to be
		stopOld()

		h := newHouse(t, 2, old)
		if err := h.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		stop := h.run()
		rest = append(rest, old.record(t, 60, 100)...) // on its connections, still
		time.Sleep(time.Second)
		h.wantStored(t, 0, 100)

		rest = append(rest, old.record(t, 100, 101)...)
		if err := h.drainer.Flush(context.Background()); err != nil { // as a command does that wants it exact
			t.Fatal(err)
		}
		h.wantStored(t, 0, 101)
		old.done(append(first, rest...))
		old.record(t, 101, 102) // nobody is told of its end
		if err := old.rec.Close(); err != nil {
			t.Fatal(err)
		}
		if err := h.drainer.Flush(context.Background()); err != nil {
			t.Fatal(err)
		}
		h.wantStored(t, 0, 102)
		if d := h.doubts(t); len(d) != 1 || d[event(101).ID] != meter.DoubtUndelivered {
			t.Errorf("doubts %v, want the last one", d)
		}
		if s := h.drainer.Status(); s.Followed != 0 || s.Damages != 0 {
			t.Errorf("status %+v", s)
		}
		if names := h.segments(t, old); len(names) != 0 {
			t.Errorf("left of the lane: %v", names)
		}
		stop()
		h.kill()
	})
}

func TestAFollowedLaneWaitsForTheStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := newHouse(t, 1, nil)
		h := newHouse(t, 2, old)
		if err := h.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		var away atomic.Bool
		away.Store(true)
		h.store.Fail = func(*meter.Batch) error {
			if away.Load() {
				return errors.New("the database is away")
			}
			return nil
		}
		stop := h.run()
		old.record(t, 0, 10)
		time.Sleep(time.Minute)
		h.wantStored(t, 0, 0)
		away.Store(false)
		old.record(t, 10, 20)
		time.Sleep(time.Minute)
		h.wantStored(t, 0, 20)
		stop()
		old.kill()
		h.kill()
	})
}

func TestTheFormerDrainerGoesOnWhenTheNewProcessIsGone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		old := newHouse(t, 1, nil)
		stop := old.run()
		old.done(old.record(t, 0, 30))
		time.Sleep(time.Second)
		stop()
		h := newHouse(t, 2, old)
		if err := h.drainer.DrainDead(context.Background()); err != nil {
			t.Fatal(err)
		}
		stopNew := h.run()
		old.done(old.record(t, 30, 60))
		time.Sleep(time.Second)
		h.wantStored(t, 0, 60)
		stopNew()
		h.kill()

		stop = old.run()
		old.done(old.record(t, 60, 90))
		time.Sleep(time.Minute)
		old.wantStored(t, 0, 90)
		if s := old.drainer.Status(); s.Backlog != 0 || s.Stuck != 0 || s.Error != "" {
			t.Errorf("status %+v", s)
		}
		stop()
		old.kill()
	})
}
