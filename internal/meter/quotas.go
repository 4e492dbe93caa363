package meter

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Quotas are all counters that quotas count by: of an installation's services
// and plans, and of what customers and keys have besides. Whoever begins to count
// asks them, whether it is told by a store, by a copy of one, or by events, so
// that a kind of quota is known in all of these places or in none:
//
//	services, plans, customers, keys ─► Quotas ─┬─ Read:  what a store has, at one moment
//	                                            └─ Event: what an event adds
//
// Those of a customer over all services and a day or month of the calendar are
// always among them, for every unit. A Quotas belongs to one goroutine.
type Quotas struct {
	zone      *time.Location
	scopes    []quotaScope
	ownMonths bool                 // some plan's quotas follow its subscriptions
	since     map[string]time.Time // by customer, when its subscription began; empty without ownMonths
	lately    map[toll.Every]Period
}

// quotaScope is what a quota counts, and over which periods. An empty field does
// not narrow.
type quotaScope struct {
	unit, service, endpoint string
	byKey, byAddress        bool
	every                   toll.Every
}

// QuotaCounter names one number that quotas hold against their limits.
type QuotaCounter struct {
	Customer          string
	Key               string // what this key used alone; "" for the customer
	Unit              string
	Service, Endpoint string // of these alone; "" for all
	Every             toll.Every
	Start             int64            // of the period, Unix seconds
	Address           toll.AddressHash // of a quota per IP, which has neither Customer nor Key
}

// NewQuotas returns the quotas that there are without any configuration. Periods
// begin by the calendar of zone.
func NewQuotas(zone *time.Location) *Quotas {
	return &Quotas{
		zone: zone, scopes: []quotaScope{{every: toll.Daily}, {every: toll.Monthly}},
		since: map[string]time.Time{}, lately: map[toll.Every]Period{},
	}
}

// Service adds the quotas of a service. What these four add is never taken away;
// they tell whether there is a counter now that was not there before.
func (q *Quotas) Service(s *toll.Service) (news bool) { return q.add(s.Policies, false) }

// Plan adds the quotas of a plan.
func (q *Quotas) Plan(p *toll.Plan) (news bool) {
	news = q.add(p.Policies, false)
	if p.Months == toll.SubscriptionMonth && !q.ownMonths {
		q.ownMonths, news = true, true
	}
	return news
}

// Customer adds what a customer has besides its plan, and keeps when its months
// begin, where that matters.
func (q *Quotas) Customer(c *toll.Customer) (news bool) {
	news = q.add(c.Subscription.Overrides, false)
	if q.ownMonths {
		since, known := q.since[c.ID]
		if !known || !since.Equal(c.Subscription.Since) {
			q.since[c.ID], news = c.Subscription.Since, true
		}
	}
	return news
}

// Key adds the quotas of a key.
func (q *Quotas) Key(k *toll.Key) (news bool) { return q.add(k.Limits, true) }

// Merge adds the services' and plans' quotas of others.
func (q *Quotas) Merge(others *Quotas) (news bool) {
	for _, s := range others.scopes {
		news = q.scope(s) || news
	}
	if others.ownMonths && !q.ownMonths {
		q.ownMonths, news = true, true
	}
	return news
}

// Knows tells whether a customer was added.
func (q *Quotas) Knows(customer string) bool {
	_, known := q.since[customer]
	return known || !q.ownMonths
}

func (q *Quotas) add(policies []toll.Policy, byKey bool) (news bool) {
	for i := range policies {
		p := &policies[i]
		if p.Kind != toll.Quota {
			continue
		}
		s := quotaScope{
			unit: p.Unit, service: p.Service, endpoint: p.Endpoint, every: p.Every,
			byKey: byKey || p.Partition == toll.PerKey, byAddress: !byKey && p.Partition == toll.PerIP,
		}
		if s.service != "" || s.byKey || s.byAddress || s.every == toll.SubscriptionMonth { // the others are always there
			news = q.scope(s) || news
		}
	}
	return news
}

func (q *Quotas) scope(s quotaScope) (news bool) {
	if slices.Contains(q.scopes, s) {
		return false
	}
	q.scopes = append(q.scopes, s)
	return true
}

// QuotasUsed is what was used of all quotas in the periods that held at one
// moment.
type QuotasUsed struct {
	Cursors map[string]Position // of every lane that is not forgotten, at the same moment
	rows    []quotaRows
}

// quotaRows are what a store says of one scope in one period.
type quotaRows struct {
	scope  quotaScope
	period Period
	used   []Used
}

