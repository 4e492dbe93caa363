package limit

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// LimitStates says how much of each policy is used: what pages show. Scoped
// policies are in it too. Used counts open reservations and may exceed Limit,
// where a plan was changed to a smaller one. A rate limit's Limit is what may
// pass at once, and its ResetAt is when nothing counts as used any more; a
// concurrency limit has no ResetAt. Policies that count per something that is
// nil in p are left out. Nothing is changed.
func (s *Set) LimitStates(now time.Time, p Partitions) []toll.LimitState {
	if s == nil {
		return nil
	}
	ns := now.UnixNano()
	states := make([]toll.LimitState, 0, len(s.rules))
	for i := range s.rules {
		r := &s.rules[i]
		state := p.of(r.place)
		if state == nil || r.silent {
			continue
		}
		ls := toll.LimitState{Policy: *r.policy, Limit: r.policy.Count}
		switch r.kind {
		case toll.RateLimit:
			d := state.aheadOf(r, ns)
			left, _ := r.pace.remaining(d)
			ls.Limit = r.pace.burst
			ls.Used = r.pace.burst - left
			ls.ResetAt = now.Add(d.whole())
		case toll.Quota:
			calendar := r.periods(p.Months)
			period := calendar.at(now, ns)
			ls.Used = state.usedOf(r.id, period.number)
			ls.ResetAt = time.Unix(0, period.end).In(calendar.loc)
		case toll.ConcurrencyLimit:
			ls.Used = state.inFlightOf(r.id) + p.shared(r.partition).others(r.id)
		}
		states = append(states, ls)
	}
	return states
}

// Refresh asks the ledger for what replicas share of the policies and was not
// looked at lately, so that LimitStates then tells of all replicas. It is for
// pages: it waits for the ledger, and does nothing while that is away.
func (s *Set) Refresh(ctx context.Context, now time.Time, p Partitions) {
	s.refresh(ctx, now, p, false)
}

// refresh asks for silent policies too, where it is told to.
func (s *Set) refresh(ctx context.Context, now time.Time, p Partitions, silent bool) {
	if s == nil {
		return
	}
	var pool *Pool
	var stale []*lease
	for i := range s.rules {
		r := &s.rules[i]
		shared := p.shared(r.partition)
		if shared == nil || r.silent && !silent {
			continue
		}
		pool = shared.pool
		var period *period
		if r.kind == toll.Quota {
			period = r.periods(p.Months).at(now, now.UnixNano())
		}
		shared.state.mu.Lock()
		if l := shared.lease(r, period); !l.fresh(now) {
			stale = append(stale, l)
		}
		shared.state.mu.Unlock()
	}
	if pool == nil || pool.Away() {
		return
	}
	if err := pool.exchange(ctx, pool.claim(stale), toLook); err != nil && ctx.Err() == nil {
		pool.lost(err)
	}
}

// others is how many places of a concurrency limit other replicas hold, as far
// as is known; 0 where nothing is shared.
func (s *Shared) others(id counterID) int64 {
	if s == nil {
		return 0
	}
	s.state.mu.Lock()
	defer s.state.mu.Unlock()
	for l := s.leases; l != nil; l = l.next {
		if l.id == id {
			return max(0, l.taken-l.free)
		}
	}
	return 0
}

func (s *State) usedOf(id counterID, period uint32) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.findQuota(id, period); sl != nil {
		return sl.value
	}
	return 0
}

func (s *State) inFlightOf(id counterID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sl := s.find(id); sl != nil {
		return sl.value
	}
	return 0
}

// aheadOf is pace.ahead without changing anything.
func (s *State) aheadOf(r *rule, now int64) span {
	s.mu.Lock()
	defer s.mu.Unlock()
	var copied slot
	if sl := s.find(r.id); sl != nil {
		copied = *sl
	} else if from, old := s.before(r.id); from != nil {
		r.pace.adopt(&copied, *from, old, now)
	}
	return r.pace.ahead(&copied, now)
}
