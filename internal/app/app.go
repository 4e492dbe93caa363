// Package app wires the rooms of the house: configuration in, a running
// program out. It alone knows everybody. Run is what main, the demo and the
// tests start; commands reach a running server through its control socket.
package app

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/api"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// Options are what Run can be told besides the configuration.
type Options struct {
	Log   io.Writer  // where log lines go; nil: nowhere
	Clock toll.Clock // nil: toll.SystemClock
	Demo  bool       // pages say that there is demo data
	// Told: Ready shows App.Warnings to a person, so the log need not.
	Told bool
	File string // where the configuration came from, to be watched and reloaded; "": nowhere
	// Override is what flags say in place of the file; it is asked again at each
	// reload. nil: nothing.
	Override func(*config.Config)
	Ready    func(*App) // called once, when every listener answers
	// Program says how to start this program again, for an upgrade. nil: this
	// server cannot be upgraded.
	Program *Program
	// Heir is the other side of an upgrade, when this program was started to take
	// over from a running one (Inherit). nil: it was not.
	Heir *Heir

	lock     *journal.DataLock // of the data directory, when the caller holds it already
	listener net.Listener      // for listen.http, when the caller opened it already
	prepare  func(ctx context.Context, r *rooms) error
}

// App is a running Tollhouse.
type App struct {
	cfg   *config.Config
	clock toll.Clock
	log   *slog.Logger
	demo  bool

	rooms    *rooms
	ids      *toll.IDs
	gate     *gate.Gate
	chain    *edge.Chain
	front    *edge.Front
	api      *api.API
	file     string
	override func(*config.Config)
	live     atomic.Pointer[current]
	reloads  reloads
	hearing  sync.WaitGroup // of what other replicas change
	stopHear context.CancelFunc
	shared   *sharedLimits // nil: this process counts for itself
	recorder *meter.Recorder
	drainer  *meter.Drainer
	keeper   keeper                 // of the local snapshot
	outage   atomic.Pointer[outage] // of the database, when the program started in one; nil: it is there
	back     sync.WaitGroup         // of waiting for its end
	stopBack context.CancelFunc
	metrics  *telemetry.Metrics
	access   *telemetry.AccessLog

	badUsage, failures, uncounted repeated // of requests, for the log
	accessFile                    atomic.Pointer[accessFile]
	damagesFound                  int64        // in the journal, at the start
	unmeteredServed               atomic.Int64 // requests

	models       *account.Models
	support      *account.Support
	modelSecrets modelSecrets

	passwords *account.Passwords
	mailer    *mail.Sender
	mailing   sync.WaitGroup
	secret    toll.Secret // what openSecret found

	public, secure, admin, control net.Listener
	delegate                       net.Listener    // listen.authorize, nil without one
	authorize                      *edge.Authorize // what answers there
	decisions                      *gate.Decisions
	crowd                          *edge.Crowd        // the clients of public and secure
	sockets                        *upstream.Sockets  // the connections of all pools
	certificates                   *edge.Certificates // nil without HTTPS
	servers                        []*http.Server
	failed                         chan error
	serving, drained               sync.WaitGroup
	stopDrainer                    context.CancelFunc
	stopSweeping                   context.CancelFunc // of decisions
	swept                          sync.WaitGroup

	running   context.Context // ends when the program is to end
	program   *Program
	heir      *Heir
	farewell  edge.Farewell
	told      told
	upgrading atomic.Bool                 // from the start of an upgrade to its failure, or for good
	draining  atomic.Bool                 // the drainer is this process's
	leaving   atomic.Bool                 // another process serves now
	gone      chan struct{}               // closed when a process that is leaving has nothing left to do
	before    atomic.Pointer[predecessor] // who this process took over from; nil: nobody
	after     *successor                  // who took over; nil: nobody. Set before leaving
}

// shutdownGrace is how long requests may finish after the end was asked for.
const shutdownGrace = 20 * time.Second

