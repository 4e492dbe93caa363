package gate

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// holder is a customer as the gate holds it. It is made once and stays, so
// that counters outlive every change of name, plan or status.
type holder struct {
	now                atomic.Pointer[standing]
	order              limit.Order
	shared, testShared *limit.Shared // the leases of both counters; nil: nothing is shared

	// Each of these is a cache line of its own, for a holder is as long as three.
	_            [32]byte
	counters     limit.State
	testCounters limit.State // of test keys: counted apart
}

// standing is what a customer is at the moment; replaced whole.
type standing struct {
	id        string
	version   int64 // of the row: an older change that arrives late is dropped
	planName  string
	plan      *plan         // with the overrides; nil when the configuration does not have it
	since     time.Time     // when its subscription began
	months    *limit.Months // of its own; nil: no quota follows them
	overrides []toll.Policy
	suspended bool
}

// bearer is a key's own counters, and whose key it is.
type bearer struct {
	holder   *holder
	version  int64                     // of the key's row; guarded by Gate.changes
	own      atomic.Pointer[limit.Set] // the key's own policies; nil: none
	counters limit.State
	shared   *limit.Shared // its leases; nil: nothing is shared
}

// customers is the set of holders. Requests do not look here: they come to
// their holder through the key. The lock is for changes and pages.
type customers struct {
	pool   *limit.Pool // nil: nothing is shared
	shards [64]struct {
		mu   sync.RWMutex
		byID map[string]*holder
	}
}

var customerSeed = maphash.MakeSeed()

func (c *customers) holder(id string) *holder {
	shard := &c.shards[maphash.String(customerSeed, id)%64]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	h := shard.byID[id]
	if h == nil {
		if shard.byID == nil {
			shard.byID = make(map[string]*holder)
		}
		h = new(holder)
		if c.pool != nil {
			h.shared = c.pool.Share(id, true, &h.counters)
			h.testShared = c.pool.Share("test."+id, false, &h.testCounters)
		}
		shard.byID[id] = h
	}
	return h
}

func (c *customers) find(id string) *holder {
	shard := &c.shards[maphash.String(customerSeed, id)%64]
	shard.mu.RLock()
	defer shard.mu.RUnlock()
	return shard.byID[id]
}

func (c *customers) each(visit func(*holder)) {
	for i := range c.shards {
		shard := &c.shards[i]
		shard.mu.RLock()
		for _, h := range shard.byID {
			visit(h)
		}
		shard.mu.RUnlock()
	}
}

// PutCustomer makes a customer's standing hold for the next request. Changes
// may come in any order: the one with the smaller Version is old. It tells
// whether this one was news.
func (g *Gate) PutCustomer(c toll.Customer) (news bool) {
	g.changes.Lock()
	defer g.changes.Unlock()
	h := g.customers.holder(c.ID)
	g.follow(&h.counters, &h.testCounters)
	was := h.now.Load()
	if was != nil && was.version > c.Version {
		return false
	}
	s := &standing{
		id: c.ID, version: c.Version, planName: c.Subscription.Plan, overrides: c.Subscription.Overrides,
		suspended: c.Status == toll.CustomerSuspended || c.Status == toll.CustomerClosed, since: c.Subscription.Since,
	}
	if rules := g.rules.Load(); rules != nil {
		s.plan, s.months = rules.planOf(s), rules.monthsOf(s)
	}
	h.now.Store(s)
	return was == nil || was.version != c.Version
}

// PutKey makes a key, or its change, hold for the next request; the order of
// changes does not matter, as in PutCustomer. A revoked key stays in the ring,
// so that a refusal can be counted for its customer. It tells whether this was
// news.
func (g *Gate) PutKey(k toll.Key) (news bool) {
	g.changes.Lock()
	defer g.changes.Unlock()
	b, ok := g.bearers[k.ID]
	if !ok {
		b = &bearer{holder: g.customers.holder(k.CustomerID)}
		if pool := g.customers.pool; pool != nil {
			b.shared = pool.Share(KeyPrefix+k.ID, k.Mode == toll.Live, &b.counters)
		}
		g.bearers[k.ID] = b
		g.follow(&b.counters, &b.holder.counters, &b.holder.testCounters)
	}
	if b.version > k.Version {
		return false
	}
	news = !ok || b.version != k.Version
	b.version = k.Version
	var own *limit.Set
	if len(k.Limits) > 0 {
		own, _ = limit.CompileKey(k.Limits, g.location()) // checked when it was made; a Set that cannot be is nil: none
	}
	b.own.Store(own)
	g.ring.Put(k, b)
	return news
}

