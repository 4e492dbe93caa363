package limit

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// lookAlone judges a request while the ledger is away, as its policy says. A
// policy without a word of its own takes its share.
func (l *lease) lookAlone(j *judgment, now time.Time) verdict {
	p := j.rule.policy
	if j.rule.silent {
		return yes
	}
	switch p.WhenSharedAway {
	case toll.AwayOpen:
		return yes
	case toll.AwayClosed:
		return gone
	}
	replicas := l.shared.pool.replicas.Load()
	if l.outage != l.shared.pool.outage.Load() {
		if l.outdated() {
			return short // the store knows more, and is asked once
		}
		l.begin(p.Count, 0)
	}
	ok := false
	switch l.counter.Kind {
	case toll.Quota:
		ok = l.share >= max(1, j.cost)
	case toll.ConcurrencyLimit:
		ok = j.slot.value < max(1, p.Count/replicas)
	case toll.RateLimit:
		l.paceFor(j.rule.pace, replicas)
		d := l.pace.ahead(j.slot, now.UnixNano())
		if ok = l.pace.admits(d, j.cost); !ok {
			j.wait = l.pace.wait(d, j.cost)
		}
	}
	if !ok {
		return no
	}
	return yes
}

// unsaid judges a request that asked for long and was told nothing it could go
// by: others were quicker each time, which is the limit's end, or the ledger
// comes and goes.
func (l *lease) unsaid(j *judgment) verdict {
	if l.shared.pool.Away() {
		switch j.rule.policy.WhenSharedAway {
		case toll.AwayOpen:
			return yes
		case toll.AwayClosed:
			return gone
		}
	}
	return no
}

// begin works out what may be used on our own during an outage: of what was
// left when the counter was last seen, leases of others taken off, the part of
// one replica. All parts together are no more than what was left then.
// stored is what the store says was used, 0 when it was not asked.
func (l *lease) begin(limit, stored int64) {
	pool := l.shared.pool
	l.outage = pool.outage.Load()
	if l.counter.Kind != toll.Quota {
		return
	}
	taken := l.taken
	if sl := l.shared.state.findQuota(l.id, l.period); sl != nil && !l.seen {
		taken = sl.value - (l.used - l.acked) // what the start was told
	}
	taken = max(taken+l.used-l.acked, stored)
	l.share = max(0, limit-taken) / pool.replicas.Load()
}

// outdated tells whether others may have used much of a quota since it was last
// seen: when the ledger went away, this replica had not looked at it for a while.
func (l *lease) outdated() bool {
	pool := l.shared.pool
	if l.counter.Kind != toll.Quota || pool.used == nil || !l.shared.stored {
		return false
	}
	return !l.seen || l.sent.UnixNano() < pool.lostAt.Load()-int64(2*Beat)
}

// recall asks the store in the ledger's place, for leases that the caller has claimed.
func (p *Pool) recall(ctx context.Context, leases []*lease) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, l := range leases {
		var stored int64
		if l.counter.Kind == toll.Quota && p.used != nil && l.shared.stored {
			var err error
			if stored, err = p.used(ctx, l.question()); err != nil {
				p.log.Warn("a replica's share of a quota is worked out from what this one knows: the store could not be asked", "who", l.counter.Who, "counts", l.counter.What, "error", err)
			}
		}
		l.shared.state.mu.Lock()
		l.begin(l.rule.policy.Count, stored)
		l.shared.state.mu.Unlock()
	}
}

// paceFor makes our share of a rate: as many as before, in a window as many
// times as long as there are replicas, with as much less at once. One may
// always pass at once, or none ever would.
func (l *lease) paceFor(of *pace, replicas int64) {
	if l.paceOf == of && l.paceBy == replicas {
		return
	}
	share, err := newPace(of.count, time.Duration(of.window)*time.Duration(replicas), max(1, of.burst/replicas))
	if err != nil { // a window of years
		share = of
	}
	l.pace, l.paceOf, l.paceBy = share, of, replicas
}
