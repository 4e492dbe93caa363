package gate

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// PlanOf returns the plan that a customer is on and the version that prices
// what it uses now. known is false for a customer that there is not; version is
// "" when the configuration does not have the plan.
func (g *Gate) PlanOf(customer string) (plan, version string, known bool) {
	h := g.customers.find(customer)
	if h == nil {
		return "", "", false
	}
	who := h.now.Load()
	switch {
	case who == nil:
		return "", "", false
	case who.plan == nil:
		return who.planName, "", true
	}
	return who.plan.Name, who.plan.version, true
}

// PrepareOutside must come before usage from outside is stored: replicas that
// share their counters then know what was used before it.
func (g *Gate) PrepareOutside(ctx context.Context, customer string, now time.Time) {
	g.prepareLate(ctx, &toll.Event{Customer: customer}, now)
}

// CountOutside adds usage from outside that was stored to the customer's
// quotas, so that the number that refuses is the number that is stored. Where
// the counters have left, the process that has them is told.
func (g *Gate) CountOutside(customer string, now, at time.Time, units []toll.Amount) {
	g.countLate(&toll.Event{Customer: customer, Time: at}, units, now)
}

// PrepareSettled is PrepareOutside for CountSettled.
func (g *Gate) PrepareSettled(ctx context.Context, e *toll.Event, now time.Time) {
	g.prepareLate(ctx, e, now)
}

// CountSettled adds what an event that was settled as chargeable used to all
// quotas that would have counted its call: the customer's, those of its service
// and endpoint, and its key's. It is called once, after the store has it.
func (g *Gate) CountSettled(e *toll.Event, now time.Time) {
	units := []toll.Amount{{Unit: toll.UnitRequests, Count: e.Requests()}}
	for _, u := range e.Units {
		if u.Unit != toll.UnitRequests {
			units = append(units, u)
		}
	}
	g.countLate(e, units, now)
}

func (g *Gate) prepareLate(ctx context.Context, e *toll.Event, now time.Time) {
	h := g.customers.find(e.Customer)
	if g.customers.pool == nil || h == nil {
		return
	}
	p := limit.Partitions{Customer: &h.counters, SharedCustomer: h.shared}
	if who := h.now.Load(); who != nil {
		p.Months = who.months
	}
	b := g.bearerOf(e.Key)
	if b != nil {
		p.Key, p.SharedKey = &b.counters, b.shared
	}
	limit.Prepare(ctx, now, p, g.quotasOf(h, e.Service, b)...)
}

// countLate counts units that were used by a call, or without one.
func (g *Gate) countLate(e *toll.Event, units []toll.Amount, now time.Time) {
	h := g.customers.find(e.Customer)
	if h == nil {
		return
	}
	b := g.bearerOf(e.Key)
	call := limit.Call{Service: e.Service, Endpoint: e.Endpoint, Keyed: b != nil}
	if who := h.now.Load(); who != nil {
		call.Months = who.months
	}
	if owed := limit.Late(now, e.Time, units, call, g.quotasOf(h, e.Service, b)...); len(owed) > 0 {
		g.settle(&Debt{Customer: e.Customer, Key: e.Key, Adjustments: owed})
	}
}

func (g *Gate) bearerOf(key string) *bearer {
	g.changes.Lock()
	defer g.changes.Unlock()
	return g.bearers[key]
}

// quotasOf are all quotas that count for a customer: of every plan, its own, of
// a service ("": none) and of a key (nil: none).
func (g *Gate) quotasOf(h *holder, service string, b *bearer) []*limit.Set {
	var sets []*limit.Set
	if rules := g.rules.Load(); rules != nil {
		sets = append(sets, rules.counting)
		if s := rules.services[service]; s != nil {
			sets = append(sets, s.quotas)
		}
	}
	if who := h.now.Load(); who != nil && who.plan != nil {
		sets = append(sets, who.plan.set)
	}
	if b != nil {
		sets = append(sets, b.own.Load())
	}
	return sets
}