// KeyPrefix stands before a key's ID where replicas share its counters.
const KeyPrefix = "key."

// location is where calendars begin.
func (g *Gate) location() *time.Location {
	if rules := g.rules.Load(); rules != nil {
		return rules.location
	}
	return nil
}

// Restored is what was used of a unit in a quota's period: what the store holds.
type Restored struct {
	Customer          string
	Key               string // what this key of the customer used alone; "" for the customer
	Unit              string
	Service, Endpoint string // only of these; "" for all
	Every             toll.Every
	Start             time.Time // of the period
	Used              int64
	Address           toll.AddressHash // of a quota per IP, which has neither Customer nor Key
}

// Restore sets what a customer has used of a unit in the quota period that
// starts at start: the sum of the rollups, before the first request is admitted.
func (g *Gate) Restore(customer, unit string, every toll.Every, start time.Time, used int64) {
	g.customers.holder(customer).counters.Restore(unit, every, start, used)
}

// RestoreScope is Restore also for quotas that count calls of a service, an endpoint
// or a key alone. What a key used that is not known (PutKey comes first) is left out.
func (g *Gate) RestoreScope(r Restored) {
	if c := g.countersOf(&r); c != nil {
		c.RestoreScope(r.Unit, r.Every, r.Start, r.Used, r.Service, r.Endpoint)
	}
}

// Correct adds by to what RestoreScope said, because it did not know of it, or
// knew of too much; requests go on beside it, and r.Used is not looked at. Where
// replicas share counters the ledger's say comes before it.
func (g *Gate) Correct(r Restored, by int64) {
	if c := g.countersOf(&r); c != nil {
		c.CorrectScope(r.Unit, r.Every, r.Start, by, r.Service, r.Endpoint)
	}
}

// countersOf are those of an address, customer or key, nil for a key that is not
// known and an address that another replica counted.
func (g *Gate) countersOf(r *Restored) *limit.State {
	if !r.Address.IsZero() {
		if !g.perIP.Ours(r.Address) {
			return nil // another replica's: what it counts is its own
		}
		return g.perIP.Restored(r.Address)
	}
	if r.Key == "" {
		return &g.customers.holder(r.Customer).counters
	}
	g.changes.Lock()
	defer g.changes.Unlock()
	if b := g.bearers[r.Key]; b != nil {
		return &b.counters
	}
	return nil
}

// LimitStates returns how much of each policy of its plan, and of each quota of
// the services that the plan includes, a customer has used: the same numbers that
// refuse. Where replicas share them it may wait for the
// ledger, and tells of all replicas. Empty for a customer or plan that is not known.
func (g *Gate) LimitStates(customer string, now time.Time) []toll.LimitState {
	if to := g.leaving(); to != nil {
		states, err := to.LimitStates(customer, now)
		if err != nil {
			return nil
		}
		return states
	}
	h := g.customers.find(customer)
	if h == nil {
		return nil
	}
	who := h.now.Load()
	if who == nil || who.plan == nil {
		return nil
	}
	p := limit.Partitions{Customer: &h.counters, SharedCustomer: h.shared, Months: who.months}
	sets := []*limit.Set{who.plan.set}
	rules := g.rules.Load()
	for _, name := range who.plan.Includes {
		if s := rules.services[name]; s != nil && s.quotas != nil {
			sets = append(sets, s.quotas)
		}
	}
	var states []toll.LimitState
	for _, set := range sets {
		set.Refresh(context.Background(), now, p)
		states = append(states, set.LimitStates(now, p)...)
	}
	return states
}
