package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// retainEvery is how often old events are looked for, and room is made for
// coming ones.
const retainEvery = time.Hour

// retain keeps single events and sums for as long as the configuration says,
// until ctx ends. Another replica may do the same at the same time.
func (a *App) retain(ctx context.Context) {
	if l := a.rooms.store.Layout(); l.Why != "" {
		a.log.Warn("TimescaleDB is not used", "version", l.Extension, "why", l.Why)
	} else {
		a.log.Debug("single events are kept", "in", l.Kind, "timescaledb", l.Extension, "license", l.License)
	}
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		a.retainOnce(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *App) retainOnce(ctx context.Context) {
	keep := a.live.Load().cfg.Retention
	got, err := a.rooms.store.Retain(ctx, keep.Events)
	switch {
	case ctx.Err() != nil: // the next start goes on with it
	case err != nil:
		a.log.Warn("old usage events could not be dropped; it is tried again in an hour", "error", err)
	case got.Dropped > 0:
		a.log.Info("old usage events were dropped", "about", got.Dropped, "kept_since", got.Since)
	}
	switch n, err := dropSignIns(ctx, a.rooms.store, a.clock()); {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Warn("ended sessions could not be deleted; it is tried again in an hour", "error", err)
	case n > 0:
		a.log.Info("sessions that ended long ago were deleted", "sessions", n)
	}
	dropped, err := a.rooms.store.RetainSums(ctx, store.Keep{Sums: keep.Sums, Latencies: keep.Latencies, Refusals: keep.Refusals})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		a.log.Warn("old sums of usage could not be dropped; it is tried again in an hour", "error", err)
	case dropped > 0:
		a.log.Info("old sums of usage were dropped", "rows", dropped)
	}
}

// refuseDroppedSums says so where sums of a time from then on were dropped: what
// is left of it must not pass for the whole.
func refuseDroppedSums(ctx context.Context, s *store.Store, from time.Time) error {
	since, err := s.SumsSince(ctx)
	if err != nil || !since.After(from) {
		return err
	}
	return toll.Errorf(toll.NotFound, "Sums of usage before %s are gone (retention.sums): there is no statement of that time any more.", since.Format(time.DateOnly))
}

// eventsGone tells whether single events that came in or after from were
// dropped, so that sums of that time cannot be held against them any more.
func eventsGone(ctx context.Context, s *store.Store, from time.Time) (since time.Time, gone bool, err error) {
	since, err = s.EventsSince(ctx)
	return since, since.After(from), err
}
