package app

import (
	"context"
	"log/slog"
	"net/url"
	"path/filepath"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/snapshot"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// snapshotName is the file, in the data directory, that stands in for a database
// that is away.
const snapshotName = "snapshot"

// keeper is the local snapshot's, where there is one: a SQLite database is a
// file beside, and away only together with it. The zero value keeps nothing.
type keeper struct{ of *snapshot.Keeper }

// whose says whose snapshot an installation's is. The password of the database
// may change, and is not in it.
func whose(cfg *config.Config) snapshot.Identity {
	place := cfg.Database.Reveal()
	if u, err := url.Parse(place); err == nil {
		u.User = url.User(u.User.Username())
		place = u.String()
	}
	return snapshot.Identity{Database: fingerprint(place), Zone: zoneName(cfg.TimeZone)}
}

func openKeeper(at Installation, s *store.Store, clock toll.Clock, log *slog.Logger) keeper {
	if at.Config == nil || at.Config.Database == "" {
		return keeper{}
	}
	return keeper{snapshot.NewKeeper(snapshot.Options{
		Path: filepath.Join(at.Data, snapshotName), Journal: journalRoot(at.Data), Source: s,
		Whose: whose(at.Config), Quotas: quotasOf(at.Config, at.zone()), Program: Version().Version, Clock: clock, Log: log,
	})}
}

// forDrainer is what a drainer tells, nil for nobody.
func (k keeper) forDrainer() meter.Keeper {
	if k.of == nil {
		return nil
	}
	return k.of
}

// CustomerChanged implements account.Changed for a command.
func (k keeper) CustomerChanged(c toll.Customer) {
	if k.of != nil {
		k.of.CustomerChanged(c)
	}
}

// KeyChanged implements account.Changed for a command.
func (k keeper) KeyChanged(key toll.Key) {
	if k.of != nil {
		k.of.KeyChanged(key)
	}
}

// configured tells of the configuration that holds now.
func (k keeper) configured(cfg *config.Config) {
	if k.of != nil {
		k.of.Configured(quotasOf(cfg, cfg.TimeZone))
	}
}

// keptIntake tells the snapshot of usage from outside, which no lane brings.
type keptIntake struct {
	meter.Intake
	keeper keeper
}

// TakeOutside implements meter.Intake.
func (k keptIntake) TakeOutside(ctx context.Context, events []meter.Outside, partial bool) ([]meter.Fate, error) {
	fates, err := k.Intake.TakeOutside(ctx, events, partial)
	k.keeper.outside() // also after an error: it may be stored all the same
	return fates, err
}

// outside tells the snapshot that usage was stored that no lane brings.
func (k keeper) outside() {
	if k.of != nil {
		k.of.Outside()
	}
}

// run writes the snapshot until ctx ends.
func (k keeper) run(ctx context.Context) {
	if k.of != nil {
		k.of.Run(ctx)
	}
}

// keep writes what is not in the snapshot yet, where there is one.
func (k keeper) keep(ctx context.Context) {
	if k.of != nil {
		k.of.Keep(ctx)
	}
}

// status is how the snapshot is; false where none is kept.
func (k keeper) status() (snapshot.Status, bool) {
	if k.of == nil {
		return snapshot.Status{}, false
	}
	return k.of.Status(), true
}

// storeState is what pages say of the database.
func (a *App) storeState() console.StoreState {
	s, kept := a.keeper.status()
	return console.StoreState{Away: a.outage.Load() != nil, Kept: kept, Snapshot: s.WrittenAt}
}
