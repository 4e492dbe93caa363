package app

import (
	"net/http"

	"github.com/tollhouse/tollhouse/internal/api"
	"github.com/tollhouse/tollhouse/internal/console"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// openAPI opens the management API over the rooms.
func (a *App) openAPI() (*api.API, error) {
	events := meter.NewDoor(meter.OutsideOptions{Intake: keptIntake{a.rooms.store, a.keeper}, Counters: a.gate, Units: a.rooms.units, Clock: a.clock, IDs: a.ids})
	return api.New(api.Options{
		Tokens: a.rooms.tokens, Events: events, Usage: a.rooms.store, Limits: func(customer string) []toll.LimitState { return a.gate.LimitStates(customer, a.clock()) },
		Office: a.rooms.office, Models: a.models, Support: a.support, Policy: a.overridingPolicy,
		Version: Version().Version, URL: a.ConsoleURL(), Zone: a.cfg.TimeZone,
		Clock: a.clock, IDs: a.ids, Logger: a.log, Refusals: a.rooms.refusals,
	})
}

// overridingPolicy makes the limit that the API is asked to let hold for a customer.
func (a *App) overridingPolicy(c toll.Customer, name string, in api.Override) (toll.Policy, error) {
	return overriding(a.rooms, &c, &CustomerOverride{
		ID: c.ID, Name: name, Rate: in.Rate, Burst: in.Burst, Quota: in.Quota, Unit: in.Unit, Every: in.Every,
		Concurrency: in.Concurrency, Per: in.Per, Service: in.Service, Shadow: in.Shadow,
	})
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
