package app

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/rehearsal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Rehearse asks what a plan would have meant for a past month.
type Rehearse struct {
	Plan     string                          `json:"plan"`
	Of       string                          `json:"of"`                 // whose usage: the customers of this plan
	Customer string                          `json:"customer,omitempty"` // only this one's, whatever its plan
	Against  string                          `json:"against"`            // "last-month", "this-month" or a month as 2026-10
	Proposed *toll.Plan                      `json:"proposed,omitempty"` // nil: the plan as it is in force
	Services map[string][]toll.Policy        `json:"services,omitempty"` // with Proposed: the services' own policies
	Costs    map[string]map[string]toll.Cost `json:"costs,omitempty"`    // with Proposed: what calls take, by service and endpoint
}

// Rehearsed is what the plan would have meant.
type Rehearsed struct {
	Plan      string              `json:"plan"`
	From      time.Time           `json:"from"`
	To        time.Time           `json:"to"`
	Customers []CustomerRehearsed `json:"customers"` // who would have been refused most first
	Calls     int64               `json:"calls"`
	Refused   int64               `json:"refused"`
	Revenue   []RevenueRehearsed  `json:"revenue"` // by currency
}

// CustomerRehearsed is what it would have meant for one customer.
type CustomerRehearsed struct {
	Customer string           `json:"customer"`
	Name     string           `json:"name"`
	Calls    int64            `json:"calls"`
	Refused  int64            `json:"refused"`
	By       map[string]int64 `json:"by"` // Refused, by the policy that refused first
	First    time.Time        `json:"first_refusal,omitzero"`
	Now      string           `json:"now"`  // what its own plan bills for the month
	Then     string           `json:"then"` // what the plan would bill
	now      toll.Money
	then     toll.Money
}

// RevenueRehearsed is what all of them pay, in one currency.
type RevenueRehearsed struct {
	Now    string `json:"now"`
	Then   string `json:"then"`
	Change string `json:"change"`
}

func rehearse(ctx context.Context, r *rooms, in Rehearse) (Rehearsed, error) {
	from, to, err := monthAgainst(in.Against, r.clock(), r.at.zone())
	if err != nil {
		return Rehearsed{}, err
	}
	out := Rehearsed{Plan: in.Plan, From: from, To: to, Customers: []CustomerRehearsed{}, Revenue: []RevenueRehearsed{}}
	proposal, err := proposed(r, in)
	if err != nil {
		return out, err
	}
	if err := r.drain(ctx, 0); err != nil {
		return out, err
	}
	customers, err := rehearsing(ctx, r, in)
	if err != nil {
		return out, err
	}
	for _, c := range customers {
		one, err := rehearseOne(ctx, r, c, proposal, from, to)
		if err != nil {
			return out, fmt.Errorf("customer %s: %w", c.ID, err)
		}
		out.Calls += one.Calls
		out.Refused += one.Refused
		out.Customers = append(out.Customers, one)
	}
	slices.SortStableFunc(out.Customers, func(a, b CustomerRehearsed) int { return int(b.Refused - a.Refused) })
	out.Revenue, err = revenue(out.Customers)
	return out, err
}

// monthAgainst finds the month to rehearse against.
func monthAgainst(word string, now time.Time, zone *time.Location) (from, to time.Time, err error) {
	switch word {
	case "", "last-month":
		from, _ = toll.Monthly.PeriodAt(now, zone)
		return UsagePeriod{Period: from.AddDate(0, -1, 0).Format("2006-01")}.bounds(now, zone)
	case "this-month":
		return UsagePeriod{}.bounds(now, zone)
	}
	from, to, err = UsagePeriod{Period: word}.bounds(now, zone)
	if err != nil {
		return from, to, toll.FieldError("against", "--against takes last-month, this-month or a month as 2026-10; got %q", word)
	}
	return from, to, nil
}

// proposed is the plan to rehearse: as the command read it, or as it is in force.
func proposed(r *rooms, in Rehearse) (rehearsal.Proposal, error) {
	p := rehearsal.Proposal{Location: r.at.zone(), Services: in.Services, Costs: in.Costs}
	if in.Proposed != nil {
		p.Plan = *in.Proposed
		return p, nil
	}
	plan, _, ok := r.plans.Plan(in.Plan)
	if !ok {
		return p, toll.FieldError("plan", "there is no plan %q. There are: %s.", in.Plan, strings.Join(r.plans.Names(), ", "))
	}
	p.Plan = plan
	return p, nil
}

