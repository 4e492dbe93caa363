package gate

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/route"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Recorder is the journal as the gate needs it; *meter.Recorder is one.
type Recorder interface {
	Open(e *toll.Event) (meter.Ticket, error)
	Record(e *toll.Event, opened meter.Ticket) (meter.Ticket, error)
	Done(t meter.Ticket, delivered bool)
	Refuse(now time.Time, customer, key, service, policy string, reason toll.RefusalReason)
	// Err tells, before any work is done, why Record would fail; nil when it would not.
	Err() error
}

// Gate admits, counts and releases requests. Its methods are safe for
// concurrent use; a Pass belongs to one request.
type Gate struct {
	rules     atomic.Pointer[rules]
	ring      *apikey.Ring[*bearer]
	customers customers
	addresses *limit.Addresses
	perIP     *limit.AddressQuotas
	recorder  Recorder
	ids       *toll.IDs
	witness   witness

	departure atomic.Pointer[departure] // nil: the counters are here

	changes sync.Mutex         // one change of rules, customers or keys at a time
	bearers map[string]*bearer // by key ID; guarded by changes
}

// ShareLimits has the counters of customers and keys shared with other replicas.
// It must be called before the first PutCustomer, PutKey and Restore.
func (g *Gate) ShareLimits(pool *limit.Pool) { g.customers.pool = pool }

// maxAddresses bounds the memory that limits per address take.
const maxAddresses = 1 << 18

// MaxQuotaAddresses is how many addresses quotas per IP count at a time, about:
// some 160 MB of memory. What a quota counts must not be forgotten, so while
// there are as many, calls from further addresses are refused where such a quota
// may refuse (toll.RefusedUncounted).
const MaxQuotaAddresses = 1 << 20

// maxMethod is how long a request's method may be, in bytes; the longest that
// is registered has 17. The method is the one part of an event that the caller
// words: one that no journal record holds would be an answer that is not counted.
const maxMethod = 32

// New makes a gate without rules, keys and customers: it refuses everything
// until Switch.
func New(recorder Recorder, ids *toll.IDs) *Gate {
	return &Gate{
		ring:      apikey.NewRing[*bearer](),
		recorder:  recorder,
		ids:       ids,
		addresses: limit.NewAddresses(maxAddresses),
		perIP:     limit.NewAddressQuotas(MaxQuotaAddresses),
		bearers:   make(map[string]*bearer),
		witness:   witness{seed: maphash.MakeSeed()},
	}
}

// Ask is what the gate needs to know of a request.
type Ask struct {
	Now           time.Time // the request's one clock reading
	RequestID     string
	Host          string // lower case, without port
	Method        string
	RawPath       string // as the client sent it
	Authorization string
	APIKey        string // X-API-Key
	Client        netip.Addr
	Length        int64 // of the body, -1 when unknown
	URL           int   // bytes of path and query as the client sent them
	Preflight     bool  // a browser asks what a page may call (CORS)
	Delegated     bool  // a foreign proxy asks, and will forward it; else the gateway will
}

// Decision is what Admit found.
type Decision uint8

// The decisions.
const (
	Elsewhere Decision = iota // no service takes it: the console, or nobody
	Refused                   // Pass.Refusal says why; nothing was consumed
	Admitted                  // forward it; Record and Done must follow
	Preflight                 // answer by Pass.Service.CORS; nothing was consumed, and nothing is counted
)

// Admit routes, identifies and limits a request. After Admitted the caller
// owes Done, and Record before the last byte of whatever it answers.
func (g *Gate) Admit(ask *Ask, p *Pass) Decision {
	for {
		if to := g.leaving(); to != nil {
			return g.admitElsewhere(to, ask, p)
		}
		if d := g.admit(ask, p); d != undecided {
			return d
		}
	}
}

// undecided is what admit answers when a counter has left meanwhile.
const undecided Decision = 0xff

