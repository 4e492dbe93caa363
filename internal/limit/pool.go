package limit

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Pool shares counters with the other replicas through a Ledger. It is safe for
// concurrent use. Requests come to it through the Shared of their partitions,
// and only where a lease is used up or void does one wait for the ledger.
type Pool struct {
	ledger  Ledger
	replica string
	clock   toll.Clock
	used    UsedFunc
	log     *slog.Logger

	away     atomic.Bool
	outage   atomic.Int64 // so many outages there were
	lostAt   atomic.Int64 // when the last began, Unix ns
	heard    atomic.Int64 // while away: so many beats in a row it answered
	replicas atomic.Int64 // known last
	asked    atomic.Int64
	alone    atomic.Int64

	mu     sync.Mutex
	active []*lease // to be reported with the next beat
}

// PoolOptions are what a Pool needs besides its ledger.
type PoolOptions struct {
	// Replica names this process; no two may ever share a name, so it is new with each start.
	Replica string
	Clock   toll.Clock // nil: toll.SystemClock
	// Used asks the store, for a ledger that does not know. nil: it cannot be
	// asked, and what this replica knows has to do.
	Used UsedFunc
	Log  *slog.Logger // nil: nowhere
}

// UsedFunc tells how much of a unit somebody has used, of calls that a quota
// counts, in its period: what the store holds.
type UsedFunc func(ctx context.Context, q UsedQuestion) (int64, error)

// UsedQuestion is what a UsedFunc is asked.
type UsedQuestion struct {
	Who               string // as Pool.Share was told
	Unit              string
	Service, Endpoint string    // only of these; "" for all
	From, To          time.Time // the period, [From, To)
}

// Beat is how often leases are renewed and handed back, and what was used is told.
const Beat = LeaseLife / 4

const (
	patience  = LeaseLife // for one exchange: longer, and the ledger is away
	rounds    = 16        // so often does one request ask, when others are quicker each time
	heardOf   = 3         // beats of a ledger that is back before it is asked: by then all have told what they used meanwhile
	manyAsks  = 256       // in one exchange
	mostSpare = 4096
)

// NewPool makes a pool. Run has to run for it to renew, report and recover.
func NewPool(ledger Ledger, o PoolOptions) *Pool {
	p := &Pool{ledger: ledger, replica: o.Replica, clock: o.Clock, used: o.Used, log: o.Log}
	if p.clock == nil {
		p.clock = toll.SystemClock
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.replicas.Store(1)
	return p
}

// Share makes the counters of state, which are those of who on every replica,
// shared ones. stored: the store knows what who has used, and PoolOptions.Used
// may be asked.
func (p *Pool) Share(who string, stored bool, state *State) *Shared {
	return &Shared{pool: p, who: who, stored: stored, state: state}
}

// Away tells whether the ledger does not answer, so that policies go by their WhenSharedAway.
func (p *Pool) Away() bool { return p.away.Load() }

// PoolStatus is what a pool has done so far.
type PoolStatus struct {
	Away     bool
	Outages  int64 // so often the ledger went away
	Replicas int64 // known last, with this one
	Asked    int64 // requests that waited for the ledger
	Alone    int64 // requests that were decided without it while it was away
}

// Status tells how the pool does.
func (p *Pool) Status() PoolStatus {
	return PoolStatus{Away: p.away.Load(), Outages: p.outage.Load(), Replicas: p.replicas.Load(), Asked: p.asked.Load(), Alone: p.alone.Load()}
}

// Run beats until ctx ends, and then hands every lease back.
func (p *Pool) Run(ctx context.Context) {
	tick := time.NewTicker(Beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			p.beat(context.WithoutCancel(ctx), toEnd)
			return
		case <-tick.C:
			p.Beat(ctx)
		}
	}
}

// Beat tells the ledger that this replica is there and what it used, renews
// leases in use and hands back the others, and finds out whether a ledger that
// was away is back. Run calls it; only tests need to.
func (p *Pool) Beat(ctx context.Context) { p.beat(ctx, toRenew) }

// reason is why the ledger is asked.
type reason uint8

const (
	toFill  reason = iota // requests wait
	toRenew               // a beat: what was not used for LeaseLife goes back
	toLook                // a page wants to know
	toEnd                 // all goes back
)

func (p *Pool) beat(ctx context.Context, why reason) {
	if err := p.present(ctx); err != nil {
		p.lost(err)
		return
	}
	p.mu.Lock()
	active := append([]*lease(nil), p.active...)
	p.mu.Unlock()
	for len(active) > 0 {
		some := active[:min(len(active), manyAsks)]
		active = active[len(some):]
		if err := p.exchange(ctx, p.claim(some), why); err != nil {
			p.lost(err)
			return
		}
	}
	p.sweep()
	if p.Away() && p.heard.Add(1) >= heardOf && p.away.CompareAndSwap(true, false) {
		p.log.Info("the shared counters are back; replicas count together again", "replicas", p.replicas.Load())
	}
}

func (p *Pool) present(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, err := p.ledger.Present(ctx, p.replica)
	if err == nil {
		there := max(1, int64(n))
		if p.Away() { // it may have forgotten us all, and the others are about to say so too
			there = max(there, p.replicas.Load())
		}
		p.replicas.Store(there)
	}
	return err
}

// lost notes that the ledger does not answer.
func (p *Pool) lost(err error) {
	p.heard.Store(0)
	if !p.away.Load() {
		p.lostAt.Store(p.clock().UnixNano())
		p.outage.Add(1) // first: who sees away sees the outage it is
		if p.away.CompareAndSwap(false, true) {
			p.log.Warn("the shared counters are away; each limit does what its when_shared_away says", "error", err, "replicas", p.replicas.Load())
		}
	}
}

