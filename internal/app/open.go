package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/telemetry"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// changes tells the gate what the office changed, so that it holds for the
// next request. Before there is a gate nobody needs telling: it reads the
// store when it opens.
type changes struct{ app *App }

func (c changes) CustomerChanged(customer toll.Customer) {
	if c.app.gate != nil {
		c.app.gate.PutCustomer(customer)
	}
}

func (c changes) KeyChanged(key toll.Key) {
	if c.app.gate != nil {
		c.app.gate.PutKey(key)
	}
}

func (a *App) openOffice() (err error) {
	if a.passwords, err = account.NewPasswords(account.PasswordOptions{}); err != nil {
		return err
	}
	a.rooms.office, err = newOffice(a.rooms.store, a.rooms.plans, a.passwords, changes{a}, a.clock)
	return err
}

// openGate gives the gate its rules, and every customer, key and counter.
func (a *App) openGate(ctx context.Context) error {
	a.gate = gate.New(a.recorder, a.ids)
	if err := a.gate.Switch(a.rules()); err != nil {
		return err
	}
	store := a.rooms.store
	err := store.EachCustomer(ctx, func(c toll.Customer) error {
		a.gate.PutCustomer(c)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the customers: %w", err)
	}
	err = store.EachKey(ctx, func(k toll.Key) error {
		a.gate.PutKey(k)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading the keys: %w", err)
	}
	now := a.clock()
	for _, every := range []toll.Every{toll.Daily, toll.Monthly} {
		start, end := every.PeriodAt(now, a.cfg.TimeZone)
		used, err := store.UsedBetween(ctx, start, end)
		if err != nil {
			return fmt.Errorf("reading what was used since %s: %w", start.Format(time.DateOnly), err)
		}
		for _, u := range used {
			a.gate.Restore(u.Customer, u.Unit, every, start, u.Count)
		}
	}
	return nil
}

func (a *App) rules() gate.Rules {
	r := gate.Rules{
		Services:  a.cfg.Services,
		Location:  a.cfg.TimeZone,
		Unmetered: a.unmetered(),
	}
	for _, name := range a.rooms.plans.Names() {
		plan, version, _ := a.rooms.plans.Plan(name)
		r.Plans = append(r.Plans, toll.PlanVersion{ID: version, Plan: plan})
	}
	return r
}

func (a *App) unmetered() bool { return a.cfg.Journal.WhenFull == config.ServeUnmetered }

// openFront starts what listens: the pools behind, then the doors in front.
func (a *App) openFront(ctx context.Context) error {
	backends := edge.Backends{}
	a.pools = map[string]*upstream.Pool{}
	for _, s := range a.cfg.Services {
		pool, err := upstream.NewPool(s, upstream.Options{Changed: func(st upstream.Status) {
			a.log.Info("upstream changed", "service", s.Name, "upstream", st.Upstream, "health", st.Health)
		}})
		if err != nil {
			return fmt.Errorf("service %s: %w", s.Name, err)
		}
		a.pools[s.Name], backends[s.Name] = pool, pool
	}
	pages, err := a.openConsole()
	if err != nil {
		return err
	}
	a.openTelemetry()
	a.chain = &edge.Chain{
		Gate: a.gate, Clock: a.clock, Observe: a.observe, Unmetered: a.unmetered,
		Answers: edge.Answers{UpgradeURL: a.ConsoleURL() + "plan"},
	}
	a.chain.Switch(backends)
	front := &edge.Front{
		Chain: a.chain, Console: pages, ConsoleHost: a.cfg.Console.Host,
		Proxies: edge.Proxies(a.cfg.TrustedProxies), IDs: a.ids,
	}
	a.serve("control socket", controlHandler(a.rooms, a.log), a.control)
	if a.admin != nil {
		a.serve("admin listener", telemetry.Admin{Metrics: a.metrics, Ready: a.ready}.Handler(), a.admin)
	}
	a.serve("listener", front, edge.Listen(a.public))
	return nil
}

func (a *App) serve(what string, handler http.Handler, listener net.Listener) {
	server := edge.NewServer(handler, a.log)
	a.servers = append(a.servers, server)
	a.serving.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			a.failed <- fmt.Errorf("the %s on %s failed: %w", what, listener.Addr(), err)
		}
	})
}

// ready is what /readyz answers by.
func (a *App) ready(context.Context) error { return a.recorder.Err() }

// sample is the call that the console shows as code.
var sample = console.Sample{
	Service: "ner", Method: http.MethodPost, Path: "/extractions", ContentType: "application/json",
	Body: `{"text": "John Doe is a Go Developer at Google"}`,
}

func (a *App) openConsole() (http.Handler, error) {
	secret := a.cfg.Secrets.Session
	if secret == "" {
		var err error
		if secret, err = account.LoadOrMakeSecret(filepath.Join(a.cfg.Data, "session.secret")); err != nil {
			return nil, err
		}
	}
	sessions, err := account.NewSessions(a.rooms.store, account.SessionOptions{
		Secrets: []toll.Secret{secret}, Passwords: a.passwords, Clock: a.clock, Log: a.log,
		TokenLife: a.cfg.Console.Sessions.Valid, RenewEvery: a.cfg.Console.Sessions.Refresh, Longest: a.cfg.Console.Sessions.AtMost,
	})
	if err != nil {
		return nil, err
	}
	store := a.rooms.store
	previews := billing.NewPreviews(store, store, store, a.clock, a.cfg.TimeZone)
	o := console.Options{
		Office: a.rooms.office, Sessions: sessions, Questions: store, Plans: a.rooms.plans,
		Limits:    func(customer string) []toll.LimitState { return a.gate.LimitStates(customer, a.clock()) },
		Services:  func() []toll.Service { return a.cfg.Services },
		Bills:     previews,
		PublicURL: a.URL(), Version: Version().Version, Demo: a.demo, Development: a.demo,
		Languages: a.cfg.Console.Languages, Zone: a.cfg.TimeZone, Clock: a.clock, Logger: a.log,
	}
	if a.demo {
		o.Samples = []console.Sample{sample}
	}
	return console.New(o)
}
