package limit

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ask fills an Ask with what the lease has to tell and what it wants. The
// caller holds the State's mutex and the claim.
func (l *lease) ask(a *Ask, now time.Time, why reason) {
	r := l.rule
	l.seq++
	*a = Ask{
		Counter: l.counter, Replica: l.shared.pool.replica, Seq: l.seq,
		Replicas: int(l.shared.pool.replicas.Load()),
		Limit:    r.limit(), Generation: l.gen, Known: l.known,
	}
	if !l.fresh(now) {
		l.free = l.held()
	}
	switch why {
	case toFill:
		a.Need = l.wanted
		each := max(1, l.each)
		if now.Sub(l.filled) < Beat { // the last batch was gone at once
			l.spare = min(2*l.spare+each, mostSpare*each)
		} else {
			l.spare /= 2
		}
		a.Spare, l.filled = l.spare, now
	case toRenew:
		l.free -= l.unused()
	case toEnd:
		l.free = l.held()
	}
	switch l.counter.Kind {
	case toll.Quota:
		if r.silent || r.policy.Shadow || l.wanted == 0 {
			a.Need, a.Spare = 0, 0 // it only counts, or learns its units at the end
		}
		a.Have, a.Used, a.Acked = l.free, l.used, l.acked
		if sl := l.shared.state.findQuota(l.id, l.period); sl != nil && !l.seen {
			a.Floor = max(0, sl.value-l.used)
		}
	case toll.ConcurrencyLimit:
		held := l.held()
		a.Have = max(l.free, held)
		l.free = a.Have
		a.Need = min(a.Need, max(0, l.waiting+held-a.Have))
	case toll.RateLimit:
		a.Count, a.Window = r.pace.count, time.Duration(r.pace.window)
		if l.told != l.shared.pool.outage.Load() { // too much has flowed off to be told one by one
			a.Generation, l.acked = "", l.used
			if sl := l.shared.state.find(l.id); sl != nil && l.seen {
				a.Known = (l.ledger + sl.value - l.sent.UnixNano()) / int64(time.Microsecond)
			}
		}
		a.Have, a.Used, a.Acked = l.free, l.used, l.acked
		a.Age = min(max(0, now.Sub(l.last)), DeadAfter) // a reading from before a clock was stepped says little
	}
}

// answer takes a grant in. It tells whether the ledger does not have the
// counter and wants to be told what it counted. The caller holds the State's mutex.
func (l *lease) answer(a *Ask, g *Grant, sent time.Time, took time.Duration) (missing bool) {
	if g.Unseeded {
		return true
	}
	if g.Stale {
		return false
	}
	l.sent, l.ledger, l.seen = sent, g.Now*int64(time.Microsecond), true
	l.told = l.shared.pool.outage.Load()
	l.gen, l.limit, l.taken = g.Generation, a.Limit, g.Used+g.Leased
	state := l.shared.state
	switch l.counter.Kind {
	case toll.Quota:
		l.free = max(0, l.free+g.Granted-max(0, l.taken-a.Limit)) // no lease is above a limit that became smaller
		l.acked, l.known = a.Used, g.Used
		state.quota(l.id, l.period).value = max(0, plus(g.Used, l.used-l.acked))
	case toll.ConcurrencyLimit:
		l.free += g.Granted
	case toll.RateLimit:
		l.free += g.Granted
		l.acked, l.known = a.Used, g.Moment
		sl := state.find(l.id)
		if sl == nil {
			sl = state.free()
			sl.id = l.id
		}
		sl.value, sl.extra = sent.UnixNano()+(g.Moment-g.Now)*int64(time.Microsecond), 0
		for range min(l.used-l.acked, l.limit) { // what was used meanwhile
			l.rule.pace.take(sl, sent.UnixNano(), l.rule.pace.ahead(sl, sent.UnixNano()), 1)
		}
	}
	switch {
	case g.Granted < a.Need:
		l.refused, l.wait = sent, g.Wait*int64(time.Microsecond)+int64(took)
	case a.Need > 0:
		l.refused = time.Time{}
	}
	if l.left() > 0 {
		l.wake()
	}
	return false
}
