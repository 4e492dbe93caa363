package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/snapshot"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// A start while the database is away goes on from the local snapshot:
//
//	snapshot + lanes ─► gate ─► serving ······ the database answers ─► schema, plans
//	    ─► customers and keys anew ─► counters: what the database has besides ─► drain
//
// Until then the journal keeps everything, and what needs the database is
// answered Unavailable at once.

// outage is what is known of the database being away.
type outage struct {
	began    time.Time
	file     *snapshot.File               // closed when the gate has it
	restored map[meter.QuotaCounter]int64 // what the gate was told that was used
}

// openBooksAway is openBooks without the store. why is how that failed.
func (a *App) openBooksAway(ctx context.Context, why error) error {
	r := a.rooms
	file, err := snapshot.Open(filepath.Join(a.cfg.Data, snapshotName), whose(a.cfg))
	if errors.Is(err, snapshot.ErrNone) {
		return why
	}
	if err != nil {
		return toll.Errorf(toll.Unavailable, "%s Without it there is only the local snapshot, but %s", toll.SafeMessage(why), Say(err))
	}
	a.outage.Store(&outage{began: a.clock(), file: file, restored: map[meter.QuotaCounter]int64{}})
	a.log.Warn("the database is away: keys, customers and counters are those of the local snapshot, and what was changed elsewhere since is not known; accounts and usage cannot be looked at or changed until it is back, which is tried again and again", "error", why,
		"snapshot_written", file.Head.WrittenAt, "snapshot_age", a.clock().Sub(file.Head.WrittenAt).Round(time.Second))
	if r.store, err = store.Await(store.Options{URL: a.cfg.Database}); err != nil {
		return err
	}
	a.keeper = openKeeper(r.at, r.store, a.clock, a.log)
	r.plans.switchTo(planVersions(a.cfg, a.clock()), a.cfg)
	if err := a.openOffice(); err != nil {
		return err
	}
	return a.openJournal()
}

// replay visits what the lanes of processes before this one have from a position
// on that cursors name.
func (a *App) replay(ctx context.Context, cursors map[string]meter.Position, quotas *meter.Quotas, visit func(meter.QuotaCounter, int64)) error {
	now := a.clock()
	read, err := meter.Replay(ctx, journal.OS, journalRoot(a.cfg.Data), a.drainer.OwnLane(),
		func(lane string) meter.Position { return cursors[lane] },
		func(e *toll.Event) {
			quotas.Event(e, func(c meter.QuotaCounter, n int64) {
				if quotas.Holds(&c, now) {
					visit(c, n)
				}
			})
		})
	if err == nil && (read.Missing || read.Damages > 0) {
		a.log.Warn("a part of the journal that was not brought in yet cannot be read: quotas may let a little more pass until the database is back", "missing", read.Missing, "damages", read.Damages)
	}
	return err
}

// restoreSaved gives the gate what the snapshot and the lanes hold.
func (a *App) restoreSaved(ctx context.Context) (err error) {
	away := a.outage.Load()
	file := away.file
	defer func() { err = errors.Join(err, file.Close()) }()
	quotas, now := quotasOf(a.cfg, a.cfg.TimeZone), a.clock()
	customers, keys := 0, 0
	err = file.Each(func(c toll.Customer) {
		customers++
		quotas.Customer(&c)
		a.gate.PutCustomer(c)
	}, func(k toll.Key) {
		keys++
		quotas.Key(&k)
		a.gate.PutKey(k)
	}, nil)
	if err != nil {
		return err
	}
	err = file.Each(nil, nil, func(c snapshot.Counter) {
		if quotas.Holds(&c.Of, now) {
			away.restored[c.Of] += c.Used
		}
	})
	if err != nil {
		return err
	}
	if err := a.replay(ctx, file.Head.Cursors, quotas, func(c meter.QuotaCounter, n int64) { away.restored[c] += n }); err != nil {
		return fmt.Errorf("reading what was used since the snapshot: %w", err)
	}
	for c, used := range away.restored {
		a.gate.RestoreScope(restored(c, used))
	}
	a.log.Info("the snapshot was read", "customers", customers, "keys", keys, "counters", len(away.restored))
	return nil
}

const (
	firstAsk   = time.Second
	longestAsk = 10 * time.Second
)

// awaitStore catches up as soon as the database is back.
func (a *App) awaitStore() {
	if a.outage.Load() == nil {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	a.stopBack = stop
	a.back.Go(func() {
		told := ""
		for wait := firstAsk; ; wait = min(2*wait, longestAsk) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			err := a.catchUp(ctx)
			if err == nil {
				return
			}
			if ctx.Err() == nil && !errors.Is(err, store.ErrAway) && err.Error() != told {
				told = err.Error()
				a.log.Error("the database answers but cannot be used yet; the local snapshot goes on standing in for it", "error", err)
			}
		}
	})
}

// catchUp makes the database the source of everything again. What can fail
// comes before anything that must be done once.
func (a *App) catchUp(ctx context.Context) (err error) {
	s, away := a.rooms.store, a.outage.Load()
	if err := s.Prepare(ctx); err != nil {
		return err
	}
	if _, err := loadPlans(ctx, s, a.live.Load().cfg, a.clock()); err != nil {
		return err
	}
	watch, quotas, err := a.readStore(ctx)
	if err == nil {
		var corrected int
		if corrected, err = a.correctCounters(ctx, quotas, away.restored); err == nil {
			a.hearFrom(ctx, watch)
			a.startDrainer()
			a.outage.Store(nil)
			a.log.Info("the database is back, and this server has caught up with it; what was used meanwhile is being brought in",
				"away_for", a.clock().Sub(away.began).Round(time.Second), "counters_corrected", corrected)
			if err := a.drainer.DrainDead(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("the journal of an earlier process is not brought in yet; it is tried again", "error", err)
			}
			return nil
		}
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	watch.Run(over, changes{a}, a.log) // gives its connection back
	return err
}

// correctCounters adds to the counters what the database has and this process
// did not know: usage that other replicas brought in. Nothing is drained here
// meanwhile.
//
//	counter = restored + admitted since
//	correct = database + lanes behind its cursors + admitted since
func (a *App) correctCounters(ctx context.Context, quotas *meter.Quotas, restoredAs map[meter.QuotaCounter]int64) (corrected int, err error) {
	now := a.clock()
	used, err := quotas.Read(ctx, a.rooms.store, now)
	if err != nil {
		return 0, err
	}
	by := map[meter.QuotaCounter]int64{}
	used.Each(func(c meter.QuotaCounter, n int64) { by[c] += n })
	if err := a.replay(ctx, used.Cursors, quotas, func(c meter.QuotaCounter, n int64) { by[c] += n }); err != nil {
		return 0, err
	}
	for c, n := range restoredAs {
		if quotas.Holds(&c, now) { // a period that ended meanwhile is nobody's limit any more
			by[c] -= n
		}
	}
	for c, n := range by {
		if n != 0 {
			corrected++
			a.gate.Correct(restored(c, 0), n)
		}
	}
	return corrected, nil
}

// planVersions are the versions of a configuration's plans, not stored yet.
func planVersions(cfg *config.Config, now time.Time) []toll.PlanVersion {
	versions := make([]toll.PlanVersion, len(cfg.Plans))
	for i, plan := range cfg.Plans {
		versions[i] = config.PlanVersion(plan, now)
	}
	return versions
}
