package app

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/files"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

const (
	watchEvery     = time.Second      // how often the configuration's file is looked at for changes
	reloadPatience = 30 * time.Second // how long a change may wait for the database
	retryAfter     = 30 * time.Second // when a change is tried again that did not fail by the file
)

// current is the configuration that requests are served by, with what hangs on it.
type current struct {
	cfg   *config.Config
	pools map[string]*upstream.Pool // by service; also those of the services before, until the next change
	sites map[string]*files.Site    // the same for those that are answered by files

	caches edge.Caches // of the services that want one

	askers map[string]*upstream.Asker // of the services with access: forward_auth
}

// Reloaded is what a change of the configuration came to.
type Reloaded struct {
	Changed []string        `json:"changed"` // in words: "service ner changed"
	Details []config.Change `json:"details"` // place by place
	Restart []string        `json:"restart"` // fields that differ and hold only after a restart
	Notices []string        `json:"notices"`
	// Fingerprint is that of the file that holds now, as `tollhouse check` tells it.
	Fingerprint string `json:"fingerprint"`
}

// reloads takes one change at a time and remembers how the last one went.
type reloads struct {
	mu    sync.Mutex
	seen  [32]byte  // the file's content that was last tried
	again time.Time // when it is tried once more, zero for not at all
	ended bool      // the program ends: what a change would start nobody would stop
	last  atomic.Pointer[error]
}

// end takes no more changes, and returns when none is under way.
func (r *reloads) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
}

// LastReload is why the newest configuration file is not in force, nil when it is.
func (a *App) LastReload() error {
	if last := a.reloads.last.Load(); last != nil { // never waits for a reload under way: pages ask
		return *last
	}
	return nil
}

// Reload reads the configuration file again and makes it hold for the next
// request, as one switch. After an error everything is as it was. Whoever asked
// may leave: a change that has begun is not broken off by that.
func (a *App) Reload(ctx context.Context) (Reloaded, error) {
	if a.upgrading.Load() {
		return Reloaded{}, toll.Errorf(toll.Unavailable, "an upgrade is under way, and the new process reads the file by itself; try again in a moment")
	}
	a.reloads.mu.Lock()
	defer a.reloads.mu.Unlock()
	return a.reload(ctx)
}

func (a *App) reload(ctx context.Context) (out Reloaded, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), reloadPatience)
	defer cancel()
	a.reloads.again = time.Time{}
	defer func() {
		if value := recover(); value != nil { // a mistake of ours must not end what runs
			err = &toll.Error{
				Code: toll.Internal, Message: "The configuration was not taken over, by a mistake of Tollhouse's own; the log has more.",
				Cause: fmt.Errorf("panic: %v\n%s", value, debug.Stack()),
			}
		}
		switch toll.CodeOf(err) {
		case toll.Internal, toll.Unavailable: // not the file's fault, so the same file may do later
			a.reloads.again = a.clock().Add(retryAfter)
		}
		if a.reloads.last.Store(&err); err != nil {
			a.log.Error("the configuration was not taken over; the one before holds", "error", err)
			return
		}
		switch {
		case len(out.Changed)+len(out.Restart) == 0:
			return
		case len(out.Changed) == 0:
			a.log.Warn("the configuration differs from what runs, and holds only after a restart", "needs_restart", out.Restart)
		default:
			a.log.Info("the configuration was taken over", "changed", out.Changed, "needs_restart", out.Restart)
		}
		for _, n := range out.Notices {
			a.log.Warn("configuration", "notice", n)
		}
	}()
	if a.reloads.ended {
		return out, toll.Errorf(toll.Unavailable, "the server is ending, and takes no other configuration any more")
	}
	if a.file == "" {
		return out, toll.Errorf(toll.Invalid, "this server runs without a configuration file, so there is nothing to reload")
	}
	if sum, err := sumOf(a.file); err == nil {
		a.reloads.seen = sum
	}
	next, err := config.Load(a.file)
	if err != nil {
		return out, err
	}
	a.override(next)
	return a.apply(ctx, next)
}

