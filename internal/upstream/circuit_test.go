package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// clocked makes a pool of n upstreams whose time is the test's.
func clocked(t testing.TB, svc toll.Service, n int) (*Pool, *time.Duration) {
	var now time.Duration
	began := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return names(t, svc, Options{Clock: func() time.Time { return began.Add(now) }}, n), &now
}

// refusedConnection is the trouble of an upstream that is not there.
var refusedConnection = trouble{kind: "connection_refused", unsent: true}

func TestSaysWhatOpenedACircuit(t *testing.T) {
	t.Parallel()
	p, _ := clocked(t, toll.Service{}, 2)
	u := p.upstreams[0]
	for _, why := range []trouble{refusedConnection, badAnswers[0]} {
		for range 5 {
			p.bad(u, why)
		}
		if got := p.status(u).Trouble; got != why.kind {
			t.Errorf("opened by %q it says %q", why.kind, got)
		}
		p.good(u, true)
		if got := p.status(u).Trouble; got != "" {
			t.Errorf("closed it says %q", got)
		}
	}
}

func TestACircuitOpensForLongerEachTimeAndClosesByOneTrial(t *testing.T) {
	t.Parallel()
	p, now := clocked(t, toll.Service{}, 2)
	u := p.upstreams[0]
	for i := range 4 {
		if p.bad(u, badAnswers[1]); !u.circuit.closed() {
			t.Fatalf("it opened after %d failures", i+1)
		}
	}
	p.good(u, false)
	for range 4 {
		p.bad(u, badAnswers[1])
	}
	if !u.circuit.closed() {
		t.Fatal("a success between the failures was forgotten")
	}
	p.bad(u, badAnswers[1])
	for i, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		want *= time.Second
		p.bad(u, badAnswers[1]) // many fail for the one reason
		p.good(u, false)
		*now += want - 1
		if got := u.circuit.state(*now); got != Open {
			t.Fatalf("time %d: after %v it is %s", i, want-1, got)
		}
		if got := turns(p, 10); got[u.host] != 0 {
			t.Fatalf("while it is open it got %d", got[u.host])
		}
		*now++
		if got := u.circuit.state(*now); got != HalfOpen {
			t.Fatalf("time %d: after %v it is %s", i, want, got)
		}
		if got := turns(p, 10); got[u.host] != 1 {
			t.Fatalf("half open it got %d", got[u.host])
		}
		p.bad(u, badAnswers[1]) // the trial fails
	}
	*now += 30 * time.Second
	p.good(u, true)
	if u.circuit.state(*now) != Closed {
		t.Fatal("a good trial did not close it")
	}
	p.bad(u, refusedConnection)
	if *now += 30 * time.Second; u.circuit.state(*now-1) != Open {
		t.Error("one that opens again at once does not start from the beginning")
	}
	p.good(u, true)
	*now += 5 * time.Minute
	p.bad(u, refusedConnection)
	if *now += time.Second; u.circuit.state(*now) != HalfOpen {
		t.Error("after five good minutes it does not start from the beginning")
	}
}

func TestATrialThatSaysNothingMakesRoomForAnother(t *testing.T) {
	t.Parallel()
	p, now := clocked(t, toll.Service{}, 2)
	u := p.upstreams[0]
	p.bad(u, refusedConnection)
	*now += time.Second
	if got := turns(p, 5); got[u.host] != 1 {
		t.Fatalf("half open it got %d", got[u.host])
	}
	u.circuit.forgo() // its client left
	if got := turns(p, 5); got[u.host] != 1 {
		t.Errorf("then it got %d", got[u.host])
	}
	*now += trialWait // this one never came back
	if got := turns(p, 5); got[u.host] != 1 {
		t.Errorf("at last it got %d", got[u.host])
	}
}

