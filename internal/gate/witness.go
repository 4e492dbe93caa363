package gate

import (
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Refusal is one refused request as it is remembered for whoever asks why.
type Refusal struct {
	RequestID string
	At        time.Time
	Customer  string // "" when nobody was identified
	Key       string
	Plan      string
	Service   string
	Endpoint  string
	Method    string
	Reason    toll.RefusalReason
	Findings  []Finding // what each policy said; none when it did not come to them
}

// Finding is what one policy said to a request.
type Finding struct {
	Policy      toll.Policy
	Refused     bool
	WouldRefuse bool // it said no, be it a shadow or not
	Away        bool // it could not be decided: the counters that replicas share were away
	Limit       int64
	Remaining   int64
	Needs       int64         // what the request takes of it before it is forwarded; 0: nothing was known
	RetryAfter  time.Duration // until it would admit one, 0 when it did not say no, or never will
	Never       bool          // it refuses such a request in every period: it needs more than the whole quota
}

// The newest refusals are remembered: a bounded number, apart for each group of
// customers (or of addresses, for who is not identified), so that a flood of
// refusals of one drives out few of the others'.
const (
	witnessShards  = 64
	witnessesEach  = 128 // 64 × 128 refusals take some 4 MB
	maxWitnessText = 64  // bytes that are kept of a text that the caller words
)

// witness remembers refusals. It allocates nothing once a shard is full:
// refusing must stay cheaper than asking.
type witness struct {
	seed   maphash.Seed
	shards [witnessShards]struct {
		mu   sync.Mutex
		seen []remembered // a ring
		next int
	}
}

// remembered is a refusal with copies of what belongs to the request's buffers.
type remembered struct {
	Refusal
	id, method kept
}

// kept is the beginning of a text.
type kept struct {
	text [maxWitnessText]byte
	n    int
}

func (k *kept) keep(s string)  { k.n = copy(k.text[:], s) }
func (k *kept) String() string { return string(k.text[:k.n]) }
func (k *kept) is(s string) bool {
	return string(k.text[:k.n]) == s[:min(len(s), maxWitnessText)] // compiles to no copy
}

// see remembers the refusal of a pass.
func (w *witness) see(p *Pass) {
	var whose uint64
	if p.Customer != "" {
		whose = maphash.String(w.seed, p.Customer)
	} else {
		whose = maphash.Comparable(w.seed, p.client)
	}
	shard := &w.shards[whose%witnessShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	if len(shard.seen) < witnessesEach {
		shard.seen = append(shard.seen, remembered{})
	}
	r := &shard.seen[shard.next]
	shard.next = (shard.next + 1) % witnessesEach
	r.id.keep(p.requestID)
	r.method.keep(p.method)
	r.Refusal = Refusal{
		At: p.arrived, Customer: p.Customer, Key: p.Key, Plan: p.Plan,
		Endpoint: p.Endpoint, Reason: p.Reason, Findings: r.Findings[:0],
	}
	if p.Service != nil {
		r.Service = p.Service.Name
	}
	if p.Reason != toll.RefusedLimit && p.Reason != toll.RefusedUncounted {
		return
	}
	for i := range p.admission.Results() {
		f := &p.admission.Results()[i]
		r.Findings = append(r.Findings, Finding{
			Policy: *f.Policy, Refused: f.Refused, WouldRefuse: f.WouldRefuse, Away: f.Away,
			Limit: f.Limit, Remaining: f.Remaining, Needs: f.Needs, RetryAfter: f.RetryAfter, Never: f.Never,
		})
	}
}

// Refusal finds a refused request by its ID among those that are remembered.
// It is for people who ask, not for the request path.
func (g *Gate) Refusal(requestID string) (Refusal, bool) {
	for i := range g.witness.shards {
		shard := &g.witness.shards[i]
		shard.mu.Lock()
		for k := range shard.seen {
			if r := &shard.seen[k]; r.id.is(requestID) {
				found := r.Refusal
				found.RequestID, found.Method = r.id.String(), r.method.String()
				found.Findings = append([]Finding(nil), found.Findings...)
				shard.mu.Unlock()
				return found, true
			}
		}
		shard.mu.Unlock()
	}
	return Refusal{}, false
}

// RefusalOf finds a refused request of one customer: nobody else's of the same
// ID, which a trusted caller may have given twice.
func (g *Gate) RefusalOf(customer, requestID string) (Refusal, bool) {
	for _, r := range g.Refusals(customer, witnessShards*witnessesEach) {
		if r.RequestID == requestID[:min(len(requestID), maxWitnessText)] {
			return r, true
		}
	}
	return Refusal{}, false
}

// Refusals are the newest refusals of a customer that are remembered, at most so
// many, the newest first; of everybody, those who were not identified
// included, for "". It is for people who ask, not for the request path.
func (g *Gate) Refusals(customer string, most int) []Refusal {
	var all []Refusal
	for i := range g.witness.shards {
		if customer != "" && uint64(i) != maphash.String(g.witness.seed, customer)%witnessShards {
			continue
		}
		shard := &g.witness.shards[i]
		shard.mu.Lock()
		for k := range shard.seen {
			if r := &shard.seen[k]; customer == "" || r.Customer == customer {
				found := r.Refusal
				found.RequestID, found.Method = r.id.String(), r.method.String()
				found.Findings = append([]Finding(nil), found.Findings...)
				all = append(all, found)
			}
		}
		shard.mu.Unlock()
	}
	slices.SortStableFunc(all, func(a, b Refusal) int { return b.At.Compare(a.At) })
	return all[:min(len(all), max(0, most))]
}