// admit decides here, or finds that another process has to.
func (g *Gate) admit(ask *Ask, p *Pass) Decision {
	p.reset(g, ask)
	rules := g.rules.Load()
	if rules == nil {
		return p.refuse(toll.RefusedNoRoute)
	}
	path, raw, pathErr := route.Canonical(ask.RawPath)
	if pathErr != nil {
		// Without a path there is no service to hold it against; whoever asks
		// for such a path gets no further.
		p.BadPath = pathErr
		return p.refuse(toll.RefusedBadPath)
	}
	matched, ok := rules.table.Match(ask.Host, path)
	if !ok || rules.forConsole(ask.Host, matched.Service) || matched.Service.Delegated.On != ask.Delegated {
		return Elsewhere
	}
	if len(ask.Method) > maxMethod {
		return p.refuse(toll.RefusedBadMethod)
	}
	p.Service = matched.Service
	p.Path, p.RawPath = matched.Strip(path, raw)
	p.Prefix = matched.Prefix()
	p.Endpoint = matched.Endpoint(ask.Method, path)
	service := rules.services[p.Service.Name]

	if !service.lets(ask.Client) {
		return p.refuse(toll.RefusedAddress)
	}
	if p.Service.MaxURL > 0 && ask.URL > p.Service.MaxURL {
		return p.refuse(toll.RefusedURL)
	}
	if ask.Preflight && len(p.Service.CORS.Origins) > 0 {
		return Preflight // browsers ask without a key, and must be told before they send one
	}
	if p.Service.Access == toll.AccessKey {
		if reason := g.identify(rules, ask, p); reason != "" {
			return p.refuse(reason)
		}
	}
	if ask.Length > p.Service.MaxBody {
		return p.refuse(toll.RefusedTooLarge)
	}
	if err := g.recorder.Err(); err != nil && !rules.unmetered {
		return p.refuse(toll.RefusedJournal)
	}
	partitions := limit.Partitions{} // with what replicas share of them, where they do
	var plan, own, quotas, counting *limit.Set
	if p.bearer != nil {
		partitions.Customer, partitions.Key = &p.bearer.holder.counters, &p.bearer.counters
		partitions.SharedCustomer, partitions.SharedKey = p.bearer.holder.shared, p.bearer.shared
		plan, own, quotas, counting = p.plan.set, p.bearer.own.Load(), service.quotas, rules.counting
		partitions.Months = p.months
		if p.Mode == toll.Test {
			partitions.Customer, partitions.SharedCustomer = &p.bearer.holder.testCounters, p.bearer.holder.testShared
			plan, quotas, counting = rules.testSet, nil, nil
		}
	}
	if p.bearer == nil {
		quotas = service.quotas // nobody is known but by the address
	}
	now := ask.Now
	if p.bearer != nil {
		now = p.bearer.holder.order.At(now) // a key's requests are in the order of its customer's
	}
	if service.perAddress || p.plan != nil && p.plan.perAddress {
		before := now
		if partitions.Address, now = g.addresses.Decide(ask.Client, before); p.bearer != nil && now != before {
			now = p.bearer.holder.order.At(now)
		}
	}
	if service.addressQuotas || p.plan != nil && p.plan.perAddress {
		var counted bool
		if partitions.AddressQuota, counted = g.countedAt(ask, p, plan, quotas); !counted {
			p.admission.Forget()
			return p.refuse(toll.RefusedUncounted)
		}
	}
	p.Decided = now
	p.cost = service.costOf(p.Endpoint)
	if !p.admission.AdmitCost(now, partitions, p.cost, p.Service.Name, p.Endpoint, plan, own, service.set, quotas, counting) {
		if p.admission.Departed() {
			return undecided
		}
		return p.refuse(p.limitReason())
	}
	return Admitted
}

// countedAt returns what quotas per IP count of the caller's address, nil where
// none is for this call. It is false where that cannot be counted and a quota
// may refuse.
func (g *Gate) countedAt(ask *Ask, p *Pass, sets ...*limit.Set) (state *limit.State, counted bool) {
	counts, refuses := false, false
	for _, set := range sets {
		c, r := set.CountsAddresses(p.Service.Name, p.Endpoint)
		counts, refuses = counts || c, refuses || r
	}
	if !counts || p.Mode == toll.Test {
		return nil, true
	}
	state, ok := g.perIP.State(g.perIP.Hash(ask.Client))
	return state, ok || !refuses
}

// HashAddresses makes the hashes of addresses, which quotas per IP are kept by,
// those of every process with the same secret. It must be called before the
// first Admit and Restore.
func (g *Gate) HashAddresses(secret toll.Secret) { g.perIP.SetKey(secret) }

// QuotaAddresses is how many addresses quotas per IP count, and how many requests
// came while there was no place for theirs.
func (g *Gate) QuotaAddresses() (kept int, turned int64) { return g.perIP.Kept() }

// identify finds who calls and whether they may call the service at all. It
// returns "" when they may.
func (g *Gate) identify(rules *rules, ask *Ask, p *Pass) toll.RefusalReason {
	text, err := apikey.Credential(ask.Authorization, ask.APIKey)
	switch {
	case err == nil:
	case errors.Is(err, apikey.ErrMissing):
		return toll.RefusedKeyMissing
	default:
		return toll.RefusedKeyMalformed
	}
	found, ok := g.ring.Lookup(text)
	if !ok {
		// Only a stranger's text is worth the checksum.
		if apikey.Check(text) != nil {
			p.APIToken = apikey.LikeToken(text)
			return toll.RefusedKeyMalformed
		}
		return toll.RefusedKeyUnknown
	}
	key := found.Key
	p.bearer = found.Owner
	who := p.bearer.holder.now.Load()
	if who == nil { // the key came before its customer, or outlived it
		return toll.RefusedKeyUnknown
	}
	p.Customer, p.Key, p.Mode = who.id, key.ID, key.Mode
	switch key.StateAt(ask.Now) {
	case toll.KeyRevoked:
		return toll.RefusedKeyUnknown
	case toll.KeyExpired:
		return toll.RefusedKeyExpired
	}
	if !key.AllowsOrigin(ask.Client) {
		return toll.RefusedKeyOrigin // before anything about the customer is told: the key may be stolen
	}
	if who.suspended {
		return toll.RefusedSuspended
	}
	if who.plan == nil { // its plan is not in the configuration any more
		return toll.RefusedNotIncluded
	}
	p.plan, p.months = who.plan, who.months
	p.Plan, p.PlanVersion, p.Features = who.plan.Name, who.plan.version, who.plan.Features
	if !who.plan.IncludesService(p.Service.Name) {
		return toll.RefusedNotIncluded
	}
	if len(key.Services) > 0 && !contains(key.Services, p.Service.Name) || !key.AllowsMethod(ask.Method) {
		return toll.RefusedOutOfScope
	}
	return ""
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
