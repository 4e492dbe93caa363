package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Series answers how much of a unit was used, by Start, then Group; steps
// without usage are left out. It reads rollups only. Invalid: an unknown Step,
// By or class.
func (s *Store) Series(ctx context.Context, q meter.Question) ([]meter.Point, error) {
	query, args, err := seriesQuery(q)
	if err != nil || query == "" {
		return nil, err
	}
	f := fault{doing: "reading usage"}
	var points []meter.Point
	if inWords(q) {
		points, err = collect(ctx, s.reader, func(r row) (p meter.Point, err error) {
			var start, number int64
			var first, second string
			err = r.Scan(&start, &first, &second, &number, &p.Count)
			p.Start, p.Group = startOf(q, start), groupOf(q.By, first, second, number)
			return p, err
		}, query, args...)
	} else {
		points, err = s.numbered(ctx, q, query, args)
	}
	if err != nil {
		return nil, s.fail(err, f)
	}
	slices.SortFunc(points, func(a, b meter.Point) int {
		if q.Top > 0 {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Group, b.Group))
		}
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	return points, nil
}

// inWords tells whether the database itself puts names to the groups of a
// Question: because it sorts by them, or because there may be a million.
func inWords(q meter.Question) bool {
	return q.Top != 0 || q.Limit != 0 || q.After != "" || q.By == meter.ByCustomer || q.By == meter.ByKey
}

// numbered reads points whose groups are numbers. Their names are few and come
// back in each step: putting them on here takes half of the time that a join
// for each row does.
func (s *Store) numbered(ctx context.Context, q meter.Question, query string, args []any) ([]meter.Point, error) {
	type group struct{ first, second, number int64 }
	type cell struct {
		start, amount int64
		group         int // where in groups
	}
	var groups []group
	at := map[group]int{}
	cells, err := collect(ctx, s.reader, func(r row) (c cell, err error) {
		var g group
		err = r.Scan(&c.start, &g.first, &g.second, &g.number, &c.amount)
		i, known := at[g]
		if !known {
			i = len(groups)
			at[g], groups = i, append(groups, g)
		}
		c.group = i
		return c, err
	}, query, args...)
	if err != nil {
		return nil, err
	}
	numbers := make([]int64, 0, 2*len(groups))
	for _, g := range groups {
		numbers = append(numbers, g.first, g.second)
	}
	names, err := s.namesOf(ctx, numbers)
	if err != nil {
		return nil, err
	}
	texts := make([]string, len(groups))
	for i, g := range groups {
		texts[i] = groupOf(q.By, names[g.first], names[g.second], g.number)
	}
	points := make([]meter.Point, len(cells))
	for i, c := range cells {
		points[i] = meter.Point{Start: startOf(q, c.start), Group: texts[c.group], Count: c.amount}
	}
	return points, nil
}

// startOf is when the point of a row starts.
func startOf(q meter.Question, micros int64) time.Time {
	if q.Step == meter.Whole {
		return q.From.UTC()
	}
	return time.UnixMicro(micros).UTC()
}

// groupOf writes the group of a row.
func groupOf(by meter.By, first, second string, number int64) string {
	switch by {
	case meter.ByEndpoint:
		return first + " " + second
	case meter.ByStatus:
		return strconv.FormatInt(number, 10) + "xx"
	case meter.ByClass:
		return string(classOf(number))
	}
	return first
}

// page narrows the groups of a Question to those that are asked for: what
// follows "where g.amount <> 0".
func page(q meter.Question, c *conditions) (string, error) {
	switch {
	case q.Top == 0 && q.Limit == 0 && q.After == "":
		return ``, nil
	case q.Step != meter.Whole:
		return "", toll.FieldError("step", "A part of the groups can be had of the whole time only.")
	case q.Top > 0 && (q.Limit != 0 || q.After != ""):
		return "", toll.FieldError("top", "The largest groups have no pages.")
	case q.Top > 0: // by name before the cut, so that it is the same each time
		return ` order by g.amount desc, a.name, b.name, g.number limit ` + c.arg(q.Top), nil
	case q.By != meter.ByCustomer && q.By != meter.ByKey && q.By != meter.ByService && q.By != meter.ByUnit, q.Limit < 0, !storable(q.After):
		return "", toll.FieldError("by", "Only customers, keys, services and units have pages.")
	}
	narrowed := ``
	if q.After != "" {
		narrowed = ` and a.name > ` + c.arg(q.After)
	}
	narrowed += ` order by a.name`
	if q.Limit > 0 {
		narrowed += ` limit ` + c.arg(q.Limit)
	}
	return narrowed, nil
}

