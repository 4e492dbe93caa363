package store

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// question is a query that must be answered through an index.
type question struct {
	name  string
	query string
	args  []any
	event bool // may read usage_event, from its newest end or by an index
}

// rollupQuestions are all shapes of what charts, quotas, audits and pages ask.
func rollupQuestions(t *testing.T) []question {
	t.Helper()
	to := time.Date(2026, 11, 20, 18, 7, 0, 0, time.UTC)
	from := to.AddDate(0, -1, 0)
	var all []question
	for _, step := range []meter.Step{meter.Quarter, meter.Hour, meter.Day, meter.Whole} {
		for by := range groupings {
			for _, narrowed := range []meter.Question{
				{}, {Customer: "c"}, {Customer: "c", Key: "k"}, {Key: "k"}, {Service: "s"}, {Service: "s", Endpoint: "e"},
				{Customer: "c", StatusClass: 5, Classes: []toll.Class{toll.Chargeable, toll.TestUsage}, Unit: "words"},
			} {
				q := narrowed
				q.From, q.To, q.Step, q.By = from, to, step, by
				query, args, err := seriesQuery(q)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, question{name: fmt.Sprintf("series %+v", q), query: query, args: args})
			}
		}
	}
	query, args := rankingQuery(meter.Question{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC), By: meter.ByCustomer, Top: 50})
	if query == "" {
		t.Fatal("the customers who used most in a month are not ranked")
	}
	all = append(all, question{name: "ranking", query: query, args: args})
	query, args = usedQuery(meter.UsedQuery{From: from, To: to})
	all = append(all, question{name: "used", query: query, args: args})
	query, args = usedQuery(meter.UsedQuery{From: from, To: to, Customer: "cus_1", Unit: "words"})
	all = append(all, question{name: "used by one", query: query, args: args})
	query, args = usedQuery(meter.UsedQuery{From: from, To: to, Service: "ner", Endpoint: "other", ByKey: true})
	all = append(all, question{name: "used of an endpoint, by key", query: query, args: args})
	query, args = auditQuery(from, to)
	all = append(all, question{name: "audit", query: query, args: args})
	for _, step := range []meter.Step{meter.Hour, meter.Day, meter.Whole} {
		for _, q := range []meter.LatencyQuestion{{}, {By: meter.ByEndpoint}, {Service: "s"}, {Service: "s", Endpoint: "e"}} {
			q.From, q.To, q.Step = from, to, step
			query, args, err := latencyQuery(q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, question{name: fmt.Sprintf("latencies %+v", q), query: query, args: args})
		}
		for _, customer := range []string{"", "c"} {
			query, args := refusalQuery(meter.RefusalQuery{From: from, To: to, Step: step, Customer: customer})
			all = append(all, question{name: fmt.Sprintf("refusals %q %q", step, customer), query: query, args: args})
		}
	}
	return all
}

// eventQuestions are those that a page may ask of single events and that an
// index answers.
func eventQuestions() []question {
	id := toll.NewIDs(nil).New(time.Now())
	all := []question{{name: "doubts", query: doubtQuery, args: []any{int64(1), int64(2)}, event: true}}
	for _, q := range []meter.EventQuery{
		{Customer: "c"}, {Key: "k"}, {Customer: "c", Key: "k"}, {StatusClass: 5, Customer: "c"}, {StatusClass: 4, Customer: "c"},
		{RequestID: "x"}, {RequestID: id.String()}, {RequestID: id.String(), Customer: "c"}, {RequestID: "x", Key: "k", Service: "s"},
		{Customer: "c", Before: id}, {StatusClass: 5, Customer: "c", Before: id}, {Before: id},
	} {
		q.Limit = 50
		pick, args := pickEvents(q)
		all = append(all, question{name: fmt.Sprintf("events %+v", q), query: eventsFrom(pick, ``, `e.id desc`), args: args, event: true})
	}
	return all
}

