package rehearsal

import (
	"container/heap"
	"fmt"
	"iter"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// NotIncluded stands in Outcome.Refused for calls of services that the plan does not include.
const NotIncluded = "not included"

// Proposal is the plan to rehearse, with what holds beside it.
type Proposal struct {
	Plan     toll.Plan
	Services map[string][]toll.Policy        // the services' own policies
	Costs    map[string]map[string]toll.Cost // what calls take, by service and endpoint
	Location *time.Location                  // whose calendar quotas follow
}

func (p *Proposal) zone() *time.Location {
	if p.Location == nil {
		return time.UTC
	}
	return p.Location
}

// Outcome is what a customer's recorded usage comes to under a Proposal.
type Outcome struct {
	Calls   int64            // that were replayed: every answered live call; events from outside are none
	Refused int64            // of Calls
	By      map[string]int64 // Refused, by the policy that refused first, or NotIncluded
	First   time.Time        // of the first refusal; zero without one

	// Usage is what would be rated, Recorded what was, per unit.
	Usage, Recorded map[string]int64
}

// Replay walks a customer's events, oldest first, through the limits of a
// proposal. Test calls, and calls that a crash left unknown, are left out.
// Concurrency is held for as long as the recorded call took. The error is of
// the proposal's policies, or the events' own.
func Replay(events iter.Seq2[toll.Event, error], p Proposal) (Outcome, error) {
	out := Outcome{By: map[string]int64{}, Usage: map[string]int64{}, Recorded: map[string]int64{}}
	plan, err := limit.Compile(p.Plan.Policies, p.Location)
	if err != nil {
		return out, fmt.Errorf("plan %s: %w", p.Plan.Name, err)
	}
	services := make(map[string]*limit.Set, len(p.Services))
	for name, policies := range p.Services {
		if services[name], err = limit.CompileService(name, policies, p.Location); err != nil {
			return out, fmt.Errorf("service %s: %w", name, err)
		}
	}
	walk := walk{keys: map[string]*limit.State{}}
	for e, err := range events {
		if err != nil {
			return out, err
		}
		if e.Class != toll.Chargeable && e.Class != toll.NotBillable {
			continue
		}
		count(out.Recorded, &e)
		if e.Service == toll.OutsideService { // usage that nobody was asked about: no call, and it happened
			walk.outside(&e, &p)
			count(out.Usage, &e)
			continue
		}
		out.Calls++
		by := NotIncluded
		if p.Plan.IncludesService(e.Service) {
			by = walk.admit(&e, costOf(&p, &e), plan, services[e.Service])
		}
		if by == "" {
			count(out.Usage, &e)
			continue
		}
		if out.Refused++; out.Refused == 1 {
			out.First = e.Time
		}
		out.By[by]++
	}
	return out, nil
}

// costOf is what a call takes of rate limits. What it reserves is left out: what
// it really used is known at once.
func costOf(p *Proposal, e *toll.Event) *toll.Cost {
	costs := p.Costs[e.Service]
	cost, ok := costs[e.Endpoint]
	if !ok {
		cost = costs[""]
	}
	if cost.Rate <= 1 {
		return nil
	}
	return &toll.Cost{Rate: cost.Rate}
}

// count adds what an event is rated for.
func count(usage map[string]int64, e *toll.Event) {
	if e.Class != toll.Chargeable {
		return
	}
	usage[toll.UnitRequests] += e.Requests()
	for _, u := range e.Units {
		if u.Unit == toll.UnitRequests {
			continue
		}
		usage[u.Unit] += u.Count
	}
}

// Costs rates the usage of a period [from, to) by a plan, whose fees are due
// since the subscription began.
func Costs(plan toll.Plan, usage map[string]int64, since, from, to time.Time) (toll.Money, error) {
	fees, err := billing.FeesDue(plan.Price, since, from, to)
	if err != nil {
		return toll.Money{}, fmt.Errorf("plan %s: %w", plan.Name, err)
	}
	draft, err := billing.Rate(plan, usage, fees)
	return draft.Total, err
}

// walk is one customer's counters, and the calls that are under way.
type walk struct {
	customer limit.State
	keys     map[string]*limit.State
	under    underWay
	idle     []*limit.Admission
}

// outside counts what was used outside in the plan's quotas, as the gate does.
func (w *walk) outside(e *toll.Event, p *Proposal) {
	if e.Class != toll.Chargeable {
		return
	}
	used := map[string]int64{}
	count(used, e)
	type counter struct {
		unit  string
		every toll.Every
	}
	seen := map[counter]bool{} // two policies may be one counter
	for _, q := range p.Plan.Policies {
		of := counter{q.Unit, q.Every}
		if q.Kind != toll.Quota || q.Partition != toll.PerCustomer || q.Service != "" || used[q.Unit] == 0 || seen[of] {
			continue
		}
		seen[of] = true
		start, _ := q.Every.PeriodAt(e.Time, p.zone())
		w.customer.Correct(q.Unit, q.Every, start, used[q.Unit])
	}
}

// admit says which policy refuses the call, "" when none does.
func (w *walk) admit(e *toll.Event, cost *toll.Cost, sets ...*limit.Set) (by string) {
	for len(w.under) > 0 && !w.under[0].ends.After(e.Time) {
		ended := heap.Pop(&w.under).(call)
		ended.admission.Release()
		w.idle = append(w.idle, ended.admission)
	}
	key := w.keys[e.Key]
	if key == nil {
		key = new(limit.State)
		w.keys[e.Key] = key
	}
	a := new(limit.Admission)
	if n := len(w.idle); n > 0 {
		a, w.idle = w.idle[n-1], w.idle[:n-1]
	}
	if !a.AdmitCost(e.Time, limit.Partitions{Customer: &w.customer, Key: key}, cost, e.Service, e.Endpoint, sets...) {
		for _, r := range a.Results() {
			if r.Refused {
				by = r.Policy.Name
				break
			}
		}
		w.idle = append(w.idle, a)
		return by
	}
	// The outcome is told at once and not at its end, as it would be: a quota
	// is at most the calls under way further then.
	a.Settle(e.Class == toll.Chargeable, e.Units)
	heap.Push(&w.under, call{ends: e.Time.Add(e.Latency), admission: a})
	return ""
}

// call is a call under way.
type call struct {
	ends      time.Time
	admission *limit.Admission
}

// underWay is a heap of calls by their end.
type underWay []call

func (u underWay) Len() int           { return len(u) }
func (u underWay) Less(i, j int) bool { return u[i].ends.Before(u[j].ends) }
func (u underWay) Swap(i, j int)      { u[i], u[j] = u[j], u[i] }

// Push adds a call; heap.Push calls it.
func (u *underWay) Push(x any) { *u = append(*u, x.(call)) }

// Pop takes the last; heap.Pop calls it.
func (u *underWay) Pop() any {
	n := len(*u) - 1
	last := (*u)[n]
	*u = (*u)[:n]
	return last
}
