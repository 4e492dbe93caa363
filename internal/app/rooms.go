package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
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
	at      Installation
	clock   toll.Clock
	lock    *journal.DataLock
	store   *store.Store
	plans   *plans
	office  *account.Office
	keeper  keeper          // of a command: what it changes goes into the snapshot too
	tokens  *account.Tokens // API tokens
	post    post            // how mail leaves
	imports *account.Imports
	// refusals are counted for the audit log.
	refusals *account.Refusals
	// sessions are the running server's; nil where none runs.
	sessions *account.Sessions
	// drain brings what the journal still holds into the store, so that what is
	// read next is all there is; see drainWithin.
	drain func(ctx context.Context, wait time.Duration) error
	// reload takes the configuration file over; nil where no server runs.
	reload func(ctx context.Context) (Reloaded, error)
	// compare says what a file would change; nil where no server runs.
	compare func(ctx context.Context, file string) (Compared, error)
	// service finds a service of the configuration in force; nil where no server runs.
	service func(name string) (toll.Service, bool)
	// outside tells the snapshot of usage that no lane brings.
	outside func()
	// services are those of the configuration in force; nil where no server runs.
	services func() []toll.Service
	// witness remembers refused requests; nil where no server runs.
	witness *gate.Gate
	// late counts what is settled later; nil where no server runs.
	late lateCounters
	// caches are the services' caches; nil where no server runs.
	caches func() edge.Caches
	// upgrade hands over to a new program; nil where no server runs.
	upgrade func(ctx context.Context, in UpgradeRequest) (Upgraded, error)
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

// openToOthers says what is wrong with the mode of a data directory in which
// other users of the machine can write, "" when nothing is: they could put a
// database or a secret of their own in the place of ours.
func openToOthers(dir string) string {
	info, err := os.Stat(dir)
	if err != nil || runtime.GOOS == "windows" {
		return ""
	}
	who := map[os.FileMode]string{0o020: "the users of its group", 0o002: "all users of this machine", 0o022: "all users of this machine"}[info.Mode().Perm()&0o022]
	if who == "" {
		return ""
	}
	return fmt.Sprintf("%s can write in the data directory %s (mode %#o), and so replace keys, usage and the database; close it with `chmod 700 %s`", who, dir, info.Mode().Perm(), dir)
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

// officeTies are what an office tells, and asks, of the program around it.
type officeTies struct {
	changed       account.Changed
	consoleURL    func() string
	signUp        func() string
	mailed        func()
	personChanged func(id string)
	refusals      *account.Refusals // nil: nobody counts
	selfService   func() bool       // nil: never
}

// newOffice opens the account office over a store.
func newOffice(s *store.Store, p *plans, passwords *account.Passwords, ties officeTies, clock toll.Clock) (*account.Office, error) {
	return account.NewOffice(s, account.OfficeOptions{
		Plans: p, Passwords: passwords, Changed: ties.changed, Clock: clock,
		ConsoleURL: ties.consoleURL, SignUp: ties.signUp, Mailed: ties.mailed, PersonChanged: ties.personChanged, Refusals: ties.refusals, SelfService: ties.selfService,
		Mint: func(mode toll.Mode) (toll.Secret, [32]byte, string, error) { return apikey.New(mode, nil) },
	})
}

// newTokens opens the API tokens in a store.
func newTokens(s *store.Store, clock toll.Clock) (*account.Tokens, error) {
	return account.NewTokens(s, account.TokenOptions{
		Mint:  func() (toll.Secret, [32]byte, string, error) { return apikey.NewToken(nil) },
		Check: apikey.CheckToken, Clock: clock,
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
	r.plans.switchTo(versions, r.at.Config)
	r.keeper = openKeeper(r.at, r.store, r.clock, nil)
	ties := officeTies{changed: r.keeper, consoleURL: func() string { return consoleAddress(r.at.Config) }}
	if r.office, err = newOffice(r.store, r.plans, nil, ties, r.clock); err != nil {
		return err
	}
	if r.post, err = newPost(r.at.Config, r.clock); err != nil {
		return err
	}
	if r.tokens, err = newTokens(r.store, r.clock); err != nil {
		return err
	}
	if r.imports, err = newImports(r.store, r.plans, r.keeper, r.clock); err != nil {
		return err
	}
	// What a killed server left in the journal belongs to every answer.
	if _, err := drainDead(ctx, r.at.Data, r.store, r.keeper.forDrainer(), r.clock, nil); err != nil {
		return err
	}
	r.outside = r.keeper.outside
	r.drain = func(context.Context, time.Duration) error { return nil }
	return nil
}

// close gives everything back, also after a failed open.
func (r *rooms) close() error {
	var errs []error
	if r.keeper.of != nil {
		within, cancel := context.WithTimeout(context.Background(), drainGrace)
		r.keeper.keep(within)
		cancel()
	}
	if r.store != nil {
		errs = append(errs, r.store.Close())
	}
	if r.lock != nil {
		errs = append(errs, r.lock.Unlock())
	}
	return errors.Join(errs...)
}
