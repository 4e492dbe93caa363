package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// asker is what a question may use: the store as pages do, and a connection as
// a dashboard does.
type asker struct {
	store *store.Store
	conn  *pgx.Conn
	month *month
	rank  int // of the customer that the question is about
}

// question is one that a page asks. It answers how many points it got.
type question struct {
	name string
	ask  func(ctx context.Context, a *asker) (int, error)
}

// answer is how long a question took.
type answer struct {
	name       string
	points     int // the median
	cold, warm []time.Duration
	// The same without the time in which the server or this program was ready to
	// run and another process had the CPU: what a machine of its own would take.
	coldAlone, warmAlone []time.Duration
}

func series(change func(q *meter.Question, m *month)) func(context.Context, *asker) (int, error) {
	return func(ctx context.Context, a *asker) (int, error) {
		q := meter.Question{From: a.month.from, To: a.month.to(), Customer: customerName(a.rank)}
		change(&q, a.month)
		points, err := a.store.Series(ctx, q)
		return len(points), err
	}
}

func latencies(change func(q *meter.LatencyQuestion, m *month)) func(context.Context, *asker) (int, error) {
	return func(ctx context.Context, a *asker) (int, error) {
		q := meter.LatencyQuestion{From: a.month.from, To: a.month.to()}
		change(&q, a.month)
		points, err := a.store.Latencies(ctx, q)
		return len(points), err
	}
}

func events(change func(q *meter.EventQuery, a *asker)) func(context.Context, *asker) (int, error) {
	return func(ctx context.Context, a *asker) (int, error) {
		q := meter.EventQuery{Limit: 50}
		change(&q, a)
		found, err := a.store.Events(ctx, q)
		return len(found), err
	}
}

func view(query string) func(context.Context, *asker) (int, error) {
	return func(ctx context.Context, a *asker) (int, error) {
		rows, err := a.conn.Query(ctx, query, pgx.NamedArgs{"customer": customerName(a.rank), "from": a.month.from, "to": a.month.to(), "lately": a.month.to().AddDate(0, 0, -1)})
		if err != nil {
			return 0, err
		}
		n := 0
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	}
}

// lately is the last day of the month.
func lately(q *meter.Question, m *month) { q.From = m.to().AddDate(0, 0, -1) }

// top asks for the customers who used most of a unit in the UTC month that holds
// the end of what was made.
func top(unit string) func(q *meter.Question, m *month) {
	return func(q *meter.Question, m *month) {
		q.Customer, q.Unit, q.By, q.Top = "", unit, meter.ByCustomer, 50
		q.From, q.To = toll.Monthly.PeriodAt(m.to().Add(-time.Microsecond), time.UTC)
	}
}

