package metertest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func givesEventsBackAsTheyWere(t *testing.T, s Store) {
	plain := example(1)
	rich := example(2)
	rich.Time = rich.Time.Add(123456789 * time.Nanosecond).In(time.FixedZone("elsewhere", 5*3600+1800))
	rich.RequestID = "Ünïcode ✓ " + strings.Repeat("x", 200)
	rich.Endpoint, rich.Method, rich.Status = "other", "PROPFIND", 404
	rich.Latency = 2*time.Hour + 3*time.Microsecond + 999*time.Nanosecond
	rich.BytesIn, rich.BytesOut = 1<<40, 1<<41
	rich.Units = []toll.Amount{{Unit: "words", Count: 123}, {Unit: "characters", Count: toll.MaxCount}, {Unit: "nothing", Count: 0}}
	public := example(3)
	public.Customer, public.Key, public.Plan, public.PlanVersion, public.Class = "", "", "", "", toll.NotBillable
	public.Status, public.Latency, public.BytesIn, public.BytesOut = 0, 0, 0, 0
	fill(t, s, "n1/a", plain, rich, public)

	rich.Time = rich.Time.UTC().Truncate(time.Microsecond)
	rich.Latency = rich.Latency.Truncate(time.Microsecond)
	got, err := s.Events(context.Background(), meter.EventQuery{Limit: 10})
	same(t, "events", got, err, []toll.Event{public, rich, plain})
}

func takesAFullBatch(t *testing.T, s Store) {
	events := make([]toll.Event, 5000)
	for i := range events {
		events[i] = example(i)
		events[i].Units = []toll.Amount{{Unit: "words", Count: int64(i)}}
	}
	fill(t, s, "n1/a", events...)
	got, err := s.Series(context.Background(), meter.Question{Unit: "words", From: morning, To: morning.Add(time.Minute)})
	same(t, "words", got, err, []meter.Point{{Start: morning, Count: 4999 * 5000 / 2}})
	wantCursor(t, s, "n1/a", at(1, 4096))
}

func answersNothingWhenEmpty(t *testing.T, s Store) {
	ctx := context.Background()
	from, to := morning, morning.Add(time.Hour)
	points, err := s.Series(ctx, meter.Question{From: from, To: to})
	same(t, "series", points, err, nil)
	latencies, err := s.Latencies(ctx, meter.LatencyQuestion{From: from, To: to})
	same(t, "latencies", latencies, err, nil)
	refusals, err := s.Refusals(ctx, meter.RefusalQuery{From: from, To: to})
	same(t, "refusals", refusals, err, nil)
	events, err := s.Events(ctx, meter.EventQuery{Limit: 1})
	same(t, "events", events, err, nil)
	used, err := s.UsedBetween(ctx, from, to)
	same(t, "used", used, err, nil)
	rows, err := s.Audit(ctx, from, to)
	same(t, "audit", rows, err, nil)
	doubts, err := s.Doubts(ctx, from, to)
	same(t, "doubts", doubts, err, nil)
}

// history is five events over two days that the examples ask about.
func history() []toll.Event {
	set := func(n int, after time.Duration, change func(*toll.Event)) toll.Event {
		e := example(n)
		e.Time = morning.Add(after)
		e.ID = exampleID(e.Time, uint64(n))
		change(&e)
		return e
	}
	return []toll.Event{
		set(1, 0, func(e *toll.Event) { e.Units = []toll.Amount{{Unit: "words", Count: 10}} }),
		set(2, 14*time.Minute+59*time.Second, func(e *toll.Event) {
			e.Units = []toll.Amount{{Unit: "words", Count: 5}, {Unit: "characters", Count: 30}}
		}),
		set(3, 15*time.Minute, func(e *toll.Event) { e.Status, e.Class = 503, toll.NotBillable }),
		set(4, 70*time.Minute, func(e *toll.Event) {
			e.Customer, e.Key, e.Endpoint, e.Status = "cus_b", "key_b", "other", 404
		}),
		set(5, 25*time.Hour, func(e *toll.Event) {
			e.Key, e.Class, e.Service, e.Units = "key_t", toll.TestUsage, "ocr", []toll.Amount{{Unit: "words", Count: 100}}
		}),
	}
}

