package billing_test

import (
	"math/big"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// model is what a month costs before tax, in minor units, with what was stored
// before a moment.
func (h *history) model(m int, storedBefore time.Time) int64 {
	currency := h.plans[0].Price.Currency
	places, _ := toll.MinorUnits(currency)
	minor := func(r *big.Rat) int64 {
		scale := int64(1)
		for range places {
			scale *= 10
		}
		return nearest(new(big.Rat).Mul(r, big.NewRat(scale, 1)))
	}
	var versions []string // in the order in which they came
	plan := map[string]toll.Plan{}
	for _, p := range h.phases {
		plan[p.Version] = p.Plan
	}
	for _, at := range h.moments(m) {
		if i := h.phaseAt(at); i >= 0 && at.Before(h.months[m].To) && !slices.Contains(versions, h.phases[i].Version) {
			versions = append(versions, h.phases[i].Version)
		}
	}
	var total, reached int64
	charge := func(amount int64) { total, reached = total+amount, reached+max(0, amount) }

	// Monthly fees are rounded on their running sum.
	running, least := new(big.Rat), new(big.Rat)
	for _, v := range versions {
		p := plan[v]
		month := new(big.Rat).SetFrac64(h.time(m, func(i int) bool { return h.phases[i].Version == v }), h.base(m))
		if p.Price.Every == "year" {
			part := h.yearly(m, func(i int) bool { return h.phases[i].Version == v })
			charge(minor(part.Mul(part, rat(p.Price.Amount))))
		} else {
			before := minor(running)
			running.Add(running, new(big.Rat).Mul(month, rat(p.Price.Amount)))
			charge(minor(running) - before)
		}
		if p.Minimum != "" {
			least.Add(least, new(big.Rat).Mul(month, rat(p.Minimum)))
		}
	}
	extra := map[string]int64{}
	for _, name := range []string{"a0", "a1"} {
		var addon toll.Addon
		has := func(i int) bool {
			for _, a := range h.phases[i].Addons {
				if a.Name == name {
					addon = a
					return true
				}
			}
			return false
		}
		part := new(big.Rat).SetFrac64(h.time(m, has), h.base(m))
		whole := h.timeWithTrial(m, has)
		if addon.Name == "" {
			continue
		}
		if addon.Price.Every == "year" {
			part = h.yearly(m, has)
		}
		charge(minor(part.Mul(part, rat(addon.Price.Amount))))
		for _, a := range addon.Included {
			extra[a.Unit] += new(big.Int).Div(new(big.Int).Mul(big.NewInt(a.Count), big.NewInt(whole)), big.NewInt(h.base(m))).Int64()
		}
	}
	for _, unit := range drawnUnits {
		for _, millionths := range h.units(m, unit, storedBefore, versions, plan, extra[unit]) {
			charge(minor(big.NewRat(millionths, 1_000_000)))
		}
	}
	if m := minor(least); m > reached {
		total += m - reached
	}
	for _, c := range h.coupons {
		index := -1
		for i, month := range h.months {
			if month.From.Equal(c.From) {
				index = i
			}
		}
		if m < index || (c.Coupon.Months > 0 && int64(m-index) >= c.Coupon.Months) || total <= 0 {
			continue
		}
		if c.Coupon.Percent != "" {
			total -= nearest(new(big.Rat).Mul(rat(c.Coupon.Percent), big.NewRat(total, 100)))
		} else {
			total -= min(total, minor(rat(c.Coupon.Amount.Amount)))
		}
	}
	return total
}

// trial is the trial as it is known just before a moment.
func (h *history) trial(known time.Time) (from, to time.Time, name string) {
	for _, p := range h.phases {
		if !p.From.Before(known) {
			break
		}
		if name == "" {
			if p.Plan.Trial > 0 {
				y, mo, d := p.From.In(h.zone).Date()
				hh, mm, ss := p.From.In(h.zone).Clock()
				from, name = p.From, p.Plan.Name
				to = time.Date(y, mo, d+int(p.Plan.Trial), hh, mm, ss, p.From.Nanosecond(), h.zone)
			}
		} else if p.Plan.Name != name && p.From.Before(to) {
			to = p.From
		}
		if name != "" && p.Plan.Name != name {
			break
		}
	}
	return from, to, name
}

// base is how long the month is that a whole fee is for, in microseconds.
func (h *history) base(m int) int64 {
	from := h.months[m].From
	if since := h.phases[0].From; since.After(from) {
		from = since
	}
	return h.months[m].To.Sub(from).Microseconds()
}

// moments are when anything changes in a month, in order.
func (h *history) moments(m int) []time.Time {
	trialFrom, trialTo, _ := h.trial(h.months[m].To)
	all := []time.Time{h.months[m].From, h.months[m].To, trialFrom, trialTo}
	for _, p := range h.phases {
		all = append(all, p.From)
	}
	all = slices.DeleteFunc(all, func(t time.Time) bool { return t.Before(h.months[m].From) || t.After(h.months[m].To) })
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// phaseAt is the phase that holds at a moment, -1 for none.
func (h *history) phaseAt(t time.Time) int {
	for i := len(h.phases) - 1; i >= 0; i-- {
		if !h.phases[i].From.After(t) {
			return i
		}
	}
	return -1
}

// time walks through a month from change to change and adds up what is not in
// the trial.
func (h *history) time(m int, has func(phase int) bool) int64 {
	trialFrom, trialTo, _ := h.trial(h.months[m].To)
	return h.walk(m, has, func(t time.Time) bool { return t.Before(trialFrom) || !t.Before(trialTo) })
}

func (h *history) timeWithTrial(m int, has func(phase int) bool) int64 {
	return h.walk(m, has, func(time.Time) bool { return true })
}

func (h *history) walk(m int, has func(phase int) bool, counts func(time.Time) bool) int64 {
	var sum int64
	moments := h.moments(m)
	for i := 1; i < len(moments); i++ {
		at := moments[i-1]
		if phase := h.phaseAt(at); phase >= 0 && has(phase) && counts(at) {
			sum += moments[i].Sub(at).Microseconds()
		}
	}
	return sum
}

// yearly is what is owed for years at the end of a month, as far as one can know
// then, less what was owed at its beginning.
func (h *history) yearly(m int, has func(phase int) bool) *big.Rat {
	return new(big.Rat).Sub(h.owed(h.months[m].To, has), h.owed(h.months[m].From, has))
}

// owed is the part of years, begun or behind, that are to be paid by what is
// known just before a moment.
func (h *history) owed(t time.Time, has func(phase int) bool) *big.Rat {
	sum := new(big.Rat)
	trialFrom, trialTo, _ := h.trial(t)
	since := h.phases[0].From.In(h.zone)
	for n := range 4 {
		from, to := birthday(since, n), birthday(since, n+1)
		if !from.Before(t) {
			break
		}
		moments := []time.Time{from, to, trialFrom, trialTo}
		for _, p := range h.phases {
			moments = append(moments, p.From)
		}
		moments = slices.DeleteFunc(moments, func(x time.Time) bool { return x.Before(from) || x.After(to) })
		slices.SortFunc(moments, time.Time.Compare)
		var held int64
		running := false
		for i := 1; i < len(moments); i++ {
			at := moments[i-1]
			phase := -1
			for k := range h.phases {
				if !h.phases[k].From.After(at) && h.phases[k].From.Before(t) {
					phase = k
				}
			}
			on := phase >= 0 && has(phase) && (at.Before(trialFrom) || !at.Before(trialTo))
			if on && !running && !at.Before(t) {
				on = false // begins later than anybody knows
			}
			if on {
				held += moments[i].Sub(at).Microseconds()
			}
			running = on
		}
		sum.Add(sum, big.NewRat(held, to.Sub(from).Microseconds()))
	}
	return sum
}

func birthday(since time.Time, n int) time.Time {
	t := since.AddDate(n, 0, 0)
	if t.Month() != since.Month() { // 29 February
		return t.AddDate(0, 0, -1)
	}
	if t.Day() != since.Day() { // there is no such time on that day: it begins later
		for t = t.Truncate(time.Minute); t.Day() != since.Day(); {
			t = t.Add(time.Minute)
		}
	}
	return t
}

// units prices a month's units of one kind, one after the other, and gives what
// each plan version's cost in millionths of the currency.
func (h *history) units(m int, unit string, storedBefore time.Time, versions []string, plan map[string]toll.Plan, extra int64) map[string]int64 {
	trialFrom, trialTo, name := h.trial(h.months[m].To)
	const step = 15 * time.Minute
	used := map[string]int64{}
	var whole int64
	for _, e := range h.events {
		begun := e.at.Truncate(step)
		if e.class != toll.Chargeable || begun.Before(h.months[m].From) || !begun.Before(h.months[m].To) || !e.stored.Before(storedBefore) {
			continue
		}
		if plan[e.version].Name == name && name != "" && begun.Add(step).After(trialFrom) && begun.Before(trialTo) {
			continue
		}
		used[e.version] += e.units[unit]
		whole += e.units[unit]
	}
	out := map[string]int64{}
	var place int64
	for _, v := range versions {
		for range used[v] {
			place++
			for _, p := range plan[v].Usage {
				if p.Unit != unit || place <= p.Included+extra {
					continue
				}
				each := p.Each
				for _, tier := range p.Tiers {
					falls := place
					if p.Tiering == toll.Volume {
						falls = whole
					}
					each = tier.Each
					if tier.UpTo == 0 || falls <= tier.UpTo {
						break
					}
				}
				if p.Package > 1 && (place-p.Included-extra)%p.Package != 1 {
					continue // within a package that is begun already
				}
				out[v] += new(big.Rat).Mul(rat(each), big.NewRat(1_000_000, 1)).Num().Int64()
			}
		}
	}
	return out
}
