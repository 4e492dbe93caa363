package metertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/sketch"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Latencies implements meter.Questions; its percentiles are exact.
func (m *Memory) Latencies(_ context.Context, q meter.LatencyQuestion) ([]meter.LatencyPoint, error) {
	step := width(q.Step)
	edge := cmp.Or(step, time.Hour)
	from, to := down(q.From, edge), up(q.To, edge)
	type cell struct {
		start time.Time
		group string
	}
	took := map[cell][]time.Duration{}
	m.mu.Lock()
	settled := maps.Clone(m.settled) // nobody knows how long those took either
	m.mu.Unlock()
	for _, e := range m.All() {
		if _, late := settled[e.ID]; late || !within(e.Time, from, to) || e.Class == toll.Unknown || q.Service != "" && e.Service != q.Service || q.Endpoint != "" && e.Endpoint != q.Endpoint {
			continue
		}
		at := cell{start: q.From.UTC()}
		if step != 0 {
			at.start = down(e.Time, step)
		}
		if q.By != meter.ByNothing {
			at.group = group(q.By, e, toll.Amount{})
		}
		took[at] = append(took[at], e.Latency)
	}
	var points []meter.LatencyPoint
	for at, all := range took {
		slices.Sort(all)
		rank := func(q float64) time.Duration { return all[int(math.Ceil(q*float64(len(all))))-1] }
		points = append(points, meter.LatencyPoint{Start: at.start, Group: at.group, Count: int64(len(all)), P50: rank(0.5), P95: rank(0.95), P99: rank(0.99)})
	}
	slices.SortFunc(points, func(a, b meter.LatencyPoint) int {
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.Group, b.Group))
	})
	return points, nil
}

// sameLatencies compares an answer with an exact one, percentiles within the
// promised error.
func sameLatencies(t rapid.TB, what string, got []meter.LatencyPoint, err error, want []meter.LatencyPoint) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	near := func(got, want time.Duration) bool {
		return math.Abs(float64(got-want)) <= sketch.RelativeError*float64(want)+1
	}
	equal := slices.EqualFunc(got, want, func(g, w meter.LatencyPoint) bool {
		return g.Start.Equal(w.Start) && g.Start.Location() == time.UTC && g.Group == w.Group && g.Count == w.Count &&
			near(g.P50, w.P50) && near(g.P95, w.P95) && near(g.P99, w.P99)
	})
	if !equal {
		t.Fatalf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

// answersLatencies drains a hundred requests of 1 to 100 ms in two batches, and
// a few of another hour, endpoint and service.
func answersLatencies(t *testing.T, s Store) {
	var events []toll.Event
	for n := range 100 {
		e := example(n)
		e.Latency = time.Duration(n*37%100+1) * time.Millisecond // each once, in no order
		events = append(events, e)
	}
	slow := example(100)
	slow.Endpoint, slow.Latency, slow.Status = "other", 30*time.Second, 504
	later := example(101)
	later.Time, later.Latency = morning.Add(25*time.Hour), 0
	elsewhere := example(102)
	elsewhere.Service, elsewhere.Latency, elsewhere.Customer = "ocr", 7*time.Microsecond, "cus_b"
	unknown := example(103)
	unknown.Class, unknown.Latency = toll.Unknown, time.Hour
	fill(t, s, "n1/a", events[:60]...)
	fill(t, s, "n1/b", append(events[60:], slow, later, elsewhere, unknown)...)

	const ms = time.Millisecond
	midnight := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC)
	p := func(start time.Time, group string, count int64, p50, p95, p99 time.Duration) meter.LatencyPoint {
		return meter.LatencyPoint{Start: start, Group: group, Count: count, P50: p50, P95: p95, P99: p99}
	}
	whole := meter.LatencyQuestion{From: midnight, To: midnight.AddDate(0, 0, 7)}
	for name, c := range map[string]struct {
		change func(*meter.LatencyQuestion)
		want   []meter.LatencyPoint
	}{
		"of an endpoint": {func(q *meter.LatencyQuestion) {
			q.Step, q.To, q.Service, q.Endpoint = meter.Hour, morning.Add(time.Hour), "ner", "POST /extractions"
		}, []meter.LatencyPoint{p(morning, "", 100, 50*ms, 95*ms, 99*ms)}},
		"days by endpoint": {func(q *meter.LatencyQuestion) { q.Step, q.By = meter.Day, meter.ByEndpoint }, []meter.LatencyPoint{
			p(midnight, "ner POST /extractions", 100, 50*ms, 95*ms, 99*ms),
			p(midnight, "ner other", 1, 30*time.Second, 30*time.Second, 30*time.Second),
			p(midnight, "ocr POST /extractions", 1, 7*time.Microsecond, 7*time.Microsecond, 7*time.Microsecond),
			p(midnight.AddDate(0, 0, 1), "ner POST /extractions", 1, 0, 0, 0)}},
		"whole by service": {func(q *meter.LatencyQuestion) { q.By = meter.ByService }, []meter.LatencyPoint{
			p(midnight, "ner", 102, 50*ms, 96*ms, 100*ms), p(midnight, "ocr", 1, 7*time.Microsecond, 7*time.Microsecond, 7*time.Microsecond)}},
		"widened to the hour": {func(q *meter.LatencyQuestion) {
			q.From, q.To, q.Service = morning.Add(59*time.Minute), morning.Add(60*time.Minute), "ocr"
		}, []meter.LatencyPoint{p(morning.Add(59*time.Minute), "", 1, 7*time.Microsecond, 7*time.Microsecond, 7*time.Microsecond)}},
		"of a stranger": {func(q *meter.LatencyQuestion) { q.Service = "none" }, nil},
		"of no time":    {func(q *meter.LatencyQuestion) { q.To = q.From }, nil},
	} {
		q := whole
		c.change(&q)
		got, err := s.Latencies(context.Background(), q)
		sameLatencies(t, name, got, err, c.want)
	}
}

func (w world) compareLatencies(rt *rapid.T, s Store, model *Memory) {
	q := meter.LatencyQuestion{
		From: w.moment(rt), To: w.moment(rt), Service: w.name(rt, "svc", 2), // other histories of this store had services of their own
		Step:     rapid.SampledFrom([]meter.Step{meter.Hour, meter.Day, meter.Whole}).Draw(rt, "latency step"),
		By:       rapid.SampledFrom([]meter.By{meter.ByNothing, meter.ByService, meter.ByEndpoint}).Draw(rt, "latency by"),
		Endpoint: rapid.SampledFrom([]string{"", "", "other"}).Draw(rt, "latency of"),
	}
	want, _ := model.Latencies(context.Background(), q)
	got, err := s.Latencies(context.Background(), q)
	sameLatencies(rt, fmt.Sprintf("latencies %+v", q), got, err, want)
}
