package gate

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// MaxDecisions is how many decisions are kept at a time, waiting or settled: a
// service that never settles must not take the machine's memory.
const MaxDecisions = 1 << 18

// sweepEvery is how often decisions are looked at that nobody settled.
const sweepEvery = time.Second

// Decisions are the delegated requests whose services settle them. Each is
// recorded exactly once: when it is settled, or as unknown when its time is over.
//
//	Admit ─► Hold ─► the foreign proxy forwards ─► Settle ─► Record, Done
//	                                          └──► time over ─► Record as unknown, Done
//
// It is safe for concurrent use. Decisions are of this process: after an upgrade
// the old one keeps its own until they are over (Before), and after a crash those that waited are unknown by their open records in the journal.
type Decisions struct {
	clock  toll.Clock
	kept   atomic.Int64 // those below, of all shards
	waits  atomic.Int64 // those of them that are not settled
	shards [64]decisionShard
	// Expired, when set, is told after each sweep how many decisions of a service
	// nobody settled, and one of them. It must be set before the first Hold.
	Expired func(service string, n int, example toll.ULID)
	// Before, when set, settles decisions of the process that this one took over
	// from; ErrNoDecision where that knows none either. It must be set before the
	// first Settle.
	Before func(id toll.ULID, out *Outcome) (Settlement, error)
}

type decisionShard struct {
	mu     sync.Mutex
	byID   map[toll.ULID]*decision
	queues map[time.Duration]*decisionQueue // by how long they wait
}

// decisionQueue holds decisions that wait equally long, so that those whose
// time is over first stand first: a sweep looks at no others.
type decisionQueue struct {
	all       []*decision
	ended     int // of the first of all, the time is over
	forgotten int // and of these, the answer's too
}

// decision is one delegated request, from Hold until it is forgotten.
type decision struct {
	id     toll.ULID
	mu     sync.Mutex
	pass   *Pass // nil when it is over
	tell   func(out *Outcome, badUsage int)
	until  time.Time // it waits so long
	forget time.Time // its answer is remembered so long
	said   Settlement
	state  decisionState
}

type decisionState uint8

const (
	waiting decisionState = iota
	settled
	expired
)

// Settlement is what a settled decision came to. It is the same however often
// the decision is settled.
type Settlement struct {
	Status   int
	Class    toll.Class
	Units    []toll.Amount // shared: not to be changed
	BadUsage int           // values that were refused
}

// NewDecisions makes a set without decisions.
func NewDecisions(clock toll.Clock) *Decisions {
	d := &Decisions{clock: clock}
	for i := range d.shards {
		d.shards[i].byID = make(map[toll.ULID]*decision)
		d.shards[i].queues = make(map[time.Duration]*decisionQueue)
	}
	return d
}

// What Settle answers where there is nothing to settle: NotFound and Conflict.
var (
	ErrNoDecision      error = toll.Errorf(toll.NotFound, "No decision with this id waits to be settled: there was none, its service settles nothing, it ended long ago, or Tollhouse was restarted since.")
	ErrDecisionExpired error = toll.Errorf(toll.Conflict, "This decision was not settled in its time (`within` of the service's `delegated`). It is listed as unknown in the audit.")
	errTooMany         error = toll.Errorf(toll.Unavailable, "too many decisions wait to be settled")
)

// Waiting is how many decisions nobody has settled yet.
func (d *Decisions) Waiting() int64 { return d.waits.Load() }

func (d *Decisions) shard(id toll.ULID) *decisionShard { return &d.shards[id[len(id)-1]%64] }

// Hold takes over an admitted Pass until it is settled, and journals that it is
// under way. After an error the Pass is still the caller's: the journal takes
// nothing, or MaxDecisions are kept already (both Unavailable). A Pass that is
// held is not to be used again, but by settled, which is called once, when the
// decision is settled, with how many values of its usage were refused.
func (d *Decisions) Hold(p *Pass, unmetered bool, settled func(out *Outcome, badUsage int)) (toll.ULID, error) {
	if d.kept.Add(1) > MaxDecisions {
		d.kept.Add(-1)
		return toll.ULID{}, errTooMany
	}
	if err := p.Open(); err != nil && !unmetered {
		d.kept.Add(-1)
		return toll.ULID{}, err
	}
	id := p.ID()
	within := p.Service.Delegated.Within
	until := p.arrived.Add(within)
	one := &decision{id: id, pass: p, tell: settled, until: until, forget: until.Add(within)}
	s := d.shard(id)
	d.waits.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = one
	q := s.queues[within]
	if q == nil {
		q = new(decisionQueue)
		s.queues[within] = q
	}
	q.all = append(q.all, one)
	return id, nil
}

