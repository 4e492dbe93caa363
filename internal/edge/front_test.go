package edge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/gate/gatetest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// house is a whole front on a real socket, with one service behind it.
type house struct {
	url, key string
	chain    *edge.Chain
	recorder *gatetest.Recorder
	gate     *gate.Gate
	seen     chan edge.Seen
	front    *edge.Front
	full     atomic.Bool  // serve what cannot be journalled
	limited  toll.Service // what reserving opened
}

var clock = toll.Clock(time.Now)

// transport is these tests' own: httptest closes the idle connections of
// http.DefaultTransport whenever one of its servers ends.
var transport = &http.Transport{}

// open starts a front before a service that handler serves.
func open(t testing.TB, handler http.HandlerFunc, change ...func(*toll.Service)) *house {
	t.Helper()
	behind := httptest.NewServer(handler)
	t.Cleanup(behind.Close)
	return openBefore(t, behind.URL, change...)
}

func openBefore(t testing.TB, address string, change ...func(*toll.Service)) *house {
	t.Helper()
	service := toll.Service{
		Name: "ner", Path: "/v1/ner", StripPath: true, Access: toll.AccessKey, MaxBody: 1 << 20, Balance: toll.RoundRobin,
		Upstreams: []string{address}, Units: []string{"words"}, Bill: [6]bool{2: true, 3: true, 4: true},
		Timeouts: toll.Timeouts{Connect: time.Second, Response: 30 * time.Second},
	}
	for _, f := range change {
		f(&service)
	}
	h := &house{recorder: new(gatetest.Recorder), seen: make(chan edge.Seen, 100)}
	h.gate = gate.New(h.recorder, toll.NewIDs(nil))
	plan := toll.PlanVersion{ID: "free@1", Plan: toll.Plan{
		Name: "free", Includes: []string{"ner"}, Features: []string{"models"},
		Policies: []toll.Policy{{Name: "minute", Kind: toll.RateLimit, Count: 3, Window: time.Minute}},
	}}
	if err := h.gate.Switch(gate.Rules{Services: []toll.Service{service}, Plans: []toll.PlanVersion{plan}}); err != nil {
		t.Fatal(err)
	}
	h.gate.PutCustomer(toll.Customer{ID: "cus_1", Status: toll.CustomerActive, Subscription: toll.Subscription{Plan: "free"}})
	text, hash, hint, err := apikey.New(toll.Live, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.key = text.Reveal()
	h.gate.PutKey(toll.Key{ID: "key_1", CustomerID: "cus_1", Mode: toll.Live, Hash: hash, Hint: hint})
	pool, err := upstream.NewPool(service, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	chain := &edge.Chain{
		Gate: h.gate, Clock: clock, Unmetered: h.full.Load,
		Answers: edge.Answers{UpgradeURL: "http://console.example/plan"},
		Observe: func(s *edge.Seen) {
			copied := *s
			h.seen <- copied
		},
	}
	chain.Switch(edge.Backends{"ner": pool})
	h.chain = chain
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.front = &edge.Front{Chain: chain, Console: pages{}, IDs: toll.NewIDs(nil)}
	h.front.Switch(edge.Settings{Proxies: edge.Proxies{netip.MustParsePrefix("192.0.2.0/24")}}) // not this test's own address
	server := edge.NewServer(h.front, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(edge.Listen(listener)) }()
	t.Cleanup(func() { _ = server.Close() })
	h.url = "http://" + listener.Addr().String()
	return h
}

// pages is a console that has every page but those below /v2.
type pages struct{}

func (pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	fmt.Fprintf(w, "console for %s at %s", r.RemoteAddr, r.URL.Path)
}

func (pages) Has(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/v2") }

// call sends a request with the key, and reads the answer whole.
func (h *house) call(t *testing.T, method, path, body string, fields ...string) (*http.Response, string) {
	t.Helper()
	request, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+h.key)
	for i := 0; i < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("reading the answer: %v", err)
	}
	return response, string(all)
}

type problem struct {
	Type      string   `json:"type"`
	Status    int      `json:"status"`
	Detail    string   `json:"detail"`
	RequestID string   `json:"request_id"`
	Violated  []string `json:"violated-policies"`
	Upgrade   string   `json:"upgrade_url"`
}

// problemOf reads an answer that must be a problem with the given status and
// the end of its type.
func problemOf(t *testing.T, response *http.Response, body string, status int, kind string) problem {
	t.Helper()
	if response.StatusCode != status || response.Header.Get("Content-Type") != "application/problem+json" {
		t.Fatalf("answer %s %s: %s; want %d application/problem+json", response.Status, response.Header.Get("Content-Type"), body, status)
	}
	var p problem
	if err := json.Unmarshal([]byte(body), &p); err != nil {
		t.Fatalf("the problem %q is no JSON: %v", body, err)
	}
	if p.Status != status || !strings.HasSuffix(p.Type, "#"+kind) {
		t.Errorf("problem %d %s, want %d …#%s", p.Status, p.Type, status, kind)
	}
	if p.RequestID == "" || p.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf("request ID %q in the body, %q in the field", p.RequestID, response.Header.Get("X-Request-Id"))
	}
	if response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("Cache-Control %q, want no-store", response.Header.Get("Cache-Control"))
	}
	return p
}

