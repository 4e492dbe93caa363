package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter/sketch"
)

// monthCell is a row of rollup_month.
type monthCell struct {
	period         int64
	unit, customer int32
}

// builder turns the month's events into rows.
type builder struct {
	ctx                 context.Context
	server              *server
	events              *stream
	quarter, hour, day  *stream
	inQuarter, inHour   map[cell]sum
	inDay               map[cell]sum
	quarterTotal        map[[2]int64]map[cell]sum   // by period
	hourTotal, dayTotal map[[2]int64]map[cell]sum   // by period
	hourTook, dayTook   map[[2]int64]*sketch.Sketch // by period and endpoint
	months              map[monthCell]int64
	scratch             row
}

func newBuilder(ctx context.Context, s *server) *builder {
	b := &builder{ctx: ctx, server: s, inQuarter: map[cell]sum{}, inHour: map[cell]sum{}, inDay: map[cell]sum{},
		quarterTotal: map[[2]int64]map[cell]sum{}, hourTotal: map[[2]int64]map[cell]sum{}, dayTotal: map[[2]int64]map[cell]sum{}, hourTook: map[[2]int64]*sketch.Sketch{}, dayTook: map[[2]int64]*sketch.Sketch{}, months: map[monthCell]int64{}}
	b.quarter = open(ctx, s, rollups[0], `truncate `+rollups[0])
	b.hour = open(ctx, s, rollups[1], `truncate `+rollups[1])
	b.day = open(ctx, s, rollups[2], `truncate `+rollups[2])
	return b
}

// weekTable is a partition of usage_event that is filled by itself.
type weekTable struct {
	name     string
	from, to time.Time
}

func bound(t time.Time) string { return fmt.Sprintf(`'\x%012x'`, t.UnixMilli()) }

func (w weekTable) statements() []string {
	index := func(name, on string) string { return `create index on ` + w.name + ` ` + on }
	return []string{
		`alter table ` + w.name + ` add primary key (id)`,
		index("customer", `(customer, id)`), index("key", `(key, id)`),
		index("request", `(request_id) where request_id <> '' and request_id <> '='`),
		index("failed", `(id) where status >= 500`), index("failed", `(customer, id) where status >= 500`),
		`alter table usage_event attach partition ` + w.name + ` for values from (` + bound(w.from) + `) to (` + bound(w.to) + `)`,
	}
}

const (
	quarterMicros = int64(15 * time.Minute / time.Microsecond)
	hourMicros    = 4 * quarterMicros
	dayMicros     = 24 * hourMicros
)

// fill copies everything.
func (b *builder) fill(m *month) (weeks []weekTable, err error) {
	var events []event
	made, began := 0, time.Now()
	for q := range m.weights {
		start := m.from.Add(time.Duration(q) * 15 * time.Minute)
		if q%(7*96) == 0 {
			if err := b.events.close(); err != nil {
				return nil, err
			}
			w := weekTable{"usage_event_" + start.Format("20060102"), start, start.AddDate(0, 0, 7)}
			weeks = append(weeks, w)
			b.events = open(b.ctx, b.server, w.name, `drop table if exists `+w.name, `create table `+w.name+` (like usage_event)`)
		}
		events = m.quarter(q, events)
		made += len(events)
		for i := range events {
			if err := b.add(&events[i]); err != nil {
				return nil, err
			}
		}
		if err := b.closeQuarter(start.UnixMicro()); err != nil {
			return nil, err
		}
		if q%96 == 95 {
			logf("%v: %d events, %d + %d + %d rollup rows", time.Since(began).Round(time.Second), made, b.quarter.rows, b.hour.rows, b.day.rows)
		}
	}
	for _, st := range []*stream{b.events, b.quarter, b.hour, b.day} {
		if err := st.close(); err != nil {
			return nil, err
		}
	}
	return weeks, b.closeTotals()
}

func (b *builder) add(e *event) error {
	r := b.scratch[:0].bytes(e.id[:]).int(e.time)
	if e.outside {
		r = append(r.text("outside-"), hex.EncodeToString(e.id[10:])...)
	} else {
		r = r.text("=")
	}
	r = r.int(int64(e.customer)).int(int64(e.customer) + 1).int(planPro).int(planVersion).int(int64(e.service)).int(int64(e.endpoint))
	r = r.text("POST").int(int64(e.status)).int(int64(e.class())).int(e.latency).int(e.in).int(e.out)
	switch {
	case e.characters > 0:
		r = append(strconv.AppendInt(append(strconv.AppendInt(r.text(`{"words":`), e.words, 10), `,"characters":`...), e.characters, 10), '}')
	case e.words > 0:
		r = append(strconv.AppendInt(r.text(`{"words":`), e.words, 10), '}')
	default:
		r = r.text("")
	}
	b.scratch = r
	if err := b.events.add(r); err != nil {
		return err
	}
	c := cell{e.customer, e.endpoint, e.status / 100, e.class(), unitRequests}
	b.inQuarter[c] = b.inQuarter[c].plus(sum{1, e.in, e.out, e.latency})
	if e.words > 0 {
		c.unit = unitWords
		b.inQuarter[c] = b.inQuarter[c].plus(sum{amount: e.words})
	}
	if e.characters > 0 {
		c.unit = unitCharacters
		b.inQuarter[c] = b.inQuarter[c].plus(sum{amount: e.characters})
	}
	at := [2]int64{e.time - e.time%hourMicros, int64(e.endpoint)}
	took := b.hourTook[at]
	if took == nil {
		took = new(sketch.Sketch)
		b.hourTook[at] = took
	}
	took.Add(e.latency)
	return nil
}