const (
	lastCallGrace = 5 * time.Second  // for streams to be recorded once they are ended
	drainGrace    = 10 * time.Second // for the journal's end to reach the store
	lastTry       = time.Second      // of it, while the store takes nothing
)

// Run starts Tollhouse and serves until ctx ends; then it drains and returns
// nil. An error says what could not be started, or what failed while serving.
func Run(ctx context.Context, cfg *config.Config, o Options) error {
	a, err := start(ctx, cfg, o)
	if err != nil {
		return err
	}
	if err := a.notifyReady(); err != nil {
		a.log.Warn("the service manager was not told that Tollhouse is ready", "error", err)
	}
	if o.Ready != nil {
		o.Ready(a)
	}
	// What only the start needed (hashing passwords, bringing in the journal) goes
	// back to the machine now, and not when some later collection finds it.
	go debug.FreeOSMemory()
	beside, end := context.WithCancel(ctx)
	defer end()
	a.mailing.Go(func() { a.mailer.Run(beside) })
	go a.tidy(beside)
	go a.retain(beside)
	var audit sync.WaitGroup
	audit.Go(func() { a.tellAudit(beside) })
	if a.file != "" {
		go a.watchFile(beside)
	}
	select {
	case <-ctx.Done():
		a.log.Info("draining")
	case err = <-a.failed:
	case <-a.gone:
		a.log.Info("the last connection of this process has ended; the new one serves")
	}
	end()
	a.mailing.Wait() // it writes what became of the mail that it had in hand
	audit.Wait()
	return errors.Join(err, a.stop())
}

