package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// refusalKey says which row of refused requests a count belongs to, in the
// order of the primary key.
type refusalKey struct{ customer, period, key, service, policy, reason int64 }

func (k refusalKey) compare(l refusalKey) int {
	return cmp.Or(cmp.Compare(k.customer, l.customer), cmp.Compare(k.period, l.period), cmp.Compare(k.key, l.key),
		cmp.Compare(k.service, l.service), cmp.Compare(k.policy, l.policy), cmp.Compare(k.reason, l.reason))
}

// refusalRows add refusals up per minute, and per hour without the key.
func refusalRows(refusals []toll.Refusal, names *naming) []*bulk {
	minutes, hours := map[refusalKey]int64{}, map[refusalKey]int64{}
	for i := range refusals {
		r := &refusals[i]
		k := refusalKey{
			customer: names.of(r.Customer), period: floor(r.Minute.UnixMicro(), time.Minute), key: names.of(r.Key),
			service: names.of(r.Service), policy: names.of(r.Policy), reason: names.of(string(r.Reason)),
		}
		minutes[k] += r.Count
		k.period, k.key = floor(k.period, hour), 0
		hours[k] += r.Count
	}
	return []*bulk{refusalBulk("refusal_minute", minutes, true), refusalBulk("refusal_hour", hours, false)}
}

func refusalBulk(table string, counts map[refusalKey]int64, withKey bool) *bulk {
	keys := slices.SortedFunc(maps.Keys(counts), refusalKey.compare)
	ints := func(of func(refusalKey) int64) []int64 {
		values := make([]int64, len(keys))
		for i, k := range keys {
			values[i] = of(k)
		}
		return values
	}
	b := &bulk{insert: table, columns: []column{
		{name: "customer", kind: integers, ints: ints(func(k refusalKey) int64 { return k.customer })},
		{name: "period", ints: ints(func(k refusalKey) int64 { return k.period })},
		{name: "service", kind: integers, ints: ints(func(k refusalKey) int64 { return k.service })},
		{name: "policy", kind: integers, ints: ints(func(k refusalKey) int64 { return k.policy })},
		{name: "reason", kind: integers, ints: ints(func(k refusalKey) int64 { return k.reason })},
		{name: "amount", ints: ints(func(k refusalKey) int64 { return counts[k] })},
	}}
	identity := `customer, period, service, policy, reason`
	if withKey {
		identity += `, key`
		b.columns = append(b.columns, column{name: "key", kind: integers, ints: ints(func(k refusalKey) int64 { return k.key })})
	}
	b.conflict = `on conflict (` + identity + `) do update set amount = ` + table + `.amount + excluded.amount`
	return b
}

// Refusals tells how often the gate refused, by Start, then reason and policy;
// steps without refusals are left out. From is taken down and To up to a whole
// minute; for Whole, Start is From. Invalid: a Step that is not Hour, Day or
// Whole.
func (s *Store) Refusals(ctx context.Context, q meter.RefusalQuery) ([]meter.RefusalPoint, error) {
	if q.Step != meter.Hour && q.Step != meter.Day && q.Step != meter.Whole {
		return nil, toll.FieldError("step", "Refusals are added up per hour, per day or as a whole.")
	}
	query, args := refusalQuery(q)
	if query == "" || !storable(q.Customer) {
		return nil, nil
	}
	points, err := collect(ctx, s.reader, func(r row) (meter.RefusalPoint, error) {
		var p meter.RefusalPoint
		err := r.Scan((*stamp)(&p.Start), &p.Reason, &p.Policy, &p.Count)
		if q.Step == meter.Whole {
			p.Start = q.From.UTC()
		}
		return p, err
	}, query, args...)
	slices.SortFunc(points, func(a, b meter.RefusalPoint) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Policy, b.Policy))
	})
	return points, s.fail(err, fault{doing: "reading refusals"})
}

// refusalQuery reads whole hours from one table and the minutes before and
// after from the other; "" when the time asked for is empty.
func refusalQuery(q meter.RefusalQuery) (string, []any) {
	pieces := cover(floor(q.From.UnixMicro(), time.Minute), ceil(q.To.UnixMicro(), time.Minute), hour, time.Minute)
	if len(pieces) == 0 {
		return "", nil
	}
	start := `0`
	if width := stepWidth(q.Step); width > 0 {
		start = fmt.Sprintf(`period - period %% %d`, width.Microseconds())
	}
	var c conditions
	c.name("customer", q.Customer)
	arms := make([]string, len(pieces))
	for i, piece := range pieces {
		table := "refusal_minute"
		if piece.width == hour {
			table = "refusal_hour"
		}
		arms[i] = `select ` + start + ` as start, reason, policy, amount from ` + table + ` where ` + c.and(c.within(piece))
	}
	return `select g.start, r.name, p.name, g.amount from (
			select x.start, x.reason, x.policy, cast(sum(x.amount) as bigint) as amount
			from (` + strings.Join(arms, ` union all `) + `) x group by x.start, x.reason, x.policy) g
		join usage_name r on r.id = g.reason join usage_name p on p.id = g.policy`, c.args
}