// Settle records what became of a decision. The second and every further time
// it gives the first one's Settlement and changes nothing. An id that is not
// known gives ErrNoDecision, one whose time is over ErrDecisionExpired; where
// the journal takes nothing the error is its own (Unavailable), and the decision
// goes on waiting.
func (d *Decisions) Settle(id toll.ULID, out *Outcome) (Settlement, error) {
	s := d.shard(id)
	s.mu.Lock()
	one := s.byID[id]
	s.mu.Unlock()
	if one == nil {
		if d.Before != nil {
			return d.Before(id, out)
		}
		return Settlement{}, ErrNoDecision
	}
	one.mu.Lock()
	defer one.mu.Unlock()
	switch {
	case one.state == settled:
		return one.said, nil
	case one.state == expired || !d.clock().Before(one.until):
		return Settlement{}, ErrDecisionExpired // the sweep records it
	}
	p := one.pass
	if err := p.gate.recorder.Err(); err != nil {
		return Settlement{}, err
	}
	if out.Latency <= 0 {
		out.Latency = max(0, d.clock().Sub(p.arrived))
	}
	out.Answered = true
	bad, err := p.Record(out)
	tell := one.tell
	one.pass, one.tell = nil, nil
	d.waits.Add(-1)
	if err != nil { // its open record stays, and makes it unknown
		one.state = expired
		p.Done()
		return Settlement{}, err
	}
	one.state = settled
	one.said = Settlement{Status: out.Status, Class: p.event.Class, Units: slices.Clone(p.event.Units), BadUsage: bad}
	if tell != nil {
		tell(out, bad)
	}
	p.Done().Delivered(true)
	return one.said, nil
}

// Run sweeps until ctx ends.
func (d *Decisions) Run(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			d.Sweep(d.clock())
		}
	}
}

// Sweep ends the decisions whose time is over at now, and forgets the answers
// that are older still.
func (d *Decisions) Sweep(now time.Time) {
	type lost struct {
		n       int
		example toll.ULID
	}
	var byService map[string]lost
	for i := range d.shards {
		for _, one := range d.over(&d.shards[i], now) {
			one.mu.Lock()
			service := one.expire()
			one.mu.Unlock()
			if service == "" {
				continue
			}
			d.waits.Add(-1)
			if byService == nil {
				byService = map[string]lost{}
			}
			byService[service] = lost{byService[service].n + 1, one.id}
		}
	}
	for service, l := range byService {
		if d.Expired != nil {
			d.Expired(service, l.n, l.example)
		}
	}
}

// over takes the decisions of a shard whose time has come to be over, and
// forgets the older ones.
func (d *Decisions) over(s *decisionShard, now time.Time) []*decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ended []*decision
	for _, q := range s.queues {
		for q.ended < len(q.all) && !now.Before(q.all[q.ended].until) {
			ended = append(ended, q.all[q.ended])
			q.ended++
		}
		for q.forgotten < q.ended && !now.Before(q.all[q.forgotten].forget) {
			delete(s.byID, q.all[q.forgotten].id)
			q.all[q.forgotten] = nil
			q.forgotten++
			d.kept.Add(-1)
		}
		if q.forgotten*2 > len(q.all) {
			q.all = append(make([]*decision, 0, len(q.all)), q.all[q.forgotten:]...)
			q.ended, q.forgotten = q.ended-q.forgotten, 0
		}
	}
	return ended
}

// expire records a decision that still waits as unknown, gives back what it
// held, and names its service; "" when it waits no more.
func (one *decision) expire() (service string) {
	if one.state != waiting {
		return ""
	}
	p := one.pass
	one.pass, one.tell, one.state = nil, nil, expired
	// Where the journal takes nothing, the open record says the same.
	_, _ = p.Record(&Outcome{Unsettled: true})
	p.Done().Delivered(true)
	return p.Service.Name
}

// Close ends all decisions that wait, as unknown. Settle still answers.
func (d *Decisions) Close() {
	for i := range d.shards {
		s := &d.shards[i]
		s.mu.Lock()
		all := make([]*decision, 0, len(s.byID))
		for _, one := range s.byID {
			all = append(all, one)
		}
		s.mu.Unlock()
		for _, one := range all {
			one.mu.Lock()
			if one.expire() != "" {
				d.waits.Add(-1)
			}
			one.mu.Unlock()
		}
	}
}
