package app

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// zone is whose calendar months and days follow: the configuration's, UTC without one.
func (at Installation) zone() *time.Location {
	if at.Config == nil {
		return time.UTC
	}
	return at.Config.TimeZone
}

// rooms are what the owner of an installation's data works with: the running
// server, or one command when no server runs.
type rooms struct {
	at     Installation
	clock  toll.Clock
	lock   *journal.DataLock
	store  *store.Store
	plans  *plans
	office *account.Office
	// drain brings what the journal still holds into the store, so that what is
	// read next is all there is.
	drain func(ctx context.Context) error
	// reload takes the configuration file over; nil where no server runs.
	reload func(ctx context.Context) (Reloaded, error)
	// caches are the services' caches; nil where no server runs.
	caches func() edge.Caches
	// services finds a service of the configuration in force; nil where no server runs.
	services func(name string) (toll.Service, bool)
}

// openData makes the data directory where it is missing and takes its lock:
// from here on nobody else owns it.
func openData(dir string) (*journal.DataLock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, toll.Errorf(toll.Unavailable, "the data directory %s cannot be made (%w); name another one, or allow writing to it", dir, errors.Unwrap(err))
	}
	lock, err := journal.Lock(dir)
	var held *toll.Error
	if errors.As(err, &held) { // whoever starts a program may see which directory it was
		return nil, &toll.Error{Code: held.Code, Message: dir + ": " + held.Message, Cause: err}
	}
	return lock, err
}

// openStore opens the database that the configuration names, SQLite in the
// data directory by default.
func openStore(ctx context.Context, at Installation) (*store.Store, error) {
	o := store.Options{Dir: at.Data}
	if at.Config != nil {
		o.URL = at.Config.Database
	}
	return store.Open(ctx, o)
}

// newOffice opens the account office over a store.
func newOffice(s *store.Store, p *plans, passwords *account.Passwords, changed account.Changed, clock toll.Clock) (*account.Office, error) {
	return account.NewOffice(s, account.OfficeOptions{
		Plans: p, Passwords: passwords, Changed: changed, Clock: clock,
		Mint: func(mode toll.Mode) (toll.Secret, [32]byte, string, error) { return apikey.New(mode, nil) },
	})
}

// openRooms opens an installation for one command, as its only owner.
func openRooms(ctx context.Context, at Installation) (*rooms, error) {
	lock, err := openData(at.Data)
	if err != nil {
		return nil, err
	}
	r := &rooms{at: at, clock: toll.SystemClock, lock: lock, plans: new(plans)}
	if err := r.open(ctx); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rooms) open(ctx context.Context) error {
	var err error
	if r.store, err = openStore(ctx, r.at); err != nil {
		return err
	}
	versions, err := loadPlans(ctx, r.store, r.at.Config, r.clock())
	if err != nil {
		return err
	}
	r.plans.switchTo(versions)
	if r.office, err = newOffice(r.store, r.plans, nil, nil, r.clock); err != nil {
		return err
	}
	// What a killed server left in the journal belongs to every answer.
	if err := drainDead(ctx, r.at.Data, r.store, r.clock, nil); err != nil {
		return err
	}
	r.drain = func(context.Context) error { return nil }
	return nil
}

// close gives everything back, also after a failed open.
func (r *rooms) close() error {
	var errs []error
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Unlock())
	}
	return errors.Join(errs...)
}
