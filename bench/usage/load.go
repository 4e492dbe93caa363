package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/meter/sketch"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// cell is a row of a rollup within its period.
type cell struct {
	customer, endpoint int32
	status, class      int16
	unit               int32
}

type sum struct{ amount, in, out, latency int64 }

func (s sum) plus(t sum) sum {
	return sum{s.amount + t.amount, s.in + t.in, s.out + t.out, s.latency + t.latency}
}

// row is text for COPY.
type row []byte

func (r row) int(n int64) row {
	if len(r) > 0 {
		r = append(r, '\t')
	}
	return strconv.AppendInt(r, n, 10)
}

func (r row) text(s string) row {
	if len(r) > 0 {
		r = append(r, '\t')
	}
	return append(r, s...)
}

func (r row) bytes(b []byte) row {
	r = append(r.text(`\\x`), make([]byte, 2*len(b))...)
	hex.Encode(r[len(r)-2*len(b):], b)
	return r
}

// stream copies rows into a table in a transaction of its own, in which the
// table is new or emptied, so that the rows are frozen from the start.
type stream struct {
	w    *bufio.Writer
	pipe *io.PipeWriter
	done chan error
	rows int64
}

func open(ctx context.Context, s *server, table string, before ...string) *stream {
	read, write := io.Pipe()
	st := &stream{w: bufio.NewWriterSize(write, 1<<20), pipe: write, done: make(chan error, 1)}
	go func() {
		err := inTransaction(ctx, s, func(c *pgx.Conn) error {
			for _, statement := range before {
				if _, err := c.Exec(ctx, statement); err != nil {
					return fmt.Errorf("%s: %w", statement, err)
				}
			}
			_, err := c.PgConn().CopyFrom(ctx, read, `copy `+table+` from stdin with (format text, freeze)`)
			return err
		})
		_ = read.CloseWithError(err)
		st.done <- err
	}()
	return st
}

func (st *stream) add(r row) error {
	st.rows++
	_, err := st.w.Write(append(r, '\n'))
	return err
}

func (st *stream) close() error {
	if st == nil {
		return nil
	}
	err := st.w.Flush()
	_ = st.pipe.Close()
	if e := <-st.done; e != nil {
		return e
	}
	return err
}

func inTransaction(ctx context.Context, s *server, fn func(c *pgx.Conn) error) error {
	return connected(ctx, s, func(c *pgx.Conn) error {
		if _, err := c.Exec(ctx, `begin`); err != nil {
			return err
		}
		if err := fn(c); err != nil {
			return err
		}
		_, err := c.Exec(ctx, `commit`)
		return err
	})
}

func connected(ctx context.Context, s *server, fn func(c *pgx.Conn) error) error {
	c, err := pgx.Connect(ctx, s.url(database))
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	return fn(c)
}

// loaded says what loading took.
type loaded struct{ making, indexing time.Duration }

var rollups = []string{"rollup_quarter", "rollup_hour", "rollup_day"}

// load makes the schema as the program does, and fills it: rows first, indexes
// after.
func load(ctx context.Context, s *server, m *month) (l loaded, err error) {
	began := time.Now()
	st, err := store.Open(ctx, store.Options{URL: toll.Secret(s.url(database))})
	if err != nil {
		return l, err
	}
	if err := st.Close(); err != nil {
		return l, err
	}
	again, err := dropIndexes(ctx, s, append([]string{"usage_name", "customer", "api_key", "rollup_month"}, rollups...))
	if err != nil {
		return l, err
	}
	if err := loadNames(ctx, s, m); err != nil {
		return l, fmt.Errorf("names: %w", err)
	}
	b := newBuilder(ctx, s)
	weeks, err := b.fill(m)
	if err != nil {
		return l, err
	}
	l.making = time.Since(began)
	logf("rows are there after %v", l.making.Round(time.Second))
	began = time.Now()
	err = connected(ctx, s, func(c *pgx.Conn) error {
		for _, w := range weeks {
			again = append(again, w.statements()...)
		}
		for _, statement := range append(again, `analyze`, `checkpoint`) {
			if _, err := c.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
			logf("%v: %.100s", time.Since(began).Round(time.Second), statement)
		}
		return nil
	})
	l.indexing = time.Since(began)
	return l, err
}

func logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// dropIndexes drops all indexes of some tables and returns what makes them again.
func dropIndexes(ctx context.Context, s *server, tables []string) (again []string, err error) {
	err = connected(ctx, s, func(c *pgx.Conn) error {
		drop := []string{`alter table api_key drop constraint if exists api_key_customer_id_fkey`, `alter table person drop constraint if exists person_customer_id_fkey`}
		rows, err := c.Query(ctx, `select i.indexrelid::regclass::text, i.indrelid::regclass::text, coalesce(k.conname::text, ''),
				coalesce(pg_get_constraintdef(k.oid), ''), pg_get_indexdef(i.indexrelid)
			from pg_index i left join pg_constraint k on k.conindid = i.indexrelid and k.contype in ('p', 'u') where i.indrelid::regclass::text = any($1) order by 2, 1`, tables)
		if err != nil {
			return err
		}
		var index, table, name, constraint, definition string
		if _, err := pgx.ForEachRow(rows, []any{&index, &table, &name, &constraint, &definition}, func() error {
			if name != "" {
				drop = append(drop, `alter table `+table+` drop constraint `+name)
				again = append(again, `alter table `+table+` add constraint `+name+` `+constraint)
			} else {
				drop = append(drop, `drop index `+index)
				again = append(again, definition)
			}
			return nil
		}); err != nil {
			return err
		}
		for _, statement := range drop {
			if _, err := c.Exec(ctx, statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
	return again, err
}

// loadNames fills usage_name, customer and api_key.
func loadNames(ctx context.Context, s *server, m *month) error {
	names := open(ctx, s, `usage_name (id, name)`, `truncate usage_name`)
	customers := open(ctx, s, `customer (id, name, name_folded, status, plan, plan_version, addons, demo, created_at, version)`, `truncate customer cascade`)
	fixed := map[int64]string{0: "", unitRequests: toll.UnitRequests, unitWords: "words", unitCharacters: "characters", planPro: "pro", planVersion: "pro@0123456789ab"}
	for i, name := range services {
		fixed[firstService+int64(i)] = name
	}
	for i, name := range endpoints {
		fixed[firstEndpoint+int64(i)] = name
	}
	for n, name := range fixed {
		if err := names.add(row(nil).int(n).text(name)); err != nil {
			return err
		}
	}
	for rank := range m.customers {
		n := int64(customerNumber(rank))
		if err := names.add(row(nil).int(n).text(customerName(rank))); err != nil {
			return err
		}
		if err := names.add(row(nil).int(n + 1).text(keyName(rank))); err != nil {
			return err
		}
		name := fmt.Sprintf("Customer %d", rank)
		if err := customers.add(row(nil).text(customerName(rank)).text(name).text(name).text("active").text("pro").text("pro@0123456789ab").text("[]").text("f").int(m.from.UnixMicro()).int(1)); err != nil {
			return err
		}
	}
	if err := names.close(); err != nil {
		return err
	}
	if err := customers.close(); err != nil {
		return err
	}
	keys := open(ctx, s, `api_key (id, customer_id, name, mode, hash, hint, services, created_at, replaced_by, version)`, `truncate api_key`)
	for rank := range m.customers {
		hash := fmt.Sprintf("%032d", rank)
		if err := keys.add(row(nil).text(keyName(rank)).text(customerName(rank)).text("ci").text("live").bytes([]byte(hash)).text("x7Yz").text("[]").int(m.from.UnixMicro()).text("").int(1)); err != nil {
			return err
		}
	}
	if err := keys.close(); err != nil {
		return err
	}
	return connected(ctx, s, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, `select setval(pg_get_serial_sequence('usage_name', 'id'), $1)`, int64(customerNumber(m.customers)))
		return err
	})
}

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

// verify adds all single events up once more, in SQL, and compares the sums of
// every rollup per unit and class.
func verify(ctx context.Context, s *server) (string, error) {
	var raw bytes.Buffer
	err := connected(ctx, s, func(c *pgx.Conn) error {
		query := `select u.name, class, sum(amount)::bigint from (
			select 'requests' as name, class, 1::bigint as amount from usage_event
			union all select j.key, class, j.value::bigint from usage_event, json_each_text(units::json) j where units <> '') u group by 1, 2 order by 1, 2`
		var want string
		for _, q := range []string{query,
			`select n.name, class, sum(amount)::bigint from rollup_quarter r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_hour r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_day r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_quarter_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_hour_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
			`select n.name, class, sum(amount)::bigint from rollup_day_total r join usage_name n on n.id = r.unit group by 1, 2 order by 1, 2`,
		} {
			rows, err := c.Query(ctx, q)
			if err != nil {
				return err
			}
			found := map[string]int64{}
			var unit string
			var class int16
			var amount int64
			if _, err := pgx.ForEachRow(rows, []any{&unit, &class, &amount}, func() error {
				found[fmt.Sprint(unit, " of class ", class)] = amount
				return nil
			}); err != nil {
				return err
			}
			text, err := json.Marshal(found)
			if err != nil {
				return err
			}
			if want == "" {
				want = string(text)
				raw.WriteString(want)
			} else if string(text) != want {
				return fmt.Errorf("the events say %s, %s says %s", want, q, text)
			}
		}
		return verifyMonths(ctx, c)
	})
	return raw.String(), err
}

// verifyMonths compares rollup_month with the days, customer by customer.
func verifyMonths(ctx context.Context, c *pgx.Conn) error {
	var wrong int64
	err := c.QueryRow(ctx, `select count(*) from rollup_month m full join (
			select (extract(epoch from date_trunc('month', to_timestamp(period / 1000000) at time zone 'UTC')) * 1000000)::bigint as period, unit, customer, sum(amount) as amount
			from rollup_day group by 1, 2, 3) d using (period, unit, customer) where m.amount is distinct from d.amount`).Scan(&wrong)
	if err == nil && wrong > 0 {
		return fmt.Errorf("%d customers and units have another sum in rollup_month than in rollup_day", wrong)
	}
	return err
}
