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
	if g.customers.pool == nil {
		return
	}
	if h := g.customers.find(customer); h != nil {
		limit.Prepare(ctx, now, limit.Partitions{Customer: &h.counters, SharedCustomer: h.shared}, g.quotasOf(h)...)
	}
}

// CountOutside adds usage from outside that was stored to the customer's
// quotas, so that the number that refuses is the number that is stored. Where
// the counters have left, the process that has them is told.
func (g *Gate) CountOutside(customer string, now, at time.Time, units []toll.Amount) {
	h := g.customers.find(customer)
	if h == nil {
		return
	}
	if owed := limit.Outside(now, at, units, g.quotasOf(h)...); len(owed) > 0 {
		g.settle(&Debt{Customer: customer, Adjustments: owed})
	}
}

// quotasOf are all quotas that count for a customer: of every plan, and its own.
func (g *Gate) quotasOf(h *holder) []*limit.Set {
	var sets []*limit.Set
	if rules := g.rules.Load(); rules != nil {
		sets = append(sets, rules.counting)
	}
	if who := h.now.Load(); who != nil && who.plan != nil {
		sets = append(sets, who.plan.set)
	}
	return sets
}
