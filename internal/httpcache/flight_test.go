package httpcache_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/httpcache"
)

// together sends calls at the same time, the first one first, and gives what
// each got.
func (h *house) together(calls ...call) []got {
	all := make([]got, len(calls))
	var wait sync.WaitGroup
	for i, c := range calls {
		wait.Go(func() { all[i] = h.do(c) })
		synctest.Wait() // it is on its way, or waits for another
	}
	wait.Wait()
	return all
}

func many(n int, c call) []call {
	calls := make([]call, n)
	for i := range calls {
		calls[i] = c
	}
	return calls
}

func TestManyMissesAskTheServiceOnce(t *testing.T) {
	t.Parallel()
	for name, chunked := range map[string]bool{"of known length": false, "of unknown length": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", after: time.Second, slow: time.Second, chunked: chunked})
				shared := 0
				for _, g := range h.together(many(50, call{})...) {
					if g.err != nil || g.body != "the answer" {
						t.Fatal(g)
					}
					if g.result.Cached {
						shared++
						if !strings.Contains(g.cacheStatus(), "collapsed") {
							t.Errorf("a shared answer says %q", g.cacheStatus())
						}
					}
				}
				if h.origin.count() != 1 || shared != 49 {
					t.Errorf("asked %d times, shared %d; want 1 and 49", h.origin.count(), shared)
				}
				if g := h.get("/a"); g.result.Word != "hit" {
					t.Errorf("after it: %v", g)
				}
			})
		})
	}
}

func TestFollowersReadAnAnswerOfKnownLengthAsItComes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "0123456789", slow: time.Second})
		go h.do(call{})
		time.Sleep(4500 * time.Millisecond)
		began := time.Now()
		response, _, err := h.Serve(t.Context(), call{}.request(), "", h.origin)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		first := make([]byte, 4)
		if _, err := io.ReadFull(response.Body, first); err != nil || string(first) != "0123" || time.Since(began) != 0 {
			t.Errorf("after %v: %q %v; want what had come, at once", time.Since(began), first, err)
		}
		rest, err := io.ReadAll(response.Body)
		if err != nil || string(rest) != "456789" || time.Since(began) != 5500*time.Millisecond {
			t.Errorf("after %v: %q %v", time.Since(began), rest, err)
		}
		if h.origin.count() != 1 {
			t.Errorf("asked %d times", h.origin.count())
		}
	})
}

func TestWhatTurnsOutPrivateIsNeverShared(t *testing.T) {
	t.Parallel()
	for name, fields := range map[string][]string{
		"private":       {"Cache-Control", "private, max-age=60"},
		"no-store":      {"Cache-Control", "no-store"},
		"a cookie":      {"Cache-Control", "max-age=60", "Set-Cookie", "session=1"},
		"says nothing":  nil,
		"varies by all": {"Cache-Control", "max-age=60", "Vary", "*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.origin.answer = func(*exchange.Request) *reply {
					return &reply{fields: fields, body: "for " + string(rune('a'+len(h.origin.asked))), after: time.Second}
				}
				seen := map[string]bool{}
				for _, g := range h.together(many(10, call{})...) {
					if g.err != nil || seen[g.body] || g.result.Cached {
						t.Errorf("%v, seen before: %v", g, seen[g.body])
					}
					seen[g.body] = true
				}
				// The next ones know, and do not wait for one another.
				began := time.Now()
				h.together(many(10, call{})...)
				if took := time.Since(began); took != time.Second {
					t.Errorf("ten more took %v, want 1s: they waited in vain", took)
				}
			})
		})
	}
}

func TestCustomersShareOnlyWhatIsPublic(t *testing.T) {
	t.Parallel()
	a, b := call{customer: "a"}, call{customer: "b"}
	for said, want := range map[string]int{"public, max-age=60": 1, "s-maxage=60": 2, "max-age=60": 6} {
		t.Run(said, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.origin.answer = func(r *exchange.Request) *reply {
					return &reply{fields: []string{"Cache-Control", said}, body: "for " + r.Header.Get("Tollhouse-Customer"), after: time.Second}
				}
				a, b := a, b
				a.fields, b.fields = []string{"Tollhouse-Customer", "a"}, []string{"Tollhouse-Customer", "b"}
				for i, g := range h.together(a, b, a, b, a, b) {
					own := []string{"for a", "for b"}[i%2]
					if g.err != nil || want > 1 && g.body != own {
						t.Errorf("call %d: %v, want %q", i, g, own)
					}
				}
				if n := h.origin.count(); n != want {
					t.Errorf("asked %d times, want %d", n, want)
				}
			})
		})
	}
}

func TestAFollowerWithAnotherVariantAsksForItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.answer = func(r *exchange.Request) *reply {
			body := "page"
			if r.Header.Get("HX-Request") != "" {
				body = "fragment"
			}
			return &reply{fields: []string{"Cache-Control", "max-age=60", "Vary", "HX-Request"}, body: body, after: time.Second}
		}
		all := h.together(call{}, with("HX-Request", "true"), call{})
		for i, want := range []string{"page", "fragment", "page"} {
			if all[i].body != want {
				t.Errorf("call %d: %v, want %q", i, all[i], want)
			}
		}
		if h.origin.count() != 2 {
			t.Errorf("asked %d times, want 2", h.origin.count())
		}
	})
}

func TestALeaderWhoLeavesTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	for name, leaves := range map[string]time.Duration{"before the head": 500 * time.Millisecond, "during the body": 3500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", after: time.Second, slow: time.Second})
				ctx, cancel := context.WithTimeout(t.Context(), leaves)
				defer cancel()
				var leader, follower got
				var wait sync.WaitGroup
				wait.Go(func() { leader = h.doWith(ctx, call{}) })
				synctest.Wait()
				wait.Go(func() { follower = h.do(call{}) })
				wait.Wait()
				var gone *exchange.Failure
				if !errors.As(leader.err, &gone) || gone.Status != 499 {
					t.Errorf("the leader got %v, want 499", leader)
				}
				if follower.err != nil || follower.body != "the answer" || h.origin.count() != 1 {
					t.Errorf("the follower got %v; asked %d times", follower, h.origin.count())
				}
			})
		})
	}
}

func TestWhenEverybodyLeftTheServiceIsLeftToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", after: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		h.doWith(ctx, call{})
		h.Close() // waits for what is under way
		if took := time.Since(began); took != time.Second {
			t.Errorf("the service was waited for until %v", took)
		}
	})
}

func TestWhoComesAfterEverybodyLeftDoesNotJoinWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", after: 10 * time.Second, deaf: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h.doWith(ctx, call{})
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", after: time.Second})
		if g := h.do(call{}); g.err != nil || g.body != "the answer" || h.origin.count() != 2 {
			t.Errorf("%v, asked %d times", g, h.origin.count())
		}
	})
}

func TestAClientWhoLeavesAnAnswerThatIsNotKeptEndsIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "no-store"}, body: "the answer", slow: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if g := h.doWith(ctx, call{}); g.err == nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", g, time.Since(began))
		}
	})
}

func TestAFailureIsToldToAllWhoWaited(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{err: failure(504), after: time.Second})
		for _, g := range h.together(many(10, call{})...) {
			var f *exchange.Failure
			if !errors.As(g.err, &f) || f.Status != 504 {
				t.Errorf("%v, want the failure", g)
			}
		}
		if h.origin.count() != 1 {
			t.Errorf("a service that is down was asked %d times", h.origin.count())
		}
		h.origin.always("Cache-Control", "max-age=60")
		if g := h.get("/a"); g.err != nil {
			t.Errorf("and stays so: %v", g)
		}
	})
}

func TestAnAnswerThatBreaksOffBreaksOffForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: "the answer", slow: time.Second, cut: true})
		for _, g := range h.together(call{}, call{}) {
			if g.err == nil {
				t.Errorf("%v, want an error: it is not whole", g)
			}
		}
	})
}

func TestATooLargeAnswerPassesThroughAndIsNotStored(t *testing.T) {
	t.Parallel()
	for name, chunked := range map[string]bool{"of known length": false, "of unknown length": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t, func(o *httpcache.Options) { o.MaxObject = 1000 })
				large := strings.Repeat("large ", 500)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: large, after: time.Second, chunked: chunked})
				for _, g := range h.together(many(5, call{})...) {
					if g.err != nil || g.body != large || g.result.Cached {
						t.Errorf("%d of %d bytes, cached %v, %v", len(g.body), len(large), g.result.Cached, g.err)
					}
				}
				if g := h.get("/a"); g.result.Cached || g.body != large {
					t.Errorf("it was stored: %s", g.result.Word)
				}
			})
		})
	}
}

func TestAnswersThatAreStillComingTakeBoundedMemory(t *testing.T) {
	t.Parallel()
	for name, chunked := range map[string]bool{"of known length": false, "of unknown length": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t) // 1 MiB, so 256 KiB may be on their way
				body := strings.Repeat("x", 60<<10)
				h.origin.next(&reply{fields: []string{"Cache-Control", "max-age=60"}, body: body, chunked: chunked, late: time.Second})
				calls := make([]call, 40)
				for i := range calls {
					calls[i].target = "/" + strconv.Itoa(i)
				}
				for _, g := range h.together(calls...) {
					if g.err != nil || g.body != body {
						t.Fatalf("%d bytes, %v", len(g.body), g.err)
					}
				}
				// One of unknown length takes its bytes as they come, so the place of one
				// that is finished may serve another: then more than four are kept.
				if n := h.settled(40); n < 3 || n > 4 && !chunked || n > 17 {
					t.Errorf("%d were kept, want as many as were within the bound", n)
				}
				if g := h.get("/another"); !strings.Contains(g.cacheStatus(), "stored") {
					t.Errorf("and nothing is kept any more: %v", g.cacheStatus())
				}
			})
		})
	}
}

func TestAPanicCostsItsRequestsAndNotTheProgram(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.origin.next(&reply{after: time.Second, panics: true})
		var shown any
		var follower got
		var wait sync.WaitGroup
		wait.Go(func() {
			defer func() { shown = recover() }()
			h.do(call{})
		})
		synctest.Wait()
		wait.Go(func() { follower = h.do(call{}) })
		wait.Wait()
		if text, ok := shown.(string); !ok || !strings.HasPrefix(text, "the origin's mistake") || !strings.Contains(text, "house_test.go") {
			t.Errorf("the leader's panic is %v", shown)
		}
		var f *exchange.Failure
		if !errors.As(follower.err, &f) || f.Status != 502 {
			t.Errorf("the follower got %v", follower)
		}
		h.origin.always("Cache-Control", "max-age=60")
		if g := h.get("/a"); g.err != nil {
			t.Errorf("and then: %v", g)
		}
	})
}