// wake has a lease reported. The caller holds its State's mutex.
func (p *Pool) wake(l *lease) {
	p.mu.Lock()
	p.active = append(p.active, l)
	p.mu.Unlock()
}

// sweep drops what has nothing left to tell from the active leases.
func (p *Pool) sweep() {
	p.mu.Lock()
	all := p.active
	p.active = nil
	p.mu.Unlock()
	var still []*lease
	for _, l := range all {
		l.shared.state.mu.Lock()
		if l.asking == nil && l.left() == 0 && l.used == l.acked && l.held() == 0 && p.idle(l) {
			l.active = false
		} else {
			still = append(still, l)
		}
		l.shared.state.mu.Unlock()
	}
	p.mu.Lock()
	p.active = append(p.active, still...)
	p.mu.Unlock()
}

// idle tells whether no request has looked at the lease for LeaseLife.
func (p *Pool) idle(l *lease) bool {
	age := p.clock().Sub(l.touched)
	return age >= LeaseLife || age < -LeaseLife
}

// claim picks the leases that nobody is asking for, so that the caller may.
func (p *Pool) claim(leases []*lease) []*lease {
	mine := leases[:0]
	for _, l := range leases {
		l.shared.state.mu.Lock()
		if l.asking == nil {
			l.asking = make(chan struct{})
			mine = append(mine, l)
		}
		l.shared.state.mu.Unlock()
	}
	return mine
}

// await asks the ledger for what the judgments are short of, or waits for who
// asks already.
func (p *Pool) await(judgments []judgment) {
	var all, mine []*lease
	var costs []int64 // of all
	var others []chan struct{}
	for i := range judgments {
		l := judgments[i].lease
		if l == nil || judgments[i].verdict != short {
			continue
		}
		l.shared.state.mu.Lock()
		if r := judgments[i].rule; l.waiting == 0 || r.limit() < l.rule.limit() {
			l.rule = r
		}
		if isAmong(l, all) {
			l.shared.state.mu.Unlock()
			continue
		}
		all, costs = append(all, l), append(costs, judgments[i].cost)
		l.waiting++
		l.wanted, l.each = l.wanted+judgments[i].cost, judgments[i].cost
		if l.asking != nil {
			others = append(others, l.asking)
		} else {
			l.asking = make(chan struct{})
			mine = append(mine, l)
		}
		l.shared.state.mu.Unlock()
	}
	p.asked.Add(1)
	if len(mine) > 0 {
		if err := p.exchange(context.Background(), mine, toFill); err != nil {
			p.lost(err)
		}
	}
	for _, other := range others {
		<-other
	}
	for i, l := range all {
		l.shared.state.mu.Lock()
		l.waiting--
		l.wanted -= costs[i]
		l.shared.state.mu.Unlock()
	}
}

func isAmong(l *lease, all []*lease) bool {
	for _, x := range all {
		if x == l {
			return true
		}
	}
	return false
}

// exchange asks for leases that the caller has claimed, and gives the claims
// back. Counters that the ledger lost are made again from what the store says.
func (p *Pool) exchange(ctx context.Context, leases []*lease, why reason) (err error) {
	defer func() {
		for _, l := range leases {
			l.shared.state.mu.Lock()
			close(l.asking)
			l.asking = nil
			l.shared.state.mu.Unlock()
		}
	}()
	if why == toFill && p.Away() {
		p.recall(ctx, leases)
		return nil
	}
	asks := make([]Ask, len(leases))
	grants := make([]Grant, len(leases))
	sent := p.clock()
	for i, l := range leases {
		l.shared.state.mu.Lock()
		l.ask(&asks[i], sent, why)
		l.shared.state.mu.Unlock()
	}
	missing, err := p.round(ctx, leases, asks, grants, sent)
	if err != nil || len(missing) == 0 {
		return err
	}
	var again []*lease
	var more []Ask
	for _, i := range missing {
		p.seed(ctx, leases[i], &asks[i])
		leases[i].seq++ // only who has the claim touches it
		asks[i].Seq = leases[i].seq
		again, more = append(again, leases[i]), append(more, asks[i])
	}
	_, err = p.round(ctx, again, more, grants[:len(more)], p.clock())
	return err
}

func (p *Pool) round(ctx context.Context, leases []*lease, asks []Ask, grants []Grant, sent time.Time) (missing []int, err error) {
	if len(asks) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.ledger.Exchange(ctx, asks, grants); err != nil {
		return nil, err
	}
	took := p.clock().Sub(sent)
	for i, l := range leases {
		l.shared.state.mu.Lock()
		if l.answer(&asks[i], &grants[i], sent, took) {
			missing = append(missing, i)
		}
		l.shared.state.mu.Unlock()
	}
	return missing, nil
}

// question asks what the store holds of a quota.
func (l *lease) question() UsedQuestion {
	what := known.of(l.id)
	return UsedQuestion{
		Who: l.counter.Who, Unit: what.unit, Service: what.service, Endpoint: what.endpoint,
		From: time.Unix(l.counter.Period, 0), To: time.Unix(0, l.ends),
	}
}

// seed finds out what a counter that the ledger does not have has counted. What
// the store cannot say, this replica has to know.
func (p *Pool) seed(ctx context.Context, l *lease, a *Ask) {
	a.Sure = true
	what := known.of(l.id)
	if p.used == nil || !l.shared.stored || what.kind != toll.Quota {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	used, err := p.used(ctx, l.question())
	if err != nil && !errors.Is(err, context.Canceled) {
		p.log.Warn("a shared counter was made from this replica's knowledge: the store could not be asked", "who", a.Who, "counts", a.What, "error", err)
		return
	}
	a.Floor = max(a.Floor, used)
}
