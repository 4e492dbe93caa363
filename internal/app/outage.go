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
	began time.Time
	file  *snapshot.File
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
	a.outage.Store(&outage{began: a.clock(), file: file})
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

// quotaCounter names what a customer used of a unit in a period of a quota.
type quotaCounter struct {
	customer, unit string
	every          toll.Every
	start          int64
}

// quotaPeriods are the periods that hold now.
func quotaPeriods(now time.Time, zone *time.Location) (everies []toll.Every, periods []meter.Period) {
	everies = []toll.Every{toll.Daily, toll.Monthly}
	for _, every := range everies {
		from, to := every.PeriodAt(now, zone)
		periods = append(periods, meter.Period{From: from, To: to})
	}
	return everies, periods
}

// holdsNow tells whether a counter is of one of the periods.
func holdsNow(c *snapshot.Counter, everies []toll.Every, periods []meter.Period) bool {
	for i, every := range everies {
		if c.Every == every && c.Start == periods[i].From.Unix() {
			return true
		}
	}
	return false
}

// replay adds up what lies in the lanes behind what the snapshot has.
func (a *App) replay(ctx context.Context, of *snapshot.File, to func(lane string) (meter.Position, bool), everies []toll.Every, periods []meter.Period) (map[quotaCounter]int64, error) {
	sums := map[quotaCounter]int64{}
	from := func(lane string) meter.Position { return of.Head.Cursors[lane] }
	read, err := meter.Replay(ctx, journal.OS, journalRoot(a.cfg.Data), a.drainer.OwnLane(), from, to, func(e *toll.Event) {
		for i, p := range periods {
			if e.Time.Before(p.From) || !e.Time.Before(p.To) {
				continue
			}
			snapshot.Chargeable(e, func(unit string, count int64) {
				sums[quotaCounter{e.Customer, unit, everies[i], p.From.Unix()}] += count
			})
		}
	})
	if err == nil && (read.Missing || read.Damages > 0) {
		a.log.Warn("a part of the journal that follows the snapshot cannot be read: quotas may let a little more pass until the database is back", "missing", read.Missing, "damages", read.Damages)
	}
	return sums, err
}

// restoreSaved gives the gate what the snapshot and the lanes hold.
func (a *App) restoreSaved(ctx context.Context) error {
	file := a.outage.Load().file
	everies, periods := quotaPeriods(a.clock(), a.cfg.TimeZone)
	since, err := a.replay(ctx, file, nil, everies, periods)
	if err != nil {
		return fmt.Errorf("reading what was used since the snapshot: %w", err)
	}
	restore := func(c quotaCounter, used int64) {
		a.gate.Restore(c.customer, c.unit, c.every, time.Unix(c.start, 0), used)
	}
	customers, keys := 0, 0
	err = file.Each(func(c toll.Customer) {
		customers++
		a.gate.PutCustomer(c)
	}, func(k toll.Key) {
		keys++
		a.gate.PutKey(k)
	}, func(c snapshot.Counter) {
		if holdsNow(&c, everies, periods) {
			id := quotaCounter{c.Customer, c.Unit, c.Every, c.Start}
			restore(id, c.Used+since[id])
			delete(since, id)
		}
	})
	if err != nil {
		return err
	}
	for id, used := range since {
		restore(id, used)
	}
	a.log.Info("the snapshot was read", "customers", customers, "keys", keys)
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
	watch, _, err := a.readStore(ctx)
	if err == nil {
		var corrected int
		if corrected, err = a.correctCounters(ctx, away.file); err == nil {
			a.hearFrom(ctx, watch)
			a.startDrainer()
			a.outage.Store(nil)
			a.log.Info("the database is back, and this server has caught up with it; what was used meanwhile is being brought in",
				"away_for", a.clock().Sub(away.began).Round(time.Second), "counters_corrected", corrected)
			if err := a.drainer.DrainDead(ctx); err != nil && ctx.Err() == nil {
				a.log.Warn("the journal of an earlier process is not brought in yet; it is tried again", "error", err)
			}
			return away.file.Close()
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
//	counter = snapshot + lanes behind it + admitted since
//	correct = database + lanes behind its cursors + admitted since
func (a *App) correctCounters(ctx context.Context, file *snapshot.File) (corrected int, err error) {
	everies, periods := quotaPeriods(a.clock(), a.cfg.TimeZone)
	counted, err := a.rooms.store.Counted(ctx, periods)
	if err != nil {
		return 0, err
	}
	behind, err := a.replay(ctx, file, func(lane string) (meter.Position, bool) { return counted.Cursors[lane], true }, everies, periods)
	if err != nil {
		return 0, err
	}
	by := map[quotaCounter]int64{}
	for i, every := range everies {
		for _, u := range counted.Used[i] {
			by[quotaCounter{u.Customer, u.Unit, every, periods[i].From.Unix()}] += u.Count
		}
	}
	for id, n := range behind {
		by[id] -= n
	}
	if err := file.Each(nil, nil, func(c snapshot.Counter) {
		if holdsNow(&c, everies, periods) {
			by[quotaCounter{c.Customer, c.Unit, c.Every, c.Start}] -= c.Used
		}
	}); err != nil {
		return 0, err
	}
	for id, n := range by {
		if n != 0 {
			corrected++
			a.gate.Correct(id.customer, id.unit, id.every, time.Unix(id.start, 0), n)
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
