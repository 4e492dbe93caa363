package store

import (
	"cmp"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// rollupKey says which row of a rollup an amount belongs to. Its order is that
// of the primary key, so that a batch walks the index once and two drainers
// take rows in the same order.
type rollupKey struct {
	customer    int64
	period      int64 // Unix microseconds
	key         int64
	planVersion int64
	service     int64
	endpoint    int64
	unit        int64
	status      int8 // 2 for 2xx
	class       int8
}

func (k rollupKey) compare(l rollupKey) int {
	return cmp.Or(
		cmp.Compare(k.customer, l.customer), cmp.Compare(k.period, l.period), cmp.Compare(k.key, l.key),
		cmp.Compare(k.planVersion, l.planVersion), cmp.Compare(k.service, l.service), cmp.Compare(k.endpoint, l.endpoint),
		cmp.Compare(k.status, l.status), cmp.Compare(k.class, l.class), cmp.Compare(k.unit, l.unit),
	)
}

// rollupSum is what is added to a row. Bytes and latency stand with the unit
// "requests" only.
type rollupSum struct{ amount, bytesIn, bytesOut, latency int64 }

func (s *rollupSum) add(t rollupSum) {
	s.amount += t.amount
	s.bytesIn += t.bytesIn
	s.bytesOut += t.bytesOut
	s.latency += t.latency
}

// rollup adds amounts up by key.
type rollup struct {
	at   map[rollupKey]int // where in keys and sums
	keys []rollupKey
	sums []rollupSum
}

func newRollup(size int) *rollup { return &rollup{at: make(map[rollupKey]int, size)} }

func (r *rollup) add(k rollupKey, s rollupSum) {
	if i, ok := r.at[k]; ok {
		r.sums[i].add(s)
		return
	}
	r.at[k] = len(r.keys)
	r.keys, r.sums = append(r.keys, k), append(r.sums, s)
}

// regroup adds a rollup up into coarser rows.
func (r *rollup) regroup(coarser func(rollupKey) rollupKey) *rollup {
	out := newRollup(len(r.keys))
	for i, k := range r.keys {
		out.add(coarser(k), r.sums[i])
	}
	return out
}

// sort puts the rows into the order of the primary key; afterwards nothing can
// be added.
func (r *rollup) sort() {
	order := make([]int, len(r.keys))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return r.keys[a].compare(r.keys[b]) })
	keys, sums := make([]rollupKey, len(order)), make([]rollupSum, len(order))
	for to, from := range order {
		keys[to], sums[to] = r.keys[from], r.sums[from]
	}
	r.at, r.keys, r.sums = nil, keys, sums
}

// floor returns the start of the period that holds a moment, both in Unix
// microseconds.
func floor(micros int64, width time.Duration) int64 {
	w := width.Microseconds()
	rest := micros % w
	if rest < 0 {
		rest += w
	}
	return micros - rest
}

const (
	quarter = 15 * time.Minute
	hour    = time.Hour
	day     = 24 * time.Hour
)

// addUp makes the rollup of quarters of an hour, from which all others follow.
func addUp(events []toll.Event, named []numbers, names *naming) *rollup {
	requests := names.of(toll.UnitRequests)
	sums := newRollup(0)
	for i := range events {
		e := &events[i]
		k := rollupKey{
			customer: named[i].customer, key: named[i].key, planVersion: named[i].planVersion,
			service: named[i].service, endpoint: named[i].endpoint,
			period: floor(e.Time.UnixMicro(), quarter), status: int8(e.Status / 100), class: int8(classNumber(e.Class)), unit: requests,
		}
		one := rollupSum{amount: countable(e.Requests()), bytesIn: e.BytesIn, bytesOut: e.BytesOut, latency: e.Latency.Microseconds()}
		if one != (rollupSum{}) { // else it is no request, and came from outside
			sums.add(k, one)
		}
		for _, u := range e.Units {
			if u.Unit == toll.UnitRequests {
				continue
			}
			k.unit = names.of(u.Unit)
			sums.add(k, rollupSum{amount: countable(u.Count)})
		}
	}
	return sums
}

// countable bounds a reported amount as the gate does. One that is larger can
// only come from a journal that another gate wrote; refusing it would keep
// everything behind it out of the store for ever.
func countable(n int64) int64 { return min(n, toll.MaxCount) }

// rollupRows are the rows of all rollups of usage.
func rollupRows(quarters *rollup) []*bulk {
	hours := quarters.regroup(func(k rollupKey) rollupKey { k.period = floor(k.period, hour); return k })
	days := hours.regroup(func(k rollupKey) rollupKey { k.period = floor(k.period, day); return k })
	total := func(k rollupKey) rollupKey { k.customer, k.key, k.planVersion = 0, 0, 0; return k }
	allQuarters := quarters.regroup(total)
	allHours := hours.regroup(total)
	allDays := days.regroup(total)
	return []*bulk{
		quarters.rows("rollup_quarter", true), hours.rows("rollup_hour", true), days.rows("rollup_day", true),
		allQuarters.rows("rollup_quarter_total", false), allHours.rows("rollup_hour_total", false), allDays.rows("rollup_day_total", false),
		monthRows(days),
	}
}

// rows adds a rollup to a table; the tables of totals know no customer.
func (r *rollup) rows(table string, whose bool) *bulk {
	r.sort()
	ints := func(of func(k *rollupKey, s *rollupSum) int64) []int64 {
		values := make([]int64, len(r.keys))
		for i := range values {
			values[i] = of(&r.keys[i], &r.sums[i])
		}
		return values
	}
	b := &bulk{insert: table}
	identity := `period, service, endpoint, status, class, unit`
	if whose {
		identity = `customer, period, key, plan_version, service, endpoint, status, class, unit`
		b.columns = append(b.columns,
			column{name: "customer", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.customer })},
			column{name: "key", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.key })},
			column{name: "plan_version", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.planVersion })},
		)
	}
	b.columns = append(b.columns,
		column{name: "period", ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.period })},
		column{name: "service", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.service })},
		column{name: "endpoint", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.endpoint })},
		column{name: "status", kind: smallints, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return int64(k.status) })},
		column{name: "class", kind: smallints, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return int64(k.class) })},
		column{name: "unit", kind: integers, ints: ints(func(k *rollupKey, _ *rollupSum) int64 { return k.unit })},
		column{name: "amount", ints: ints(func(_ *rollupKey, s *rollupSum) int64 { return s.amount })},
		column{name: "bytes_in", ints: ints(func(_ *rollupKey, s *rollupSum) int64 { return s.bytesIn })},
		column{name: "bytes_out", ints: ints(func(_ *rollupKey, s *rollupSum) int64 { return s.bytesOut })},
		column{name: "latency", ints: ints(func(_ *rollupKey, s *rollupSum) int64 { return s.latency })},
	)
	b.conflict = `on conflict (` + identity + `) do update set amount = ` + table + `.amount + excluded.amount,
		bytes_in = ` + table + `.bytes_in + excluded.bytes_in, bytes_out = ` + table + `.bytes_out + excluded.bytes_out, latency = ` + table + `.latency + excluded.latency`
	return b
}
