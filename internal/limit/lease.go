package limit

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Shared is one partition's part in counters that replicas share: the leases
// that this replica holds for it. It stands beside the partition's State, whose
// counters then hold what is known of all replicas together, and whose mutex
// guards it. Pool.Share makes one.
type Shared struct {
	pool   *Pool
	state  *State
	who    string
	stored bool // the store knows it
	leases *lease
}

// lease is what this replica holds of one shared counter. All of it is guarded
// by the State's mutex, but for the fields that are only set when it is made.
type lease struct {
	shared  *Shared
	next    *lease
	id      counterID
	period  uint32
	counter Counter
	ends    int64 // Quota: the end of its period, Unix ns
	rule    *rule // for whom it is asked for: of those that wait, the one with the smallest limit

	free  int64 // what may be used; ConcurrencyLimit: places held, used and unused
	limit int64 // what the ledger was told the limit is

	sent   time.Time // our reading before the last exchange
	ledger int64     // and the ledger's in it, Unix ns
	seq    int64
	seen   bool // an exchange has been: what follows is known
	acked  int64
	used   int64
	last   time.Time // RateLimit: the latest use
	gen    string
	taken  int64 // Quota, ConcurrencyLimit: used and leased of all, as last seen
	known  int64 // Quota: used of all; RateLimit: the moment, in the ledger's µs

	refused time.Time // the ledger had nothing, as of then; zero: it had
	wait    int64     // RateLimit: how long, ns from refused on

	spare   int64     // asked for last, on top of what was needed
	filled  time.Time // when that was
	low     int64     // the least that was not used since the last beat
	lows    [2]int64  // and in the two beats before
	touched time.Time // last looked at by a request
	asking  chan struct{}
	waiting int64 // so many requests
	wanted  int64 // and what they want together
	each    int64 // and the last of them
	active  bool

	told   int64 // outages there had been when the last exchange was
	outage int64 // the outage for which the following was worked out
	share  int64 // Quota: what may still be used on our own
	pace   *pace // RateLimit: our share of the rate
	paceOf *pace // what pace is the share of
	paceBy int64
}

// refusalLife is how long "there is nothing left" is believed without asking
// again. Others hand back unused leases, so it is short.
const refusalLife = 50 * time.Millisecond

// verdict is what a lease says to one request.
type verdict uint8

const (
	yes   verdict = iota
	no            // the limit is reached
	short         // nobody knows before the ledger was asked
	gone          // the ledger is away, and the policy wants no answer without it
)

// lease returns the lease of a rule, made where there is none.
func (s *Shared) lease(r *rule, period *period) *lease {
	number := uint32(0)
	if period != nil {
		number = period.number
	}
	for l := s.leases; l != nil; l = l.next {
		if l.id == r.id && l.period == number {
			return l
		}
	}
	s.forget(r.id, number)
	what := known.of(r.id)
	l := &lease{shared: s, id: r.id, period: number, rule: r, next: s.leases}
	l.counter = Counter{Kind: r.kind, Who: s.who, What: what.text()}
	if period != nil {
		l.counter.Period, l.ends = period.start/int64(time.Second), period.end
	}
	s.leases = l
	return l
}

// forget drops the leases of a quota whose periods are long over, like its
// State's counters: two are kept beside the one that begins.
func (s *Shared) forget(id counterID, period uint32) {
	kept := 0
	for at := &s.leases; *at != nil; {
		l := *at
		if l.id == id && l.period != period {
			if kept++; kept > 2 && !l.active && l.asking == nil && l.waiting == 0 {
				*at = l.next
				continue
			}
		}
		at = &l.next
	}
}

// text is what a shared counter is called, the same on every replica. A rate
// limit keeps its name when its rate is changed: what was used stays used.
func (i identity) text() string {
	scope := i.service + "|" + i.endpoint + "|"
	switch i.kind {
	case toll.RateLimit:
		return scope + i.owner + "|" + i.name
	case toll.Quota:
		return scope + i.unit + "|" + string(i.every)
	}
	return scope
}

// fresh tells whether the last exchange is not too long ago to go by. A reading
// from well before it comes of a clock that was stepped back.
func (l *lease) fresh(now time.Time) bool {
	age := now.Sub(l.sent)
	return l.seen && age < LeaseLife && age > -LeaseLife
}

