package limit

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Result is what one policy said to one request.
type Result struct {
	Policy *toll.Policy // must not be changed

	// Refused: this policy refused the request. Never true for a shadow policy.
	Refused bool
	// WouldRefuse: this policy said no, be it a shadow or not.
	WouldRefuse bool

	// Away: it refused because the replicas' shared counters cannot be asked and
	// the policy's WhenSharedAway is AwayClosed; nothing says that the limit is reached.
	Away bool

	// Needs is what the request takes of it before it is forwarded. 0: a quota on
	// a reported unit of which nothing is reserved.
	Needs int64
	// Never: it said no, and would in every period, for the request needs more
	// than the whole quota. RetryAfter is 0 then.
	Never bool

	// Limit is how much there is at most: a quota's limit, how many at once, a
	// rate limit's burst (what may pass at once).
	Limit int64
	// Remaining is what is left, 0 to Limit, after this request when it was
	// admitted. A quota on a reported unit does not know this request's yet.
	Remaining int64

	// Reset is the time until more is there: the next request of a rate limit,
	// the end of a quota's period. 0: all is there already, or (concurrency)
	// nobody can know.
	Reset time.Duration
	// RetryAfter is the time until this policy, left alone, admits one: exact
	// and never early. 0 when it did not say no, or Never. For a concurrency limit
	// nobody can know; it says one second.
	RetryAfter time.Duration

	rule *rule // has the answers' text ready; nil in a Result that was not made here
}

// policyItem returns what RateLimit-Policy says of the policy.
func (r *Result) policyItem() string {
	if r.rule != nil {
		return r.rule.item
	}
	return policyItem(r.Policy)
}

// nameItem returns the policy's name as a structured field's String.
func (r *Result) nameItem() string {
	if r.rule != nil {
		return r.rule.item[:r.rule.nameLen]
	}
	return string(appendString(nil, r.Policy.Name))
}

// Partitions are the counters that a request may be held against. A policy that
// counts per something that is nil here is not looked at: nobody is there to be
// counted. One State may stand in two places.
type Partitions struct {
	Customer, Key, Address *State
	AddressQuota           *State // of quotas per IP: AddressQuotas has it, and Address is for rate and concurrency limits

	// Months are those of the customer's subscription, for quotas that follow
	// them. nil: those follow the calendar's.
	Months *Months

	// SharedCustomer and SharedKey are the leases of counters that replicas
	// share, of the very States above. nil: they are counted here alone. What
	// counts per address always is.
	SharedCustomer, SharedKey *Shared
}

func (p *Partitions) shared(x toll.Partition) *Shared {
	switch x {
	case toll.PerCustomer:
		return p.SharedCustomer
	case toll.PerKey:
		return p.SharedKey
	}
	return nil
}

// place is where the counter of a rule lies: a toll.Partition, or ofAddressQuota.
type place uint8

const (
	ofAddressQuota = place(toll.PerIP) + 1
	places         = 4
)

func (p *Partitions) of(x place) *State {
	switch x {
	case place(toll.PerKey):
		return p.Key
	case place(toll.PerIP):
		return p.Address
	case ofAddressQuota:
		return p.AddressQuota
	}
	return p.Customer
}