// apply makes a configuration hold. What can fail comes first; the switch of
// the gate's rules is the moment of the change.
func (a *App) apply(ctx context.Context, next *config.Config) (out Reloaded, err error) {
	was := a.live.Load()
	out.Details = config.Changes(was.cfg, next)
	out.Notices, out.Restart, out.Fingerprint = append([]string{}, next.Notices...), keepFixed(was.cfg, next), next.Fingerprint
	if out.Changed = difference(was.cfg, next); len(out.Changed) == 0 {
		a.live.Store(&current{cfg: next, pools: was.pools, sites: was.sites, caches: was.caches, askers: was.askers})
		return out, nil
	}
	if err := a.plansInUse(ctx, was.cfg, next); err != nil {
		return out, err
	}
	versions := a.rooms.plans.versions()
	if !reflect.DeepEqual(was.cfg.Plans, next.Plans) { // else they are kept already, and the database may be away
		if versions, err = loadPlans(ctx, a.rooms.store, next, a.clock()); err != nil {
			return out, err
		}
	}
	pools, fresh, err := a.nextPools(was, next)
	if err != nil {
		return out, err
	}
	caches, err := a.nextCaches(was, next)
	if err != nil {
		closePools(fresh)
		return out, err
	}
	logged, err := openAccessLog(next.AccessLog, a.accessFile.Load())
	if err != nil {
		closePools(fresh)
		return out, err
	}
	askers, err := a.nextAskers(was, next)
	if err != nil {
		closePools(fresh)
		return out, err
	}
	sites, err := nextSites(was, next)
	if err != nil {
		closePools(fresh)
		return out, err
	}
	if err := a.switchCertificates(next); err != nil {
		closePools(fresh)
		return out, wrong(next, "certificates", err)
	}
	a.chain.SwitchDeciders(decidersOf(askers))
	a.chain.Switch(backendsOf(next, pools, sites)) // the old rules still find their services in it
	if err := a.gate.Switch(rulesOf(next, versions)); err != nil {
		a.chain.Switch(backendsOf(was.cfg, was.pools, was.sites))
		a.chain.SwitchDeciders(decidersOf(was.askers))
		closePools(fresh)
		if back := a.switchCertificates(was.cfg); back != nil {
			a.log.Error("the certificates of the configuration before cannot be read any more; those of the refused one stay", "error", back)
		}
		var rule *gate.RuleError
		if errors.As(err, &rule) {
			return out, wrong(next, rule.Path, rule.Err)
		}
		return out, err
	}
	a.rooms.plans.switchTo(versions, next)
	a.keeper.configured(next)
	a.switchCaches(caches, next)
	a.live.Store(&current{cfg: next, pools: pools, sites: sites, caches: caches, askers: askers})
	for name, asker := range was.askers {
		if askers[name] != asker {
			asker.Close() // questions under way go on
		}
	}
	a.front.Switch(frontSettings(next))
	a.switchAccessLog(next.AccessLog, logged)
	for name, pool := range was.pools {
		if pools[name] != pool {
			pool.Close() // what is under way on it goes on
		}
	}
	closeUnused(next, pools)
	a.makeModelSecrets()
	return out, nil
}

// wrong says where in the file a mistake stands that shows only when the
// configuration is put to use. What is no mistake of the file stays as it is.
func wrong(cfg *config.Config, path string, err error) error {
	if toll.CodeOf(err) != toll.Invalid {
		return err
	}
	return cfg.Problem(path, err)
}