// Read asks a store what was used in the periods that hold now. Errors are the
// store's.
func (q *Quotas) Read(ctx context.Context, store interface {
	Counted(ctx context.Context, queries []UsedQuery) (Counted, error)
}, now time.Time,
) (QuotasUsed, error) {
	var read QuotasUsed
	for _, s := range q.scopes {
		for _, p := range q.periods(s.every, now) {
			read.rows = append(read.rows, quotaRows{scope: s, period: p})
		}
	}
	queries := make([]UsedQuery, len(read.rows))
	for i, r := range read.rows {
		s := r.scope
		queries[i] = UsedQuery{From: r.period.From, To: r.period.To, Unit: s.unit, Service: s.service, Endpoint: s.endpoint, ByKey: s.byKey}
		if s.byAddress {
			queries[i].ByAddress = s.every
		}
	}
	counted, err := store.Counted(ctx, queries)
	if err != nil {
		return read, fmt.Errorf("reading what was used of the quotas: %w", err)
	}
	read.Cursors = counted.Cursors
	for i := range read.rows {
		r := &read.rows[i]
		r.used = slices.DeleteFunc(counted.Used[i], func(u Used) bool {
			switch {
			case r.scope.byAddress:
				return u.Address.IsZero()
			case u.Customer == "", r.scope.byKey && u.Key == "":
				return true // nobody has a quota there
			case r.scope.every == toll.SubscriptionMonth:
				from, _ := r.scope.every.PeriodSince(now, q.zone, q.since[u.Customer])
				return !from.Equal(r.period.From) // its months are others
			}
			return false
		})
	}
	return read, nil
}

// periods are those of an every that hold now: of the months of subscriptions
// at most one for each day of a month.
func (q *Quotas) periods(every toll.Every, now time.Time) []Period {
	if every != toll.SubscriptionMonth {
		from, to := every.PeriodAt(now, q.zone)
		return []Period{{from, to}}
	}
	var periods []Period
	for _, began := range q.since {
		from, to := every.PeriodSince(now, q.zone, began)
		if !slices.ContainsFunc(periods, func(p Period) bool { return p.From.Equal(from) && p.To.Equal(to) }) {
			periods = append(periods, Period{from, to})
		}
	}
	return periods
}

// Each visits every counter that is not zero, once.
func (u *QuotasUsed) Each(visit func(c QuotaCounter, used int64)) {
	for i := range u.rows {
		r := &u.rows[i]
		for _, row := range r.used {
			visit(QuotaCounter{
				Customer: row.Customer, Key: row.Key, Unit: row.Unit, Service: r.scope.service, Endpoint: r.scope.endpoint,
				Every: r.scope.every, Start: r.period.From.Unix(), Address: row.Address,
			}, row.Count)
		}
	}
}

// Event visits what an event adds to quotas: nothing, unless it is Chargeable and
// somebody's, or says itself what quotas per IP count of it.
func (q *Quotas) Event(e *toll.Event, visit func(c QuotaCounter, count int64)) {
	for i := range e.PerAddress {
		u := &e.PerAddress[i]
		if slices.Contains(q.scopes, quotaScope{unit: u.Unit, service: u.Service, endpoint: u.Endpoint, byAddress: true, every: u.Every}) {
			visit(QuotaCounter{Unit: u.Unit, Service: u.Service, Endpoint: u.Endpoint, Every: u.Every, Start: u.Start, Address: e.Address}, u.Count)
		}
	}
	if e.Class != toll.Chargeable || e.Customer == "" {
		return
	}
	for _, s := range q.scopes {
		if s.byAddress || s.service != "" && s.service != e.Service || s.endpoint != "" && s.endpoint != e.Endpoint || s.byKey && e.Key == "" {
			continue
		}
		c := QuotaCounter{Customer: e.Customer, Service: s.service, Endpoint: s.endpoint, Every: s.every, Start: q.start(s.every, e).Unix()}
		if s.byKey {
			c.Key = e.Key
		}
		if n := e.Requests(); n != 0 && (s.unit == "" || s.unit == toll.UnitRequests) {
			c.Unit = toll.UnitRequests
			visit(c, n)
		}
		for _, u := range e.Units {
			if u.Unit != toll.UnitRequests && u.Count != 0 && (s.unit == "" || s.unit == u.Unit) {
				c.Unit = u.Unit
				visit(c, u.Count)
			}
		}
	}
}

// start is that of the period that an event lies in: of the calendar's nearly
// always that of the event before.
func (q *Quotas) start(every toll.Every, e *toll.Event) time.Time {
	if every == toll.SubscriptionMonth {
		from, _ := every.PeriodSince(e.Time, q.zone, q.since[e.Customer])
		return from
	}
	p := q.lately[every]
	if p.To.IsZero() || e.Time.Before(p.From) || !e.Time.Before(p.To) {
		p.From, p.To = every.PeriodAt(e.Time, q.zone)
		q.lately[every] = p
	}
	return p.From
}

// Holds tells whether a counter is of a period that holds now.
func (q *Quotas) Holds(c *QuotaCounter, now time.Time) bool {
	from, _ := c.Every.PeriodSince(now, q.zone, q.since[c.Customer])
	return from.Unix() == c.Start
}

// Over tells whether the counter's period ended more than two days ago.
func (c *QuotaCounter) Over(now time.Time) bool {
	longest := 25 * time.Hour // a day on which clocks are put back
	if c.Every != toll.Daily {
		longest += 30 * 24 * time.Hour
	}
	return now.Sub(time.Unix(c.Start, 0)) > longest+48*time.Hour
}