// grouping is what a split reads: up to two interned names and a number.
type grouping struct{ first, second, number string }

var groupings = map[meter.By]grouping{
	meter.ByNothing:  {"0", "0", "0"},
	meter.ByCustomer: {"customer", "0", "0"},
	meter.ByKey:      {"key", "0", "0"},
	meter.ByService:  {"service", "0", "0"},
	meter.ByEndpoint: {"service", "endpoint", "0"},
	meter.ByStatus:   {"0", "0", "status"},
	meter.ByClass:    {"0", "0", "class"},
	meter.ByUnit:     {"unit", "0", "0"},
}

// seriesQuery is the whole query of a Question: start, two names, a number and
// the amount, or, where it is not inWords, the numbers of the names; "" when
// nothing can answer it.
func seriesQuery(q meter.Question) (string, []any, error) {
	by, ok := groupings[q.By]
	if !ok {
		return "", nil, toll.FieldError("by", "Usage cannot be split by %q.", q.By)
	}
	width := stepWidth(q.Step)
	if width == 0 && q.Step != meter.Whole {
		return "", nil, toll.FieldError("step", "There is no step %q; take 15m, hour or day.", q.Step)
	}
	if !storable(q.Unit + q.Customer + q.Key + q.Service + q.Endpoint) {
		return "", nil, nil // nothing is called so
	}
	if query, args := rankingQuery(q); query != "" {
		return query, args, nil
	}
	var pieces []span
	if width > 0 {
		pieces = cover(floor(q.From.UnixMicro(), width), ceil(q.To.UnixMicro(), width), width)
	} else {
		pieces = cover(floor(q.From.UnixMicro(), quarter), ceil(q.To.UnixMicro(), quarter), day, hour, quarter)
	}
	if len(pieces) == 0 {
		return "", nil, nil
	}

	var c conditions
	if q.By != meter.ByUnit {
		c.name("unit", cmp.Or(q.Unit, toll.UnitRequests))
	}
	c.name("customer", q.Customer)
	c.name("key", q.Key)
	c.name("service", q.Service)
	c.name("endpoint", q.Endpoint)
	if q.StatusClass != 0 {
		c.add(`status = ` + strconv.Itoa(q.StatusClass))
	}
	if len(q.Classes) > 0 {
		numbers := make([]string, len(q.Classes))
		for i, class := range q.Classes {
			number := classNumber(class)
			if number == 0 {
				return "", nil, toll.FieldError("classes", "There is no class %q.", class)
			}
			numbers[i] = strconv.FormatInt(number, 10)
		}
		c.add(`class in (` + strings.Join(numbers, ", ") + `)`)
	}
	start := `0`
	if width > 0 {
		start = `period`
	}
	whose := q.Customer != "" || q.Key != "" || q.By == meter.ByCustomer || q.By == meter.ByKey
	arms := make([]string, len(pieces))
	for i, piece := range pieces {
		arms[i] = fmt.Sprintf(`select %s as start, %s as first, %s as second, %s as number, amount from %s where %s`,
			start, by.first, by.second, by.number, rollupTable(piece.width, whose), c.and(c.within(piece)))
	}
	groups, err := page(q, &c)
	if err != nil {
		return "", nil, err
	}
	if !inWords(q) {
		return `select x.start, x.first, x.second, x.number, cast(sum(x.amount) as bigint) as amount
			from (` + strings.Join(arms, ` union all `) + `) x group by x.start, x.first, x.second, x.number having sum(x.amount) <> 0`, c.args, nil
	}
	return `select g.start, a.name, b.name, g.number, g.amount from (
			select x.start, x.first, x.second, x.number, cast(sum(x.amount) as bigint) as amount
			from (` + strings.Join(arms, ` union all `) + `) x group by x.start, x.first, x.second, x.number) g
		join usage_name a on a.id = g.first join usage_name b on b.id = g.second where g.amount <> 0` + groups, c.args, nil
}

// rollupTable is the table of a width; whose says that customers, keys or plan
// versions must be told apart.
func rollupTable(width time.Duration, whose bool) string {
	switch {
	case width == day && whose:
		return "rollup_day"
	case width == day:
		return "rollup_day_total"
	case width == hour && whose:
		return "rollup_hour"
	case width == hour:
		return "rollup_hour_total"
	}
	if whose {
		return "rollup_quarter"
	}
	return "rollup_quarter_total"
}