var questions = []question{
	{"customer: last day by hours and status", series(func(q *meter.Question, m *month) { lately(q, m); q.Step, q.By = meter.Hour, meter.ByStatus })},
	{"customer: month by days", series(func(q *meter.Question, _ *month) { q.Step = meter.Day })},
	{"customer: month by days and status", series(func(q *meter.Question, _ *month) { q.Step, q.By = meter.Day, meter.ByStatus })},
	{"customer: last day by quarters", series(func(q *meter.Question, m *month) { lately(q, m); q.Step = meter.Quarter })},
	{"customer: last hour by quarters", series(func(q *meter.Question, m *month) { q.From, q.Step = m.to().Add(-time.Hour), meter.Quarter })},
	{"customer: last 7 days by days and key", series(func(q *meter.Question, m *month) {
		q.From, q.Step, q.By = m.to().AddDate(0, 0, -7), meter.Day, meter.ByKey
	})},
	{"customer: month by endpoint", series(func(q *meter.Question, _ *month) { q.By = meter.ByEndpoint })},
	{"customer: month, all units", series(func(q *meter.Question, _ *month) { q.By = meter.ByUnit })},
	{"customer: words of the month", func(ctx context.Context, a *asker) (int, error) {
		_, err := a.store.UsedBy(ctx, customerName(a.rank), "words", a.month.from, a.month.to())
		return 1, err
	}},
	{"customer: newest 50 requests", events(func(q *meter.EventQuery, a *asker) { q.Customer = customerName(a.rank) })},
	{"customer: newest 50 failures", events(func(q *meter.EventQuery, a *asker) { q.Customer, q.StatusClass = customerName(a.rank), 5 })},
	{"customer: 50 requests two weeks ago", events(func(q *meter.EventQuery, a *asker) {
		q.Customer, q.Before = customerName(a.rank), toll.NewIDs(nil).New(a.month.from.AddDate(0, 0, 14))
	})},
	{"key: newest 50 requests", events(func(q *meter.EventQuery, a *asker) { q.Key = keyName(a.rank) })},
	{"request by its ID", events(func(q *meter.EventQuery, a *asker) { q.RequestID = toll.NewIDs(nil).New(a.month.from).String() })},
	{"house: month by days and service", series(func(q *meter.Question, _ *month) { q.Customer, q.Step, q.By = "", meter.Day, meter.ByService })},
	{"house: month by hours and status", series(func(q *meter.Question, _ *month) { q.Customer, q.Step, q.By = "", meter.Hour, meter.ByStatus })},
	{"house: month by hours and endpoint", series(func(q *meter.Question, _ *month) { q.Customer, q.Step, q.By = "", meter.Hour, meter.ByEndpoint })},
	{"house: last day by quarters", series(func(q *meter.Question, m *month) { lately(q, m); q.Customer, q.Step = "", meter.Quarter })},
	{"house: last hour, from a quarter on", series(func(q *meter.Question, m *month) {
		q.Customer, q.From, q.To = "", m.to().Add(-75*time.Minute), m.to().Add(-15*time.Minute)
	})},
	{"house: 50 customers with most requests, a month", series(top(toll.UnitRequests))},
	{"house: 50 customers with most words, a month", series(top("words"))},
	{"house: newest 50 failures", events(func(q *meter.EventQuery, _ *asker) { q.StatusClass = 5 })},
	{"latency: month by days, an endpoint", latencies(func(q *meter.LatencyQuestion, _ *month) {
		q.Step, q.Service, q.Endpoint = meter.Day, services[0], endpoints[0]
	})},
	{"latency: month by days and endpoint", latencies(func(q *meter.LatencyQuestion, _ *month) { q.Step, q.By = meter.Day, meter.ByEndpoint })},
	{"latency: month by hours, an endpoint", latencies(func(q *meter.LatencyQuestion, _ *month) {
		q.Step, q.Service, q.Endpoint = meter.Hour, services[0], endpoints[0]
	})},
	{"latency: last day by hours and endpoint", latencies(func(q *meter.LatencyQuestion, m *month) {
		q.From, q.Step, q.By = m.to().AddDate(0, 0, -1), meter.Hour, meter.ByEndpoint
	})},
	{"view usage_daily: a customer's month", view(`select time, service, sum(amount) from usage_daily where customer_id = @customer and unit = 'requests' and time >= @from and time < @to group by 1, 2`)},
	{"view usage_hourly: a customer's day", view(`select time, sum(amount) from usage_hourly where customer_id = @customer and unit = 'requests' and time >= @lately and time < @to group by 1`)},
}

// ranks are the customers that are asked about, the same each time: as many
// large ones as small ones, on a scale of tens.
func ranks(m *month, runs int) []int {
	r := rand.New(rand.NewPCG(m.seed, 7))
	all := make([]int, runs)
	for i := range all {
		all[i] = int(math.Pow(float64(m.customers), r.Float64())) - 1
	}
	return all
}

func openAsker(ctx context.Context, s *server, m *month) (*asker, error) {
	st, err := store.Open(ctx, store.Options{URL: toll.Secret(s.url(database)), Clock: m.to})
	if err != nil {
		return nil, err
	}
	c, err := pgx.Connect(ctx, s.url(database))
	return &asker{store: st, conn: c, month: m}, err
}

