package gate

import (
	"net/netip"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Successor is the process that took the counters over. Its methods are called
// for requests that are still on this process's connections.
type Successor interface {
	// Admit decides in the successor's memory and by its rules.
	Admit(ask *Ask) (*Verdict, error)
	// Adjust tells what became of what a request holds.
	Adjust(debt *Debt) error
	// LimitStates is Gate.LimitStates over there.
	LimitStates(customer string, now time.Time) ([]toll.LimitState, error)
}

// Verdict is what Admit found in another process.
type Verdict struct {
	Decision Decision
	Service  string // by name: the asking process has its own pool for it
	BadPath  string // a safe message, "" for a good path
	APIToken bool

	Path, RawPath, Prefix, Endpoint  string
	Customer, Key, Plan, PlanVersion string
	Features                         []string
	Mode                             toll.Mode
	Reason                           toll.RefusalReason

	Limits []limit.Result
	Leases []limit.Lease
}

// Debt is what one request still has to change in counters that are another
// process's.
type Debt struct {
	Customer    string
	Test        bool // of the counters of test keys
	Key         string
	Client      netip.Addr
	Adjustments []limit.Adjustment
}

// Estate is everything that a gate counts, on its way to another process.
type Estate struct {
	Names     []limit.Name
	Customers []CustomerCounters
	Keys      []KeyCounters
	Addresses []limit.AddressCounters
	PerIP     []limit.AddressQuotaCounters // of quotas
}

// CustomerCounters are one customer's, on their way.
type CustomerCounters struct {
	ID         string
	Latest     int64 // the latest moment that was decided for, Unix ns
	Live, Test []limit.Carried
}

// KeyCounters are one key's, on their way.
type KeyCounters struct {
	ID       string
	Counters []limit.Carried
}

// departure is a gate whose counters are leaving, or have left.
type departure struct {
	decided chan struct{} // closed when to holds
	to      Successor     // nil: they stay
}

// Depart gives away everything that is counted. From now on requests wait, in
// Admit and where they settle, until exactly one of Stay and Leave is called:
// soon. No request that passed before is held up, and none is counted twice or
// not at all: each counter goes under its own mutex (limit.State.Depart). What
// replicas share stays: both processes are replicas of it.
func (g *Gate) Depart() *Estate {
	g.changes.Lock() // until Stay or Leave: no customer or key may come between
	g.departure.Store(&departure{decided: make(chan struct{})})
	e := new(Estate)
	g.customers.each(func(h *holder) {
		who := h.now.Load()
		if h.shared != nil {
			return // the other process is another replica of it
		}
		c := CustomerCounters{Latest: h.order.Latest(), Live: h.counters.Depart(nil), Test: h.testCounters.Depart(nil)}
		if who == nil || len(c.Live)+len(c.Test) == 0 {
			return
		}
		c.ID = who.id
		e.Customers = append(e.Customers, c)
	})
	for id, b := range g.bearers {
		if b.shared != nil {
			continue
		}
		if counters := b.counters.Depart(nil); len(counters) > 0 {
			e.Keys = append(e.Keys, KeyCounters{id, counters})
		}
	}
	e.Addresses = g.addresses.Depart()
	e.PerIP = g.perIP.Depart()
	e.Names = limit.Names()
	return e
}

// Stay takes an Estate back: the other process will not have it. What waited
// goes on here.
func (g *Gate) Stay(e *Estate) {
	d := g.departure.Load()
	g.take(e) // each as one step: a request that began before Depart may be there already
	g.customers.each(func(h *holder) {
		h.counters.Arrive(nil)
		h.testCounters.Arrive(nil)
	})
	for _, b := range g.bearers {
		b.counters.Arrive(nil)
	}
	g.addresses.Stay()
	g.perIP.Stay()
	g.departure.Store(nil)
	g.changes.Unlock()
	close(d.decided)
}

// Leave makes the successor decide from now on. What waited goes on there.
func (g *Gate) Leave(to Successor) {
	d := g.departure.Load()
	d.to = to
	g.changes.Unlock()
	close(d.decided)
}

// Inherit sets the counters of another process's Estate in place of what
// Restore said, before the first request is admitted. Concurrency that is held
// there is freed at the end of the Lender that it is told.
func (g *Gate) Inherit(e *Estate, from *Lender) {
	t := limit.NewTranslate(e.Names)
	for i := range e.Customers {
		c := &e.Customers[i]
		c.Live, c.Test = t.Counters(c.Live), t.Counters(c.Test)
	}
	for i := range e.Keys {
		e.Keys[i].Counters = t.Counters(e.Keys[i].Counters)
	}
	for i := range e.Addresses {
		e.Addresses[i].Counters = t.Counters(e.Addresses[i].Counters)
	}
	for i := range e.PerIP {
		e.PerIP[i].Counters = t.Counters(e.PerIP[i].Counters)
	}
	g.changes.Lock()
	defer g.changes.Unlock()
	g.take(e)
	from.inherit(e)
}

// take sets counters that are in this process's numbers. The caller holds changes.
func (g *Gate) take(e *Estate) {
	for _, c := range e.Customers {
		h := g.customers.holder(c.ID)
		h.order.Since(c.Latest)
		h.counters.Arrive(c.Live)
		h.testCounters.Arrive(c.Test)
	}
	for _, k := range e.Keys {
		if b := g.bearers[k.ID]; b != nil {
			b.counters.Arrive(k.Counters)
		}
	}
	for _, a := range e.Addresses {
		g.addresses.Arrive(a)
	}
	for _, a := range e.PerIP {
		g.perIP.Arrive(a)
	}
}

// follow sends new counters after those that have left. The caller holds changes.
// Shared ones do not leave.
func (g *Gate) follow(counters ...*limit.State) {
	if g.departure.Load() != nil && g.customers.pool == nil {
		for _, s := range counters {
			s.Depart(nil)
		}
	}
}

// leaving returns who decides now: nil, when this gate does. It waits while
// that is not decided.
func (g *Gate) leaving() Successor {
	for {
		d := g.departure.Load()
		if d == nil {
			return nil
		}
		<-d.decided
		if d.to != nil {
			return d.to
		}
	}
}

// admitElsewhere lets the successor decide about a request on one of this
// process's connections.
func (g *Gate) admitElsewhere(to Successor, ask *Ask, p *Pass) Decision {
	p.reset(g, ask)
	rules := g.rules.Load()
	if err := g.recorder.Err(); err != nil && !rules.unmetered {
		return p.refuse(toll.RefusedJournal) // its event would come into our journal
	}
	v, err := to.Admit(ask)
	if err != nil {
		return p.refuse(toll.RefusedJournal) // nobody can count it: as when the journal takes nothing
	}
	if v.Service != "" {
		if s := rules.services[v.Service]; s != nil {
			p.Service, p.cost = s.of, s.costOf(v.Endpoint)
		} else {
			p.Service = &toll.Service{Name: v.Service} // no pool: the answer is 503
		}
	}
	if v.BadPath != "" {
		p.BadPath = toll.Errorf(toll.Invalid, "%s", v.BadPath)
	}
	p.APIToken = v.APIToken
	p.Path, p.RawPath, p.Prefix, p.Endpoint = v.Path, v.RawPath, v.Prefix, v.Endpoint
	p.Customer, p.Key, p.Plan, p.PlanVersion = v.Customer, v.Key, v.Plan, v.PlanVersion
	p.Features, p.Mode, p.Reason = v.Features, v.Mode, v.Reason
	p.admission.Borrow(v.Limits, v.Leases)
	return v.Decision
}

// pay carries out what the admission could not count where it was admitted.
func (p *Pass) pay() {
	owed := p.admission.Owed()
	if len(owed) == 0 {
		return
	}
	p.gate.settle(&Debt{Customer: p.Customer, Test: p.Mode == toll.Test, Key: p.Key, Client: p.client, Adjustments: owed})
}

// adjust carries out a debt on this gate's counters. It tells whether it
// could; when not, all or a part of it is left in d.
func (g *Gate) adjust(d *Debt) bool {
	h := g.customers.find(d.Customer)
	g.changes.Lock()
	b := g.bearers[d.Key]
	g.changes.Unlock()
	for i, a := range d.Adjustments {
		var s *limit.State
		var shared *limit.Shared
		switch {
		case a.Partition == toll.PerIP && a.Name.Kind == toll.Quota:
			s = g.perIP.Find(g.perIP.Hash(d.Client))
		case a.Partition == toll.PerIP:
			s = g.addresses.Find(d.Client)
		case a.Partition == toll.PerKey:
			if b != nil {
				s, shared = &b.counters, b.shared
			}
		case h != nil && d.Test:
			s, shared = &h.testCounters, h.testShared
		case h != nil:
			s, shared = &h.counters, h.shared
		}
		if shared != nil {
			shared.Adjust(a)
			continue
		}
		if s != nil && !s.Adjust(a) {
			d.Adjustments = d.Adjustments[i:]
			return false
		}
	}
	return true
}

// Lender decides for the requests of a process that this one took over from,
// and knows which concurrency they hold: it is freed when that process ends,
// however it ends. It is safe for concurrent use.
type Lender struct {
	gate   *Gate
	passes sync.Pool

	mu   sync.Mutex
	lent map[lent]int64
}

// lent names a counter of leases that another process holds.
type lent struct {
	partition toll.Partition
	owner     string // a customer's or key's ID
	test      bool
	client    netip.Addr
	name      limit.Name
}

// NewLender returns a Lender over a gate; Gate.Inherit tells it what the other
// process holds already.
func NewLender(g *Gate) *Lender {
	return &Lender{gate: g, passes: sync.Pool{New: func() any { return new(Pass) }}, lent: map[lent]int64{}}
}

// inherit notes the leases in an Estate that is in this process's numbers.
func (l *Lender) inherit(e *Estate) {
	names := limit.Names()
	note := func(of lent, counters []limit.Carried) {
		for _, c := range counters {
			if of.name = names[c.Name]; of.name.Kind == toll.ConcurrencyLimit && c.Value > 0 {
				l.lent[of] += c.Value
			}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range e.Customers {
		note(lent{partition: toll.PerCustomer, owner: c.ID}, c.Live)
		note(lent{partition: toll.PerCustomer, owner: c.ID, test: true}, c.Test)
	}
	for _, k := range e.Keys {
		note(lent{partition: toll.PerKey, owner: k.ID}, k.Counters)
	}
	for _, a := range e.Addresses {
		note(lent{partition: toll.PerIP, client: subnet(a.Address)}, a.Counters)
	}
}

// subnet is what an address's leases are noted by.
func subnet(a netip.Addr) netip.Addr {
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}

// Admit decides about a request of the other process, which counts from now on;
// Adjust must follow for what it leaves open.
func (l *Lender) Admit(ask *Ask) *Verdict {
	p := l.passes.Get().(*Pass)
	defer l.passes.Put(p)
	v := &Verdict{Decision: l.gate.Admit(ask, p)}
	if p.Service != nil {
		v.Service = p.Service.Name
	}
	if p.BadPath != nil {
		v.BadPath = toll.SafeMessage(p.BadPath)
	}
	v.APIToken = p.APIToken
	v.Path, v.RawPath, v.Prefix, v.Endpoint = p.Path, p.RawPath, p.Prefix, p.Endpoint
	v.Customer, v.Key, v.Plan, v.PlanVersion = p.Customer, p.Key, p.Plan, p.PlanVersion
	v.Features, v.Mode, v.Reason = p.Features, p.Mode, p.Reason
	if v.Decision == Admitted || v.Reason == toll.RefusedLimit || v.Reason == toll.RefusedUncounted {
		v.Limits = append(v.Limits, p.Limits()...)
	}
	v.Leases = p.admission.Leases()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lease := range v.Leases {
		if lease.Name.Kind == toll.ConcurrencyLimit {
			l.lent[lentOf(lease, v.Customer, v.Key, v.Mode == toll.Test, ask.Client)]++
		}
	}
	return v
}

func lentOf(lease limit.Lease, customer, key string, test bool, client netip.Addr) lent {
	of := lent{partition: lease.Partition, name: lease.Name}
	switch lease.Partition {
	case toll.PerIP:
		of.client = subnet(client)
	case toll.PerKey:
		of.owner = key
	default:
		of.owner, of.test = customer, test
	}
	return of
}

// Adjust carries out what became of leases.
func (l *Lender) Adjust(d *Debt) {
	l.mu.Lock()
	for _, a := range d.Adjustments {
		if a.Name.Kind == toll.ConcurrencyLimit {
			of := lentOf(a.Lease, d.Customer, d.Key, d.Test, d.Client)
			if l.lent[of] += a.Add; l.lent[of] <= 0 {
				delete(l.lent, of)
			}
		}
	}
	l.mu.Unlock()
	l.gate.settle(d)
}

// settle carries a debt out here, or where the counters have gone meanwhile.
func (g *Gate) settle(d *Debt) {
	for !g.adjust(d) {
		if to := g.leaving(); to != nil {
			_ = to.Adjust(d) // without its process a counter has nobody to read it
			return
		}
	}
}

// End frees what the other process still held: it is gone.
func (l *Lender) End() {
	l.mu.Lock()
	left := l.lent
	l.lent = map[lent]int64{}
	l.mu.Unlock()
	for of, n := range left {
		d := &Debt{Test: of.test, Client: of.client, Adjustments: []limit.Adjustment{{
			Lease: limit.Lease{Partition: of.partition, Name: of.name}, Add: -n,
		}}}
		if of.partition == toll.PerKey {
			d.Key = of.owner
		} else {
			d.Customer = of.owner
		}
		l.gate.settle(d)
	}
}
