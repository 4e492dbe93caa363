package toll

import "time"

// PolicyKind tells the three kinds of limit apart.
type PolicyKind uint8

// The kinds of policy.
const (
	RateLimit        PolicyKind = iota + 1 // how fast: GCRA
	Quota                                  // how much: by calendar period
	ConcurrencyLimit                       // how many at the same time
)

// Partition is whom a policy counts apart.
type Partition uint8

// The partitions.
const (
	PerCustomer Partition = iota // the default
	PerKey
	PerIP // IPv6 by /64
)

// Every is the period of a quota.
type Every string

// The periods.
const (
	Daily   Every = "day"
	Monthly Every = "month"
	// SubscriptionMonth are the months of a subscription's own: each begins on the
	// day of the month on which the subscription did (Plan.Months).
	SubscriptionMonth Every = "subscription-month"
)

// Noun is what people call the period: day or month.
func (e Every) Noun() string {
	if e == Daily {
		return "day"
	}
	return "month"
}

// WhenSharedAway is what a policy does while the counters that replicas share
// cannot be reached.
type WhenSharedAway string

// The ways. "" is AwayShare.
const (
	AwayShare  WhenSharedAway = "local-share" // each replica lets its part of the limit pass
	AwayOpen   WhenSharedAway = "open"        // it does not limit
	AwayClosed WhenSharedAway = "closed"      // it lets nothing pass: 503
)

// UnitRequests is the unit that every request counts one of.
const UnitRequests = "requests"

// Policy is a rate limit, quota or concurrency limit, as it is decided and
// named in answers. Which fields matter depends on Kind.
type Policy struct {
	Name      string // unique within its plan or service; goes into RateLimit-Policy
	Kind      PolicyKind
	Partition Partition
	Service   string // only for calls of this service; "" for all
	Endpoint  string // only for this endpoint of Service ("POST /extractions"); "" for all
	Shadow    bool   // only reports, never refuses

	WhenSharedAway WhenSharedAway // only where replicas share limits

	Count  int64         // RateLimit: so many per Window. Quota: the limit. ConcurrencyLimit: how many at once
	Window time.Duration // RateLimit
	Burst  int64         // RateLimit: how many may pass at once; 0: Count

	Unit  string // Quota: what is counted, UnitRequests or a reported unit
	Every Every  // Quota
}

// LimitState is how much of one policy is used: what pages and answers show.
type LimitState struct {
	Policy  Policy
	Used    int64
	Limit   int64
	ResetAt time.Time // when a quota's period ends, or a rate limit is whole again
}
