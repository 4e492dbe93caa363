package upstream

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func questionAbout(fields ...string) *exchange.Request {
	h := exchange.Fields{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &exchange.Request{Method: "DELETE", RawPath: "/x", Header: h, Peer: netip.MustParseAddr("127.0.0.1"), Body: http.NoBody}
}

func TestAQuestionGoesOutOnceAndItsAnswerComesWhole(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if r.Method != "GET" || r.Header.Get("X-Forwarded-Method") != "DELETE" || r.Header.Get("X-Forwarded-Uri") != "/x?y" || r.Header.Get("Te") != "" || r.Header.Get("X-Hop") != "" {
			t.Errorf("asked %s %v", r.Method, r.Header)
		}
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(http.StatusFound) // which is an answer, and no way to go
		fmt.Fprint(w, "go away")
	}))
	t.Cleanup(authority.Close)
	a, err := NewAsker(toll.ForwardAuth{URL: authority.URL + "/auth"}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	request := questionAbout("Te", "trailers", "Connection", "X-Hop, TE", "X-Hop", "1", "X-Forwarded-Method", "FORGED")
	answer, err := a.Ask(context.Background(), request, "/x?y")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.Status != 302 || string(body) != "go away" || answer.Length != 7 || answer.Header.Get("Location") != "/elsewhere" {
		t.Errorf("%d %v %q: %v", answer.Status, answer.Header, body, err)
	}
	if request.Header.Get("X-Forwarded-Method") != "FORGED" || asked.Load() != 1 {
		t.Errorf("the request was changed to %v, or asked %d times", request.Header, asked.Load())
	}
}

func TestAnAskerKeepsItsConnections(t *testing.T) {
	t.Parallel()
	var connections atomic.Int64
	authority := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	authority.Config.ConnContext = func(ctx context.Context, _ net.Conn) context.Context { connections.Add(1); return ctx }
	authority.Start()
	t.Cleanup(authority.Close)
	a, err := NewAsker(toll.ForwardAuth{URL: authority.URL}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	for range 20 {
		if _, err := a.Ask(context.Background(), questionAbout(), "/"); err != nil {
			t.Fatal(err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections for twenty questions, one after the other", n)
	}
	var many sync.WaitGroup
	for range 8 {
		many.Go(func() {
			for range 20 {
				if _, err := a.Ask(context.Background(), questionAbout(), "/"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	many.Wait()
	if n := connections.Load(); n > 80 { // net/http may dial one more than it comes to need
		t.Errorf("%d connections for 160 questions of eight callers", n)
	}
}

func TestAnAskerEndsWithItsTimeOrItsCaller(t *testing.T) {
	t.Parallel()
	authority := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(authority.Close)
	a, err := NewAsker(toll.ForwardAuth{URL: authority.URL, Timeout: time.Millisecond}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if answer, err := a.Ask(context.Background(), questionAbout(), "/"); err == nil || !strings.Contains(err.Error(), authority.URL) {
		t.Errorf("%+v: %v", answer, err)
	}
	patient, err := NewAsker(toll.ForwardAuth{URL: authority.URL, Timeout: time.Hour}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	gone, leave := context.WithCancel(context.Background())
	leave()
	if answer, err := patient.Ask(gone, questionAbout(), "/"); err == nil {
		t.Errorf("%+v", answer)
	}
}

func TestAnAddressThatCannotBeAskedIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"", "127.0.0.1:1", "ftp://127.0.0.1", "http://", "http://%zz"} {
		if _, err := NewAsker(toll.ForwardAuth{URL: address}, Options{}); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%q: %v", address, err)
		}
	}
}
