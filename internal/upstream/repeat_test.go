package upstream

import (
	"bufio"
	"bytes"
	"context"
	"errors"
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

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// everything is the boldest rule that can be configured.
var everything = toll.Retry{Connect: true, Lost: true, Statuses: []int{502, 503, 504}, Tries: 5, Budget: 100}

// deliveries counts what reached any upstream, by the request's path.
type deliveries struct {
	mu    sync.Mutex
	count map[string]int
}

func (d *deliveries) add(path string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = map[string]int{}
	}
	d.count[path]++
}

func (d *deliveries) of(path string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count[path]
}

// loses is an upstream that takes a whole request and closes without a word.
func loses(t testing.TB, got *deliveries) string {
	return raw(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		if r, err := http.ReadRequest(in); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
			got.add(r.URL.Path)
		}
	})
}

func takes(t testing.TB, got *deliveries) string {
	return server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got.add(r.URL.Path)
		_, _ = w.Write(body)
	})
}

func TestOnlyWhatIsIdempotentIsRepeatedAfterALoss(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		method, body string
		again        bool
	}{
		{"GET", "", true}, {"HEAD", "", true}, {"OPTIONS", "", true}, {"TRACE", "", true}, {"DELETE", "", true},
		{"PUT", "whole", true}, {"DELETE", "why", true}, {"GET", "query", true},
		{"PUT", strings.Repeat("x", maxKept), true}, {"PUT", strings.Repeat("x", maxKept+1), false},
		{"POST", "", false}, {"POST", "pay 10", false}, {"PATCH", "+1", false}, {"LOCK", "", false}, {"get", "", false},
	} {
		t.Run(fmt.Sprintf("%s of %d", test.method, len(test.body)), func(t *testing.T) {
			t.Parallel()
			var got deliveries
			bad, good := loses(t, &got), takes(t, &got)
			p := poolTo(t, toll.Service{}, Options{}, good, bad) // the first turn is the second's
			req := request(test.method, "/x", test.body)
			req.Header.Set("Idempotency-Key", "trust me")
			if !test.again {
				failure(t, p, req, 502, "connection_terminated")
				if n := got.of("/x"); n != 1 {
					t.Errorf("it was delivered %d times", n)
				}
				return
			}
			resp, body := answer(t, p, req)
			if resp.Status != 200 || test.method != "HEAD" && body != test.body {
				t.Errorf("answer is %d with %d bytes, want %d", resp.Status, len(body), len(test.body))
			}
			if n := got.of("/x"); n != 2 {
				t.Errorf("it was delivered %d times", n)
			}
			idleAgain(t, p)
		})
	}
}

// TestAPOSTIsNeverDeliveredTwice lets many requests meet every way of failing,
// fresh and kept connections alike, under the boldest rule.
func TestAPOSTIsNeverDeliveredTwice(t *testing.T) {
	t.Parallel()
	var got deliveries
	// A kept connection answers twice and is closed while the third is on its way.
	third := raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		for i := range 3 {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, r.Body)
			got.add(r.URL.Path)
			if i < 2 {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			}
		}
	})
	half := raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if r, err := http.ReadRequest(in); err == nil {
			got.add(r.URL.Path)
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Le")
		}
	})
	busy := server(t, func(w http.ResponseWriter, r *http.Request) {
		got.add(r.URL.Path)
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	reset := raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if r, err := http.ReadRequest(in); err == nil {
			got.add(r.URL.Path)
			_ = conn.(*net.TCPConn).SetLinger(0)
		}
	})
	p := poolTo(t, toll.Service{Retry: everything, Breaker: toll.Breaker{Failures: 10_000, Ratio: 100}}, Options{},
		third, half, busy, reset, loses(t, &got), refused(t), takes(t, &got))
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 100 {
				path := fmt.Sprintf("/%d/%d", w, i)
				body := ""
				if i%2 == 0 {
					body = "pay 10"
				}
				req := request("POST", path, body)
				req.Header.Set("Idempotency-Key", path)
				req.Header.Set("X-Idempotency-Key", path)
				if resp, err := p.Forward(t.Context(), req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
		})
	}
	all.Wait()
	reached := 0
	got.mu.Lock() // a server may still be at a request that nobody waits for
	for path, n := range got.count {
		if reached++; n > 1 {
			t.Errorf("%s was delivered %d times", path, n)
		}
	}
	got.mu.Unlock()
	if reached < 700 { // most must have reached somebody, or nothing was proven
		t.Errorf("only %d of 800 were delivered at all", reached)
	}
	idleAgain(t, p)
}