// TestAnswersFromAnIndexOnSQLite: the planner may walk nothing from end to end
// but what a query has made itself (x, g, e), and the few doubts.
func TestAnswersFromAnIndexOnSQLite(t *testing.T) {
	t.Parallel()
	s, err := Open(context.Background(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	allowed := regexp.MustCompile(`^(SCAN (x|g|e|d|\(subquery-\d+\))$|SEARCH |USE TEMP B-TREE|CO-ROUTINE|MATERIALIZE|SCALAR SUBQUERY|COMPOUND QUERY|REUSE SUBQUERY|LEFT-MOST SUBQUERY|UNION ALL|MULTI-INDEX OR|INDEX \d)`)
	for _, q := range append(rollupQuestions(t), eventQuestions()...) {
		steps, err := collect(context.Background(), s.reader, func(r row) (string, error) {
			var id, parent, unused int
			var detail string
			return scanned(&detail, r.Scan(&id, &parent, &unused, &detail))
		}, `explain query plan `+q.query, q.args...)
		if err != nil {
			t.Fatalf("%s: %v\n%s", q.name, err, q.query)
		}
		if len(steps) < 2 {
			t.Errorf("%s: not explained: %q", q.name, steps)
		}
		for _, step := range steps {
			switch {
			case !allowed.MatchString(step):
				t.Errorf("%s: %q\nin %s", q.name, step, strings.Join(steps, "\n"))
			case !q.event && strings.Contains(step, "usage_event"):
				t.Errorf("%s reads single events: %q", q.name, step)
			case q.name == "ranking" && strings.Contains(step, "rollup_month"):
				if !strings.Contains(step, "rollup_month_by_amount (period=? AND unit=? AND amount>?)") {
					t.Errorf("%s is not read in the order of the amounts: %q", q.name, step)
				}
			case (strings.Contains(step, "rollup_") || strings.Contains(step, "latency_")) && !strings.Contains(step, "period>? AND period<?"):
				t.Errorf("%s does not narrow by period: %q", q.name, step)
			}
		}
	}
}

func scanned(text *string, err error) (string, error) { return *text, err }

// openBusyPostgres opens a database that holds a year of usage and whose
// planner knows: of an empty one it says nothing about a full one.
func openBusyPostgres(t *testing.T) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{URL: toll.Secret(pgserver.Database(t))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	periods := func(customers int, width time.Duration) string {
		end := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
		return fmt.Sprintf(`generate_series(1, %d) c, generate_series(%d::bigint, %d::bigint, %d::bigint) p`,
			customers, end.AddDate(-1, 0, 0).UnixMicro(), end.UnixMicro()-1, width.Microseconds())
	}
	// Three weeks of single events, each in a partition of its own.
	newest := weekAt(time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC).UnixMilli())
	if err := s.engine.(*postgresEngine).makeWeeks(context.Background(), s.writer, []week{newest.after(-2), newest.after(-1), newest}); err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`insert into usage_name (name) select 'name' || n from generate_series(1, 3000) n`,
		`insert into rollup_quarter select c, p, c, 9, 8, 7, 2, 1, 6, 1, 0, 0, 0 from ` + periods(2, quarter),
		`insert into rollup_hour select c, p, c, 9, 8, 7, 2, 1, 6, 1, 0, 0, 0 from ` + periods(6, hour),
		`insert into rollup_day select c, p, c, 9, 8, 7, 2, 1, 6, 1, 0, 0, 0 from ` + periods(100, day),
		`insert into rollup_quarter_total select p, 8, c, 2, 1, 6, 1, 0, 0, 0 from ` + periods(1, quarter),
		`insert into rollup_hour_total select p, 8, c, 2, 1, 6, 1, 0, 0, 0 from ` + periods(5, hour),
		`insert into rollup_day_total select p, 8, c, 2, 1, 6, 1, 0, 0, 0 from ` + periods(50, day),
		`insert into rollup_month select p, 6, c, c * 10 from ` + periods(2000, 30*day),
		`insert into latency_hour select p, 8, c, '' from ` + periods(5, hour),
		`insert into latency_day select p, 8, c, '' from ` + periods(50, day),
		`insert into refusal_hour select c, p, 8, 5, 4, 1 from ` + periods(5, hour),
		`insert into refusal_minute select c, p, c, 8, 5, 4, 1 from ` + periods(5, hour),
		`insert into usage_event select decode(lpad(to_hex(` + strconv.FormatInt(int64(newest.after(-2)), 10) + ` + n * 36000), 12, '0') || lpad(to_hex(n), 20, '0'), 'hex'), n, case when n % 3 = 0 then 'r' || n else '=' end, n % 500, n % 1000, 1, 1, n % 3, 1,
			'GET', case when n % 500 = 0 then 500 when n % 20 = 0 then 404 else 200 end, 1, 1, 1, 1, '' from generate_series(1, 50000) n`,
		`insert into usage_doubt select id, 'unknown' from usage_event limit 20`,
		`analyze`,
	} {
		if _, err := s.writer.Exec(statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	return s
}

// TestAnswersFromAnIndexOnPostgreSQL: each scan of a table of usage must have a
// condition on an index.
func TestAnswersFromAnIndexOnPostgreSQL(t *testing.T) {
	t.Parallel()
	s := openBusyPostgres(t)
	for _, q := range append(rollupQuestions(t), eventQuestions()...) {
		var text string
		if err := s.reader.QueryRow(`explain (format json) `+q.query, q.args...).Scan(&text); err != nil {
			t.Fatalf("%s: %v\n%s", q.name, err, q.query)
		}
		var plans []struct{ Plan planNode }
		if err := json.Unmarshal([]byte(text), &plans); err != nil {
			t.Fatal(err)
		}
		reads := 0
		plans[0].Plan.walk(func(n planNode) {
			event := strings.HasPrefix(n.Relation, "usage_event")
			usage := strings.HasPrefix(n.Relation, "rollup_") || strings.HasPrefix(n.Relation, "refusal_") || strings.HasPrefix(n.Relation, "latency_") || event
			if !usage || n.Relation == "usage_event_rest" { // which is empty, so walking it is right
				return
			}
			reads++
			condition := n.IndexCond + n.RecheckCond
			switch {
			case !q.event && event:
				t.Errorf("%s reads single events", q.name)
			case condition == "":
				t.Errorf("%s walks all of %s: %s", q.name, n.Relation, n.Type)
			case !event && !strings.Contains(condition, "period"):
				t.Errorf("%s does not narrow %s by period: %s", q.name, n.Relation, condition)
			}
		})
		if reads == 0 {
			t.Errorf("%s: not explained: %s", q.name, text)
		}
	}
	// A dashboard narrows the views by their time.
	for view, index := range map[string]string{"usage_hourly": "rollup_hour_by_time", "usage_daily": "rollup_day_by_time"} {
		plan := strings.Join(textsOf(t, s.reader, `explain select time, sum(amount) from `+view+` where time >= '2026-11-01' and time < '2026-11-08' and unit = 'requests' group by time`), "\n")
		if !strings.Contains(plan, index) {
			t.Errorf("%s is not read through %s:\n%s", view, index, plan)
		}
	}
}

// planNode is a step of PostgreSQL's plan.
type planNode struct {
	Type        string     `json:"Node Type"`
	Relation    string     `json:"Relation Name"`
	IndexCond   string     `json:"Index Cond"`
	RecheckCond string     `json:"Recheck Cond"`
	Plans       []planNode `json:"Plans"`
}

func (n planNode) walk(visit func(planNode)) {
	visit(n)
	for _, below := range n.Plans {
		below.walk(visit)
	}
}
