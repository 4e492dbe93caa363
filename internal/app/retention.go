package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
)

// retainEvery is how often old events are looked for, and room is made for
// coming ones.
const retainEvery = time.Hour

// retain keeps single events for as long as the configuration says, until ctx
// ends. Another replica may do the same at the same time.
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
	got, err := a.rooms.store.Retain(ctx, a.live.Load().cfg.Retention.Events)
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
}

// eventsGone tells whether single events that came in or after from were
// dropped, so that sums of that time cannot be held against them any more.
func eventsGone(ctx context.Context, s *store.Store, from time.Time) (since time.Time, gone bool, err error) {
	since, err = s.EventsSince(ctx)
	return since, since.After(from), err
}