func TestACircuitOpensByTheShareOfFailures(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		every, over int // one of every fails, of so many
		within      time.Duration
		open        bool
	}{
		{2, 40, 5 * time.Second, true},
		{3, 300, 5 * time.Second, false},
		{2, 16, 5 * time.Second, false}, // too few to tell
		{2, 100, 10 * time.Minute, false},
	} {
		p, now := clocked(t, toll.Service{}, 2)
		u := p.upstreams[0]
		for i := range test.over {
			*now += test.within / time.Duration(test.over)
			if i%test.every == 0 {
				u.failed.Add(1)
				p.bad(u, badAnswers[1])
			} else {
				u.answered.Add(1)
				p.good(u, false)
			}
		}
		if got := !u.circuit.closed(); got != test.open {
			t.Errorf("%+v: open is %v", test, got)
		}
	}
}

func TestAtMostHalfAreLeftOutForAnsweringBadly(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 0, 2: 1, 3: 1, 4: 2, 5: 2} {
		p, _ := clocked(t, toll.Service{}, n)
		for _, u := range p.upstreams {
			for range 50 {
				p.bad(u, badAnswers[1])
			}
		}
		out := 0
		for _, s := range p.Status() {
			if s.Circuit != Closed {
				out++
			}
		}
		if out != want {
			t.Errorf("of %d, %d are left out", n, out)
		}
	}
}

func TestWhenAllAreOutTheyAreTriedNevertheless(t *testing.T) {
	t.Parallel()
	var down atomic.Bool
	down.Store(true)
	m := newMemory()
	m.serve(t, func(http.ResponseWriter, *http.Request) {})
	opts := Options{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if down.Load() {
			return nil, net.ErrClosed
		}
		return m.dial(ctx, network, address)
	}}
	p := poolTo(t, toll.Service{}, opts, "http://127.0.0.1:1", "http://127.0.0.1:2")
	for range 20 {
		failure(t, p, request("POST", "/", "x"), 502, "connection_refused")
	}
	for _, s := range p.Status() {
		if s.Circuit != Open {
			t.Errorf("%+v", s)
		}
	}
	down.Store(false) // nobody waits for the circuits' time now
	for range 20 {
		answer(t, p, request("POST", "/", "x"))
	}
	for _, s := range p.Status() {
		if s.Circuit != Closed && s.Answered > 0 {
			t.Errorf("%+v", s)
		}
	}
}

// TestOneOfManyRequestsTriesAHalfOpenUpstream lets 50 requests arrive in the
// instant in which a circuit's time is over.
func TestOneOfManyRequestsTriesAHalfOpenUpstream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var sick atomic.Bool
		var asked atomic.Int64
		sick.Store(true)
		m := newMemory()
		m.serve(t, func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/sick") {
				asked.Add(1)
				if sick.Load() {
					w.WriteHeader(http.StatusBadGateway)
				}
			}
			time.Sleep(50 * time.Millisecond)
		})
		var told []Circuit
		p := poolTo(t, toll.Service{}, Options{dial: m.dial, Changed: func(s Status) { told = append(told, s.Circuit) }},
			"http://127.0.0.1:9001/sick", "http://127.0.0.1:9001/well")
		for range 10 {
			answer(t, p, request("GET", "/", ""))
		}
		if p.Status()[0].Circuit != Open {
			t.Fatalf("%+v", p.Status()[0])
		}
		for _, healed := range []bool{false, true} {
			sick.Store(!healed)
			time.Sleep(5 * time.Second)
			before := asked.Load()
			var all sync.WaitGroup
			for range 50 {
				all.Go(func() { answer(t, p, request("GET", "/", "")) })
			}
			all.Wait()
			if n := asked.Load() - before; n != 1 {
				t.Errorf("healed %v: %d requests tried it", healed, n)
			}
		}
		if s := p.Status()[0]; s.Circuit != Closed {
			t.Errorf("%+v", s)
		}
		if fmt.Sprint(told) != "[open open closed]" {
			t.Errorf("told of %v", told)
		}
		p.Close()
		synctest.Wait()
	})
}

