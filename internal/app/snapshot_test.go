package app

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/snapshot"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// intake stores events from outside in a store in memory, and may fail then.
type intake struct {
	*storeOf
	stored int64
	err    error
}

func (i *intake) TakeOutside(ctx context.Context, events []meter.Outside, _ bool) ([]meter.Fate, error) {
	b := &meter.Batch{Lane: "outside", From: meter.Position{Offset: i.stored}}
	for _, e := range events {
		b.Events = append(b.Events, e.Event)
	}
	i.stored++
	b.Next = meter.Position{Offset: i.stored}
	if err := i.Drain(ctx, b); err != nil {
		return nil, err
	}
	return make([]meter.Fate, len(events)), i.err
}

func TestTheSnapshotHasUsageFromOutside(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	path, store := filepath.Join(t.TempDir(), "snapshot"), new(storeOf)
	of := snapshot.NewKeeper(snapshot.Options{Path: path, Source: store, Quotas: meter.NewQuotas(time.UTC), Clock: func() time.Time { return now }})
	if err := of.Write(t.Context()); err != nil {
		t.Fatal(err)
	}
	door := &intake{storeOf: store}
	events := []meter.Outside{{Event: toll.Event{
		ID: toll.ULID{1}, Time: now, Customer: "cus_1", Class: toll.Chargeable, Service: toll.OutsideService,
		Units: []toll.Amount{{Unit: "words", Count: 40}, {Unit: toll.UnitRequests}},
	}}}
	for i, want := range []int64{40, 80} {
		events[0].Event.ID[1] = byte(i)
		if i == 1 {
			door.err = errors.New("stored, and the answer was lost")
		}
		if _, err := (keptIntake{door, keeper{of}}).TakeOutside(t.Context(), events, false); !errors.Is(err, door.err) {
			t.Fatal(err)
		}
		if err := of.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
		file, err := snapshot.Open(path, snapshot.Identity{})
		if err != nil {
			t.Fatal(err)
		}
		got := map[toll.Every]int64{}
		if err := errors.Join(file.Each(nil, nil, func(c snapshot.Counter) { got[c.Of.Every] += c.Used }), file.Close()); err != nil {
			t.Fatal(err)
		}
		if got[toll.Daily] != want || got[toll.Monthly] != want {
			t.Errorf("the snapshot has %v, want %d", got, want)
		}
	}
	if _, err := (keptIntake{door, keeper{}}).TakeOutside(t.Context(), events[:0], false); !errors.Is(err, door.err) {
		t.Errorf("without a snapshot: %v", err)
	}
}
