package limit

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Set is a plan's or a service's policies, made ready to be decided. It is
// immutable and safe for concurrent use. A nil Set holds no policies.
type Set struct {
	rules []rule
	parts [3]bool // by toll.Partition: whether a rule counts per it

	addressQuotas bool // a quota counts per IP
}

// rule is one policy, ready to be decided.
type rule struct {
	policy    *toll.Policy
	id        counterID
	kind      toll.PolicyKind
	partition toll.Partition
	place     place
	service   string
	endpoint  string
	silent    bool      // only counts: no result, no refusal
	requests  bool      // Quota on requests: one is reserved at Admit
	pace      *pace     // RateLimit
	calendar  *calendar // Quota
	item      string    // what RateLimit-Policy says of it
	nameLen   int       // so much of item is the name
}

func (r *rule) covers(service, endpoint string) bool {
	return r.service == "" || r.service == service && (r.endpoint == "" || r.endpoint == endpoint)
}

// Compile makes a plan's policies ready. Quotas follow the calendar of loc
// (nil: UTC). The policies are copied. An error is a *toll.Error with code
// Invalid whose Field is the policy's name.
func Compile(policies []toll.Policy, loc *time.Location) (*Set, error) {
	return compile("", policies, loc)
}

// CompileService makes a service's own policies ready: they hold for calls of
// that service alone, and their rate limits are counted apart from those of the
// same name in a plan or another service.
func CompileService(service string, policies []toll.Policy, loc *time.Location) (*Set, error) {
	own := slices.Clone(policies)
	for i := range own {
		if own[i].Service != "" && own[i].Service != service {
			return nil, toll.FieldError(own[i].Name, "The limit %q of service %s names another service, %s.", own[i].Name, service, own[i].Service)
		}
		own[i].Service = service
	}
	return compile(service, own, loc)
}

// CompileKey makes a key's own policies ready: they are counted for the key
// alone, and rate limits apart from those of the same name in a plan. Quotas
// follow the calendar of loc (nil: UTC), or the subscription's months.
func CompileKey(policies []toll.Policy, loc *time.Location) (*Set, error) {
	own := slices.Clone(policies)
	for i := range own {
		own[i].Partition = toll.PerKey
	}
	return compile("key:", own, loc) // no service is named so
}

// Counting makes a Set that refuses nothing and reports nothing, and counts
// for every quota among policies. Give it the policies of all plans and hand it
// to every Admit: then a customer who comes to a plan with a quota has been
// counted since the period began. Quotas per IP are left out: an address is only
// counted where a quota holds for it.
func Counting(policies []toll.Policy, loc *time.Location) (*Set, error) {
	var quotas []toll.Policy
	var seen []identity
	for _, p := range policies {
		if p.Kind != toll.Quota || p.Partition == toll.PerIP {
			continue
		}
		id := quotaIdentity(p.Unit, p.Every, p.Service, p.Endpoint)
		id.name = [...]string{"customer", "key"}[min(p.Partition, 1)]
		if slices.Contains(seen, id) {
			continue
		}
		seen = append(seen, id)
		quotas = append(quotas, p)
	}
	s, err := compileRules("", quotas, loc)
	if err != nil {
		return nil, err
	}
	for i := range s.rules {
		s.rules[i].silent = true
	}
	return s, nil
}

// Counts tells whether a policy of the set counts per p, so that a caller need
// not look for a State that nothing asks for.
func (s *Set) Counts(p toll.Partition) bool { return s != nil && int(p) < len(s.parts) && s.parts[p] }

func compile(owner string, policies []toll.Policy, loc *time.Location) (*Set, error) {
	for i, p := range policies {
		for _, q := range policies[:i] {
			if p.Name == q.Name {
				return nil, toll.FieldError(p.Name, "Two limits are named %q; give each a name of its own.", p.Name)
			}
		}
	}
	return compileRules(owner, policies, loc)
}

func compileRules(owner string, policies []toll.Policy, loc *time.Location) (*Set, error) {
	if loc == nil {
		loc = time.UTC
	}
	own := slices.Clone(policies)
	s := &Set{rules: make([]rule, 0, len(own))}
	calendars := map[toll.Every]*calendar{}
	for i := range own {
		r, err := newRule(owner, &own[i])
		if err != nil {
			return nil, toll.FieldError(own[i].Name, "The limit %q cannot be: %w.", own[i].Name, err)
		}
		if r.kind == toll.Quota {
			if calendars[own[i].Every] == nil {
				calendars[own[i].Every] = &calendar{every: own[i].Every, loc: loc}
			}
			r.calendar = calendars[own[i].Every]
		}
		s.rules = append(s.rules, r)
		s.parts[r.partition] = true
		s.addressQuotas = s.addressQuotas || r.place == ofAddressQuota
	}
	return s, nil
}
