package app

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// authorizeSecret is the file in the data directory that holds the secret of
// listen.authorize where the configuration names none.
const authorizeSecret = "authorize.secret"

// openAuthorize opens the listener for foreign proxies, if there is one.
func (a *App) openAuthorize() error {
	if a.delegate == nil {
		return nil
	}
	secret := a.cfg.Secrets.Authorize
	if secret == "" {
		var err error
		if secret, err = account.LoadOrMakeSecret(filepath.Join(a.cfg.Data, authorizeSecret)); err != nil {
			return fmt.Errorf("the secret of listen.authorize: %w", err)
		}
	}
	a.decisions = gate.NewDecisions(a.clock)
	a.decisions.Expired = func(service string, n int, example toll.ULID) {
		a.log.Warn("decisions were not settled in time; they are listed as unknown, and not billed",
			"service", service, "decisions", n, "example", example.String())
	}
	a.decisions.Before = a.settleBefore
	a.authorize = &edge.Authorize{
		Chain: a.chain, IDs: a.ids, Secret: secret, Decisions: a.decisions, Log: a.log,
		Proxies: func() edge.Proxies { return edge.Proxies(a.live.Load().cfg.TrustedProxies) },
	}
	sweeping, stop := context.WithCancel(context.Background())
	a.stopSweeping = stop
	a.swept.Go(func() { a.decisions.Run(sweeping) })
	a.serve("listener for foreign proxies", a.farewell.Handler(a.authorize), a.delegate)
	return nil
}

// drainAuthorize lets no foreign proxy's request in any more, and waits a while
// for services to settle those that were let in.
func (a *App) drainAuthorize() {
	if a.authorize == nil {
		return
	}
	grace, cancel := context.WithTimeout(context.Background(), lastCallGrace)
	defer cancel()
	a.authorize.Drain(grace)
	a.stopSweeping()
	a.swept.Wait()
}

// AuthorizeURL is where foreign proxies ask, without a slash at the end; "" when
// there is no such listener.
func (a *App) AuthorizeURL() string {
	if a.delegate == nil {
		return ""
	}
	return "http://" + a.delegate.Addr().String()
}

// nextAskers keeps the outside addresses of services that did not change, with
// their connections, and makes the others.
func (a *App) nextAskers(was *current, next *config.Config) (map[string]*upstream.Asker, error) {
	all := map[string]*upstream.Asker{}
	if was != nil { // requests that were let in before the switch may still ask
		for _, s := range was.cfg.Services {
			if asker := was.askers[s.Name]; asker != nil {
				all[s.Name] = asker
			}
		}
	}
	for _, s := range next.Services {
		if s.Access != toll.AccessForwardAuth {
			continue
		}
		if was != nil && was.askers[s.Name] != nil {
			if old, there := was.cfg.Service(s.Name); there && reflect.DeepEqual(old.ForwardAuth, s.ForwardAuth) {
				all[s.Name] = was.askers[s.Name]
				continue
			}
		}
		asker, err := upstream.NewAsker(s.ForwardAuth, upstream.Options{})
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Name, err)
		}
		all[s.Name] = asker
	}
	return all, nil
}

func decidersOf(askers map[string]*upstream.Asker) edge.Deciders {
	out := make(edge.Deciders, len(askers))
	for name, asker := range askers {
		out[name] = asker
	}
	return out
}
