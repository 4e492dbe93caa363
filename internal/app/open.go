package app

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// changes tells the gate what the office changed, so that it holds for the
// next request. Before there is a gate nobody needs telling: it reads the
// store when it opens.
type changes struct{ app *App }

func (c changes) CustomerChanged(customer toll.Customer) {
	if c.app.gate == nil || c.app.gate.PutCustomer(customer) {
		c.app.keeper.CustomerChanged(customer)
	}
	c.app.told.tell(Change{Customer: &customer})
}

func (c changes) KeyChanged(key toll.Key) {
	if c.app.gate == nil || c.app.gate.PutKey(key) {
		c.app.keeper.KeyChanged(key)
	}
	c.app.told.tell(Change{Key: &key})
}

func (a *App) openOffice() (err error) {
	if a.passwords, err = account.NewPasswords(account.PasswordOptions{}); err != nil {
		return err
	}
	ties := officeTies{
		changed: changes{a}, consoleURL: a.ConsoleURL, mailed: a.pokeMail, personChanged: a.personChanged,
		signUp: func() string { return a.cfg.Console.SignUp }, refusals: new(account.Refusals),
		selfService: func() bool { return a.live.Load().cfg.Console.SelfServicePlans },
	}
	a.rooms.refusals = ties.refusals
	if a.rooms.office, err = newOffice(a.rooms.store, a.rooms.plans, a.passwords, ties, a.clock); err != nil {
		return err
	}
	if err := a.openMail(); err != nil {
		return err
	}
	if a.rooms.tokens, err = newTokens(a.rooms.store, a.clock); err != nil {
		return err
	}
	if a.rooms.imports, err = newImports(a.rooms.store, a.rooms.plans, changes{a}, a.clock); err != nil {
		return err
	}
	return a.openFileRooms()
}

// addressSecret is the file, in the data directory, with the key of the hashes
// that quotas per IP know addresses by. Without it what they counted is nobody's.
const addressSecret = "addresses.secret"

// openGate gives the gate its rules, and every customer, key and counter.
func (a *App) openGate(ctx context.Context) error {
	a.gate = gate.New(a.recorder, a.ids)
	secret, err := account.LoadOrMakeSecret(filepath.Join(a.cfg.Data, addressSecret))
	if err != nil {
		return fmt.Errorf("the key that addresses of quotas are hashed with: %w", err)
	}
	a.gate.HashAddresses(secret)
	if err := a.openShared(ctx); err != nil {
		return err
	}
	if err := a.gate.Switch(rulesOf(a.cfg, a.rooms.plans.versions())); err != nil {
		return err
	}
	if a.outage.Load() != nil {
		return a.restoreSaved(ctx)
	}
	watch, quotas, err := a.readStore(ctx)
	if err != nil {
		return err
	}
	used, err := quotas.Read(ctx, a.rooms.store, a.clock())
	if err != nil {
		return err
	}
	used.Each(func(c meter.QuotaCounter, n int64) { a.gate.RestoreScope(restored(c, n)) })
	a.hearFrom(ctx, watch)
	return nil
}

// readStore gives the gate every customer and key, and begins to listen for
// changes before the first is read: nothing is missed. quotas are all that there
// are.
func (a *App) readStore(ctx context.Context) (watch *store.Watch, quotas *meter.Quotas, err error) {
	watch, quotas = a.rooms.store.Watch(ctx), quotasOf(a.cfg, a.cfg.TimeZone)
	err = a.rooms.store.EachCustomer(ctx, func(c toll.Customer) error {
		quotas.Customer(&c)
		a.gate.PutCustomer(c)
		return nil
	})
	if err != nil {
		return watch, quotas, fmt.Errorf("reading the customers: %w", err)
	}
	err = a.rooms.store.EachKey(ctx, func(k toll.Key) error {
		quotas.Key(&k)
		a.gate.PutKey(k)
		return nil
	})
	if err != nil {
		return watch, quotas, fmt.Errorf("reading the keys: %w", err)
	}
	return watch, quotas, nil
}

// hearFrom takes over what other replicas change, until the end.
func (a *App) hearFrom(ctx context.Context, watch *store.Watch) {
	hearing, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stopHear = stop
	a.hearing.Go(func() { watch.Run(hearing, changes{a}, a.log) })
}

// rulesOf is what a configuration says about requests.
func rulesOf(cfg *config.Config, versions []toll.PlanVersion) gate.Rules {
	return gate.Rules{
		Services:    cfg.Services,
		Plans:       versions,
		Location:    cfg.TimeZone,
		Unmetered:   cfg.Journal.WhenFull == config.ServeUnmetered,
		ConsoleHost: cfg.Console.Host,
	}
}

func (a *App) unmetered() bool { return a.live.Load().cfg.Journal.WhenFull == config.ServeUnmetered }

