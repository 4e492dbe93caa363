package gate

import (
	"net/netip"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/route"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Rules are what the configuration says about requests.
type Rules struct {
	Services  []toll.Service
	Plans     []toll.PlanVersion
	Location  *time.Location // of calendar quotas; nil: UTC
	Unmetered bool           // serve what cannot be journalled (journal.when_full: serve-unmetered)
	// ConsoleHost is the console's own host, "" when it has none. Only a service
	// that names this very host takes requests there: one for every host, or for a
	// wildcard, would lock everybody out of the console.
	ConsoleHost string
}

// rules are Rules compiled; immutable, switched whole.
type rules struct {
	table     *route.Table
	services  map[string]*service
	plans     map[string]*plan
	location  *time.Location
	testSet   *limit.Set
	counting  *limit.Set // every plan's quotas: counted also while the customer is on another plan
	unmetered bool
	ownMonths bool   // a plan follows its subscriptions' own months
	console   string // the console's own host, in lower case
}

type service struct {
	of            *toll.Service
	set           *limit.Set // its rate and concurrency limits
	quotas        *limit.Set // its quotas: not for test keys, nil: none
	perAddress    bool       // of set
	addressQuotas bool       // a quota of its own is per IP
	allow, deny   ranges
	costs         map[string]*toll.Cost // by endpoint; nil: none costs other than one
	cost          *toll.Cost            // of every other endpoint; nil: one
}

// costOf is what a call of an endpoint takes, nil where that is one.
func (s *service) costOf(endpoint string) *toll.Cost {
	if s.costs != nil {
		if c, ok := s.costs[endpoint]; ok {
			return c
		}
	}
	return s.cost
}

// setCosts keeps what the service's endpoints cost.
func (s *service) setCosts(of map[string]toll.Cost) {
	for endpoint, c := range of {
		cost := &c
		if c.IsZero() {
			cost = nil // dearer ones of the service do not hold here
		}
		if endpoint == "" {
			s.cost = cost
			continue
		}
		if s.costs == nil {
			s.costs = make(map[string]*toll.Cost, len(of))
		}
		s.costs[endpoint] = cost
	}
}

// lets tells whether a client's address may call the service. What has no
// address (a unix socket's peer) is in no list.
func (s *service) lets(client netip.Addr) bool {
	return !s.deny.contain(client) && (len(s.allow) == 0 || s.allow.contain(client))
}

type plan struct {
	toll.Plan
	version    string
	set        *limit.Set
	perAddress bool
}

// forConsole tells whether a request for host is the console's, though s takes it too.
func (r *rules) forConsole(host string, s *toll.Service) bool {
	return host == r.console && host != "" && !strings.EqualFold(s.Host, host)
}

// testPolicy is what a customer's test keys may do together: a small limit of
// their own, whatever the plan. Were it for each key, a customer could use a
// service for nothing by making many.
var testPolicy = toll.Policy{Name: "test", Kind: toll.RateLimit, Partition: toll.PerCustomer, Count: 60, Window: time.Minute, Burst: 10}

// RuleError is a rule that cannot be, and where it stands.
type RuleError struct {
	Path string // in the configuration: "plans.free"
	Err  error
}

func (e *RuleError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *RuleError) Unwrap() error { return e.Err }

// Switch compiles rules and makes them hold for the next request, as one
// atomic change. After an error, a *RuleError where one rule is at fault, the old
// rules hold.
func (g *Gate) Switch(r Rules) error {
	loc := r.Location
	if loc == nil {
		loc = time.UTC
	}
	table, err := route.New(r.Services)
	if err != nil {
		return err
	}
	next := &rules{
		table:     table,
		services:  make(map[string]*service, len(r.Services)),
		plans:     make(map[string]*plan, len(r.Plans)),
		location:  loc,
		unmetered: r.Unmetered,
		console:   strings.ToLower(r.ConsoleHost),
	}
	for i, s := range r.Services {
		set, quotas, err := compileService(&s, loc)
		if err != nil {
			return &RuleError{Path: "services." + s.Name, Err: err}
		}
		next.services[s.Name] = &service{
			of: &r.Services[i], set: set, quotas: quotas, perAddress: set.Counts(toll.PerIP),
			addressQuotas: quotas.Counts(toll.PerIP),
			allow:         rangesOf(s.Allow), deny: rangesOf(s.Deny),
		}
		next.services[s.Name].setCosts(s.Costs)
	}
	for _, v := range r.Plans {
		set, err := limit.Compile(v.Plan.Policies, loc)
		if err != nil {
			return &RuleError{Path: "plans." + v.Plan.Name, Err: err}
		}
		next.plans[v.Plan.Name] = &plan{
			Plan: v.Plan, version: v.ID, set: set, perAddress: set.Counts(toll.PerIP),
		}
		next.ownMonths = next.ownMonths || v.Plan.Months == toll.SubscriptionMonth
	}
	var policies []toll.Policy
	for _, v := range r.Plans {
		policies = append(policies, v.Plan.Policies...)
	}
	if next.counting, err = limit.Counting(policies, loc); err != nil {
		return err
	}
	if next.testSet, err = limit.Compile([]toll.Policy{testPolicy}, loc); err != nil {
		return err
	}

	g.changes.Lock()
	defer g.changes.Unlock()
	g.rules.Store(next)
	g.customers.each(func(h *holder) {
		if was := h.now.Load(); was != nil {
			s := *was
			s.plan, s.months = next.planOf(&s), next.monthsOf(&s)
			h.now.Store(&s)
		}
	})
	return nil
}

// compileService compiles a service's limits, and apart from them its quotas.
func compileService(s *toll.Service, loc *time.Location) (limits, quotas *limit.Set, err error) {
	if _, err := limit.CompileService(s.Name, s.Policies, loc); err != nil { // together, for their names
		return nil, nil, err
	}
	var pace, much []toll.Policy
	for _, p := range s.Policies {
		if p.Kind == toll.Quota {
			much = append(much, p)
		} else {
			pace = append(pace, p)
		}
	}
	if limits, err = limit.CompileService(s.Name, pace, loc); err != nil || len(much) == 0 {
		return limits, nil, err
	}
	quotas, err = limit.CompileService(s.Name, much, loc)
	return limits, quotas, err
}

// monthsOf are the months of a customer's subscription; nil where nothing
// follows them.
func (r *rules) monthsOf(s *standing) *limit.Months {
	if !r.ownMonths || s.since.IsZero() {
		return nil
	}
	return limit.NewMonths(s.since, r.location)
}

// planOf is the plan of a customer as it stands, with what is otherwise for it
// alone. Overrides that this plan cannot have (they were checked against
// another) are left out, rather than the whole customer.
func (r *rules) planOf(s *standing) *plan {
	of := r.plans[s.planName]
	if of == nil || len(s.overrides) == 0 {
		return of
	}
	subscription := toll.Subscription{Overrides: s.overrides}
	set, err := limit.Compile(subscription.Policies(&of.Plan), r.location)
	if err != nil {
		return of
	}
	own := *of
	own.set, own.perAddress = set, set.Counts(toll.PerIP)
	return &own
}