// start opens the rooms from the journal outwards: nothing is admitted before
// the counters know everything that was ever recorded.
func start(ctx context.Context, cfg *config.Config, o Options) (_ *App, err error) {
	a := &App{cfg: cfg, clock: o.Clock, demo: o.Demo, file: o.File, override: o.Override, ids: toll.NewIDs(nil), failed: make(chan error, 4), gone: make(chan struct{}), running: ctx, program: o.Program, heir: o.Heir}
	if a.override == nil {
		a.override = func(*config.Config) {}
	}
	a.override(cfg)
	if a.clock == nil {
		a.clock = toll.SystemClock
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	a.log, a.access = telemetry.NewLogs(o.Log, slog.LevelInfo)
	a.metrics = telemetry.NewMetrics(Version().Version)
	a.public = o.listener
	defer func() {
		if err != nil {
			a.heir.Fail(err) // requests may be waiting over there
			err = errors.Join(err, a.stop())
		}
	}()

	a.rooms = &rooms{at: Installation{Data: cfg.Data, Config: cfg}, clock: a.clock, lock: o.lock, plans: new(plans)}
	if a.heir != nil {
		return a, a.takeOver(ctx)
	}
	if a.rooms.lock == nil {
		if a.rooms.lock, err = openData(cfg.Data); err != nil {
			return nil, err
		}
	}
	if open := openToOthers(cfg.Data); open != "" {
		a.log.Warn(open)
	}
	if err := a.openListeners(); err != nil { // told before anything is changed
		return nil, err
	}
	if err := a.openBooks(ctx, o.prepare); err != nil {
		return nil, err
	}
	if a.outage.Load() == nil {
		a.startDrainer()
	}
	if err := a.openGate(ctx); err != nil {
		return nil, err
	}
	if err := a.openFront(ctx); err != nil {
		return nil, err
	}
	if !o.Told {
		for _, w := range a.Warnings() {
			a.log.Warn(w)
		}
	}
	if err := a.openDoors(); err != nil {
		return a, err
	}
	a.awaitStore()
	return a, nil
}

// Warnings are what is to be known of this start and stops nothing, each a line.
func (a *App) Warnings() []string {
	var list []string
	if a.secure == nil {
		list = append(list, console.PlainHTTP)
	}
	if a.demo { // its file is nobody's to change
		return list
	}
	return append(list, a.cfg.Notices...)
}

func (a *App) openListeners() (err error) {
	files := shareOut(openFiles(), a.cfg.Listen.MaxConnections, a.cfg.Listen.MaxPerAddress)
	if files.warning != "" {
		a.log.Warn(files.warning)
	}
	a.crowd, a.sockets = a.newCrowd(a.cfg.Listen, files), upstream.NewSockets(files.upstreams)
	if a.public == nil {
		if a.public, err = listen("listen.http or --listen", a.cfg.Listen.HTTP); err != nil {
			return err
		}
	}
	if a.cfg.Listen.HTTPS != "" {
		if a.secure == nil {
			if a.secure, err = listen("listen.https", a.cfg.Listen.HTTPS); err != nil {
				return err
			}
		}
		if err := a.openCertificates(); err != nil {
			return err
		}
	}
	if a.cfg.Listen.Admin != "" && a.admin == nil {
		if a.admin, err = listen("listen.admin", a.cfg.Listen.Admin); err != nil {
			return err
		}
	}
	if a.cfg.Listen.Authorize != "" && a.delegate == nil {
		if a.delegate, err = listen("listen.authorize", a.cfg.Listen.Authorize); err != nil {
			return err
		}
	}
	if a.control == nil {
		a.control, err = listenControl(a.cfg.Data)
	}
	return err
}

// openBooks opens the store, brings in what a killed process left in the
// journal, and starts this process's lane.
func (a *App) openBooks(ctx context.Context, prepare func(context.Context, *rooms) error) (err error) {
	r := a.rooms
	if r.store, err = openStore(ctx, r.at); err != nil {
		if a.heir == nil && prepare == nil && errors.Is(err, store.ErrAway) {
			return a.openBooksAway(ctx, err)
		}
		return err
	}
	a.keeper = openKeeper(r.at, r.store, a.clock, a.log)
	versions, err := loadPlans(ctx, r.store, a.cfg, a.clock())
	if err != nil {
		return err
	}
	r.plans.switchTo(versions, a.cfg)
	if err := a.openOffice(); err != nil {
		return err
	}
	if a.heir == nil { // else the running process drains
		if a.damagesFound, err = drainDead(ctx, a.cfg.Data, r.store, a.keeper.forDrainer(), a.clock, a.log); err != nil {
			return err
		}
	}
	if prepare != nil {
		if err := prepare(ctx, r); err != nil {
			return err
		}
	}
	return a.openJournal()
}

// openJournal starts this process's lane, with what drains it.
func (a *App) openJournal() error {
	lane, err := openLane(a.cfg, a.clock, a.ids.New(a.clock()))
	if err != nil {
		return err
	}
	a.recorder = meter.NewRecorder(lane)
	a.drainer = newDrainer(a.cfg.Data, a.rooms.store, lane, a.keeper.forDrainer(), a.clock, a.log)
	a.rooms.drain = a.flush
	return nil
}

// startDrainer drains, and keeps the snapshot up to date, from now on until
// stopDrainer.
func (a *App) startDrainer() {
	running, stop := context.WithCancel(context.Background())
	a.stopDrainer = stop
	a.draining.Store(true)
	a.drained.Go(func() { a.drainer.Run(running) })
	a.drained.Go(func() { a.keeper.run(running) })
}

// flush drains to the end, where that is for this process to do.
func (a *App) flush(ctx context.Context, wait time.Duration) error {
	if away := a.outage.Load(); away != nil {
		return toll.Errorf(toll.Unavailable, "the database is away since %s, and the journal keeps what was used until it is back", away.began.UTC().Format(time.DateTime+"Z"))
	}
	if !a.draining.Load() {
		return toll.Errorf(toll.Unavailable, "the server is being replaced by a new one at this moment; try again")
	}
	return drainWithin(ctx, a.drainer, wait)
}
