package upstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// poolTo makes a pool whose upstreams are those, and closes it with the test.
func poolTo(t testing.TB, svc toll.Service, opts Options, upstreams ...string) *Pool {
	t.Helper()
	svc.Name = "ner"
	svc.Upstreams = upstreams
	p, err := NewPool(svc, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// request is a request as a front would make it.
func request(method, target, body string) *exchange.Request {
	path, query, _ := strings.Cut(target, "?")
	decoded, err := url.PathUnescape(path)
	if err != nil {
		panic(err)
	}
	return &exchange.Request{
		Method: method, Scheme: "http", Host: "api.example.com", HostPort: "api.example.com:8080",
		Path: decoded, RawPath: path, RawQuery: query,
		Header: exchange.Fields{},
		Body:   io.NopCloser(strings.NewReader(body)), Length: int64(len(body)),
	}
}

// server is a real upstream.
func server(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// answer forwards and reads the whole answer.
func answer(t testing.TB, p *Pool, req *exchange.Request) (*exchange.Response, string) {
	t.Helper()
	resp, err := p.Forward(context.Background(), req)
	if err != nil {
		t.Fatalf("forwarding %s %s: %v", req.Method, req.RawPath, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatalf("closing the answer: %v", err)
	}
	return resp, string(body)
}

func TestForwardsARequestAndItsAnswer(t *testing.T) {
	t.Parallel()
	base := server(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host)
		w.Header().Set("Content-Encoding", "gzip") // is not, and nobody must look
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write(append([]byte("got "), body...))
	})
	p := poolTo(t, toll.Service{}, Options{}, base)
	resp, body := answer(t, p, request("POST", "/extractions?lang=en&x=%20", "hello"))
	if resp.Status != 201 || body != "got hello" || resp.Length != int64(len(body)) {
		t.Errorf("answer is %d %q of length %d", resp.Status, body, resp.Length)
	}
	if want := "POST /extractions?lang=en&x=%20 api.example.com:8080"; resp.Header.Get("X-Seen") != want {
		t.Errorf("upstream saw %q, want %q", resp.Header.Get("X-Seen"), want)
	}
	if resp.Header.Get("Content-Encoding") != "gzip" {
		t.Error("the content coding was taken off")
	}
	if want := strings.TrimPrefix(base, "http://"); resp.Upstream != want {
		t.Errorf("upstream is %q, want %q", resp.Upstream, want)
	}
	if s := p.Status()[0]; s.InFlight != 0 || s.Answered != 1 || s.Failed != 0 {
		t.Errorf("status after the answer: %+v", s)
	}
}
