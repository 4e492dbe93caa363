package store

import (
	"cmp"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// monthOf returns the start of the UTC month that holds a moment, both in Unix
// microseconds.
func monthOf(micros int64) int64 {
	t := time.UnixMicro(micros).UTC()
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
}

// monthRows adds days up to months of a customer and a unit, by which customers
// are ranked.
func monthRows(days *rollup) *bulk {
	months := days.regroup(func(k rollupKey) rollupKey {
		return rollupKey{customer: k.customer, period: monthOf(k.period), unit: k.unit}
	})
	months.sort()
	n := len(months.keys)
	period, unit, customer, amount := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
	for i := range months.keys {
		period[i], unit[i], customer[i], amount[i] = months.keys[i].period, months.keys[i].unit, months.keys[i].customer, months.sums[i].amount
	}
	return &bulk{
		insert: "rollup_month",
		columns: []column{
			{name: "period", ints: period}, {name: "unit", kind: integers, ints: unit}, {name: "customer", kind: integers, ints: customer}, {name: "amount", ints: amount},
		},
		conflict: `on conflict (period, unit, customer) do update set amount = rollup_month.amount + excluded.amount`,
	}
}

// rankingQuery is the query of a Question for the customers who used most in a
// whole UTC month: they stand in an index by what they used. "" when the
// question is another one.
func rankingQuery(q meter.Question) (string, []any) {
	from, to := floor(q.From.UnixMicro(), quarter), ceil(q.To.UnixMicro(), quarter)
	narrowed := q.Customer != "" || q.Key != "" || q.Service != "" || q.Endpoint != "" || q.StatusClass != 0 || len(q.Classes) > 0
	if q.By != meter.ByCustomer || q.Step != meter.Whole || q.Top <= 0 || q.Limit != 0 || q.After != "" || narrowed ||
		from != monthOf(from) || to != time.UnixMicro(from).UTC().AddDate(0, 1, 0).UnixMicro() {
		return "", nil
	}
	var c conditions
	c.add(`period = ` + c.arg(from))
	c.name("unit", cmp.Or(q.Unit, toll.UnitRequests))
	c.add(`amount > 0`)
	return `select 0, a.name, '', 0, m.amount from rollup_month m join usage_name a on a.id = m.customer where ` + c.and() + ` order by m.amount desc, a.name limit ` + c.arg(q.Top), c.args
}
