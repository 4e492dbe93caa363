package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/sketch"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// latencyKey says which row of latency_hour or latency_day a latency belongs to.
type latencyKey struct{ period, service, endpoint int64 }

func (k latencyKey) compare(l latencyKey) int {
	return cmp.Or(cmp.Compare(k.period, l.period), cmp.Compare(k.service, l.service), cmp.Compare(k.endpoint, l.endpoint))
}

// latencies are sketches by row.
type latencies map[latencyKey]*sketch.Sketch

func (l latencies) of(k latencyKey) *sketch.Sketch {
	s := l[k]
	if s == nil {
		s = new(sketch.Sketch)
		l[k] = s
	}
	return s
}

// latenciesOf makes the sketches of a batch, hour by hour. An unknown outcome
// took nobody knows how long.
func latenciesOf(events []toll.Event, named []numbers) latencies {
	hours := latencies{}
	for i := range events {
		if e := &events[i]; e.Class != toll.Unknown {
			hours.of(latencyKey{floor(e.Time.UnixMicro(), hour), named[i].service, named[i].endpoint}).Add(e.Latency.Microseconds())
		}
	}
	return hours
}

// days merges sketches of hours.
func (l latencies) days() latencies {
	days := latencies{}
	for k, s := range l {
		k.period = floor(k.period, day)
		days.of(k).Merge(s)
	}
	return days
}

// addLatencies merges a batch's sketches into those of a table. The rows are
// made and locked in the order of their key, so that two drainers that share
// rows wait for each other instead of for ever.
func (s *Store) addLatencies(ctx context.Context, tx transaction, table string, more latencies) error {
	keys := make([]latencyKey, 0, len(more))
	for k := range more {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return nil
	}
	slices.SortFunc(keys, latencyKey.compare)
	columns := make([]column, 3, 4)
	columns[0], columns[1], columns[2] = column{name: "period"}, column{name: "service", kind: integers}, column{name: "endpoint", kind: integers}
	for _, k := range keys {
		columns[0].ints = append(columns[0].ints, k.period)
		columns[1].ints = append(columns[1].ints, k.service)
		columns[2].ints = append(columns[2].ints, k.endpoint)
	}
	encoded := column{name: "sketch", kind: blobs, blobs: make([][]byte, len(keys))}
	for i := range encoded.blobs {
		encoded.blobs[i] = []byte{}
	}
	err := s.engine.run(ctx, tx, &bulk{insert: table, columns: append(columns, encoded), conflict: `on conflict (period, service, endpoint) do nothing`})
	if err != nil {
		return err
	}
	before, err := s.engine.sketches(ctx, tx, table, columns)
	if err != nil {
		return err
	}
	for i, k := range keys {
		whole, err := sketch.Decode(before[k])
		if err != nil {
			whole = new(sketch.Sketch) // damaged: a chart begins anew, the drain must not stop for it
		}
		whole.Merge(more[k])
		encoded.blobs[i] = whole.Append(nil)
	}
	return s.engine.run(ctx, tx, &bulk{
		columns: append(columns, encoded),
		sqlite:  `update ` + table + ` set sketch = ?4 where period = ?1 and service = ?2 and endpoint = ?3`,
		postgres: `update ` + table + ` t set sketch = v.sketch from unnest($1::bigint[], $2::integer[], $3::integer[], $4::bytea[]) v (period, service, endpoint, sketch)
			where t.period = v.period and t.service = v.service and t.endpoint = v.endpoint`,
	})
}

func (e *postgresEngine) sketches(ctx context.Context, tx transaction, table string, keys []column) (map[latencyKey][]byte, error) {
	return scanSketches(tx.QueryContext(ctx, `select t.period, t.service, t.endpoint, t.sketch from `+table+` t
		join unnest($1::bigint[], $2::integer[], $3::integer[]) k (period, service, endpoint) using (period, service, endpoint)
		order by 1, 2, 3 for update of t`, keys[0].ints, keys[1].ints, keys[2].ints))
}

func (e *sqliteEngine) sketches(ctx context.Context, tx transaction, table string, keys []column) (map[latencyKey][]byte, error) {
	found := map[latencyKey][]byte{}
	for i := range keys[0].ints {
		one, err := scanSketches(tx.QueryContext(ctx, `select period, service, endpoint, sketch from `+table+` where period = $1 and service = $2 and endpoint = $3`,
			keys[0].ints[i], keys[1].ints[i], keys[2].ints[i]))
		if err != nil {
			return nil, err
		}
		for k, b := range one {
			found[k] = b
		}
	}
	return found, nil
}

