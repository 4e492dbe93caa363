package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// get asks a handler and returns its answer.
func get(t *testing.T, h http.Handler, path string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w.Code, w.Body.String()
}

// everything makes all gauges that ask for their state.
func everything(m *Metrics) {
	m.WatchJournal(func() Journal { return Journal{Backlog: 4096, Lag: 1500 * time.Millisecond, Full: true} })
	m.WatchUpstreams(func() []Upstream {
		return []Upstream{{"ner", "127.0.0.1:9001", true, 3, 0, 9, "closed"}, {"ner", "127.0.0.1:9002", false, 0, 7, 5, "open"}}
	})
	m.WatchMail(func() (Mail, bool) {
		return Mail{Waiting: 3, Oldest: 90 * time.Second, GivenUp: 1, Sent: 20, Failures: 4}, true
	})
	m.WatchShared(func() Shared { return Shared{Away: true, Outages: 2, Replicas: 3, Asked: 40, Alone: 5} })
	m.WatchStore(func() Store { return Store{Away: true, Age: 90 * time.Second, Size: 4711, Failing: true} })
	m.WatchConnections(func() Connections { return Connections{Open: 1, Max: 2} })
	m.WatchEdge(func() Edge {
		return Edge{
			Retries: []Retries{{"ner", 4, 499}}, Caches: []Cache{{"ner", 12, 4000, 64000}}, AccessDropped: 2,
		}
	})
}

func TestMetricsTellWhatHappened(t *testing.T) {
	t.Parallel()
	m := NewMetrics("1.2.3")
	everything(m)
	e := m.Endpoint("ner", "POST /extractions")
	e.Begin()
	e.Begin()
	e.Begin()
	e.Done(Outcome{Status: 200, Latency: 20 * time.Millisecond, UpstreamTime: 15 * time.Millisecond, BytesIn: 57, BytesOut: 120})
	e.Done(Outcome{Status: 499})
	m.Endpoint("ner", "other").Begin()
	m.Refused("ner", "quota-exceeded")
	m.Refused("ner", "quota-exceeded")
	m.Refused("", "not-found")
	e.Begin()
	e.Done(Outcome{Status: 200, Cache: "hit", BytesOut: 1000, Coding: "zstd", Compressed: 250})
	m.Hello()
	m.Hello()
	m.Shaken("TLS 1.3")
	m.Certificate(true, false)
	m.Certificate(false, true)
	_, body := get(t, m.Handler(), "/metrics")
	for _, line := range []string{
		`tollhouse_requests_total{class="2xx",endpoint="POST /extractions",service="ner"} 2`,
		`tollhouse_requests_total{class="4xx",endpoint="POST /extractions",service="ner"} 1`,
		`tollhouse_requests_total{class="5xx",endpoint="POST /extractions",service="ner"} 0`,
		`tollhouse_request_seconds_bucket{service="ner",le="0.01"} 2`,
		`tollhouse_request_seconds_bucket{service="ner",le="0.025"} 3`,
		`tollhouse_upstream_seconds_count{service="ner"} 1`,
		`tollhouse_requests_in_flight{service="ner"} 2`,
		`tollhouse_body_bytes_total{direction="in",service="ner"} 57`,
		`tollhouse_body_bytes_total{direction="out",service="ner"} 1120`,
		`tollhouse_refusals_total{reason="quota-exceeded",service="ner"} 2`,
		`tollhouse_refusals_total{reason="not-found",service=""} 1`,
		`tollhouse_journal_backlog_bytes 4096`,
		`tollhouse_journal_lag_seconds 1.5`,
		`tollhouse_journal_full 1`,
		`tollhouse_shared_limits_away 1`,
		`tollhouse_shared_limits_outages_total 2`,
		`tollhouse_shared_limits_replicas 3`,
		`tollhouse_shared_limits_asked_total 40`,
		`tollhouse_shared_limits_alone_total 5`,
		`tollhouse_upstream_healthy{service="ner",upstream="127.0.0.1:9001"} 1`,
		`tollhouse_upstream_healthy{service="ner",upstream="127.0.0.1:9002"} 0`,
		`tollhouse_upstream_in_flight{service="ner",upstream="127.0.0.1:9001"} 3`,
		`tollhouse_upstream_failures_total{service="ner",upstream="127.0.0.1:9002"} 7`,
		`tollhouse_upstream_answers_total{service="ner",upstream="127.0.0.1:9002"} 5`,
		`tollhouse_upstream_circuit{service="ner",state="open",upstream="127.0.0.1:9002"} 1`,
		`tollhouse_upstream_circuit{service="ner",state="closed",upstream="127.0.0.1:9002"} 0`,
		`tollhouse_upstream_circuit{service="ner",state="closed",upstream="127.0.0.1:9001"} 1`,
		`tollhouse_cache_answers_total{result="hit",service="ner"} 1`,
		`tollhouse_cache_answers_total{result="miss",service="ner"} 0`,
		`tollhouse_cache_stored{service="ner"} 12`,
		`tollhouse_cache_bytes{service="ner"} 4000`,
		`tollhouse_cache_max_bytes{service="ner"} 64000`,
		`tollhouse_retries_total{service="ner"} 4`,
		`tollhouse_retry_budget{service="ner"} 499`,
		`tollhouse_access_log_dropped_total 2`,
		`tollhouse_compressed_total{coding="zstd"} 1`,
		`tollhouse_compression_bytes_total{coding="zstd",side="before"} 1000`,
		`tollhouse_compression_bytes_total{coding="zstd",side="after"} 250`,
		`tollhouse_tls_hellos_total 2`,
		`tollhouse_tls_handshakes_total{version="TLS 1.3"} 1`,
		`tollhouse_certificates_total{renewal="false",result="fetched"} 1`,
		`tollhouse_certificates_total{renewal="true",result="failed"} 1`,
		`tollhouse_build_info{go=`,
		`go_goroutines `,
		`process_cpu_seconds_total `,
	} {
		if !strings.Contains(body, line) {
			t.Errorf("%s is missing", line)
		}
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	m := NewMetrics("x")
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range maxEndpoints {
				e := m.Endpoint("ner", fmt.Sprintf("GET /%d/%d", g, i))
				e.Begin()
				e.Done(Outcome{Status: 200})
				m.Refused("ner", fmt.Sprint(g, i))
			}
		})
	}
	all.Wait()
	_, body := get(t, m.Handler(), "/metrics")
	if n := strings.Count(body, "tollhouse_requests_total{"); n > 5*(maxEndpoints+8) {
		t.Errorf("%d series of requests", n)
	}
	if n := strings.Count(body, "tollhouse_refusals_total{"); n > maxReasons+8 {
		t.Errorf("%d series of refusals", n)
	}
	if !strings.Contains(body, `tollhouse_requests_total{class="2xx",endpoint="other",service="other"}`) {
		t.Error("what came late is not counted")
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	m := NewMetrics("x")
	m.Refused("ner", "quota-exceeded")
	m.Endpoint("ner", "GET /").Begin()
	if n := testing.AllocsPerRun(100, func() {
		e := m.Endpoint("ner", "GET /")
		e.Begin()
		e.Done(Outcome{Status: 200, Latency: time.Millisecond, UpstreamTime: time.Millisecond, BytesIn: 1, BytesOut: 1})
		m.Refused("ner", "quota-exceeded")
	}); n > 2 { // the two keys of the maps
		t.Errorf("it allocates %v times", n)
	}
}