// look judges a request by what is leased, and fills what the answer says.
func (l *lease) look(j *judgment, now time.Time) verdict {
	r := j.rule
	l.touched = now
	if !l.fresh(now) {
		l.free = l.held()
	}
	if l.ready(j) {
		return yes
	}
	if l.shared.pool.Away() {
		return l.lookAlone(j, now)
	}
	if j.never() && !r.silent && !r.policy.Shadow {
		return no // to ask for so much would keep from the others what is left
	}
	if r.kind == toll.Quota && (r.silent || r.policy.Shadow || j.cost == 0) && (l.fresh(now) || r.silent) {
		if j.exceeds() {
			return no
		}
		return yes
	}
	if !l.refused.IsZero() && l.limit >= r.limit() && now.Sub(l.refused) < l.refusedFor() && l.fresh(now) {
		j.wait = max(time.Duration(l.wait)-now.Sub(l.refused), 1)
		if r.kind == toll.RateLimit { // the ledger tells of one
			j.wait += r.pace.more(j.cost)
		}
		return no
	}
	return short
}

func (l *lease) refusedFor() time.Duration {
	if l.counter.Kind == toll.RateLimit && l.wait > 0 {
		return min(time.Duration(l.wait), refusalLife)
	}
	return refusalLife
}

// held is what remains of a lease that is void: places with calls in them.
func (l *lease) held() int64 {
	if l.counter.Kind == toll.ConcurrencyLimit {
		if sl := l.shared.state.find(l.id); sl != nil {
			return sl.value
		}
	}
	return 0
}

// ready tells whether the lease has room for what the request takes.
func (l *lease) ready(j *judgment) bool {
	room := l.free
	switch l.counter.Kind {
	case toll.Quota:
		if j.cost == 0 {
			return false
		}
	case toll.ConcurrencyLimit:
		room -= j.slot.value
	}
	return room >= j.cost && l.limit <= j.rule.limit()
}

// take uses what the request takes of the lease, for a request that every policy admits. It
// counts also where there is no lease: shadows, and what is let pass while the
// ledger is away.
func (l *lease) take(j *judgment, now time.Time) {
	switch l.counter.Kind {
	case toll.Quota:
		j.slot.value = plus(j.slot.value, j.cost)
		l.used = plus(l.used, j.cost)
		leased := min(j.cost, max(0, l.free))
		l.free -= leased
		l.share = max(0, l.share-(j.cost-leased))
	case toll.ConcurrencyLimit:
		j.slot.value++
	case toll.RateLimit:
		ns, pace := now.UnixNano(), j.rule.pace
		if l.free >= j.cost {
			l.free -= j.cost
		} else if l.pace != nil && l.outage == l.shared.pool.outage.Load() {
			pace = l.pace // our share: what flows off slower fills more
		}
		j.ahead = pace.take(j.slot, ns, pace.ahead(j.slot, ns), j.cost)
		l.used, l.last = l.used+j.cost, now
	}
	l.low = min(l.low, l.left())
	l.wake()
}

// unused is how much of the lease was not used in the last three beats: so
// nothing is held unused for longer than LeaseLife, however busy the rest of it
// is. It is asked once a beat.
func (l *lease) unused() int64 {
	left := l.left()
	n := max(0, min(l.low, l.lows[0], l.lows[1], left))
	l.lows, l.low = [2]int64{l.low - n, l.lows[0] - n}, left-n
	return n
}

// settled takes note of what an outcome adds to a quota, or gives back.
func (l *lease) settled(add int64) {
	l.used = plus(l.used, add)
	if add > 0 {
		l.share = max(0, l.share-add)
	}
	l.wake()
}

// wake has the pool report the lease with its next beat.
func (l *lease) wake() {
	if !l.active {
		l.active = true
		l.shared.pool.wake(l)
	}
}

// left is how much of the lease is not used.
func (l *lease) left() int64 {
	if l.counter.Kind == toll.ConcurrencyLimit {
		return l.free - l.held()
	}
	return l.free
}

// limit is what the ledger is told: the burst of a rate, else the count.
func (r *rule) limit() int64 {
	if r.pace != nil {
		return r.pace.burst
	}
	return r.policy.Count
}
