package app

import (
	"maps"
	"net/http"
	"slices"

	"github.com/tollhouse/tollhouse/internal/api"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openAPI opens the management API over the rooms.
func (a *App) openAPI() (*api.API, error) {
	events := meter.NewDoor(meter.OutsideOptions{Intake: keptIntake{a.rooms.store, a.keeper}, Counters: a.gate, Units: a.units, Clock: a.clock, IDs: a.ids})
	return api.New(api.Options{
		Tokens: a.rooms.tokens, Events: events, Usage: a.rooms.store, Limits: func(customer string) []toll.LimitState { return a.gate.LimitStates(customer, a.clock()) },
		Version: Version().Version, URL: a.ConsoleURL(), Zone: a.cfg.TimeZone,
		Clock: a.clock, IDs: a.ids, Logger: a.log,
	})
}

// units lists every unit that a service of the configuration reports or a plan
// names.
func (a *App) units() []string {
	names := map[string]bool{}
	for _, s := range a.live.Load().cfg.Services {
		for _, u := range s.Units {
			names[u] = true
		}
	}
	for _, v := range a.rooms.plans.versions() {
		for _, u := range v.Plan.Usage {
			names[u.Unit] = true
		}
		for _, p := range v.Plan.Policies {
			if p.Unit != "" {
				names[p.Unit] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// desk is what answers on the console's host: the management API below its
// prefix, and the console's pages everywhere else.
type desk struct {
	api     *api.API
	console *console.Console
}

func (f desk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.api.Has(r) {
		f.api.ServeHTTP(w, r)
		return
	}
	f.console.ServeHTTP(w, r)
}

// Has tells whether there is anything at a request's path.
func (f desk) Has(r *http.Request) bool { return f.api.Has(r) || f.console.Has(r) }
