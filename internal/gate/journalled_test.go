package gate_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/journal"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// perLane is how many events a benchmark writes to one lane: what fits into its
// first segment, so that the figure is the cost of writing and not the disk's
// pace of making segments, which a gateway is far from.
const perLane = 100_000

// swapped is a recorder on a lane that is exchanged for a fresh one.
type swapped struct{ *meter.Recorder }

func (s *swapped) swap(b *testing.B, sync journal.Sync) {
	b.StopTimer()
	defer b.StartTimer()
	if s.Recorder != nil {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
	lane, err := journal.Create(journal.Options{Root: b.TempDir(), Node: "n1", ID: toll.ULID{1}, SegmentSize: 64 << 20, Sync: sync})
	if err != nil {
		b.Fatal(err)
	}
	s.Recorder = meter.NewRecorder(lane)
	b.Cleanup(func() { _ = lane.Close() })
}

func journalled(b *testing.B, s *swapped) (*gate.Gate, gate.Ask) {
	_, ask := generous(b)
	plan := free()
	plan.Plan.Policies[0].Count, plan.Plan.Policies[2].Count = 1_000_000_000, 1_000_000_000
	plan.Plan.Policies[1].Count = 1_000_000
	g := gate.New(s, toll.NewIDs(nil))
	if err := g.Switch(gate.Rules{Services: services(), Plans: []toll.PlanVersion{plan}}); err != nil {
		b.Fatal(err)
	}
	g.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
	key, text := newKey(b, "cus_1", toll.Live)
	g.PutKey(key)
	ask.Authorization = "Bearer " + text
	return g, ask
}

// BenchmarkTheWalkJournalled is BenchmarkTheWalk with a journal on this machine's
// disk that is synced every 50 ms in the background: the difference between the
// two is what journalling costs a request.
func BenchmarkTheWalkJournalled(b *testing.B) {
	s := &swapped{}
	s.swap(b, journal.Sync{})
	g, ask := journalled(b, s)
	var pass gate.Pass
	out := gate.Outcome{Status: 200, Answered: true}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if i%perLane == perLane-1 {
			s.swap(b, journal.Sync{})
		}
		if g.Admit(&ask, &pass) != gate.Admitted {
			b.Fatal(pass.Reason)
		}
		if _, err := pass.Record(&out); err != nil {
			b.Fatal(err)
		}
		pass.Done().Delivered(true)
	}
}

// BenchmarkTheWalkSyncedAlways waits for the disk before each answer's last byte,
// many requests sharing each sync. ns/op is the time between two requests that
// are done; wait-ns is how long each one waited.
func BenchmarkTheWalkSyncedAlways(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			s := &swapped{}
			s.swap(b, journal.Sync{Always: true})
			g, ask := journalled(b, s)
			var waited, begun atomic.Int64
			done := make(chan struct{})
			b.ReportAllocs()
			b.ResetTimer()
			for range callers {
				go func() {
					defer func() { done <- struct{}{} }()
					var pass gate.Pass
					out := gate.Outcome{Status: 200, Answered: true}
					for begun.Add(1) <= int64(b.N) {
						began := time.Now()
						if g.Admit(&ask, &pass) != gate.Admitted {
							b.Error(pass.Reason)
							return
						}
						if _, err := pass.Record(&out); err != nil {
							b.Error(err)
							return
						}
						pass.Done().Delivered(true)
						waited.Add(int64(time.Since(began)))
					}
				}()
			}
			for range callers {
				<-done
			}
			b.ReportMetric(float64(waited.Load())/float64(b.N), "wait-ns")
		})
	}
}