// TestKillingOneOfThreeFailsNoIdempotentRequest kills a real upstream under load,
// with all its connections, and brings it back at its address.
func TestKillingOneOfThreeFailsNoIdempotentRequest(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte("ok")) })
	var addresses []string
	listen := func(at string) (*http.Server, string) {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: handler}
		go func() { _ = s.Serve(l) }()
		return s, l.Addr().String()
	}
	servers := make([]*http.Server, 3)
	for i := range servers {
		var at string
		servers[i], at = listen("127.0.0.1:0")
		addresses = append(addresses, "http://"+at)
	}
	var mu sync.Mutex
	told := map[Circuit]int{}
	p := poolTo(t, toll.Service{Health: toll.Health{Path: "/", Every: 50 * time.Millisecond}, Timeouts: limits}, Options{Changed: func(s Status) {
		mu.Lock()
		defer mu.Unlock()
		if s.Upstream == addresses[1][len("http://"):] {
			told[s.Circuit]++
		}
	}}, addresses...)
	var (
		served atomic.Int64
		failed atomic.Int64
		stop   atomic.Bool
		all    sync.WaitGroup
	)
	defer func() {
		stop.Store(true)
		all.Wait()
		for _, s := range servers {
			_ = s.Close()
		}
	}()
	for range 16 {
		all.Go(func() {
			for !stop.Load() {
				resp, err := p.Forward(context.Background(), request("GET", "/", ""))
				if err != nil {
					failed.Add(1)
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
				served.Add(1)
			}
		})
	}
	until := func(what string, ok func() bool) {
		for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) || failed.Load() > 0 {
				t.Fatalf("%s: %+v", what, p.Status())
			}
		}
	}
	more := func(n int64) func() bool {
		goal := served.Load() + n
		return func() bool { return served.Load() >= goal }
	}
	for range 3 {
		until("before the kill", more(500))
		_ = servers[1].Close()
		until("without it", func() bool { return p.Status()[1].Circuit != Closed || p.Status()[1].Health == Unhealthy })
		until("without it", more(500))
		servers[1], _ = listen(addresses[1][len("http://"):])
		answered := p.Status()[1].Answered
		until("with it again", func() bool { return p.Status()[1].Circuit == Closed && p.Status()[1].Answered > answered+100 })
	}
	mu.Lock()
	defer mu.Unlock()
	if told[Open] == 0 || told[Closed] == 0 {
		t.Errorf("its circuit went %v", told)
	}
}

func TestARequestThatFailedOnceIsNotMadeATrialOf(t *testing.T) {
	t.Parallel()
	p, now := clocked(t, toll.Service{}, 3)
	lost, well, ill := p.upstreams[0], p.upstreams[1], p.upstreams[2]
	p.bad(ill, refusedConnection)
	*now += time.Second
	for range 10 {
		if u, _ := p.pick([]*upstream{lost}, nil); u != well {
			t.Fatalf("its second try went to %s", u.host)
		}
	}
	if u, _ := p.pick(nil, nil); u != ill {
		t.Errorf("a first try went to %s", u.host)
	}
}

// TestAnAnswerThatBreaksOffIsAFailure has one upstream of two whose heads are all
// well and whose bodies never end.
func TestAnAnswerThatBreaksOffIsAFailure(t *testing.T) {
	t.Parallel()
	half := says(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
	whole := says(t, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwell")
	p := poolTo(t, toll.Service{}, Options{}, half, whole)
	broke := 0
	for range 100 {
		resp, err := p.Forward(t.Context(), request("GET", "/", ""))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(resp.Body); err != nil {
			broke++
		}
		_ = resp.Body.Close()
	}
	if s := p.Status()[0]; s.Circuit == Closed || broke > 15 {
		t.Errorf("after %d answers that broke off: %+v", broke, s)
	}
}

func TestAStreamThatLivesAsLongAsItMayIsNoFailure(t *testing.T) {
	t.Parallel()
	bubble(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, func(t *testing.T, p *Pool) {
		p.upstreams = append(p.upstreams, p.upstreams[0]) // so that one may be left out
		var all sync.WaitGroup
		for range 30 {
			all.Go(func() {
				resp, err := p.Forward(t.Context(), request("GET", "/", ""))
				if err != nil {
					t.Error(err)
					return
				}
				if _, err = io.ReadAll(resp.Body); err == nil {
					t.Error("it ended by itself")
				}
			})
		}
		all.Wait() // an hour later, all at the same time
		if s := p.Status()[0]; s.Circuit != Closed {
			t.Errorf("%+v", s)
		}
	})
}