func answersSeries(t *testing.T, s Store) {
	fill(t, s, "n1/a", history()...)
	midnight := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	week := meter.Question{From: midnight, To: midnight.AddDate(0, 0, 7)}
	p := func(start time.Time, group string, count int64) meter.Point {
		return meter.Point{Start: start, Group: group, Count: count}
	}
	ask := func(change func(*meter.Question)) meter.Question {
		q := week
		change(&q)
		return q
	}
	for name, c := range map[string]struct {
		q    meter.Question
		want []meter.Point
	}{
		"whole": {week, []meter.Point{p(midnight, "", 5)}},
		"days":  {ask(func(q *meter.Question) { q.Step = meter.Day }), []meter.Point{p(midnight, "", 4), p(midnight.AddDate(0, 0, 1), "", 1)}},
		"hours": {ask(func(q *meter.Question) { q.Step = meter.Hour }),
			[]meter.Point{p(morning, "", 3), p(morning.Add(time.Hour), "", 1), p(morning.Add(25*time.Hour), "", 1)}},
		"quarters": {ask(func(q *meter.Question) { q.Step = meter.Quarter; q.To = morning.Add(time.Hour) }),
			[]meter.Point{p(morning, "", 2), p(morning.Add(15*time.Minute), "", 1)}},
		"widened to the hour": {meter.Question{From: morning.Add(10 * time.Minute), To: morning.Add(61 * time.Minute), Step: meter.Hour},
			[]meter.Point{p(morning, "", 3), p(morning.Add(time.Hour), "", 1)}},
		"widened to the quarter": {meter.Question{From: morning.Add(14 * time.Minute), To: morning.Add(15 * time.Minute)},
			[]meter.Point{p(morning.Add(14*time.Minute), "", 2)}},
		"asked from elsewhere": {meter.Question{From: morning.In(time.FixedZone("", -5*3600)), To: morning.Add(time.Hour), Step: meter.Hour},
			[]meter.Point{p(morning, "", 3)}},
		"words":           {ask(func(q *meter.Question) { q.Unit = "words" }), []meter.Point{p(midnight, "", 115)}},
		"no such unit":    {ask(func(q *meter.Question) { q.Unit = "pages" }), nil},
		"by customer":     {ask(func(q *meter.Question) { q.By = meter.ByCustomer }), []meter.Point{p(midnight, "cus_a", 4), p(midnight, "cus_b", 1)}},
		"by key":          {ask(func(q *meter.Question) { q.By = meter.ByKey }), []meter.Point{p(midnight, "key_a", 3), p(midnight, "key_b", 1), p(midnight, "key_t", 1)}},
		"by service":      {ask(func(q *meter.Question) { q.By = meter.ByService }), []meter.Point{p(midnight, "ner", 4), p(midnight, "ocr", 1)}},
		"by endpoint":     {ask(func(q *meter.Question) { q.By = meter.ByEndpoint }), []meter.Point{p(midnight, "ner POST /extractions", 3), p(midnight, "ner other", 1), p(midnight, "ocr POST /extractions", 1)}},
		"by status":       {ask(func(q *meter.Question) { q.By = meter.ByStatus }), []meter.Point{p(midnight, "2xx", 3), p(midnight, "4xx", 1), p(midnight, "5xx", 1)}},
		"by class":        {ask(func(q *meter.Question) { q.By = meter.ByClass }), []meter.Point{p(midnight, "chargeable", 3), p(midnight, "not_billable", 1), p(midnight, "test", 1)}},
		"by unit":         {ask(func(q *meter.Question) { q.By = meter.ByUnit; q.Unit = "words" }), []meter.Point{p(midnight, "characters", 30), p(midnight, "requests", 5), p(midnight, "words", 115)}},
		"of a customer":   {ask(func(q *meter.Question) { q.Customer = "cus_a" }), []meter.Point{p(midnight, "", 4)}},
		"of a key":        {ask(func(q *meter.Question) { q.Key = "key_a" }), []meter.Point{p(midnight, "", 3)}},
		"of a service":    {ask(func(q *meter.Question) { q.Service = "ocr" }), []meter.Point{p(midnight, "", 1)}},
		"of an endpoint":  {ask(func(q *meter.Question) { q.Endpoint = "POST /extractions"; q.Service = "ner" }), []meter.Point{p(midnight, "", 3)}},
		"of a status":     {ask(func(q *meter.Question) { q.StatusClass = 5 }), []meter.Point{p(midnight, "", 1)}},
		"of two classes":  {ask(func(q *meter.Question) { q.Classes = []toll.Class{toll.Chargeable, toll.TestUsage} }), []meter.Point{p(midnight, "", 4)}},
		"hours by status": {ask(func(q *meter.Question) { q.Step = meter.Hour; q.By = meter.ByStatus; q.Service = "ner" }), []meter.Point{p(morning, "2xx", 2), p(morning, "5xx", 1), p(morning.Add(time.Hour), "4xx", 1)}},
	} {
		got, err := s.Series(context.Background(), c.q)
		same(t, name, got, err, c.want)
	}
}

