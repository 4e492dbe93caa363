package limit

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Outside gives what usage that no request brought adds to the customer's
// quotas of the sets: used at a moment, told now. It is for State.Adjust and
// Shared.Adjust. Quotas of a service or endpoint count what their calls use, so
// nothing is added to them. A period that is over is corrected only where it is
// still remembered. A quota that is in two sets is adjusted once.
func Outside(now, at time.Time, units []toll.Amount, sets ...*Set) []Adjustment {
	var all []Adjustment
	var seen []counterID
	for _, s := range sets {
		if s == nil {
			continue
		}
	rules:
		for i := range s.rules {
			r := &s.rules[i]
			if r.kind != toll.Quota || r.partition != toll.PerCustomer || r.service != "" {
				continue
			}
			for _, id := range seen {
				if id == r.id {
					continue rules
				}
			}
			seen = append(seen, r.id)
			add := int64(0)
			for _, u := range units {
				if u.Unit == r.policy.Unit && u.Count > 0 {
					add = plus(add, u.Count)
				}
			}
			if add == 0 {
				continue
			}
			current := r.calendar.number(now)
			period := r.calendar.number(at)
			all = append(all, Adjustment{
				Lease: Lease{Partition: r.partition, Name: nameOf(known.of(r.id)), Period: period},
				Add:   add, Make: int32(period) >= int32(current),
			})
		}
	}
	return all
}

// number is the number of the period that holds a moment. It leaves what
// requests remember alone: a late moment is of another period.
func (c *calendar) number(at time.Time) uint32 {
	if p := c.last.Load(); p != nil && p.start <= at.UnixNano() && at.UnixNano() < p.end {
		return p.number
	}
	start, _ := c.every.PeriodAt(at, c.loc)
	return periodNumber(start)
}

// Prepare has the ledger know the customer's quotas before usage is added that
// no request brought: what it learns from the store then is without that. It
// does nothing where nothing is shared, and while the ledger is away.
func Prepare(ctx context.Context, now time.Time, p Partitions, sets ...*Set) {
	if p.SharedCustomer == nil {
		return
	}
	for _, s := range sets {
		s.refresh(ctx, now, p, true)
	}
}