// rehearsing lists the customers whose usage is replayed.
func rehearsing(ctx context.Context, r *rooms, in Rehearse) ([]toll.Customer, error) {
	if in.Customer != "" {
		c, err := r.store.Customer(ctx, in.Customer)
		return []toll.Customer{c}, err
	}
	of := in.Of
	if of == "" {
		of = in.Plan
	}
	var all []toll.Customer
	for q := (toll.CustomerQuery{Plan: of, Limit: 500}); ; {
		page, err := r.store.Customers(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, page.Customers...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if len(all) == 0 {
		return nil, toll.FieldError("of", "no customer is on the plan %q; name the plan whose customers to replay with --of PLAN", of)
	}
	return all, nil
}

func rehearseOne(ctx context.Context, r *rooms, c toll.Customer, p rehearsal.Proposal, from, to time.Time) (CustomerRehearsed, error) {
	out := CustomerRehearsed{Customer: c.ID, Name: c.Name}
	replayed, err := rehearsal.Replay(eventsOf(ctx, r.store, c.ID, from, to), p)
	if err != nil {
		return out, err
	}
	out.Calls, out.Refused, out.By, out.First = replayed.Calls, replayed.Refused, replayed.By, replayed.First
	version, err := r.store.PlanVersion(ctx, c.Subscription.PlanVersion)
	if err != nil {
		return out, err
	}
	// The subscription is taken as one that was there all month: what is compared
	// is the plans, not when somebody came.
	if out.now, err = rehearsal.Costs(version.Plan, replayed.Recorded, from, from, to); err != nil {
		return out, err
	}
	if out.then, err = rehearsal.Costs(p.Plan, replayed.Usage, from, from, to); err != nil {
		return out, err
	}
	// What costs nothing has no currency of its own; it is shown in the other's.
	if out.now.IsZero() {
		out.now.Currency = out.then.Currency
	} else if out.then.IsZero() {
		out.then.Currency = out.now.Currency
	}
	out.Now, out.Then = out.now.String(), out.then.String()
	return out, nil
}

// revenue adds up what customers pay, by currency.
func revenue(customers []CustomerRehearsed) ([]RevenueRehearsed, error) {
	type sums struct{ now, then toll.Money }
	by := map[string]*sums{}
	var order []string
	add := func(to func(*sums) *toll.Money, m toll.Money) error {
		if m.IsZero() {
			return nil
		}
		s := by[m.Currency]
		if s == nil {
			s = &sums{now: toll.Money{Currency: m.Currency}, then: toll.Money{Currency: m.Currency}}
			by[m.Currency] = s
			order = append(order, m.Currency)
		}
		sum, err := to(s).Add(m)
		*to(s) = sum
		return err
	}
	for _, c := range customers {
		if err := add(func(s *sums) *toll.Money { return &s.now }, c.now); err != nil {
			return nil, err
		}
		if err := add(func(s *sums) *toll.Money { return &s.then }, c.then); err != nil {
			return nil, err
		}
	}
	slices.Sort(order)
	out := []RevenueRehearsed{}
	for _, currency := range order {
		change, err := by[currency].then.Sub(by[currency].now)
		if err != nil {
			return nil, err
		}
		out = append(out, RevenueRehearsed{Now: by[currency].now.String(), Then: by[currency].then.String(), Change: change.String()})
	}
	return out, nil
}

// eventReader gives single events, the newest first.
type eventReader interface {
	Events(ctx context.Context, q meter.EventQuery) ([]toll.Event, error)
}

// rehearsalPages is how many pages of events are held at a time.
const rehearsalPages = 32

// eventsOf gives a customer's events of [from, to), the oldest first. The store
// gives the newest first, so a stretch with more than can be held is halved
// until it fits.
func eventsOf(ctx context.Context, store eventReader, customer string, from, to time.Time) iter.Seq2[toll.Event, error] {
	return func(yield func(toll.Event, error) bool) { _ = eachEvent(ctx, store, customer, from, to, yield) }
}

func eachEvent(ctx context.Context, store eventReader, customer string, from, to time.Time, yield func(toll.Event, error) bool) (goOn bool) {
	half := from.Add(to.Sub(from) / 2).Truncate(time.Millisecond)
	most := rehearsalPages
	if !half.After(from) {
		most = math.MaxInt // one millisecond is not halved any more
	}
	events, fit, err := newestFirst(ctx, store, customer, from, to, most)
	if err != nil {
		return yield(toll.Event{}, err) && false
	}
	if !fit {
		return eachEvent(ctx, store, customer, from, half, yield) && eachEvent(ctx, store, customer, half, to, yield)
	}
	for _, e := range slices.Backward(events) {
		if !yield(e, nil) {
			return false
		}
	}
	return true
}

// newestFirst reads the events of [from, to), where they fit into so many pages.
func newestFirst(ctx context.Context, store eventReader, customer string, from, to time.Time, pages int) (held []toll.Event, fit bool, err error) {
	q := meter.EventQuery{Customer: customer, Before: firstAt(to), Limit: exportPage}
	for ; pages > 0; pages-- {
		events, err := store.Events(ctx, q)
		if err != nil {
			return nil, false, fmt.Errorf("reading the events: %w", err)
		}
		for i := range events {
			if events[i].Time.Before(from) {
				return append(held, events[:i]...), true, nil
			}
		}
		held = append(held, events...)
		if len(events) < exportPage {
			return held, true, nil
		}
		q.Before = events[len(events)-1].ID
	}
	return nil, false, nil
}