func addsUpRefusals(t *testing.T, s Store) {
	r := func(after time.Duration, customer, policy string, reason toll.RefusalReason, n int64) toll.Refusal {
		return toll.Refusal{Minute: morning.Add(after), Customer: customer, Key: "key_" + customer, Service: "ner", Policy: policy, Reason: reason, Count: n}
	}
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", Next: at(1, 100), Refusals: []toll.Refusal{
		r(0, "cus_a", "minute", toll.RefusedLimit, 3),
		r(0, "cus_a", "monthly", toll.RefusedLimit, 1),
		r(61*time.Minute, "", "", toll.RefusedKeyMissing, 2),
		r(0, "cus_a", "minute", toll.RefusedLimit, 2), // the same once more in one batch
	}})
	mustDrain(t, s, &meter.Batch{Lane: "n1/a", From: at(1, 100), Next: at(1, 200), Refusals: []toll.Refusal{
		r(0, "cus_a", "minute", toll.RefusedLimit, 4), // and once more in the next
		r(time.Minute, "cus_b", "minute", toll.RefusedLimit, 1),
	}})
	p := func(start time.Time, reason toll.RefusalReason, policy string, n int64) meter.RefusalPoint {
		return meter.RefusalPoint{Start: start, Reason: reason, Policy: policy, Count: n}
	}
	midnight := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		q    meter.RefusalQuery
		want []meter.RefusalPoint
	}{
		"hours": {meter.RefusalQuery{From: morning, To: morning.Add(2 * time.Hour), Step: meter.Hour}, []meter.RefusalPoint{
			p(morning, toll.RefusedLimit, "minute", 10), p(morning, toll.RefusedLimit, "monthly", 1), p(morning.Add(time.Hour), toll.RefusedKeyMissing, "", 2)}},
		"days": {meter.RefusalQuery{From: morning, To: morning.Add(2 * time.Hour), Step: meter.Day}, []meter.RefusalPoint{
			p(midnight, toll.RefusedKeyMissing, "", 2), p(midnight, toll.RefusedLimit, "minute", 10), p(midnight, toll.RefusedLimit, "monthly", 1)}},
		"whole, one minute": {meter.RefusalQuery{From: morning.Add(time.Minute), To: morning.Add(2 * time.Minute)}, []meter.RefusalPoint{
			p(morning.Add(time.Minute), toll.RefusedLimit, "minute", 1)}},
		"of a customer": {meter.RefusalQuery{Customer: "cus_a", From: morning, To: morning.Add(2 * time.Hour)}, []meter.RefusalPoint{
			p(morning, toll.RefusedLimit, "minute", 9), p(morning, toll.RefusedLimit, "monthly", 1)}},
	} {
		got, err := s.Refusals(context.Background(), c.q)
		same(t, name, got, err, c.want)
	}
}

func pagesEvents(t *testing.T, s Store) {
	events := history()
	fill(t, s, "n1/a", events[2], events[0], events[4], events[1], events[3]) // order of arrival does not matter
	for name, c := range map[string]struct {
		q    meter.EventQuery
		want []toll.Event
	}{
		"the newest two":      {meter.EventQuery{Limit: 2}, []toll.Event{events[4], events[3]}},
		"the next two":        {meter.EventQuery{Limit: 2, Before: events[3].ID}, []toll.Event{events[2], events[1]}},
		"the last":            {meter.EventQuery{Limit: 2, Before: events[1].ID}, []toll.Event{events[0]}},
		"before the first":    {meter.EventQuery{Limit: 2, Before: events[0].ID}, nil},
		"of a customer":       {meter.EventQuery{Limit: 10, Customer: "cus_b"}, []toll.Event{events[3]}},
		"of a key":            {meter.EventQuery{Limit: 10, Key: "key_t"}, []toll.Event{events[4]}},
		"of a service":        {meter.EventQuery{Limit: 10, Service: "ocr"}, []toll.Event{events[4]}},
		"of a status":         {meter.EventQuery{Limit: 10, StatusClass: 5}, []toll.Event{events[2]}},
		"of a request":        {meter.EventQuery{Limit: 10, RequestID: events[1].RequestID}, []toll.Event{events[1]}},
		"all that is asked":   {meter.EventQuery{Limit: 1, Customer: "cus_a", Service: "ner", StatusClass: 2}, []toll.Event{events[1]}},
		"nothing fits":        {meter.EventQuery{Limit: 10, Customer: "cus_b", Service: "ocr"}, nil},
		"a stranger's":        {meter.EventQuery{Limit: 10, Customer: "cus_x"}, nil},
		"a customer's, paged": {meter.EventQuery{Limit: 1, Customer: "cus_a", Before: events[4].ID}, []toll.Event{events[2]}},
	} {
		got, err := s.Events(context.Background(), c.q)
		same(t, name, got, err, c.want)
	}
}

