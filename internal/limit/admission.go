package limit

import (
	"math"
	"time"
	"unsafe"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Admission is one request's way through its policies: Admit, Settle, Release.
// The zero value is ready. It is meant to be kept and used again for the next
// request, for it keeps its buffers. It is not safe for concurrent use, and
// must not be copied between Admit and Release.
type Admission struct {
	results   []Result
	judgments []judgment
	holds     []hold
	settled   bool

	departed  bool         // the last Admit met a State that gave its counters away
	elsewhere []Lease      // what the request holds in another process
	owed      []Adjustment // for that process
}

// judgment is what a rule found, between the check and the taking.
type judgment struct {
	rule   *rule
	state  *State
	slot   *slot
	ahead  span    // RateLimit
	period *period // Quota
	value  int64   // Quota: used; ConcurrencyLimit: in flight
	cost   int64   // what the request takes; Quota: 0 where its units come with the outcome
	no     bool    // the policy says no, be it a shadow or not

	// Where the counter is shared with other replicas:
	lease   *lease
	verdict verdict
	wait    time.Duration // RateLimit, when it says no
}

// hold is what an admitted request has taken, or may add to, and must settle or release.
type hold struct {
	state    *State
	rule     *rule
	period   uint32 // Quota: the period in which it was admitted
	lease    *lease // nil: counted here alone
	reserved int64  // Quota: what was taken before the outcome
}

// Admit decides a request at now, which must lie between 1970 and 2200: every
// policy of sets that covers this call of service and endpoint is looked at, and
// either all of them take what the request costs, or none takes anything. It
// tells whether the request is admitted; Results says what each policy said.
//
// A rate limit takes one. A quota on requests reserves one; a quota on another
// unit admits while used < limit and learns its units at Settle. A concurrency
// limit takes one place until Release. A policy that is in sets twice, or two
// that share a counter, take once. AdmitCost takes what a request costs instead.
//
// A shadow policy never refuses. A shadow rate limit takes only where it would
// have admitted, so that it reports what it would do; shadow quotas and
// concurrency limits count what really passes.
//
// An Admission that was not released yet is released first. Where a State has
// given its counters away nothing is decided and nothing taken: Admit says no,
// and Departed says why.
//
// Admit locks the partitions' own mutexes, all at once, in an order that is the
// same everywhere.
func (a *Admission) Admit(now time.Time, p Partitions, service, endpoint string, sets ...*Set) bool {
	return a.AdmitCost(now, p, nil, service, endpoint, sets...)
}

// AdmitCost is Admit for a request that costs something else than one (nil:
// one): a rate limit takes cost.Rate, and a quota on a unit reserves what
// cost.Of says of it, and refuses when less is left. Settle puts what was used
// in the place of what was reserved, be it more or less.
func (a *Admission) AdmitCost(now time.Time, p Partitions, cost *toll.Cost, service, endpoint string, sets ...*Set) bool {
	a.Release()
	a.departed, a.owed = false, nil
	ns := now.UnixNano()
	a.judgments = a.judgments[:0]
	var used [places]bool
	for _, set := range sets {
		if set == nil {
			continue
		}
		for i := range set.rules {
			r := &set.rules[i]
			if !r.covers(service, endpoint) {
				continue
			}
			state := p.of(r.place)
			if state == nil {
				continue
			}
			used[r.place] = true
			j := extend(&a.judgments)
			j.rule, j.state, j.cost = r, state, r.cost(cost)
		}
	}
	var locks locks
	for i, is := range used {
		if is {
			locks.add(p.of(place(i)))
		}
	}
	if p.SharedCustomer != nil || p.SharedKey != nil {
		return a.decideShared(now, ns, &p, &locks)
	}
	locks.lock()
	if a.gone(&locks) {
		return false
	}
	admitted := true
	for i := range a.judgments {
		j := &a.judgments[i]
		j.look(now, ns, p.Months, a.judgments[:i])
		if j.no && !j.rule.silent && !j.rule.policy.Shadow {
			admitted = false
		}
	}
	if admitted {
		for i := range a.judgments {
			a.take(i, ns)
		}
	}
	locks.unlock()
	a.settled = !admitted
	a.conclude(ns, admitted)
	return admitted
}

// look finds the counter and asks the policy.
func (j *judgment) look(now time.Time, ns int64, own *Months, before []judgment) {
	r := j.rule
	switch r.kind {
	case toll.RateLimit:
		j.slot = j.state.counter(r, ns, before)
		j.ahead = r.pace.ahead(j.slot, ns)
		j.no = !r.pace.admits(j.ahead, j.cost)
	case toll.Quota:
		j.period = r.periods(own).at(now, ns)
		j.slot = j.state.quota(r.id, j.period.number)
		j.value = j.slot.value
		j.no = j.exceeds()
	case toll.ConcurrencyLimit:
		j.slot = j.state.counter(r, ns, before)
		j.value = j.slot.value
		j.no = j.value >= r.policy.Count
	}
}

// cost is what a request that costs c takes of the rule.
func (r *rule) cost(c *toll.Cost) int64 {
	switch {
	case c == nil:
		if r.kind == toll.Quota && !r.requests {
			return 0
		}
		return 1
	case r.kind == toll.RateLimit:
		return r.pace.clamp(c.Rate)
	case r.kind == toll.Quota:
		return c.Of(r.policy.Unit)
	}
	return 1
}

// exceeds tells whether a quota has less left than the request takes; of one
// that takes nothing before its outcome, whether nothing is left.
func (j *judgment) exceeds() bool { return j.value > j.rule.policy.Count-max(1, j.cost) }

// never tells whether a quota says no whatever was used before: the request
// takes more than the whole of it. So does every request of a quota of 0.
func (j *judgment) never() bool {
	return j.rule.kind == toll.Quota && max(1, j.cost) > j.rule.policy.Count
}

// take lets the i-th judgment take what the admitted request costs.
func (a *Admission) take(i int, ns int64) {
	j := &a.judgments[i]
	if j.rule.kind == toll.RateLimit && j.no {
		return // a shadow: it would not have let it pass
	}
	for k := range a.judgments[:i] {
		if b := &a.judgments[k]; b.slot == j.slot && !(b.rule.kind == toll.RateLimit && b.no) {
			j.ahead, j.value = b.ahead, b.value // has been taken already
			return
		}
	}
	switch j.rule.kind {
	case toll.RateLimit:
		j.ahead = j.rule.pace.take(j.slot, ns, j.ahead, j.cost)
		return
	case toll.Quota:
		j.slot.value = plus(j.slot.value, j.cost)
		a.holds = append(a.holds, hold{state: j.state, rule: j.rule, period: j.period.number, reserved: j.cost})
	case toll.ConcurrencyLimit:
		j.slot.value++
		a.holds = append(a.holds, hold{state: j.state, rule: j.rule})
	}
	j.value = j.slot.value
}

// conclude turns the judgments into results. It runs after the mutexes were
// given back, for the divisions in it would hold up others.
func (a *Admission) conclude(ns int64, admitted bool) {
	a.results = a.results[:0]
	for i := range a.judgments {
		j := &a.judgments[i]
		r := j.rule
		if r.silent {
			continue
		}
		res := extend(&a.results)
		res.Policy, res.rule, res.Limit = r.policy, r, r.policy.Count
		res.WouldRefuse, res.Refused, res.RetryAfter = j.no, j.no && !r.policy.Shadow, 0
		res.Away, res.Needs, res.Never = false, j.cost, j.no && j.never()
		switch r.kind {
		case toll.RateLimit:
			res.Limit = r.pace.burst
			res.Remaining, res.Reset = r.pace.remaining(j.ahead)
			if j.no {
				res.RetryAfter = r.pace.wait(j.ahead, j.cost)
			}
		case toll.Quota:
			res.Remaining = max(0, r.policy.Count-j.value)
			res.Reset = time.Duration(j.period.end - ns)
			if j.no && !res.Never {
				res.RetryAfter = res.Reset
			}
		case toll.ConcurrencyLimit:
			res.Remaining, res.Reset = max(0, r.policy.Count-j.value), 0
			if j.no {
				res.RetryAfter = time.Second
			}
		}
	}
}

// extend makes a slice longer by one without clearing what is there: the
// caller sets every field that is read later. Clearing costs as much as deciding.
func extend[T any](s *[]T) *T {
	n := len(*s)
	if n < cap(*s) {
		*s = (*s)[:n+1]
	} else {
		*s = append(*s, *new(T))
	}
	return &(*s)[n]
}

// Results says what every policy said that was looked at, in the order of the
// Sets and of their policies. It is good until the next Admit.
func (a *Admission) Results() []Result { return a.results }

// Reserved tells whether the request holds an amount of a reported unit that
// its outcome has still to confirm.
func (a *Admission) Reserved() bool {
	if a.settled {
		return false
	}
	for i := range a.holds {
		if h := &a.holds[i]; h.reserved > 0 && !h.rule.requests {
			return true
		}
	}
	for i := range a.elsewhere {
		if l := &a.elsewhere[i]; l.Reserved > 0 && l.Name.Unit != toll.UnitRequests {
			return true
		}
	}
	return false
}

// Settle tells the outcome. Chargeable keeps the request that quotas reserved
// and puts the reported units in the place of those that were reserved, be they
// more or less; otherwise what was reserved is given back and units are ignored. Only the first Settle after an Admit counts. Rate limits
// keep what they took. What cannot be counted here is Owed.
//
// It counts in the period in which the request was admitted, also when that has
// ended meanwhile: so does the request's event, for it bears the time of its
// arrival. Units below zero are ignored; a sum beyond 64 bits stays at their end.
func (a *Admission) Settle(chargeable bool, units []toll.Amount) {
	if a.settled {
		return
	}
	a.settled = true
	if len(a.elsewhere) > 0 {
		a.settleElsewhere(chargeable, units)
	}
	for _, h := range a.holds {
		if h.rule.kind != toll.Quota {
			continue
		}
		add := settled(h.rule.policy.Unit, h.reserved, chargeable, units)
		if add == 0 {
			continue
		}
		h.state.mu.Lock()
		if h.state.hasDeparted() {
			a.owed = append(a.owed, Adjustment{Lease: h.held(), Add: add})
		} else if sl := h.state.findQuota(h.rule.id, h.period); sl != nil { // else the period was forgotten
			sl.value = max(0, plus(sl.value, add))
		}
		if h.lease != nil {
			h.lease.settled(add)
		}
		h.state.mu.Unlock()
	}
}

// settled is what an outcome adds to a quota on a unit: what was used in the
// place of what was reserved.
func settled(unit string, reserved int64, chargeable bool, units []toll.Amount) (add int64) {
	switch {
	case !chargeable:
	case unit == toll.UnitRequests:
		add = 1
	default:
		for _, u := range units {
			if u.Unit == unit && u.Count > 0 {
				add = plus(add, u.Count)
			}
		}
	}
	return add - reserved
}

// Release ends the request: it frees its concurrency limits, and gives back
// what was reserved and never settled. A second call does nothing.
func (a *Admission) Release() {
	if len(a.holds) == 0 && len(a.elsewhere) == 0 {
		return
	}
	a.Settle(false, nil)
	if len(a.elsewhere) > 0 {
		a.releaseElsewhere()
	}
	for i, h := range a.holds {
		if h.rule.kind == toll.ConcurrencyLimit {
			h.state.mu.Lock()
			if h.state.hasDeparted() {
				a.owed = append(a.owed, Adjustment{Lease: h.held(), Add: -1})
			} else if sl := h.state.find(h.rule.id); sl != nil {
				sl.value = max(0, sl.value-1)
			}
			if h.lease != nil {
				h.lease.wake()
			}
			h.state.mu.Unlock()
		}
		a.holds[i] = hold{}
	}
	a.holds = a.holds[:0]
}

// plus adds, and stays at the end of 64 bits; a is not negative.
func plus(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// locks are the mutexes of one decision: at most four, each once, by address.
// Any fixed order keeps two requests from waiting for each other; that of
// addresses holds even when one State stands for a customer here and for a key
// there. (A State that two goroutines know lies on the heap and is not moved.)
type locks struct {
	states [places]*State
	n      int
}

func (l *locks) add(s *State) {
	at := l.n
	for i := 0; i < l.n; i++ {
		if l.states[i] == s {
			return
		}
	}
	for at > 0 && uintptr(unsafe.Pointer(l.states[at-1])) > uintptr(unsafe.Pointer(s)) {
		l.states[at] = l.states[at-1]
		at--
	}
	l.states[at] = s
	l.n++
}

func (l *locks) lock() {
	for _, s := range l.states[:l.n] {
		s.mu.Lock()
	}
}

// gone gives the locks back and decides nothing where one of the States has
// given its counters away.
func (a *Admission) gone(l *locks) bool {
	if !l.departed() {
		return false
	}
	l.unlock()
	a.departed, a.settled, a.results = true, true, a.results[:0]
	return true
}

// departed tells whether one of them has given its counters away.
func (l *locks) departed() bool {
	for _, s := range l.states[:l.n] {
		if s.hasDeparted() {
			return true
		}
	}
	return false
}

func (l *locks) unlock() {
	for _, s := range l.states[:l.n] {
		s.mu.Unlock()
	}
}
