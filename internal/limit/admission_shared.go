package limit

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// decideShared is the second half of Admit where replicas share counters: the
// judgments are gathered, the locks known. Only where a lease is used up or
// void does it wait for the ledger, with no mutex held, and judges anew.
func (a *Admission) decideShared(now time.Time, ns int64, p *Partitions, locks *locks) bool {
	var pool *Pool
	at := now // what leases are judged by: after a wait for the ledger, not the arrival any more
	for round := 0; ; round++ {
		locks.lock()
		if a.gone(locks) {
			return false
		}
		admitted, waits := true, false
		for i := range a.judgments {
			j := &a.judgments[i]
			j.verdict, j.wait, j.lease = yes, 0, nil
			if shared := p.shared(j.rule.partition); shared != nil {
				pool = shared.pool
				shared.look(j, now, at, ns, p.Months, a.judgments[:i])
			} else if j.look(now, ns, p.Months, a.judgments[:i]); j.no {
				j.verdict = no
			}
			if j.verdict == short && round == rounds {
				j.verdict = j.lease.unsaid(j)
			}
			j.no = j.verdict == no || j.verdict == gone
			if j.no && !j.rule.silent && !j.rule.policy.Shadow {
				admitted = false
			}
			waits = waits || j.verdict == short
		}
		if admitted && waits {
			locks.unlock()
			pool.await(a.judgments)
			at = pool.clock()
			continue
		}
		if admitted {
			for i := range a.judgments {
				a.takeShared(i, now, ns)
			}
		}
		locks.unlock()
		if pool != nil && pool.Away() {
			pool.alone.Add(1)
		}
		a.settled = !admitted
		a.conclude(ns, admitted)
		a.correct()
		return admitted
	}
}

// look finds the counter of now and the lease, and asks it as it is at.
func (s *Shared) look(j *judgment, now, at time.Time, ns int64, own *Months, before []judgment) {
	r := j.rule
	if r.kind == toll.Quota {
		j.period = r.periods(own).at(now, ns)
		j.slot = s.state.quota(r.id, j.period.number)
	} else {
		j.period = nil // of whatever this judgment was about before
		j.slot = s.state.counter(r, ns, before)
	}
	j.value = j.slot.value
	j.lease = s.lease(r, j.period)
	j.verdict = j.lease.look(j, at)
	switch r.kind {
	case toll.ConcurrencyLimit:
		j.value += max(0, j.lease.taken-j.lease.free) // those of the others
	case toll.RateLimit:
		j.ahead = r.pace.ahead(j.slot, ns)
	}
}

// takeShared is take for counters of which some are shared.
func (a *Admission) takeShared(i int, now time.Time, ns int64) {
	j := &a.judgments[i]
	if j.lease == nil {
		a.take(i, ns)
		return
	}
	if j.rule.kind == toll.RateLimit && j.no {
		return // a shadow: it would not have let it pass
	}
	for k := range a.judgments[:i] {
		if b := &a.judgments[k]; b.slot == j.slot && !(b.rule.kind == toll.RateLimit && b.no) {
			j.ahead, j.value = b.ahead, b.value // has been taken already
			return
		}
	}
	before := j.slot.value
	j.lease.take(j, now)
	switch j.rule.kind {
	case toll.RateLimit:
		return
	case toll.Quota:
		a.holds = append(a.holds, hold{state: j.state, rule: j.rule, period: j.period.number, lease: j.lease, reserved: j.cost})
	case toll.ConcurrencyLimit:
		a.holds = append(a.holds, hold{state: j.state, rule: j.rule, lease: j.lease})
	}
	j.value += j.slot.value - before
}

// correct sets right what the results say of shared policies: the ledger knows
// when a rate limit's next will be free, and while it is away and a policy is
// closed, nobody knows what is left.
func (a *Admission) correct() {
	i := 0
	for k := range a.judgments {
		j := &a.judgments[k]
		if j.rule.silent {
			continue
		}
		res := &a.results[i]
		i++
		switch {
		case res.Never: // whatever the others use
		case j.verdict == gone:
			res.Away, res.Remaining, res.Reset, res.RetryAfter = true, 0, 0, time.Second
		case j.lease != nil && j.no && j.rule.kind == toll.RateLimit:
			res.Remaining, res.RetryAfter = 0, max(j.wait, 1)
			res.Reset = res.RetryAfter
		case j.lease != nil && j.no && j.rule.kind == toll.Quota && !j.exceeds():
			res.RetryAfter = LeaseLife // the others' leases: what they do not use is back then, and not at the period's end
		}
	}
}
