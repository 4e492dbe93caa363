package redislimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/limit/redislimit"
	"github.com/tollhouse/tollhouse/internal/limit/redislimit/redistest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// replica is one process's part: a pool of its own, and one customer.
type replica struct {
	pool  *limit.Pool
	parts limit.Partitions
}

// replicasOn starts replicas on a server; each knows the others.
func replicasOn(t testing.TB, s *redistest.Server, n int) []*replica {
	t.Helper()
	var all []*replica
	for i := range n {
		ledger, err := redislimit.Open(s.URL())
		if err != nil {
			t.Fatal(err)
		}
		state := new(limit.State)
		pool := limit.NewPool(ledger, limit.PoolOptions{Replica: fmt.Sprint("r", i)})
		all = append(all, &replica{pool: pool, parts: limit.Partitions{Customer: state, SharedCustomer: pool.Share("acme", true, state)}})
		t.Cleanup(func() { _ = ledger.Close() })
	}
	for range 2 {
		for _, r := range all {
			r.pool.Beat(t.Context())
		}
	}
	for _, r := range all {
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.pool.Run(ctx) }()
		t.Cleanup(func() { stop(); <-ended })
	}
	return all
}

func set(t testing.TB, policies ...toll.Policy) *limit.Set {
	t.Helper()
	s, err := limit.Compile(policies, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// flood has callers ask every replica without pause for a while, and returns
// how many were admitted and in what time from the first ask to the last answer.
func flood(all []*replica, s *limit.Set, callers int, during time.Duration) (admitted int64, took time.Duration) {
	var n atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for c := range callers {
		group.Go(func() {
			var a limit.Admission
			random := rand.New(rand.NewPCG(uint64(c), 7))
			for now := time.Now(); now.Sub(began) < during; now = time.Now() {
				if a.Admit(now, all[random.IntN(len(all))].parts, "ner", "other", s) {
					n.Add(1)
				}
				a.Settle(true, nil)
				a.Release()
				if random.IntN(50) == 0 {
					time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond) // the load is not even
				}
			}
		})
	}
	group.Wait()
	return n.Load(), time.Since(began)
}

func TestThreeReplicasTogetherKeepTheRate(t *testing.T) {
	t.Parallel()
	for _, p := range []toll.Policy{
		{Name: "second", Kind: toll.RateLimit, Count: 500, Window: time.Second},
		{Name: "even", Kind: toll.RateLimit, Count: 200, Window: time.Second, Burst: 1},
		{Name: "minute", Kind: toll.RateLimit, Count: 600, Window: time.Minute, Burst: 40},
	} {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			all := replicasOn(t, redistest.Start(t), 3)
			admitted, took := flood(all, set(t, p), 12, 3*time.Second)
			burst := p.Burst
			if burst == 0 {
				burst = p.Count
			}
			most := burst + int64(float64(p.Count)*took.Seconds()/p.Window.Seconds())
			t.Logf("%d per %s, burst %d: admitted %d of at most %d in %s: overshoot %d, stranded %d", p.Count, p.Window, burst, admitted, most, took.Round(time.Millisecond), max(0, admitted-most), max(0, most-admitted))
			for _, r := range all { // a machine that stalls for a second looks like a server that is away
				if s := r.pool.Status(); s.Outages > 0 {
					t.Logf("the server did not answer for a second, %d times", s.Outages)
					most += burst * s.Outages
				}
			}
			if admitted > most {
				t.Errorf("%d more than the rate were admitted", admitted-most)
			}
			if admitted < burst {
				t.Errorf("%d were admitted, less than may pass at once", admitted)
			}
		})
	}
}

func TestAServerThatIsKilledUnderLoadComesBackByItself(t *testing.T) {
	t.Parallel()
	const quota = 100_000
	server := redistest.Start(t)
	all := replicasOn(t, server, 3)
	s := set(t, toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: quota})
	total, _ := flood(all, s, 6, 300*time.Millisecond)
	for range 3 {
		part := make(chan int64)
		go func() {
			n, _ := flood(all, s, 6, 700*time.Millisecond)
			part <- n
		}()
		server.Kill()
		for _, r := range all {
			for !r.pool.Away() {
				time.Sleep(time.Millisecond)
			}
		}
		server.Restart()
		total += <-part
		for _, r := range all {
			for r.pool.Away() {
				time.Sleep(time.Millisecond)
			}
		}
	}
	for range 20 { // to the end, and past it
		n, _ := flood(all, s, 6, 300*time.Millisecond)
		total += n
	}
	t.Logf("quota %d, killed and emptied three times: admitted %d, overshoot %d, stranded %d", quota, total, max(0, total-quota), max(0, quota-total))
	if total > quota+quota/2 {
		t.Errorf("%d were admitted of %d: more than leases can be open", total, quota)
	}
	for _, r := range all {
		if got := r.pool.Status(); got.Outages < 3 || got.Alone == 0 {
			t.Errorf("%+v", got)
		}
	}
}

func TestAnAddressThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "redis://:opensesame@h:port", "http://opensesame@h", "redis://:opensesame@h/notanumber"} {
		ledger, err := redislimit.Open(address)
		if err == nil {
			t.Errorf("%q was taken", address)
			_ = ledger.Close()
			continue
		}
		if text := err.Error(); strings.Contains(text, "opensesame") {
			t.Errorf("%q: %s", address, text)
		}
	}
}

func BenchmarkSharedHotKey(b *testing.B) {
	all := replicasOn(b, redistest.Start(b), 3)
	s := set(b, toll.Policy{Name: "minute", Kind: toll.RateLimit, Count: 1 << 30, Window: time.Minute},
		toll.Policy{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 1 << 40},
		toll.Policy{Name: "monthly", Kind: toll.Quota, Unit: toll.UnitRequests, Every: toll.Monthly, Count: 1 << 50})
	var a limit.Admission
	b.ReportAllocs()
	for b.Loop() {
		if !a.Admit(time.Now(), all[0].parts, "ner", "other", s) {
			b.Fatal("refused")
		}
		a.Settle(true, nil)
		a.Release()
	}
	b.ReportMetric(float64(all[0].pool.Status().Asked)/float64(b.N), "roundtrips/op")
}

func BenchmarkRoundTrip(b *testing.B) {
	ledger, err := redislimit.Open(redistest.Start(b).URL())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = ledger.Close() }()
	asks := []limit.Ask{{Counter: limit.Counter{Kind: toll.Quota, Who: "acme", What: "x"}, Replica: "a", Need: 1, Limit: 1 << 50, Sure: true}}
	grants := make([]limit.Grant, 1)
	for b.Loop() {
		asks[0].Seq++
		if err := ledger.Exchange(b.Context(), asks, grants); err != nil {
			b.Fatal(err)
		}
	}
}