func TestTheAdminListenerSaysHowItIs(t *testing.T) {
	t.Parallel()
	var state error
	h := Admin{Metrics: NewMetrics("x"), Ready: func(context.Context) error { return state }}.Handler()
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": "ready", "/metrics": "tollhouse_build_info", "/debug/pprof/": "goroutine",
		"/debug/pprof/goroutine?debug=1": "goroutine profile", "/debug/pprof/cmdline": "telemetry",
	} {
		if status, body := get(t, h, path); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	state = &toll.Error{Code: toll.Unavailable, Message: "The database does not answer.", Cause: errors.New("dial 10.0.0.7:5432")}
	if status, body := get(t, h, "/readyz"); status != 503 || body != "The database does not answer.\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if status, _ := get(t, h, "/healthz"); status != 200 {
		t.Errorf("/healthz: %d, though the process lives", status)
	}
	if status, _ := get(t, h, "/"); status != 404 {
		t.Errorf("/: %d", status)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/healthz", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /healthz: %d", w.Code)
	}
	if status, _ := get(t, Admin{}.Handler(), "/metrics"); status != 404 {
		t.Errorf("/metrics without metrics: %d", status)
	}
}

func BenchmarkCount(b *testing.B) {
	m := NewMetrics("x")
	b.ReportAllocs()
	for b.Loop() {
		e := m.Endpoint("ner", "GET /")
		e.Begin()
		e.Done(Outcome{Status: 200, Latency: time.Millisecond, UpstreamTime: time.Millisecond, BytesIn: 1, BytesOut: 1})
	}
}

func TestAnUpstreamThatStandsTwiceSpoilsNoScrape(t *testing.T) {
	t.Parallel()
	m := NewMetrics("x")
	m.WatchUpstreams(func() []Upstream {
		return []Upstream{
			{Service: "ner", Upstream: "127.0.0.1:9001", Healthy: true, InFlight: 2, Failures: 3},
			{Service: "ner", Upstream: "127.0.0.1:9001", InFlight: 4, Failures: 5}, // h2c://
			{Service: "other", Upstream: "127.0.0.1:9001", Healthy: true},
		}
	})
	status, body := get(t, Admin{Metrics: m}.Handler(), "/metrics")
	for _, want := range []string{
		`tollhouse_upstream_healthy{service="ner",upstream="127.0.0.1:9001"} 0`,
		`tollhouse_upstream_in_flight{service="ner",upstream="127.0.0.1:9001"} 6`,
		`tollhouse_upstream_failures_total{service="ner",upstream="127.0.0.1:9001"} 8`,
		`tollhouse_upstream_healthy{service="other",upstream="127.0.0.1:9001"} 1`,
	} {
		if status != 200 || !strings.Contains(body, want+"\n") {
			t.Errorf("%d: the page lacks %s", status, want)
		}
	}
}

func TestSaysWhichConfigurationHolds(t *testing.T) {
	t.Parallel()
	m, now := NewMetrics("x"), Config{Fingerprint: "0123456789ab"}
	m.WatchConfig(func() Config { return now })
	h := Admin{Metrics: m}.Handler()
	if _, body := get(t, h, "/metrics"); !strings.Contains(body, `tollhouse_config_info{fingerprint="0123456789ab"} 1`) || !strings.Contains(body, "tollhouse_config_refused 0\n") {
		t.Error("it does not say which, or that nothing was refused")
	}
	now.Refused = true
	if _, body := get(t, h, "/metrics"); !strings.Contains(body, "tollhouse_config_refused 1\n") {
		t.Error("it does not say that a newer one was refused")
	}
}
