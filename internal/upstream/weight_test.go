package upstream

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestWeightedTurnsAreSmooth follows every prefix of the turns: nobody is ever
// more than a few requests from its share.
func TestWeightedTurnsAreSmooth(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 50), 2, 6).Draw(rt, "weights")
		weights[0] = max(weights[0], 1)
		weights[1] = weights[0] + 1 // not all the same
		sum := 0
		for _, w := range weights {
			sum += w
		}
		p := names(t, toll.Service{Weights: weights}, Options{}, len(weights))
		count := map[string]int{}
		for n := 1; n <= 3*sum; n++ {
			u, _ := p.pick(nil, nil)
			count[u.host]++
			p.release(u)
			for i, u := range p.upstreams {
				if off := float64(count[u.host]) - float64(n*weights[i])/float64(sum); off > 2 || off < -2 {
					rt.Fatalf("of %d by %v, %d got %d", n, weights, i, count[u.host])
				}
			}
		}
	})
}

func TestACanaryGetsItsShare(t *testing.T) {
	t.Parallel()
	for _, balance := range []toll.Balance{toll.RoundRobin, toll.LeastRequests, toll.Sticky} {
		p := names(t, toll.Service{Balance: balance, Weights: []int{95, 5, 0}}, Options{}, 3)
		got := turns(p, 1000)
		if a, b, c := got[p.upstreams[0].host], got[p.upstreams[1].host], got[p.upstreams[2].host]; a != 950 || b != 50 || c != 0 {
			t.Errorf("%s: %d to %d to %d", balance, a, b, c)
		}
	}
}

// TestSharesHoldAmongManyAtOnce lets requests choose at the same time: what one
// takes without the other's knowledge is made up for.
func TestSharesHoldAmongManyAtOnce(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Weights: []int{6, 3, 1}}, Options{}, 3)
	var mu sync.Mutex
	total := map[string]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			got := turns(p, 5000)
			mu.Lock()
			defer mu.Unlock()
			for host, n := range got {
				total[host] += n
			}
		})
	}
	all.Wait()
	for i, want := range []int{24_000, 12_000, 4_000} {
		if got := total[p.upstreams[i].host]; got < want*95/100 || got > want*105/100 {
			t.Errorf("%d got %d of 40000, want about %d", i, got, want)
		}
	}
}

func TestLeastRequestsWeighs(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Balance: toll.LeastRequests, Weights: []int{3, 1}}, Options{}, 2)
	for range 40 {
		if u, _ := p.pick(nil, nil); u == nil {
			t.Fatal("nobody was picked")
		}
	}
	for i, want := range []int64{30, 10} {
		if got := p.upstreams[i].inFlight.Load(); got != want {
			t.Errorf("%d has %d of 40, want %d", i, got, want)
		}
	}
}

func TestOneThatWasAwayIsNotGivenWhatItMissed(t *testing.T) {
	t.Parallel()
	p := names(t, toll.Service{Weights: []int{1, 2, 1}}, Options{}, 3)
	away := p.upstreams[0]
	away.unhealthy.Store(true)
	turns(p, 3000)
	away.unhealthy.Store(false)
	if got := turns(p, 400)[away.host]; got < 98 || got > 102 {
		t.Errorf("it got %d of 400, want 100", got)
	}
}

func TestOneThatComesBackStartsSlowly(t *testing.T) {
	t.Parallel()
	p, now := clocked(t, toll.Service{SlowStart: 10 * time.Second}, 2)
	u := p.upstreams[0]
	p.bad(u, refusedConnection)
	*now += time.Second
	turns(p, 100)
	p.good(u, true)
	for _, step := range []struct {
		after time.Duration
		want  int // of 1100
	}{{0, 100}, {time.Second, 100}, {2500 * time.Millisecond, 220}, {5 * time.Second, 366}, {10 * time.Second, 550}, {time.Hour, 550}} {
		from := *now
		*now = time.Second + step.after
		got := turns(p, 1100)[u.host]
		if got < step.want-3 || got > step.want+3 {
			t.Errorf("after %v it got %d of 1100, want %d", step.after, got, step.want)
		}
		if s := p.Status()[0]; step.after >= 10*time.Second && s.Weight != fullWeight {
			t.Errorf("it has come to %d", s.Weight)
		}
		*now = max(*now, from)
	}
	u.unhealthy.Store(true)
	u.health.state = Unhealthy
	p.service.Health.Healthy = 1
	p.note(u, nil) // the probes bring it back
	if got := turns(p, 1100)[u.host]; got < 97 || got > 103 {
		t.Errorf("back by its probes it got %d of 1100, want 100", got)
	}
}

func TestPickingByWeightAllocatesNothing(t *testing.T) {
	for _, balance := range []toll.Balance{toll.RoundRobin, toll.LeastRequests, toll.EWMA} {
		p := names(t, toll.Service{Balance: balance, Weights: []int{1, 2, 3, 4, 5, 6, 7, 8}, SlowStart: time.Hour}, Options{}, 8)
		p.ramp(p.upstreams[3], 1)
		if n := testing.AllocsPerRun(100, func() {
			u, _ := p.take(t.Context(), nil, nil)
			p.release(u)
		}); n != 0 {
			t.Errorf("%s allocates %v times", balance, n)
		}
	}
}