func (a *asker) close() {
	_ = a.conn.Close(context.Background())
	_ = a.store.Close()
}

// ask asks every question, first with nothing in memory, then again and again.
// Cold: before each round the server is started anew and the kernel has
// forgotten its files; a round asks every question once, each round beginning
// with another. Warm: the same customers once more, after a round that is not
// counted.
func ask(ctx context.Context, s **server, m *month, runs int) ([]answer, error) {
	all := make([]answer, len(questions))
	for i := range all {
		all[i].name = questions[i].name
	}
	round := func(a *asker, n, rank int, into func(i int, took, alone time.Duration, points int)) error {
		a.rank = rank
		for k := range questions {
			i := (n + k) % len(questions)
			used, waited, began := ownCPU()+(*s).cpu(), (*s).waited(), time.Now()
			points, err := questions[i].ask(ctx, a)
			if err != nil {
				return fmt.Errorf("%s: %w", questions[i].name, err)
			}
			took := time.Since(began)
			into(i, took, min(took, max(took-((*s).waited()-waited), ownCPU()+(*s).cpu()-used)), points)
		}
		return nil
	}
	points := make([][]int, len(questions))
	for n, rank := range ranks(m, runs) {
		if n%10 == 0 {
			logf("cold round %d of %d", n, runs)
		}
		next, err := (*s).cold(ctx)
		if err != nil {
			return nil, err
		}
		*s = next
		a, err := openAsker(ctx, *s, m)
		if err != nil {
			return nil, err
		}
		if err := round(a, n, rank, func(i int, took, alone time.Duration, _ int) {
			all[i].cold, all[i].coldAlone = append(all[i].cold, took), append(all[i].coldAlone, alone)
		}); err != nil {
			return nil, err
		}
		a.close()
	}
	a, err := openAsker(ctx, *s, m)
	if err != nil {
		return nil, err
	}
	defer a.close()
	for _, counted := range []bool{false, true} {
		for n, rank := range ranks(m, runs) {
			if err := round(a, n, rank, func(i int, took, alone time.Duration, got int) {
				if counted {
					all[i].warm, all[i].warmAlone, points[i] = append(all[i].warm, took), append(all[i].warmAlone, alone), append(points[i], got)
				}
			}); err != nil {
				return nil, err
			}
		}
	}
	for i := range all {
		for _, times := range [][]time.Duration{all[i].cold, all[i].warm, all[i].coldAlone, all[i].warmAlone} {
			slices.Sort(times)
		}
		slices.Sort(points[i])
		all[i].points = points[i][len(points[i])/2]
	}
	return all, nil
}

// percentile of sorted times: the smallest that so many of a hundred do not exceed.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}

// size is a table with its indexes.
type size struct {
	name           string
	rows           int64
	bytes, indexes int64
}

// sizes reads what each table takes, partitions together.
func sizes(ctx context.Context, s *server) (all []size, err error) {
	err = connected(ctx, s, func(c *pgx.Conn) error {
		rows, err := c.Query(ctx, `select case when c.relname like 'usage_event%' then 'usage_event' else c.relname::text end,
				sum(greatest(c.reltuples, 0))::bigint, sum(pg_table_size(c.oid))::bigint, sum(pg_indexes_size(c.oid))::bigint
			from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace group by 1 having sum(pg_total_relation_size(c.oid)) > 100000 order by 3 + 4 desc`)
		if err != nil {
			return err
		}
		var one size
		_, err = pgx.ForEachRow(rows, []any{&one.name, &one.rows, &one.bytes, &one.indexes}, func() error {
			all = append(all, one)
			return nil
		})
		return err
	})
	slices.SortFunc(all, func(a, b size) int { return int((b.bytes+b.indexes)/1e6 - (a.bytes+a.indexes)/1e6) })
	return slices.DeleteFunc(all, func(one size) bool { return strings.HasPrefix(one.name, "goose") }), err
}
