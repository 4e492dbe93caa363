package upstream

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func contextUntil(t testing.TB) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

func TestWhatWasNeverSentGoesToAnotherUpstream(t *testing.T) {
	t.Parallel()
	good := server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	p := poolTo(t, toll.Service{}, Options{}, refused(t), good, refused(t))
	for i := range 10 {
		body := fmt.Sprintf("body %d", i)
		if _, got := answer(t, p, request("POST", "/", body)); got != body {
			t.Fatalf("upstream got %q, want %q", got, body)
		}
	}
	for i, s := range p.Status() {
		if dead := i != 1; (s.Circuit == Open) != dead || (s.Failed > 0) != dead || (s.Answered > 0) == dead {
			t.Errorf("%+v", s)
		}
		if s.Failed > 1 {
			t.Errorf("a dead upstream was tried %d times while its circuit is open", s.Failed)
		}
	}
	idleAgain(t, p)
}

func TestTriesThreeUpstreamsAtMostWithoutARule(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	opts := Options{dial: func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, net.ErrClosed
	}}
	p := poolTo(t, toll.Service{}, opts, "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "http://127.0.0.1:4", "http://127.0.0.1:5")
	failure(t, p, request("GET", "/", ""), 502, "connection_refused")
	if dials.Load() != defaultTries {
		t.Errorf("%d were tried", dials.Load())
	}
}

func TestASingleUpstreamIsTriedInSpiteOfItsCircuit(t *testing.T) {
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
	p := poolTo(t, toll.Service{}, opts, "http://127.0.0.1:9001")
	failure(t, p, request("GET", "/", ""), 502, "connection_refused")
	down.Store(false)
	answer(t, p, request("GET", "/", ""))
	if p.Status()[0].Circuit != Closed {
		t.Error("a good answer leaves the circuit open")
	}
}

// TestAStaleConnectionIsNoFailure is the race that every proxy meets: the
// upstream closes a kept connection in the instant in which we use it.
func TestAStaleConnectionIsNoFailure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, body string
		again        bool
	}{
		{"GET", "", true},
		{"HEAD", "", true},
		{"OPTIONS", "", true},
		{"POST", "", false},
		{"POST", "pay 10", false},
		{"PATCH", "", false},
	} {
		t.Run(test.method+test.body, func(t *testing.T) {
			t.Parallel()
			var got atomic.Int64
			p := poolTo(t, toll.Service{}, Options{}, raw(t, func(n int, conn net.Conn, in *bufio.Reader) {
				for i := 0; ; i++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					if r.URL.Path == "/second" {
						got.Add(1)
						if n == 0 {
							return // the second on a kept connection: closed without a word
						}
					}
					_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				}
			}))
			answer(t, p, request("GET", "/first", ""))
			if !test.again {
				failure(t, p, request(test.method, "/second", test.body), 502, "connection_terminated")
				if got.Load() != 1 {
					t.Errorf("it was sent %d times", got.Load())
				}
				return
			}
			if resp, _ := answer(t, p, request(test.method, "/second", test.body)); resp.Status != 200 {
				t.Errorf("answer is %d", resp.Status)
			}
			if got.Load() != 2 {
				t.Errorf("it was sent %d times", got.Load())
			}
		})
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	var conns atomic.Int64
	m := newMemory()
	m.serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, io.MultiReader(r.Body, strings.NewReader(strings.Repeat("y", 20_000))))
	})
	opts := Options{dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		conns.Add(1)
		return m.dial(ctx, network, address)
	}}
	p := poolTo(t, toll.Service{Timeouts: limits}, opts, "http://127.0.0.1:9001")
	for range 20 {
		answer(t, p, request("POST", "/", "x"))
		answer(t, p, request("GET", "/", ""))
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections for requests in a row", conns.Load())
	}
}

func TestAClosedPoolServesWhatIsOnItsWay(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{Health: toll.Health{Path: "/"}}, Options{}, server(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Close)
	}))
	p.Close()
	if _, body := answer(t, p, request("GET", "/", "")); body != "true" {
		t.Errorf("its connection is kept: %s", body)
	}
	p.Close()
}
