package limit

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Ledger keeps the counters that replicas share. internal/limit/redislimit is
// one over Redis, limittest has one in memory and the conformance suite that
// both pass. It is safe for concurrent use.
//
// A ledger hands out leases: room that it counts as taken until the replica
// reports it as used, hands it back, or is not heard of for DeadAfter. What is
// said twice counts once, so an Ask whose answer was lost may be repeated with
// a greater Seq.
//
// A ledger may lose everything it holds; it is never the only copy. It tells by
// Grant.Generation: a counter that was lost comes back under another one, and
// each replica then brings what it knows (Ask.Known), so that nobody gets a
// fresh quota.
type Ledger interface {
	// Exchange reports and asks for every counter of asks and answers into the
	// grant of the same index; both have one length. Each counter is one atomic
	// step; different counters are not. After an error the grants mean nothing,
	// and some of the asks may have been carried out.
	Exchange(ctx context.Context, asks []Ask, grants []Grant) error
	// Present says that a replica is there, and returns how many were heard of
	// within DeadAfter, this one included.
	Present(ctx context.Context, replica string) (replicas int, err error)
}

// DeadAfter is how long a ledger keeps the leases of a replica that it does not
// hear of: far longer than a lease is used (LeaseLife), so that a replica that
// was only slow still reports what it used of one before others get it.
const DeadAfter = 5 * time.Second

// LeaseLife is how long a replica uses a lease after the exchange that it got
// or renewed it in, and after how long it hands an unused one back.
const LeaseLife = time.Second

// Counter names a shared counter.
type Counter struct {
	Kind   toll.PolicyKind
	Who    string // the partition: a customer, a key; all counters of one lie together
	What   string // what is counted: scope and unit, or scope and the rate limit's name
	Period int64  // Quota: the start of its period in Unix seconds; else 0
}

// Ask is what a replica tells of, and wants from, one shared counter.
type Ask struct {
	Counter
	Replica string
	Seq     int64 // grows with each ask of this replica for this counter: one that comes late changes nothing

	Need     int64 // wanted by requests that wait; given as long as there is any
	Spare    int64 // wanted on top, for those that come next; the ledger gives less as the limit nears
	Replicas int   // known to be there, at least 1: nobody gets more than its part of what is left on top

	// Limit is a quota's limit, how many calls at once, or a rate limit's burst.
	Limit int64
	// Have is the lease as it is held now: what is not used yet, or places, used
	// and unused together. It takes the place of what the ledger believed.
	Have int64

	// Quota and RateLimit.
	Used  int64 // by this replica, ever; a quota takes off what was given back
	Acked int64 // of Used, what the ledger has confirmed
	// Generation is the counter's as last seen, "" when it never was. When it was
	// lost since, Known is what all had used when it was last seen; of a rate
	// limit, the moment at which all that will have flowed off, Unix µs of the
	// ledger's clock.
	Generation string
	Known      int64

	// Quota: Floor is what is known to have been used before this replica counted, where
	// Generation is "". Sure says that the store was asked: without it a counter
	// that is not there is not made.
	Floor int64
	Sure  bool

	// RateLimit: Count per Window, which is whole microseconds. Age is how long ago the
	// latest use was that was not confirmed yet. Where Generation is "" nothing but
	// Known tells of what was used: it was too long ago to be counted one by one.
	Count  int64
	Window time.Duration
	Age    time.Duration
}

// Grant is a ledger's answer to an Ask.
type Grant struct {
	Now        int64 // the ledger's clock, Unix µs
	Generation string
	Granted    int64
	// Stale: a later Ask of this replica was carried out before, and this one
	// changed nothing and got nothing.
	Stale bool
	// Leased is what is leased, to this replica and to others, and not reported as used.
	Leased int64

	// Quota: what all have used. Unseeded: the counter is not there and nobody
	// knows what was used; ask again with Sure.
	Used     int64
	Unseeded bool

	// RateLimit: when all that was used will have flowed off (Unix µs of the
	// ledger's clock, rounded up; never before Now), and how long (µs, rounded up)
	// until that leaves room for one, 0 when it does.
	Moment int64
	Wait   int64
}