// openFront makes what answers: the pools behind, then the front. Nothing is
// accepted before openDoors.
func (a *App) openFront(ctx context.Context) error {
	if err := a.openSecret(); err != nil {
		return err
	}
	pools, _, err := a.nextPools(nil, a.cfg)
	if err != nil {
		return err
	}
	caches, err := a.nextCaches(nil, a.cfg)
	if err != nil {
		return err
	}
	askers, err := a.nextAskers(nil, a.cfg)
	if err != nil {
		return err
	}
	sites, err := nextSites(nil, a.cfg)
	if err != nil {
		return err
	}
	logged, err := openAccessLog(a.cfg.AccessLog, nil)
	if err != nil {
		return err
	}
	a.switchAccessLog(a.cfg.AccessLog, logged)
	a.live.Store(&current{cfg: a.cfg, pools: pools, sites: sites, caches: caches, askers: askers})
	pages, err := a.openConsole()
	if err != nil {
		return err
	}
	if a.api, err = a.openAPI(); err != nil {
		return err
	}
	a.openTelemetry()
	a.chain = &edge.Chain{
		Gate: a.gate, Clock: a.clock, Begin: a.begin, Observe: a.observe, Unmetered: a.unmetered,
		Answers: edge.Answers{UpgradeURL: a.ConsoleURL() + "plan"},
	}
	a.chain.Switch(backendsOf(a.cfg, pools, sites))
	a.chain.SwitchCaches(caches)
	a.chain.SwitchDeciders(decidersOf(askers))
	a.front = &edge.Front{Chain: a.chain, Console: desk{api: a.api, console: pages}, IDs: a.ids}
	a.front.Switch(frontSettings(a.cfg))
	a.rooms.witness, a.rooms.late = a.gate, a.gate
	a.rooms.outside = a.keeper.outside
	a.rooms.services = func() []toll.Service { return a.live.Load().cfg.Services }
	a.rooms.service = func(name string) (toll.Service, bool) { return a.live.Load().cfg.Service(name) }
	a.rooms.reload, a.rooms.compare, a.rooms.caches = a.Reload, a.Compare, func() edge.Caches { return a.live.Load().caches }
	a.rooms.upgrade = a.Upgrade
	return nil
}

// openDoors accepts, at the control socket first and where customers come last.
func (a *App) openDoors() error {
	a.serve("control socket", controlHandler(a.rooms, a.log), a.control)
	if a.admin != nil {
		a.serve("admin listener", telemetry.Admin{Metrics: a.metrics, Ready: a.ready, Services: a.serviceModels()}.Handler(), a.admin)
	}
	if err := a.openAuthorize(); err != nil {
		return err
	}
	if a.certificates != nil {
		a.certificates.Start()
	}
	if err := a.serveSecure(a.front); err != nil {
		return err
	}
	a.serveWith(edge.NewServer(a.farewell.Handler(a.plain(a.front)), a.log, a.times()), "listener", a.crowd.Listen(a.public, true))
	return nil
}

func (a *App) serve(what string, handler http.Handler, listener net.Listener) {
	a.serveWith(edge.NewServer(handler, a.log), what, listener)
}

// times are how long clients are waited for.
func (a *App) times() edge.Times {
	return edge.Times{Head: a.cfg.Listen.HeadTimeout, Idle: a.cfg.Listen.IdleTimeout}
}

func (a *App) serveWith(server *http.Server, what string, listener net.Listener) {
	a.servers = append(a.servers, server)
	a.serving.Go(func() {
		err := server.Serve(listener)
		if errors.Is(err, net.ErrClosed) && a.leaving.Load() {
			return // what it has accepted goes on
		}
		if !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the %s on %s failed: %w", what, listener.Addr(), err)
		}
	})
}

// ready is what /readyz answers by: a server that would rather serve than count
// is ready also when it cannot count.
func (a *App) ready(context.Context) error {
	if a.unmetered() {
		return nil
	}
	return a.recorder.Err()
}

// sample is the call that the console shows as code.
var sample = console.Sample{
	Service: "ner", Method: http.MethodPost, Path: "/extractions", ContentType: "application/json",
	Body: `{"text": "John Doe is a Go Developer at Google"}`,
}

// openSecret finds what signs the console's cookies, and is the root of what
// else must stay the same across restarts.
func (a *App) openSecret() (err error) {
	if a.secret = a.cfg.Secrets.Session; a.secret == "" {
		a.secret, err = account.LoadOrMakeSecret(filepath.Join(a.cfg.Data, "session.secret"))
	}
	return err
}

// stickyKey is what the cookies of sticky balancing are made with: of the
// secret, and not the secret itself.
func (a *App) stickyKey() []byte {
	h := hmac.New(sha256.New, []byte(a.secret))
	_, _ = h.Write([]byte("tollhouse: cookies of sticky balancing"))
	return h.Sum(nil)
}

func (a *App) openConsole() (*console.Console, error) {
	sessions, err := a.openSessions()
	if err != nil {
		return nil, err
	}
	store := a.rooms.store
	previews := billing.NewPreviews(store, store, store, a.rooms.plans, a.clock, a.cfg.TimeZone).ByTheBooks(a.rooms.invoicing())
	o := console.Options{
		Office: a.rooms.office, Sessions: sessions, Questions: store, Plans: a.rooms.plans, Refusals: a.rooms.refusals,
		Limits:   func(customer string) []toll.LimitState { return a.gate.LimitStates(customer, a.clock()) },
		Services: func() []toll.Service { return a.live.Load().cfg.Services },
		Bills:    previews, ConfigProblem: a.LastReload, Store: a.storeState, Requests: a.rooms,
		Models: a.models, Support: a.support, Imports: a.rooms.imports,
		Letters: a.rooms.post.letters, SendsMail: a.rooms.post.carrier != nil,
		PublicURL: a.URL(), TwoFactors: func() bool { return a.live.Load().cfg.Accounts.TwoFactors },
		Secure: strings.HasPrefix(a.ConsoleURL(), "https:"), WarnedOfPlainHTTP: true, Version: Version().Version, Secret: a.secret, Demo: a.demo, Development: a.demo,
		Languages: a.cfg.Console.Languages, Zone: a.cfg.TimeZone, Clock: a.clock, Logger: a.log,
	}
	if a.demo {
		o.Samples = []console.Sample{sample}
	}
	return console.New(o)
}