func sumsUsageThatCounts(t *testing.T, s Store) {
	fill(t, s, "n1/a", history()...)
	got, err := s.UsedBetween(context.Background(), morning, morning.Add(48*time.Hour))
	same(t, "two days", got, err, []meter.Used{
		{Customer: "cus_a", Unit: "characters", Count: 30},
		{Customer: "cus_a", Unit: "requests", Count: 2},
		{Customer: "cus_a", Unit: "words", Count: 15},
		{Customer: "cus_b", Unit: "requests", Count: 1},
	})
	got, err = s.UsedBetween(context.Background(), morning.Add(15*time.Minute), morning.Add(75*time.Minute))
	same(t, "an hour", got, err, []meter.Used{{Customer: "cus_b", Unit: "requests", Count: 1}})
	got, err = s.UsedBetween(context.Background(), morning.Add(15*time.Minute), morning.Add(30*time.Minute))
	same(t, "what is not billable is not used", got, err, nil)
}

func auditsEveryClass(t *testing.T, s Store) {
	unknown := example(9)
	unknown.Class, unknown.PlanVersion = toll.Unknown, "free@000000000002"
	fill(t, s, "n1/a", append(history(), unknown)...)
	got, err := s.Audit(context.Background(), morning, morning.Add(48*time.Hour))
	row := func(customer, version, unit string, class toll.Class, n int64) meter.AuditRow {
		return meter.AuditRow{Customer: customer, PlanVersion: version, Unit: unit, Class: class, Count: n}
	}
	same(t, "audit", got, err, []meter.AuditRow{
		row("cus_a", "free@000000000001", "characters", toll.Chargeable, 30),
		row("cus_a", "free@000000000001", "requests", toll.Chargeable, 2),
		row("cus_a", "free@000000000001", "requests", toll.NotBillable, 1),
		row("cus_a", "free@000000000001", "requests", toll.TestUsage, 1),
		row("cus_a", "free@000000000001", "words", toll.Chargeable, 15),
		row("cus_a", "free@000000000001", "words", toll.TestUsage, 100),
		row("cus_a", "free@000000000002", "requests", toll.Unknown, 1),
		row("cus_b", "free@000000000001", "requests", toll.Chargeable, 1),
	})
}

func listsDoubts(t *testing.T, s Store) {
	ctx := context.Background()
	fill(t, s, "n1/a", example(1), example(2), example(3))
	unknown := example(4)
	unknown.Class = toll.Unknown
	mustDrain(t, s, &meter.Batch{
		Lane: "n1/a" + meter.DoubtsSuffix, Next: at(1, 500),
		Events: []toll.Event{unknown}, Undelivered: []toll.ULID{example(2).ID},
	})
	together := example(5)
	mustDrain(t, s, &meter.Batch{ // an event and its doubt may come in one batch
		Lane: "n2/a", Next: at(1, 500), Events: []toll.Event{together}, Undelivered: []toll.ULID{together.ID},
	})
	got, err := s.Doubts(ctx, morning, morning.Add(time.Hour))
	same(t, "doubts", got, err, []meter.Doubt{
		{Event: example(2), Kind: meter.DoubtUndelivered},
		{Event: unknown, Kind: meter.DoubtUnknown},
		{Event: together, Kind: meter.DoubtUndelivered},
	})
	got, err = s.Doubts(ctx, morning.Add(4*time.Millisecond), morning.Add(5*time.Millisecond))
	same(t, "doubts of a millisecond", got, err, []meter.Doubt{{Event: unknown, Kind: meter.DoubtUnknown}})
	wantEvents(t, s, 5) // a doubt changes no count
}

func takesLateAndFutureEvents(t *testing.T, s Store) {
	late, future := example(1), example(2)
	late.Time = morning.AddDate(0, 0, -40)
	future.Time = morning.AddDate(0, 2, 0)
	fill(t, s, "n1/a", example(3), late, future)
	got, err := s.Series(context.Background(), meter.Question{From: morning.AddDate(-1, 0, 0), To: morning.AddDate(1, 0, 0), Step: meter.Hour})
	same(t, "hours", got, err, []meter.Point{
		{Start: late.Time, Count: 1}, {Start: morning, Count: 1}, {Start: future.Time, Count: 1},
	})
}
