package upstream

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestWaitsForAPlaceAndIsServedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := names(t, toll.Service{MaxInFlight: 1}, Options{QueueLength: 3}, 1)
		first, f := p.take(t.Context(), nil, nil)
		if f != nil {
			t.Fatal(f.cause)
		}
		served := make(chan int, 3)
		for i := range 3 {
			go func() {
				u, f := p.take(t.Context(), nil, nil)
				if f != nil {
					t.Error(f.cause)
					return
				}
				served <- i
				p.release(u)
			}()
			synctest.Wait() // so that they come one after the other
		}
		if _, f := p.take(t.Context(), nil, nil); f == nil || f.kind != "connection_limit_reached" || !errors.Is(f.cause, errQueueFull) {
			t.Errorf("a fourth was let in: %v", f)
		}
		p.release(first)
		for want := range 3 {
			if got := <-served; got != want {
				t.Errorf("%d was served in place of %d", got, want)
			}
		}
		idleAgain(t, p)
	})
}

func TestWaitsForAPlaceOnlySoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		free := make(chan struct{})
		m.serve(t, func(http.ResponseWriter, *http.Request) { <-free })
		p := poolTo(t, toll.Service{MaxInFlight: 1}, Options{dial: m.dial}, "http://127.0.0.1:9001")
		go func() {
			if resp, err := p.Forward(t.Context(), request("GET", "/", "")); err != nil {
				t.Error(err)
			} else {
				_ = resp.Body.Close()
			}
		}()
		synctest.Wait()
		began := time.Now()
		failure(t, p, request("GET", "/", ""), 503, "connection_limit_reached")
		after(t, began, defaultQueueWait)

		began = time.Now()
		ctx, leave := context.WithTimeoutCause(t.Context(), time.Hour, nil)
		time.AfterFunc(100*time.Millisecond, leave)
		_, err := p.Forward(ctx, request("GET", "/", ""))
		expect(t, err, StatusClientGone, "client_gone")
		after(t, began, 100*time.Millisecond)
		close(free)
		synctest.Wait()
		idleAgain(t, p)
	})
}

func TestNobodyOvertakesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := names(t, toll.Service{MaxInFlight: 1}, Options{QueueLength: 9}, 2)
		a, _ := p.take(t.Context(), nil, nil)
		b, _ := p.take(t.Context(), nil, nil)
		only := make(chan *upstream, 1)
		go func() { // has tried b already and wants a
			u, _ := p.take(t.Context(), []*upstream{b}, nil)
			only <- u
		}()
		synctest.Wait()
		late := make(chan *upstream, 1)
		go func() {
			u, _ := p.take(t.Context(), nil, nil)
			late <- u
		}()
		synctest.Wait()
		p.release(b) // no use to the first in the queue: the next one has it
		if got := <-late; got != b {
			t.Error("a free place was not given to the one that could use it")
		}
		p.release(a)
		if got := <-only; got != a {
			t.Error("the one that wants a did not get it")
		}
	})
}

// TestPlacesAreNeitherLostNorGivenTwice lets many come and go at once, some of
// them impatient, and counts.
func TestPlacesAreNeitherLostNorGivenTwice(t *testing.T) {
	t.Parallel()
	const limit = 3
	p := names(t, toll.Service{MaxInFlight: limit, Balance: toll.LeastRequests}, Options{QueueLength: 20, QueueWait: time.Millisecond}, 2)
	var held [2]atomic.Int64
	var got, left atomic.Int64
	var all sync.WaitGroup
	for i := range 24 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(i)))
			for range 400 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.IntN(500))*time.Microsecond)
				u, f := p.take(ctx, nil, nil)
				if f != nil {
					left.Add(1)
					cancel()
					continue
				}
				n := 0
				if u == p.upstreams[1] {
					n = 1
				}
				if h := held[n].Add(1); h > limit {
					t.Errorf("%d hold a place of %d", h, limit)
				}
				got.Add(1)
				held[n].Add(-1)
				p.release(u)
				cancel()
			}
		})
	}
	all.Wait()
	idleAgain(t, p)
	if n := p.queue.waiting.Load(); n != 0 || len(p.queue.list) != 0 {
		t.Errorf("%d are left in the queue", n)
	}
	if got.Load() == 0 || got.Load()+left.Load() != 24*400 {
		t.Errorf("%d got a place and %d left", got.Load(), left.Load())
	}
}

func TestAPlaceIsHeldUntilTheAnswersEnd(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{MaxInFlight: 1}, Options{QueueLength: -1}, server(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 100))
	}))
	resp, err := p.Forward(t.Context(), request("GET", "/", ""))
	if err != nil {
		t.Fatal(err)
	}
	f := theFailure(t, p, request("GET", "/", ""), 503, "connection_limit_reached")
	if f.Upstream != "" {
		t.Errorf("it names %q, which was not asked", f.Upstream)
	}
	_ = resp.Body.Close()
	answer(t, p, request("GET", "/", ""))
}
