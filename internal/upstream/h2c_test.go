package upstream

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// serverOf is a real upstream that speaks HTTP/2 without TLS, and HTTP/1.1
// where first is true.
func serverOf(t testing.TB, first bool, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.Protocols = new(http.Protocols)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Config.Protocols.SetHTTP1(first)
	s.Start()
	t.Cleanup(s.Close)
	return "h2c" + strings.TrimPrefix(s.URL, "http")
}

func TestSpeaksHTTP2ToWhoWantsIt(t *testing.T) {
	t.Parallel()
	base := serverOf(t, false, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 || r.Host != "api.example.com:8080" || r.RequestURI != "/a%2fb?q=1" || r.Header.Get("Te") != "trailers" || r.Header.Get("Connection") != "" {
			t.Errorf("%s %s %s %v", r.Proto, r.Host, r.RequestURI, r.Header)
		}
		w.Header().Set("Trailer", "Tollhouse-Usage")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Tollhouse-Usage", "words=3")
	})
	p := poolTo(t, toll.Service{Timeouts: limits}, Options{}, base)
	for _, length := range []int64{5, -1} {
		req := request("POST", "/a%2fb?q=1", "hello")
		req.Length = length
		req.Header.Set("Te", "trailers")
		resp, body := answer(t, p, req)
		if resp.Status != 200 || body != "hello" {
			t.Errorf("%d %q", resp.Status, body)
		}
		if got := resp.Trailer.Get("Tollhouse-Usage"); got != "words=3" {
			t.Errorf("the trailer is %q", got)
		}
	}
	idleAgain(t, p)
}

func TestProbesAndRepeatsReachHTTP2Too(t *testing.T) {
	t.Parallel()
	healthy := make(chan struct{}, 8)
	base := serverOf(t, false, func(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(w, r.ProtoMajor) })
	var got deliveries
	p := poolTo(t, toll.Service{Health: toll.Health{Path: "/healthz", Every: 10 * time.Millisecond}},
		Options{Changed: func(s Status) {
			if s.Health == Healthy {
				healthy <- struct{}{}
			}
		}}, base, loses(t, &got))
	<-healthy
	for range 4 {
		req := request("GET", "/", "")
		req.Header.Set("Te", "trailers")
		if _, body := answer(t, p, req); body != "2" {
			t.Errorf("answered over HTTP/%s", body)
		}
	}
	idleAgain(t, p)
}

func TestAnAbortedStreamIsNotDeliveredTwice(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	abort := func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		asked.Add(1)
		panic(http.ErrAbortHandler)
	}
	p := poolTo(t, toll.Service{Retry: everything}, Options{}, serverOf(t, false, abort), serverOf(t, false, abort))
	for range 10 {
		if resp, err := p.Forward(t.Context(), request("POST", "/", "pay 10")); err == nil {
			_ = resp.Body.Close()
			t.Errorf("answered %d", resp.Status)
		}
	}
	if n := asked.Load(); n != 10 {
		t.Errorf("ten requests were delivered %d times", n)
	}
	idleAgain(t, p)
}

func TestAnUpgradeGoesToAnH2CUpstreamOverHTTP1(t *testing.T) {
	t.Parallel()
	base := serverOf(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			_, _ = fmt.Fprint(w, r.ProtoMajor)
			return
		}
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhi")
	})
	p := poolTo(t, toll.Service{}, Options{}, base)
	req := request("GET", "/", "")
	req.Upgrade = "echo"
	resp, err := p.Forward(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(resp.Upgraded); string(text) != "hi" {
		t.Errorf("got %q, %v", text, err)
	}
	_ = resp.Upgraded.Close()
	if _, body := answer(t, p, request("GET", "/", "")); body != "2" {
		t.Errorf("beside it answered over HTTP/%s", body)
	}
	idleAgain(t, p)
}
