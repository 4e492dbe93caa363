package store_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// traffic makes events as a gateway would: customers with a key each, three
// endpoints, two reported units, at a steady rate.
type traffic struct {
	ids       *toll.IDs
	now       time.Time
	step      time.Duration // between two events
	customers int
	n         int
}

func (tr *traffic) customer(n int) string { return fmt.Sprintf("cus_01J9ZZZZZZZZZZZZZZZZ%06d", n) }

func newTraffic(customers int) *traffic {
	return &traffic{ids: toll.NewIDs(nil), now: time.Date(2026, 11, 16, 10, 0, 0, 0, time.UTC), step: 100 * time.Microsecond, customers: customers}
}

func (tr *traffic) batch(lane string, from meter.Position, n int) *meter.Batch {
	b := &meter.Batch{Lane: lane, From: from, Next: meter.Position{Segment: 1, Offset: from.Offset + int64(n)*200}, Events: make([]toll.Event, n)}
	for i := range b.Events {
		tr.n++
		tr.now = tr.now.Add(tr.step)
		c := tr.n * 7919 % tr.customers
		id := tr.ids.New(tr.now)
		e := &b.Events[i]
		*e = toll.Event{
			ID: id, Time: tr.now, RequestID: id.String(), Customer: tr.customer(c), Key: fmt.Sprintf("key_01J9ZZZZZZZZZZZZZZZZ%06d", c),
			Plan: "pro", PlanVersion: "pro@0123456789ab", Service: "ner", Endpoint: [...]string{"POST /extractions", "GET /openapi.json", "other"}[tr.n%3],
			Method: "POST", Status: 200, Class: toll.Chargeable, Latency: 12345 * time.Microsecond, BytesIn: 512, BytesOut: 2048,
			Units: []toll.Amount{{Unit: "words", Count: 123}, {Unit: "characters", Count: 871}},
		}
		if tr.n%50 == 0 {
			e.Status, e.Class = 502, toll.NotBillable
		}
		if tr.n%20 == 0 {
			e.RequestID = fmt.Sprintf("outside-%d", tr.n)
		}
	}
	return b
}

var engines = []struct {
	name string
	open func(testing.TB) *store.Store
}{{"sqlite", storetest.Open}, {"postgres", storetest.OpenPostgres}}

// BenchmarkDrain drains batches of 5,000 events with all indexes, rollups and
// the cursor in the same transaction.
func BenchmarkDrain(b *testing.B) {
	for _, engine := range engines {
		for _, customers := range []int{20, 20_000} {
			b.Run(fmt.Sprintf("%s/customers=%d", engine.name, customers), func(b *testing.B) {
				const size = 5000
				s := engine.open(b)
				tr := newTraffic(customers)
				var from meter.Position
				var cpu time.Duration
				b.ReportAllocs()
				for b.Loop() {
					b.StopTimer()
					batch := tr.batch("node/lane", from, size)
					from = batch.Next
					before := cpuTime(b)
					b.StartTimer()
					if err := s.Drain(context.Background(), batch); err != nil {
						b.Fatal(err)
					}
					b.StopTimer()
					cpu += cpuTime(b) - before
					b.StartTimer()
				}
				b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(cpu.Microseconds())/float64(size)/float64(b.N), "cpu-µs/event")
			})
		}
	}
}

// cpuTime is what this process has used so far: machines are shared, so it says
// more than the clock.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkQuestions asks what pages ask, of a month of 200,000 events of 20
// customers.
func BenchmarkQuestions(b *testing.B) {
	ctx := context.Background()
	for _, engine := range engines {
		s := engine.open(b)
		tr := newTraffic(20)
		tr.step = 30 * 24 * time.Hour / 200_000
		end := tr.now.Add(30 * 24 * time.Hour)
		var from meter.Position
		for range 40 {
			batch := tr.batch("node/lane", from, 5000)
			if err := s.Drain(ctx, batch); err != nil {
				b.Fatal(err)
			}
			from = batch.Next
		}
		month := meter.Question{From: end.AddDate(0, 0, -30), To: end, Customer: tr.customer(10)}
		for _, question := range []struct {
			name string
			ask  func() (int, error)
		}{
			{"customer, month by days and status", func() (int, error) {
				q := month
				q.Step, q.By = meter.Day, meter.ByStatus
				points, err := s.Series(ctx, q)
				return len(points), err
			}},
			{"customer, month by hours", func() (int, error) {
				q := month
				q.Step = meter.Hour
				points, err := s.Series(ctx, q)
				return len(points), err
			}},
			{"house, month by hours and endpoint", func() (int, error) {
				q := month
				q.Step, q.By, q.Customer = meter.Hour, meter.ByEndpoint, ""
				points, err := s.Series(ctx, q)
				return len(points), err
			}},
			{"house, month by customer", func() (int, error) {
				q := month
				q.By, q.Customer = meter.ByCustomer, ""
				points, err := s.Series(ctx, q)
				return len(points), err
			}},
			{"used in the month", func() (int, error) {
				used, err := s.UsedBetween(ctx, month.From, month.To)
				return len(used), err
			}},
			{"customer, newest 50 failures", func() (int, error) {
				events, err := s.Events(ctx, meter.EventQuery{Customer: month.Customer, StatusClass: 5, Limit: 50})
				return len(events), err
			}},
		} {
			b.Run(engine.name+"/"+question.name, func(b *testing.B) {
				for b.Loop() {
					n, err := question.ask()
					if err != nil || n == 0 {
						b.Fatal(n, err)
					}
				}
			})
		}
	}
}