func TestTheServiceLearnsWhoCallsAndNothingElseSaysSo(t *testing.T) {
	t.Parallel()
	var got http.Header
	var path string
	h := open(t, func(w http.ResponseWriter, r *http.Request) { got, path = r.Header.Clone(), r.URL.RequestURI() })
	response, _ := h.call(t, "GET", "/v1/ner/a%20b?x=%2F", "",
		"Tollhouse-Customer", "cus_forged", "Tollhouse_Customer", "cus_forged", "tollhouse-Anything", "x", "X_Request_ID", "forged",
		"X-Request-ID", "forged-by-nobody-trusted", "X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.7",
		"Forwarded", "for=203.0.113.7", "X-Real-IP", "203.0.113.7", "X_Real_IP", "203.0.113.7",
		"Cookie", "a=1; tollhouse=secret; b=2; __Host-tollhouse=secret")
	if response.StatusCode != 200 {
		t.Fatal(response.Status)
	}
	for name, want := range map[string]string{
		"Tollhouse-Customer": "cus_1", "Tollhouse-Key": "key_1", "Tollhouse-Plan": "free", "Tollhouse-Mode": "live",
		"Tollhouse-Features": "models", "X-Forwarded-Prefix": "/v1/ner", "X-Forwarded-Proto": "http",
		"X-Forwarded-For": "127.0.0.1", "Cookie": "a=1; b=2", "Authorization": "",
		"Forwarded": "", "X-Real-Ip": "",
	} {
		if got.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Get(name), want)
		}
	}
	for name := range got {
		if strings.Contains(name, "_") || name == "Tollhouse-Anything" {
			t.Errorf("the service saw %s: %q", name, got[name])
		}
	}
	if id := got.Get("X-Request-Id"); len(id) != 26 || id != response.Header.Get("X-Request-Id") {
		t.Errorf("request ID %q for the service, %q for the client", id, response.Header.Get("X-Request-Id"))
	}
	if path != "/a%20b?x=%2F" {
		t.Errorf("the service saw the path %q", path)
	}
}