// keepFixed puts the fields that only a restart changes back to what they are,
// and names those that differ.
func keepFixed(was, next *config.Config) []string {
	differ := []string{}
	keep := func(name string, from, to any) {
		old, changed := reflect.ValueOf(from).Elem(), reflect.ValueOf(to).Elem()
		if !reflect.DeepEqual(old.Interface(), changed.Interface()) {
			differ = append(differ, name)
			changed.Set(old)
		}
	}
	keep("listen", &was.Listen, &next.Listen)
	keep("acme", &was.ACME, &next.ACME)
	keep("data", &was.Data, &next.Data)
	keep("database", &was.Database, &next.Database)
	keep("redis", &was.Redis, &next.Redis)
	keep("secrets", &was.Secrets, &next.Secrets)
	keep("journal.sync", &was.Journal.Sync, &next.Journal.Sync)
	keep("time_zone", &was.TimeZone, &next.TimeZone)
	keep("mail", &was.Mail, &next.Mail)
	keep("name", &was.Name, &next.Name)
	keep("console.url", &was.Console.URL, &next.Console.URL)
	keep("console.sign_up", &was.Console.SignUp, &next.Console.SignUp)
	keep("console.languages", &was.Console.Languages, &next.Console.Languages)
	keep("console.url", &was.Console.URL, &next.Console.URL)
	keep("accounts.oidc", &was.Accounts.OIDC, &next.Accounts.OIDC)
	keep("console.sessions", &was.Console.Sessions, &next.Console.Sessions)
	return differ
}

// difference says in words what a change of the configuration changes.
func difference(was, next *config.Config) []string {
	changed := []string{}
	for _, s := range next.Services {
		old, there := was.Service(s.Name)
		switch {
		case !there:
			changed = append(changed, "service "+s.Name+" added")
		case !reflect.DeepEqual(old, s):
			changed = append(changed, "service "+s.Name+" changed")
		}
	}
	for _, s := range was.Services {
		if _, there := next.Service(s.Name); !there {
			changed = append(changed, "service "+s.Name+" removed")
		}
	}
	for _, p := range next.Plans {
		old, there := was.Plan(p.Name)
		switch {
		case !there:
			changed = append(changed, "plan "+p.Name+" added")
		case !reflect.DeepEqual(old, p):
			changed = append(changed, "plan "+p.Name+" changed")
		}
	}
	for _, p := range was.Plans {
		if _, there := next.Plan(p.Name); !there {
			changed = append(changed, "plan "+p.Name+" removed")
		}
	}
	for _, f := range []struct {
		name     string
		old, now any
	}{
		{"addons", was.Addons, next.Addons},
		{"coupons", was.Coupons, next.Coupons},
		{"taxes", was.Taxes, next.Taxes},
		{"certificates", was.Certificates, next.Certificates},
		{"trusted_proxies", was.TrustedProxies, next.TrustedProxies},
		{"console.host", was.Console.Host, next.Console.Host},
		{"retention", was.Retention, next.Retention},
		{"access_log", was.AccessLog, next.AccessLog},
		{"journal.when_full", was.Journal.WhenFull, next.Journal.WhenFull},
	} {
		if !reflect.DeepEqual(f.old, f.now) {
			changed = append(changed, f.name+" changed")
		}
	}
	return changed
}

// plansInUse refuses to drop a plan that customers are on.
func (a *App) plansInUse(ctx context.Context, was, next *config.Config) error {
	var inUse []string
	for _, p := range was.Plans {
		if _, there := next.Plan(p.Name); there {
			continue
		}
		page, err := a.rooms.store.Customers(ctx, toll.CustomerQuery{Plan: p.Name, Limit: 1})
		if err != nil {
			return fmt.Errorf("looking for customers on the plan %s: %w", p.Name, err)
		}
		if len(page.Customers) > 0 {
			inUse = append(inUse, fmt.Sprintf("%q (for example %s, %s)", p.Name, page.Customers[0].ID, page.Customers[0].Name))
		}
	}
	if len(inUse) > 0 {
		err := toll.Errorf(toll.Invalid, "customers are still on the plan %s; move them to another plan first (`tollhouse customer plan`), or keep it in the file", strings.Join(inUse, " and "))
		return next.Problem("plans", err)
	}
	return nil
}

