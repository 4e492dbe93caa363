package limit

import (
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Call is the request that late usage belongs to. The zero Call is none: what
// no request brought.
type Call struct {
	Service, Endpoint string
	Keyed             bool    // with a key, whose own quotas count it too
	Months            *Months // of the customer's subscription; nil: no quota follows them
}

// Late gives what usage that is told after its request adds to the quotas of
// the sets: used at a moment, told now. It is for State.Adjust and
// Shared.Adjust. Quotas of a service, an endpoint or a key count what their
// calls use and nothing else; those per address are left alone, for nobody
// knows the address any more. A period that is over is corrected only where it
// is still remembered. A quota that is in two sets is adjusted once.
func Late(now, at time.Time, units []toll.Amount, of Call, sets ...*Set) []Adjustment {
	type counter struct {
		id        counterID
		partition toll.Partition
	}
	var all []Adjustment
	var seen []counter
	for _, s := range sets {
		if s == nil {
			continue
		}
		for i := range s.rules {
			r := &s.rules[i]
			whose := r.partition == toll.PerCustomer || r.partition == toll.PerKey && of.Keyed
			if r.kind != toll.Quota || !whose || !r.covers(of.Service, of.Endpoint) || slices.Contains(seen, counter{r.id, r.partition}) {
				continue
			}
			seen = append(seen, counter{r.id, r.partition})
			add := int64(0)
			for _, u := range units {
				if u.Unit == r.policy.Unit && u.Count > 0 {
					add = plus(add, u.Count)
				}
			}
			if add == 0 {
				continue
			}
			periods := r.periods(of.Months)
			current, period := periods.number(now), periods.number(at)
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
	start, _ := c.every.PeriodSince(at, c.loc, c.since)
	return periodNumber(start)
}
