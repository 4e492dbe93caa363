package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// Summary is what a configuration comes to: what `tollhouse check` prints.
type Summary struct {
	Routes   []RouteShown  `json:"routes"`
	Policies []PolicyShown `json:"policies"`
	Costs    []CostShown   `json:"costs"`   // of calls that take something else than one request
	Console  string        `json:"console"` // the console's own host; "" gives it what no service takes
	Notices  []string      `json:"notices"`

	Fingerprint string `json:"fingerprint"` // of the file; a server that runs by it shows the same
}

// RouteShown is where a service's requests come in, and where they go.
type RouteShown struct {
	Where     string `json:"where"`
	Service   string `json:"service"`
	Access    string `json:"access"`
	Upstreams string `json:"upstreams"`
}

// PolicyShown is a policy in words.
type PolicyShown struct {
	Of    string `json:"of"` // "plan free", "service ner"
	Name  string `json:"name"`
	Limit string `json:"limit"`
	Per   string `json:"per"` // whom it counts apart
}

// CostShown is what calls of an endpoint take, in words.
type CostShown struct {
	Service  string `json:"service"`
	Endpoint string `json:"endpoint"` // "" for all that have no cost of their own
	Cost     string `json:"cost"`
}

// Summarise compiles a configuration as a server would, without starting
// anything, and says what it comes to.
func Summarise(cfg *config.Config) (Summary, error) {
	out := Summary{Routes: []RouteShown{}, Policies: []PolicyShown{}, Costs: []CostShown{}, Console: cfg.Console.Host, Notices: append([]string{}, cfg.Notices...), Fingerprint: cfg.Fingerprint}
	rules := gate.Rules{Services: cfg.Services}
	for _, plan := range cfg.Plans {
		rules.Plans = append(rules.Plans, config.PlanVersion(plan, time.Time{}))
	}
	if err := gate.New(nil, nil).Switch(rules); err != nil {
		return out, err
	}
	if cfg.Listen.HTTPS != "" {
		if err := edge.CheckCertificates(certificateOptions(cfg)); err != nil {
			return out, err
		}
	}
	for _, s := range cfg.Services {
		leadsTo, err := destination(s)
		if err != nil {
			return out, err
		}
		host := s.Host
		if host == "" {
			host = "*"
		}
		out.Routes = append(out.Routes, RouteShown{
			Where: host + s.Path + "/", Service: s.Name, Access: string(s.Access), Upstreams: leadsTo,
		})
		out.Policies = append(out.Policies, showPolicies("service "+s.Name, s.Policies)...)
		out.Costs = append(out.Costs, showCosts(s)...)
	}
	for _, plan := range cfg.Plans {
		out.Policies = append(out.Policies, showPolicies("plan "+plan.Name, plan.Policies)...)
	}
	return out, nil
}

// destination compiles where a service's requests go, and says it.
func destination(s toll.Service) (string, error) {
	if s.Access == toll.AccessForwardAuth {
		if _, err := upstream.NewAsker(s.ForwardAuth, upstream.Options{}); err != nil {
			return "", fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	switch {
	case s.Delegated.Settle:
		return "(a foreign proxy; settled within " + s.Delegated.Within.String() + ")", nil
	case s.Delegated.On:
		return "(a foreign proxy)", nil
	case s.Files.Root != "":
		_, err := siteOf(s)
		return "files in " + s.Files.Root, err
	}
	pool, err := upstream.NewPool(withoutProbes(s), upstream.Options{})
	if err != nil {
		return "", fmt.Errorf("service %s: %w", s.Name, err)
	}
	pool.Close()
	return strings.Join(s.Upstreams, " "), nil
}

// withoutProbes is the service as it is, but for the probes that checking must not send.
func withoutProbes(s toll.Service) toll.Service {
	s.Health = toll.Health{}
	return s
}

// window says how long a rate's time is: "minute", "30s".
func window(d time.Duration) string {
	switch d {
	case time.Second:
		return "second"
	case time.Minute:
		return "minute"
	case time.Hour:
		return "hour"
	}
	return d.String()
}

// showCosts says what a service's endpoints cost, what holds for all others first.
func showCosts(s toll.Service) (out []CostShown) {
	for _, endpoint := range slices.Sorted(maps.Keys(s.Costs)) {
		cost := s.Costs[endpoint]
		var parts []string
		if cost.Rate > 1 {
			parts = append(parts, fmt.Sprintf("%d of each rate", cost.Rate))
		}
		for _, a := range cost.Uses {
			parts = append(parts, fmt.Sprintf("%d %s", a.Count, a.Unit))
		}
		for _, a := range cost.Reserve {
			parts = append(parts, fmt.Sprintf("%d %s reserved", a.Count, a.Unit))
		}
		if len(parts) == 0 {
			parts = []string{"one request"}
		}
		out = append(out, CostShown{Service: s.Name, Endpoint: endpoint, Cost: strings.Join(parts, ", ")})
	}
	return out
}

func showPolicies(of string, policies []toll.Policy) []PolicyShown {
	per := map[toll.Partition]string{toll.PerCustomer: "customer", toll.PerKey: "key", toll.PerIP: "address"}
	var out []PolicyShown
	for _, p := range policies {
		limit := ""
		switch p.Kind {
		case toll.RateLimit:
			limit = fmt.Sprintf("%d per %s", p.Count, window(p.Window))
			if p.Burst != 0 && p.Burst != p.Count {
				limit += fmt.Sprintf(", %d at once", p.Burst)
			}
		case toll.Quota:
			limit = fmt.Sprintf("%d %s a %s", p.Count, p.Unit, p.Every.Noun())
			if p.Every == toll.SubscriptionMonth {
				limit += " of the subscription"
			}
		case toll.ConcurrencyLimit:
			limit = fmt.Sprintf("%d at the same time", p.Count)
		}
		if p.Endpoint != "" {
			limit += " (" + strings.TrimSpace(p.Service+" "+p.Endpoint) + ")"
		}
		if p.Shadow {
			limit += ", shadow"
		}
		if p.WhenSharedAway != "" {
			limit += ", " + string(p.WhenSharedAway) + " while Redis is away"
		}
		out = append(out, PolicyShown{Of: of, Name: p.Name, Limit: limit, Per: per[p.Partition]})
	}
	return out
}