// nextPools keeps the pools of services that did not change, and makes the others.
func (a *App) nextPools(was *current, next *config.Config) (all map[string]*upstream.Pool, fresh []*upstream.Pool, err error) {
	all = make(map[string]*upstream.Pool, len(next.Services))
	if was != nil {
		for _, s := range was.cfg.Services { // requests that were let in before the switch still need them
			if pool := was.pools[s.Name]; pool != nil {
				all[s.Name] = pool
			}
		}
	}
	for _, s := range next.Services {
		if s.Delegated.On || s.Files.Root != "" {
			continue
		}
		if was != nil {
			if old, there := was.cfg.Service(s.Name); there && reflect.DeepEqual(old, s) {
				continue
			}
		}
		pool, err := upstream.NewPool(s, upstream.Options{Changed: a.upstreamChanged(s.Name), StickyKey: a.stickyKey(), Sockets: a.sockets})
		if err != nil {
			closePools(fresh)
			return nil, nil, wrong(next, "services."+s.Name, err)
		}
		all[s.Name] = pool
		fresh = append(fresh, pool)
	}
	return all, fresh, nil
}

func (a *App) upstreamChanged(service string) func(upstream.Status) {
	return func(s upstream.Status) {
		level := slog.LevelInfo
		if s.Health == upstream.Unhealthy || s.Circuit != upstream.Closed {
			level = slog.LevelWarn
		}
		said := []any{"service", service, "upstream", s.Upstream, "health", s.Health, "circuit", s.Circuit}
		if s.Reason != "" { // of the probe
			said = append(said, "reason", s.Reason)
		}
		if s.Trouble != "" { // of the requests
			said = append(said, "requests_met", s.Trouble)
		}
		a.log.Log(context.Background(), level, "upstream changed", said...)
	}
}

func closePools(pools []*upstream.Pool) {
	for _, p := range pools {
		p.Close()
	}
}

func frontSettings(cfg *config.Config) edge.Settings {
	return edge.Settings{ConsoleHost: cfg.Console.Host, Proxies: edge.Proxies(cfg.TrustedProxies)}
}

// watchFile reloads when the file's content changes. It looks at the content
// and not at the file's time, so that every way of replacing it is seen, also a
// mounted ConfigMap's; a content that was refused is not tried again, unless
// it was not to blame.
func (a *App) watchFile(ctx context.Context) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		sum, err := sumOf(a.file)
		if err != nil || a.upgrading.Load() {
			continue // being replaced, or gone: what holds goes on holding
		}
		a.reloads.mu.Lock()
		again := a.reloads.again
		if sum != a.reloads.seen || !again.IsZero() && !a.clock().Before(again) {
			a.reloads.seen = sum
			_, _ = a.reload(ctx) // it told the log
		}
		a.reloads.mu.Unlock()
	}
}

// errNoFile is a configuration file that is none, such as a pipe.
var errNoFile = errors.New("no regular file")

// sumOf is a file's content as far as it could be a configuration: it is asked
// for each second, whatever stands there.
func sumOf(path string) (sum [32]byte, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return sum, err
	}
	if !info.Mode().IsRegular() {
		return sum, errNoFile
	}
	f, err := os.Open(path)
	if err != nil {
		return sum, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, config.MaxBytes+1)); err != nil {
		return sum, err
	}
	return [32]byte(h.Sum(nil)), nil
}

// reloadOperation is `tollhouse reload`.
func reloadOperation(ctx context.Context, r *rooms, _ struct{}) (Reloaded, error) {
	if r.reload == nil {
		return Reloaded{}, toll.Errorf(toll.Unavailable, "no server runs on %s; `tollhouse serve` reads the file when it starts", r.at.Data)
	}
	out, err := r.reload(ctx)
	return out, inServersWords(err)
}

// inServersWords makes a mistake in a file one that travels to the command: the
// server may be elsewhere, so it says what it read.
func inServersWords(err error) error {
	var wrong *config.Error
	if errors.As(err, &wrong) {
		return toll.Errorf(toll.Invalid, "%s", wrong.Error())
	}
	return err
}
