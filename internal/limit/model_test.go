package limit

import (
	"fmt"
	"math/big"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// model is the limits written down as simply as they can be: rate limits as
// buckets of exact fractions, quotas as a number per period, concurrency as a
// number. One request after the other, no sharing, no cleverness.
type model struct {
	loc     *time.Location
	buckets map[string]*bucket
	quotas  map[string]map[time.Time]int64 // by counter, then by the start of its period
	flight  map[string]int64
}

// bucket leaks count per window; a request adds one and must not make it run over.
type bucket struct {
	level         *big.Rat
	at            int64
	count, window int64
}

func newModel(loc *time.Location) *model {
	return &model{loc: loc, buckets: map[string]*bucket{}, quotas: map[string]map[time.Time]int64{}, flight: map[string]int64{}}
}

// asked is a policy that a request meets, and the partition it is counted in.
type asked struct {
	policy toll.Policy
	owner  string // the service whose own policy it is
	who    string
	silent bool
}

func (a asked) scope() string { return a.policy.Service + " " + a.policy.Endpoint }
func (a asked) key() string {
	switch a.policy.Kind {
	case toll.Quota:
		return fmt.Sprintf("%s|%s|%s|%s", a.who, a.scope(), a.policy.Unit, a.policy.Every)
	case toll.ConcurrencyLimit:
		return a.who + "|" + a.scope()
	}
	return fmt.Sprintf("%s|%s|%s|%s", a.who, a.scope(), a.policy.Name, a.owner)
}

func (a asked) burst() int64 {
	if a.policy.Burst == 0 {
		return a.policy.Count
	}
	return a.policy.Burst
}

// levelNow is how full the bucket is. With change it sets right what it finds wrong.
func (m *model) levelNow(a asked, now int64, change bool) *big.Rat {
	b := m.buckets[a.key()]
	if b == nil {
		return new(big.Rat)
	}
	flowed := new(big.Rat).Mul(big.NewRat(now-b.at, 1), big.NewRat(b.count, b.window))
	level := new(big.Rat).Sub(b.level, flowed)
	if level.Sign() < 0 {
		level.SetInt64(0)
	}
	p := a.policy
	count, window, changed := b.count, b.window, false
	if count != p.Count || window != int64(p.Window) { // the plan was changed: whole requests stay used
		if level.Sign() == 0 { // and none are
			if change {
				delete(m.buckets, a.key())
			}
			return level
		}
		level.SetInt64(min(ceil(level), a.burst()))
		count, window, changed = p.Count, int64(p.Window), true
	}
	if over := new(big.Rat).Sub(level, big.NewRat(a.burst()-1, 1)); over.Cmp(big.NewRat(count, 1)) > 0 { // the wait is over a window
		level.SetInt64(a.burst())
		changed = true
	}
	if changed && change {
		*b = bucket{level: new(big.Rat).Set(level), at: now, count: count, window: window}
	}
	return level
}

func ceil(r *big.Rat) int64 {
	q, m := new(big.Int).DivMod(r.Num(), r.Denom(), new(big.Int))
	if m.Sign() > 0 {
		q.Add(q, big.NewInt(1))
	}
	return q.Int64()
}

func floor(r *big.Rat) int64 { return new(big.Int).Div(r.Num(), r.Denom()).Int64() }

// period finds a quota's counter, keeping two periods of each.
func (m *model) period(a asked, now time.Time) (used map[time.Time]int64, start, end time.Time) {
	start, end = a.policy.Every.PeriodAt(now, m.loc)
	used = m.quotas[a.key()]
	if used == nil {
		used = map[time.Time]int64{}
		m.quotas[a.key()] = used
	}
	if _, ok := used[start]; !ok && len(used) == 2 {
		var gone time.Time
		for s := range used {
			if gone.IsZero() || s.Sub(start).Abs() > gone.Sub(start).Abs() || s.Sub(start).Abs() == gone.Sub(start).Abs() && s.Before(gone) {
				gone = s
			}
		}
		delete(used, gone)
	}
	used[start] += 0
	return used, start, end
}

// modelHold is what an admitted request holds in the model.
type modelHold struct {
	asked    asked
	start    time.Time
	reserved int64
}

// costs is what a request takes of a policy.
func (a asked) costs(cost *toll.Cost) int64 {
	switch {
	case a.policy.Kind == toll.Quota && a.policy.Unit != toll.UnitRequests:
		if cost == nil {
			return 0
		}
		for _, amount := range append(append([]toll.Amount{}, cost.Uses...), cost.Reserve...) {
			if amount.Unit == a.policy.Unit {
				return amount.Count
			}
		}
		return 0
	case a.policy.Kind == toll.RateLimit && cost != nil:
		return min(max(1, cost.Rate), a.burst())
	}
	return 1
}

// admit decides, and says what each policy says.
func (m *model) admit(now time.Time, cost *toll.Cost, policies []asked) (admitted bool, results []Result, holds []modelHold) {
	ns := now.UnixNano()
	admitted = true
	no := make([]bool, len(policies))
	for i, a := range policies {
		switch a.policy.Kind {
		case toll.RateLimit:
			level := m.levelNow(a, ns, true)
			no[i] = level.Add(level, big.NewRat(a.costs(cost), 1)).Cmp(big.NewRat(a.burst(), 1)) > 0
		case toll.Quota:
			used, start, _ := m.period(a, now)
			no[i] = used[start]+max(1, a.costs(cost)) > a.policy.Count
		case toll.ConcurrencyLimit:
			no[i] = m.flight[a.key()] >= a.policy.Count
		}
		if no[i] && !a.policy.Shadow && !a.silent {
			admitted = false
		}
	}
	if admitted {
		taken := map[string]bool{}
		for i, a := range policies {
			key := fmt.Sprint(a.policy.Kind, a.key())
			if taken[key] || a.policy.Kind == toll.RateLimit && no[i] {
				continue
			}
			taken[key] = true
			switch a.policy.Kind {
			case toll.RateLimit:
				level := m.levelNow(a, ns, true)
				m.buckets[a.key()] = &bucket{level: level.Add(level, big.NewRat(a.costs(cost), 1)), at: ns, count: a.policy.Count, window: int64(a.policy.Window)}
			case toll.Quota:
				used, start, _ := m.period(a, now)
				used[start] += a.costs(cost)
				holds = append(holds, modelHold{a, start, a.costs(cost)})
			case toll.ConcurrencyLimit:
				m.flight[a.key()]++
				holds = append(holds, modelHold{asked: a})
			}
		}
	}
	for i, a := range policies {
		if a.silent {
			continue
		}
		r := Result{WouldRefuse: no[i], Refused: no[i] && !a.policy.Shadow, Needs: a.costs(cost), Limit: a.policy.Count}
		switch a.policy.Kind {
		case toll.RateLimit:
			level := m.levelNow(a, ns, false)
			perRequest := big.NewRat(int64(a.policy.Window), a.policy.Count)
			r.Limit = a.burst()
			left := new(big.Rat).Sub(big.NewRat(a.burst(), 1), level)
			r.Remaining = max(0, floor(left))
			// One more is there when the level has sunk to burst - remaining - 1.
			down := new(big.Rat).Sub(level, big.NewRat(a.burst()-r.Remaining-1, 1))
			if level.Sign() > 0 {
				r.Reset = time.Duration(ceil(down.Mul(down, perRequest)))
			}
			if no[i] {
				over := new(big.Rat).Sub(level, big.NewRat(a.burst()-a.costs(cost), 1))
				r.RetryAfter = time.Duration(ceil(over.Mul(over, perRequest)))
			}
		case toll.Quota:
			used, start, end := m.period(a, now)
			r.Remaining = max(0, a.policy.Count-used[start])
			r.Reset = end.Sub(now)
			if r.Never = no[i] && max(1, a.costs(cost)) > a.policy.Count; no[i] && !r.Never {
				r.RetryAfter = r.Reset
			}
		case toll.ConcurrencyLimit:
			r.Remaining = max(0, a.policy.Count-m.flight[a.key()])
			if no[i] {
				r.RetryAfter = time.Second
			}
		}
		results = append(results, r)
	}
	return admitted, results, holds
}

func (m *model) settle(holds []modelHold, chargeable bool, units []toll.Amount) {
	for _, h := range holds {
		if h.asked.policy.Kind != toll.Quota {
			continue
		}
		used := m.quotas[h.asked.key()]
		if _, ok := used[h.start]; !ok {
			continue
		}
		add := -h.reserved
		if chargeable && h.asked.policy.Unit == toll.UnitRequests {
			add++
		}
		for _, u := range units {
			if chargeable && u.Unit == h.asked.policy.Unit && u.Unit != toll.UnitRequests {
				add += u.Count
			}
		}
		// A period that was forgotten and came again holds nothing of this
		// request: never below zero.
		used[h.start] = max(0, used[h.start]+add)
	}
}

func (m *model) release(holds []modelHold) {
	for _, h := range holds {
		if h.asked.policy.Kind == toll.ConcurrencyLimit {
			m.flight[h.asked.key()]--
		}
	}
}