func TestAnAnswerMayBeReplacedByAnotherUpstreams(t *testing.T) {
	t.Parallel()
	type want struct {
		status int
		asked  int64
	}
	for name, test := range map[string]struct {
		rule   toll.Retry
		method string
		status int
		want   want
	}{
		"as configured":      {toll.Retry{Statuses: []int{503}, Tries: 2, Budget: 20}, "GET", 503, want{200, 1}},
		"a PUT's body again": {toll.Retry{Statuses: []int{503}, Tries: 2, Budget: 20}, "PUT", 503, want{200, 1}},
		"not configured":     {toll.Retry{Statuses: []int{502}, Tries: 2, Budget: 20}, "GET", 503, want{503, 0}},
		"not by itself":      {toll.Retry{}, "GET", 503, want{503, 0}},
		"never a POST's":     {everything, "POST", 503, want{503, 0}},
		"never a 500":        {toll.Retry{Statuses: []int{500}, Tries: 2, Budget: 20}, "GET", 500, want{500, 0}},
		"one try":            {toll.Retry{Statuses: []int{503}, Tries: 1, Budget: 20}, "GET", 503, want{503, 0}},
		"no budget":          {toll.Retry{Statuses: []int{503}, Tries: 2}, "GET", 503, want{503, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			bad := server(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, "busy")
			})
			good := server(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				_, _ = io.Copy(w, r.Body)
			})
			p := poolTo(t, toll.Service{Retry: test.rule}, Options{}, good, bad)
			body := ""
			if test.method != "GET" {
				body = "content"
			}
			resp, text := answer(t, p, request(test.method, "/", body))
			if resp.Status != test.want.status || asked.Load() != test.want.asked {
				t.Errorf("status %d, the other was asked %d times", resp.Status, asked.Load())
			}
			if want := map[bool]string{true: body, false: "busy"}[test.want.status == 200]; text != want {
				t.Errorf("the body is %q, want %q", text, want)
			}
			idleAgain(t, p)
		})
	}
}

func TestTheLastAnswerIsPassedOnWhenAllAreBusy(t *testing.T) {
	t.Parallel()
	busy := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	p := poolTo(t, toll.Service{Retry: everything}, Options{}, server(t, busy), server(t, busy), server(t, busy))
	resp, _ := answer(t, p, request("GET", "/", ""))
	if resp.Status != 503 || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("%d %v", resp.Status, resp.Header)
	}
	for _, s := range p.Status() {
		if s.Answered != 1 {
			t.Errorf("%+v", s)
		}
	}
	idleAgain(t, p)
}

// TestADeadServiceIsNotHammered counts connections to a service whose upstreams
// all lose what they get.
func TestADeadServiceIsNotHammered(t *testing.T) {
	t.Parallel()
	var dials atomic.Int64
	opts := Options{dial: func(context.Context, string, string) (net.Conn, error) {
		dials.Add(1)
		return nil, net.ErrClosed
	}}
	p := poolTo(t, toll.Service{Retry: toll.Retry{Connect: true, Lost: true, Tries: 3, Budget: 20}}, opts,
		"http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3")
	const requests = 10_000
	for range requests {
		failure(t, p, request("GET", "/", ""), 502, "connection_refused")
	}
	extra := dials.Load() - requests
	if extra > requests/5+saved {
		t.Errorf("%d tries beyond the first of %d requests", extra, requests)
	}
	if extra < requests/5 {
		t.Errorf("only %d tries were granted of a budget of %d", extra, requests/5+saved)
	}
}

