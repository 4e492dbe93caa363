package upstream

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// dripping is a body that gives so many bytes, each after a while.
type dripping struct {
	bytes int
	every time.Duration
	gone  <-chan struct{}
}

func (d *dripping) Read(p []byte) (int, error) {
	if d.bytes == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(d.every):
	case <-d.gone:
		return 0, net.ErrClosed
	}
	d.bytes--
	p[0] = 'x'
	return 1, nil
}

func (d *dripping) Close() error { return nil }

func TestABodyThatDripsIsEndedAndALongOneIsNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		body  time.Duration
		every time.Duration
		bytes int
		want  time.Duration // until 408; 0: it is answered
	}{
		{"one byte a second", 30 * time.Second, time.Second, 1000, 30 * time.Second},
		{"one byte a second, and nobody minds", 0, time.Second, 1000, 0},
		{"as fast as it must be", 30 * time.Second, time.Millisecond, 100_000, 0},
		{"short and slow", 30 * time.Second, time.Second, 29, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				network := newMemory()
				network.serve(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
				times := limits
				times.Body = c.body
				p := poolTo(t, toll.Service{Timeouts: times}, Options{dial: network.dial}, "http://127.0.0.1:9001")
				gone := make(chan struct{})
				defer close(gone)
				req := request("POST", "/", "")
				req.Body, req.Length = &dripping{bytes: c.bytes, every: c.every, gone: gone}, int64(c.bytes)
				began := time.Now()
				if c.want == 0 {
					answer(t, p, req)
					return
				}
				failure(t, p, req, 408, "http_request_error")
				if took := time.Since(began).Round(time.Second); took != c.want {
					t.Errorf("it took %v, want %v", took, c.want)
				}
			})
		})
	}
}

func TestWaitsForAPlaceAmongTheSockets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := newMemory()
		release := make(chan struct{})
		network.serve(t, func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-release
			}
		})
		sockets := NewSockets(1)
		one := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: network.dial, Sockets: sockets}, "http://127.0.0.1:9001")
		other := poolTo(t, toll.Service{Timeouts: limits}, Options{dial: network.dial, Sockets: sockets}, "http://127.0.0.1:9002")
		var busy sync.WaitGroup
		busy.Go(func() {
			resp, err := one.Forward(context.Background(), request("GET", "/slow", ""))
			if err != nil {
				t.Error(err)
				return
			}
			_ = resp.Body.Close()
		})
		synctest.Wait()
		began := time.Now()
		var f *exchange.Failure = theFailure(t, other, request("GET", "/", ""), 503, "connection_limit_reached")
		after(t, began, limits.Connect)
		if s := other.Status()[0]; s.Failed != 0 {
			t.Errorf("the upstream is blamed for it: %+v (%v)", s, f)
		}
		close(release)
		busy.Wait()
		one.Close() // its idle connection is a place too
		synctest.Wait()
		answer(t, other, request("GET", "/", ""))
	})
}