// billingPieces cuts [from, to), widened to whole quarters of an hour, into
// days, hours and quarters.
func billingPieces(from, to time.Time) []span {
	return cover(floor(from.UnixMicro(), quarter), ceil(to.UnixMicro(), quarter), day, hour, quarter)
}

// UsedBetween sums chargeable usage per customer and unit over [from, to),
// widened to whole quarters of an hour, by customer, then unit.
func (s *Store) UsedBetween(ctx context.Context, from, to time.Time) ([]meter.Used, error) {
	return s.UsedOf(ctx, meter.UsedQuery{From: from, To: to})
}

// UsedOf is UsedBetween for what a quota counts: of one customer, key, unit,
// service or endpoint, or of all of them, by customer, then key, then unit.
func (s *Store) UsedOf(ctx context.Context, q meter.UsedQuery) ([]meter.Used, error) {
	used, err := usedOf(ctx, s.reader, q)
	return used, s.fail(err, fault{doing: "reading what was used"})
}

// UsedBy is UsedBetween for one unit of one customer; 0 for one that is not known.
func (s *Store) UsedBy(ctx context.Context, customer, unit string, from, to time.Time) (used int64, err error) {
	rows, err := s.UsedOf(ctx, meter.UsedQuery{From: from, To: to, Customer: customer, Unit: unit})
	for _, row := range rows {
		used += row.Count
	}
	return used, err
}

func usedOf(ctx context.Context, db queryer, q meter.UsedQuery) ([]meter.Used, error) {
	if q.ByAddress != "" {
		return usedByAddress(ctx, db, q)
	}
	query, args := usedQuery(q)
	if query == "" || !storable(q.Customer+q.Key+q.Unit+q.Service+q.Endpoint) {
		return nil, nil
	}
	used, err := collect(ctx, db, func(r row) (meter.Used, error) {
		var u meter.Used
		err := r.Scan(&u.Customer, &u.Key, &u.Unit, &u.Count)
		return u, err
	}, query, args...)
	slices.SortFunc(used, func(a, b meter.Used) int {
		return cmp.Or(cmp.Compare(a.Customer, b.Customer), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Unit, b.Unit))
	})
	return used, err
}

// Counted tells what all drains so far came to, at one moment: what each of the
// queries finds, as UsedOf does, and the cursors of the lanes.
func (s *Store) Counted(ctx context.Context, queries []meter.UsedQuery) (meter.Counted, error) {
	c := meter.Counted{Used: make([][]meter.Used, len(queries)), Cursors: map[string]meter.Position{}}
	err := s.read(ctx, func(tx *sql.Tx) (err error) {
		for i, q := range queries {
			if c.Used[i], err = usedOf(ctx, tx, q); err != nil {
				return err
			}
		}
		type cursor struct {
			lane string
			at   meter.Position
		}
		cursors, err := collect(ctx, tx, func(r row) (c cursor, err error) {
			err = r.Scan(&c.lane, &c.at.Segment, &c.at.Offset)
			return c, err
		}, `select lane, segment, byte_offset from journal_cursor`)
		for _, at := range cursors {
			c.Cursors[at.lane] = at.at
		}
		return err
	})
	return c, s.fail(err, fault{doing: "reading what was counted so far"})
}

func usedQuery(q meter.UsedQuery) (string, []any) {
	pieces := billingPieces(q.From, q.To)
	if len(pieces) == 0 {
		return "", nil
	}
	var c conditions
	c.add(`class = ` + strconv.FormatInt(classNumber(toll.Chargeable), 10))
	c.name("customer", q.Customer)
	c.name("key", q.Key)
	c.name("unit", q.Unit)
	c.name("service", q.Service)
	c.name("endpoint", q.Endpoint)
	key := `0` // the name that is ''
	if q.ByKey {
		key = `key`
	}
	arms := make([]string, len(pieces))
	for i, piece := range pieces {
		arms[i] = `select customer, ` + key + ` as key, unit, amount from ` + rollupTable(piece.width, true) + ` where ` + c.and(c.within(piece))
	}
	return `select c.name as customer, k.name as key, u.name as unit, g.amount from (
			select x.customer, x.key, x.unit, cast(sum(x.amount) as bigint) as amount
			from (` + strings.Join(arms, ` union all `) + `) x group by x.customer, x.key, x.unit) g
		join usage_name c on c.id = g.customer join usage_name k on k.id = g.key join usage_name u on u.id = g.unit where g.amount <> 0`, c.args
}