func TestABudgetGrantsNoMoreThanItsShare(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var b budget
		percent := rapid.IntRange(0, 100).Draw(t, "percent")
		b.open(percent)
		var requests, granted uint64
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			requests += rapid.Uint64Range(0, 1000).Draw(t, "requests")
			for range rapid.IntRange(0, 300).Draw(t, "asked") {
				// Each try that was granted comes to an end as well, sooner or later.
				ended := rapid.Uint64Range(0, granted).Draw(t, "ended")
				if b.spend(requests + ended) {
					granted++
				} else if rapid.Bool().Draw(t, "give up") {
					break
				}
			}
			if most := uint64(saved) + requests*uint64(percent)/100; percent > 0 && granted > most || percent == 0 && granted > 0 {
				t.Fatalf("%d granted for %d requests at %d%%", granted, requests, percent)
			}
		}
	})
}

func TestAllTriesTogetherHaveTheStreamTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		m := newMemory()
		m.serve(t, func(_ http.ResponseWriter, r *http.Request) {
			if asked.Add(1) == 1 {
				time.Sleep(30 * time.Second)
				panic(http.ErrAbortHandler) // lost
			}
			<-r.Context().Done()
		})
		p := poolTo(t, toll.Service{Timeouts: toll.Timeouts{Stream: 40 * time.Second}}, Options{dial: m.dial}, "http://127.0.0.1:1", "http://127.0.0.1:2")
		began := time.Now()
		failure(t, p, request("GET", "/", ""), 504, "http_response_timeout")
		if took := time.Since(began); took != 40*time.Second || asked.Load() != 2 {
			t.Errorf("it took %v and %d tries", took, asked.Load())
		}
		synctest.Wait()
	})
}

func TestNothingIsRepeatedForAClientThatLeft(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	ctx, leave := context.WithCancel(t.Context())
	base := raw(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		readHead(in)
		asked.Add(1)
		leave()
	})
	p := poolTo(t, toll.Service{Retry: everything}, Options{}, base, strings.Replace(base, "127.0.0.1", "localhost", 1))
	_, err := p.Forward(ctx, request("GET", "/", ""))
	if f, ok := errors.AsType[*exchange.Failure](err); !ok || f.Status != StatusClientGone && f.Type != kindLost {
		t.Errorf("failure is %v", err)
	}
	if asked.Load() != 1 {
		t.Errorf("%d were asked", asked.Load())
	}
}

// TestABodyThatIsStillComingIsRepeatedWhole loses a PUT whose client has sent
// only a part: another upstream must not get the rest alone.
func TestABodyThatIsStillComingIsRepeatedWhole(t *testing.T) {
	t.Parallel()
	var got deliveries
	halfway := make(chan struct{})
	bad := raw(t, func(_ int, _ net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.ReadFull(in, make([]byte, 4))
		close(halfway)
	})
	p := poolTo(t, toll.Service{}, Options{}, takes(t, &got), bad)
	req := request("PUT", "/x", "12345678")
	body, client := io.Pipe()
	req.Body = body
	go func() {
		_, _ = io.WriteString(client, "1234")
		<-halfway
		_, _ = io.WriteString(client, "5678")
		_ = client.Close()
	}()
	if _, text := answer(t, p, req); text != "12345678" {
		t.Errorf("another upstream got %q", text)
	}
}

func TestAnUploadIsHandedOnWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		content := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "content")
		u := &upload{body: bytes.NewReader(content), keeps: rapid.Bool().Draw(t, "keeps"), cancel: func(error) {}}
		for range rapid.IntRange(0, 4).Draw(t, "tries") {
			n, _ := io.ReadFull(u, make([]byte, rapid.IntRange(0, 250).Draw(t, "read")))
			next, ok := u.again()
			if !ok {
				if u.keeps {
					t.Fatal("what was kept is not handed on")
				}
				return
			}
			if !u.keeps && n > 0 {
				t.Fatal("a part of it is lost")
			}
			if n, err := u.Read(make([]byte, 1)); n != 0 || err == nil {
				t.Fatal("who was left behind reads on")
			}
			u = next
			u.cancel = func(error) {}
		}
		if got, err := io.ReadAll(u); err != nil || !bytes.Equal(got, content) {
			t.Fatalf("got %q, %v; want %q", got, err, content)
		}
	})
}