func scanSketches(rows *sql.Rows, err error) (map[latencyKey][]byte, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	found := map[latencyKey][]byte{}
	for rows.Next() {
		var k latencyKey
		var b []byte
		if err := rows.Scan(&k.period, &k.service, &k.endpoint, &b); err != nil {
			return nil, err
		}
		found[k] = b
	}
	return found, errors.Join(rows.Err())
}

// latencyRow is a stored sketch with the names of what it is about.
type latencyRow struct {
	period            int64
	service, endpoint string
	sketch            []byte
}

// Latencies answers how long requests took, by Start, then Group; steps without
// requests are left out. It reads sketches only, so a percentile is within
// sketch.RelativeError of the exact one. Invalid: another Step than Hour, Day
// and Whole, another By than ByNothing, ByService and ByEndpoint.
func (s *Store) Latencies(ctx context.Context, q meter.LatencyQuestion) ([]meter.LatencyPoint, error) {
	query, args, err := latencyQuery(q)
	if err != nil || query == "" {
		return nil, err
	}
	rows, err := collect(ctx, s.reader, func(r row) (l latencyRow, err error) {
		err = r.Scan(&l.period, &l.service, &l.endpoint, &l.sketch)
		return l, err
	}, query, args...)
	if err != nil {
		return nil, s.fail(err, fault{doing: "reading latencies"})
	}
	type place struct {
		start int64
		group string
	}
	sums := map[place]*sketch.Sketch{}
	for i := range rows {
		at := place{start: rows[i].period}
		if q.Step == meter.Whole {
			at.start = 0
		}
		switch q.By {
		case meter.ByService:
			at.group = rows[i].service
		case meter.ByEndpoint:
			at.group = rows[i].service + " " + rows[i].endpoint
		}
		part, err := sketch.Decode(rows[i].sketch)
		if err != nil {
			continue // damaged; the others still tell something
		}
		if whole := sums[at]; whole != nil {
			whole.Merge(part)
		} else {
			sums[at] = part
		}
	}
	points := make([]meter.LatencyPoint, 0, len(sums))
	for at, sum := range sums {
		if sum.Count() == 0 {
			continue
		}
		start := q.From.UTC()
		if q.Step != meter.Whole {
			start = time.UnixMicro(at.start).UTC()
		}
		points = append(points, meter.LatencyPoint{Start: start, Group: at.group, Count: sum.Count(), P50: quantile(sum, 0.50), P95: quantile(sum, 0.95), P99: quantile(sum, 0.99)})
	}
	slices.SortFunc(points, func(a, b meter.LatencyPoint) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	return points, nil
}

func quantile(s *sketch.Sketch, q float64) time.Duration {
	return time.Duration(s.Quantile(q)) * time.Microsecond
}

// latencyQuery is the whole query of a LatencyQuestion; "" when nothing can
// answer it.
func latencyQuery(q meter.LatencyQuestion) (string, []any, error) {
	if q.By != meter.ByNothing && q.By != meter.ByService && q.By != meter.ByEndpoint {
		return "", nil, toll.FieldError("by", "Latencies cannot be split by %q; take service or endpoint.", q.By)
	}
	var pieces []span
	switch width := stepWidth(q.Step); {
	case q.Step == meter.Hour || q.Step == meter.Day:
		pieces = cover(floor(q.From.UnixMicro(), width), ceil(q.To.UnixMicro(), width), width)
	case q.Step == meter.Whole:
		pieces = cover(floor(q.From.UnixMicro(), hour), ceil(q.To.UnixMicro(), hour), day, hour)
	default:
		return "", nil, toll.FieldError("step", "Latencies are not kept per %q; take hour or day.", q.Step)
	}
	if len(pieces) == 0 || !storable(q.Service+q.Endpoint) {
		return "", nil, nil
	}
	var c conditions
	c.name("service", q.Service)
	c.name("endpoint", q.Endpoint)
	arms := make([]string, len(pieces))
	for i, piece := range pieces {
		table := "latency_hour"
		if piece.width == day {
			table = "latency_day"
		}
		arms[i] = fmt.Sprintf(`select period, service, endpoint, sketch from %s where %s`, table, c.and(c.within(piece)))
	}
	return `select x.period, a.name, b.name, x.sketch from (` + strings.Join(arms, ` union all `) + `) x
		join usage_name a on a.id = x.service join usage_name b on b.id = x.endpoint`, c.args, nil
}