// closeQuarter writes what a quarter holds, and the hour or day that ends with it.
func (b *builder) closeQuarter(start int64) error {
	b.quarterTotal[[2]int64{start}] = totals(b.inQuarter)
	if err := b.flush(b.quarter, start, b.inQuarter, b.inHour); err != nil {
		return err
	}
	if (start+quarterMicros)%hourMicros != 0 {
		return nil
	}
	hour := start - start%hourMicros
	b.hourTotal[[2]int64{hour}] = totals(b.inHour)
	if err := b.flush(b.hour, hour, b.inHour, b.inDay); err != nil {
		return err
	}
	if (start+quarterMicros)%dayMicros != 0 {
		return nil
	}
	day := start - start%dayMicros
	b.dayTotal[[2]int64{day}] = totals(b.inDay)
	at := time.UnixMicro(day).UTC()
	month := at.AddDate(0, 0, 1-at.Day()).UnixMicro()
	for c, s := range b.inDay {
		b.months[monthCell{month, c.unit, c.customer}] += s.amount
	}
	return b.flush(b.day, day, b.inDay, nil)
}

func serviceOf(endpoint int32) int64 { return firstService + int64(endpoint-firstEndpoint)/3 }

// flush writes and empties a rollup, and adds it to the next coarser one.
func (b *builder) flush(to *stream, period int64, cells, coarser map[cell]sum) error {
	for c, s := range cells {
		r := b.scratch[:0].int(int64(c.customer)).int(period).int(int64(c.customer) + 1).int(planVersion).int(serviceOf(c.endpoint)).int(int64(c.endpoint)).
			int(int64(c.status)).int(int64(c.class)).int(int64(c.unit)).int(s.amount).int(s.in).int(s.out).int(s.latency)
		b.scratch = r
		if err := to.add(r); err != nil {
			return err
		}
		if coarser != nil {
			coarser[c] = coarser[c].plus(s)
		}
	}
	clear(cells)
	return nil
}

func totals(cells map[cell]sum) map[cell]sum {
	all := map[cell]sum{}
	for c, s := range cells {
		c.customer = 0
		all[c] = all[c].plus(s)
	}
	return all
}

// closeTotals writes the small tables.
func (b *builder) closeTotals() error {
	for k, s := range b.hourTook {
		day := [2]int64{k[0] - k[0]%dayMicros, k[1]}
		if b.dayTook[day] == nil {
			b.dayTook[day] = new(sketch.Sketch)
		}
		b.dayTook[day].Merge(s)
	}
	for table, periods := range map[string]map[[2]int64]map[cell]sum{"rollup_quarter_total": b.quarterTotal, "rollup_hour_total": b.hourTotal, "rollup_day_total": b.dayTotal} {
		st := open(b.ctx, b.server, table, `truncate `+table)
		// In the order of time, as the drain makes them.
		for _, period := range slices.SortedFunc(maps.Keys(periods), func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) }) {
			for c, s := range periods[period] {
				if err := st.add(row(nil).int(period[0]).int(serviceOf(c.endpoint)).int(int64(c.endpoint)).int(int64(c.status)).int(int64(c.class)).int(int64(c.unit)).
					int(s.amount).int(s.in).int(s.out).int(s.latency)); err != nil {
					return err
				}
			}
		}
		if err := st.close(); err != nil {
			return err
		}
	}
	for table, sketches := range map[string]map[[2]int64]*sketch.Sketch{"latency_hour": b.hourTook, "latency_day": b.dayTook} {
		st := open(b.ctx, b.server, table, `truncate `+table)
		for _, k := range slices.SortedFunc(maps.Keys(sketches), func(a, b [2]int64) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
			s := sketches[k]
			if err := st.add(row(nil).int(k[0]).int(serviceOf(int32(k[1]))).int(k[1]).bytes(s.Append(nil))); err != nil {
				return err
			}
		}
		if err := st.close(); err != nil {
			return err
		}
	}
	st := open(b.ctx, b.server, "rollup_month", `truncate rollup_month`)
	for c, amount := range b.months {
		if err := st.add(row(nil).int(c.period).int(int64(c.unit)).int(int64(c.customer)).int(amount)); err != nil {
			return err
		}
	}
	return st.close()
}
