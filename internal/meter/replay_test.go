package meter_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// replayed is what Replay visits of the lanes that processes left.
func (h *house) replayed(t testing.TB, own string, from map[string]meter.Position) (ids []toll.ULID, r meter.Replayed) {
	t.Helper()
	r, err := meter.Replay(context.Background(), h.files, root, own, func(lane string) meter.Position { return from[lane] },
		func(e *toll.Event) { ids = append(ids, e.ID) })
	if err != nil {
		t.Fatal(err)
	}
	return ids, r
}

func idsOf(first, last int) (ids []toll.ULID) {
	for n := first; n < last; n++ {
		ids = append(ids, event(n).ID)
	}
	return ids
}

func TestReplayVisitsWhatWouldBeDrainedAndChangesNothing(t *testing.T) {
	t.Parallel()
	first := newHouse(t, 1, nil)
	first.record(t, 0, 5)
	if err := first.drainer.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	drained, err := first.store.Cursor(context.Background(), first.lane.Name())
	if err != nil {
		t.Fatal(err)
	}
	cursors := map[string]meter.Position{first.lane.Name(): drained}
	first.record(t, 5, 9)
	open := event(9)
	ticket, err := first.rec.Open(&open)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.rec.Record(&open, ticket); err != nil { // what closes an open record counts as any other
		t.Fatal(err)
	}
	left := event(10)
	if _, err := first.rec.Open(&left); err != nil { // nobody knows what became of it
		t.Fatal(err)
	}
	first.kill()
	second := newHouse(t, 2, first)
	second.record(t, 20, 23)
	second.kill()
	h := newHouse(t, 3, second)
	h.record(t, 30, 31)

	for range 2 {
		ids, r := h.replayed(t, h.lane.Name(), cursors)
		if want := append(idsOf(5, 10), idsOf(20, 23)...); !slices.Equal(ids, want) {
			t.Errorf("visited %v, want %v", ids, want)
		}
		if r.Lanes != 2 || r.Missing || r.Damages != 0 {
			t.Errorf("%+v", r)
		}
	}
	if ids, _ := h.replayed(t, h.lane.Name(), nil); !slices.Equal(ids, append(idsOf(0, 10), idsOf(20, 23)...)) {
		t.Errorf("from the start: %v", ids)
	}
	h.wantStored(t, 0, 5)
	if err := h.drainer.DrainDead(context.Background()); err != nil { // all of it is still there
		t.Fatal(err)
	}
	if n := len(h.store.All()); n != 14 { // with what nobody knows the end of
		t.Errorf("%d events are stored then, want 14", n)
	}
}

func TestReplayLeavesOutALaneThatLivesAndSaysSo(t *testing.T) {
	t.Parallel()
	first := newHouse(t, 1, nil)
	first.record(t, 0, 3)
	h := newHouse(t, 2, first)
	ids, r := h.replayed(t, h.lane.Name(), nil)
	if len(ids) != 0 || !r.Missing || r.Lanes != 0 {
		t.Errorf("visited %v, %+v", ids, r)
	}
	first.kill()
	if ids, r = h.replayed(t, h.lane.Name(), nil); !slices.Equal(ids, idsOf(0, 3)) || r.Missing {
		t.Errorf("when it has ended: %v, %+v", ids, r)
	}
}

func TestReplayStepsOverDamageAndSaysSo(t *testing.T) {
	t.Parallel()
	first := newHouse(t, 1, nil)
	first.record(t, 0, 3)
	if _, err := first.lane.Append(2, []byte{1, 2, 3}, false); err != nil { // an event that is none
		t.Fatal(err)
	}
	first.record(t, 3, 6)
	first.kill()
	h := newHouse(t, 2, first)
	ids, r := h.replayed(t, h.lane.Name(), nil)
	if want := idsOf(0, 6); !slices.Equal(ids, want) || r.Damages != 1 {
		t.Errorf("visited %v, %+v", ids, r)
	}
}

func TestReplayEndsWithItsContext(t *testing.T) {
	t.Parallel()
	first := newHouse(t, 1, nil)
	first.record(t, 0, 3)
	first.kill()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := meter.Replay(ctx, first.files, root, "", func(string) meter.Position { return meter.Position{} }, func(*toll.Event) { t.Error("visited") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
