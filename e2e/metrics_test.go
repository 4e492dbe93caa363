package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const measured = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:%d" }
data: %q
console: { host: console.localhost }
services:
  api: { path: /api, access: public, upstreams: [%q], cache: {}, compress: [gzip] }
`

func TestMetricsTellOfTheEdge(t *testing.T) {
	t.Parallel()
	entered, release := make(chan struct{}), make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/slow" {
			close(entered)
			<-release
		}
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(w, strings.Repeat("word ", 1000))
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	admin := freePort(t)
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(measured, admin, filepath.Join(dir, "data"), service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	for range 3 {
		s.get("/api/a", "Accept-Encoding", "gzip")
	}
	slow := make(chan struct{})
	go func() { defer close(slow); s.get("/api/slow") }()
	<-entered
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/metrics", admin))
	if err != nil {
		t.Fatal(err)
	}
	text := body(t, response)
	close(release)
	<-slow
	upstream := regexp.QuoteMeta(strings.TrimPrefix(service.URL, "http://"))
	for _, line := range []string{
		`tollhouse_requests_in_flight\{service="api"\} 1`,
		`tollhouse_cache_answers_total\{result="miss",service="api"\} 1`,
		`tollhouse_cache_answers_total\{result="hit",service="api"\} 2`,
		`tollhouse_cache_stored\{service="api"\} 1`,
		`tollhouse_cache_bytes\{service="api"\} [1-9]\d+`,
		`tollhouse_retry_budget\{service="api"\} 500`,
		`tollhouse_retries_total\{service="api"\} 0`,
		`tollhouse_upstream_circuit\{service="api",state="closed",upstream="` + upstream + `"\} 1`,
		`tollhouse_upstream_answers_total\{service="api",upstream="` + upstream + `"\} 1`,
		`tollhouse_compressed_total\{coding="gzip"\} 3`,
		`tollhouse_compression_bytes_total\{coding="gzip",side="before"\} 15000`,
		`tollhouse_compression_bytes_total\{coding="gzip",side="after"\} [1-9]\d{1,2}`,
		`tollhouse_connections [1-9]`,
	} {
		if !regexp.MustCompile(`(?m)^` + line + `$`).MatchString(text) {
			t.Errorf("%s is missing", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