func TestEachMissingOrBadKeyHasItsOwnProblem(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("a refused request was forwarded") })
	stranger, _, _, err := apikey.New(toll.Live, nil)
	if err != nil {
		t.Fatal(err)
	}
	expired, hash, _, err := apikey.New(toll.Live, nil)
	if err != nil {
		t.Fatal(err)
	}
	h.gate.PutKey(toll.Key{ID: "key_2", CustomerID: "cus_1", Mode: toll.Live, Hash: hash, ExpiresAt: time.Unix(1, 0)})
	for _, c := range []struct{ authorization, kind string }{
		{"", "key-missing"},
		{"Bearer nonsense", "key-malformed"},
		{"Bearer " + h.key[:len(h.key)-1], "key-malformed"},
		{"Bearer " + strings.Repeat("k", 60_000), "key-malformed"},
		{"Bearer " + stranger.Reveal(), "key-unknown"},
		{"Token " + expired.Reveal(), "key-expired"},
	} {
		response, body := h.call(t, "GET", "/v1/ner/", "", "Authorization", c.authorization)
		problemOf(t, response, body, 401, c.kind)
		if got := response.Header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Bearer realm="ner"`) {
			t.Errorf("%s: WWW-Authenticate %q", c.kind, got)
		}
		if strings.Contains(body, "kkkk") || strings.Contains(body, stranger.Reveal()) {
			t.Error("the answer repeats the key")
		}
	}
	for _, name := range []string{"X-API-Key", "Authorization"} { // the good one first
		request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Add(name, strings.TrimPrefix("Bearer "+h.key, map[string]string{"X-API-Key": "Bearer "}[name]))
		request.Header.Add(name, "Bearer "+stranger.Reveal())
		response, err := transport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err = errors.Join(err, response.Body.Close()); err != nil {
			t.Fatal(err)
		}
		problemOf(t, response, string(body), 401, "key-malformed")
	}
	if response, _ := h.call(t, "GET", "/v1/ner/?key="+h.key, "", "Authorization", ""); response.StatusCode != 401 {
		t.Errorf("a key in the query: %s, want 401", response.Status)
	}
}

func TestTheLimitAnswersWithWhenAndWhich(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") })
	for i := range 3 {
		response, _ := h.call(t, "GET", "/v1/ner/", "")
		if response.StatusCode != 200 {
			t.Fatalf("call %d: %s", i+1, response.Status)
		}
		if got := response.Header.Get("RateLimit-Policy"); got != `"minute";q=3;w=60` {
			t.Errorf("RateLimit-Policy: %s", got)
		}
		if got := response.Header.Get("RateLimit"); !strings.HasPrefix(got, fmt.Sprintf(`"minute";r=%d`, 2-i)) {
			t.Errorf("RateLimit after call %d: %s", i+1, got)
		}
	}
	response, body := h.call(t, "GET", "/v1/ner/", "")
	p := problemOf(t, response, body, 429, "quota-exceeded")
	if p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || len(p.Violated) != 1 || p.Violated[0] != "minute" || p.Upgrade == "" {
		t.Errorf("problem %+v", p)
	}
	if wait, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || wait < 1 || wait > 20 {
		t.Errorf("Retry-After %q, want 1 to 20", response.Header.Get("Retry-After"))
	}
	if response.Header.Get("RateLimit") == "" {
		t.Error("a 429 without RateLimit")
	}
}

func TestBodiesOverTheLimitAre413AndCostNothing(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) },
		func(s *toll.Service) { s.MaxBody = 1000 })
	response, body := h.call(t, "POST", "/v1/ner/", strings.Repeat("x", 1001))
	problemOf(t, response, body, 413, "body-too-large")
	if len(h.recorder.Events()) != 0 {
		t.Error("a body that was refused by its length was recorded as an event")
	}

	// Without a length it shows only while it is forwarded.
	request, err := http.NewRequest("POST", h.url+"/v1/ner/", io.NopCloser(strings.NewReader(strings.Repeat("x", 5000))))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Api-Key", h.key)
	chunked, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer chunked.Body.Close()
	all, _ := io.ReadAll(chunked.Body)
	problemOf(t, chunked, string(all), 413, "body-too-large")
	if events := h.recorder.Events(); len(events) != 1 || events[0].Class != toll.NotBillable {
		t.Errorf("the events are %+v", events)
	}
	if response, _ := h.call(t, "POST", "/v1/ner/", strings.Repeat("x", 1000)); response.StatusCode != 200 {
		t.Errorf("a body of exactly the limit: %s", response.Status)
	}
}

func TestADeadUpstreamIs502AndASlowOne504(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	h := openBefore(t, dead)
	response, body := h.call(t, "GET", "/v1/ner/", "")
	problemOf(t, response, body, 502, "upstream-failed")
	if got := response.Header.Get("Proxy-Status"); !strings.HasPrefix(got, "tollhouse; error=") {
		t.Errorf("Proxy-Status %q", got)
	}
	release := make(chan struct{})
	defer close(release)
	slow := open(t, func(http.ResponseWriter, *http.Request) { <-release },
		func(s *toll.Service) { s.Timeouts.Response = 50 * time.Millisecond })
	response, body = slow.call(t, "GET", "/v1/ner/", "")
	problemOf(t, response, body, 504, "upstream-timeout")
	for _, r := range []*gatetest.Recorder{h.recorder, slow.recorder} {
		if events := r.Events(); len(events) != 1 || events[0].Class != toll.NotBillable {
			t.Errorf("the events are %+v", events)
		}
	}
}

func TestTheConsoleGetsWhatNoServiceTakes(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") })
	response, body := h.call(t, "GET", "/keys", "")
	if response.StatusCode != 200 || body != "console for 127.0.0.1:0 at /keys" {
		t.Errorf("%s %q", response.Status, body)
	}
	response, body = h.call(t, "GET", "/v2/nothing", "", "Accept", "text/html,*/*")
	if response.StatusCode != 200 || !strings.HasPrefix(body, "console") { // it has a page for a wrong address
		t.Errorf("a browser at a wrong address: %s %q", response.Status, body)
	}
	response, body = h.call(t, "GET", "/v2/nothing", "")
	problemOf(t, response, body, 404, "no-route")
	response, body = h.call(t, "GET", "/v1/ner/..%2f..%2fkeys", "")
	problemOf(t, response, body, 400, "bad-path")
}
