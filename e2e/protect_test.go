package e2e

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

const protected = `
listen: { http: "127.0.0.1:0", admin: "127.0.0.1:0" }
data: %q
services:
  site:
    path: /site
    access: public
    upstreams: [%q]
    compress: [zstd, gzip]
    max_url: 1KiB
    security_headers: true
    x_ratelimit_headers: true
    cors: { origins: ["https://app.example.com"] }
    limits: [ { name: flood, rate: 1000/minute, per: ip } ]
    deny: [203.0.113.0/24]
plans: { any: { includes: [site] } }
`

func TestAConfiguredServiceIsCompressedAndProtected(t *testing.T) {
	t.Parallel()
	page := strings.Repeat("All of this is said many times. ", 400)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(protected, filepath.Join(dir, "data"), service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]

	get := func(method, path string, fields ...string) *http.Response {
		t.Helper()
		request, err := http.NewRequest(method, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(fields); i += 2 {
			request.Header.Set(fields[i], fields[i+1])
		}
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { response.Body.Close() })
		return response
	}
	answer := get("GET", "/site/", "Accept-Encoding", "gzip", "Origin", "https://app.example.com")
	plain, err := gzip.NewReader(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(plain); err != nil || string(got) != page {
		t.Errorf("decoded %d bytes: %v", len(got), err)
	}
	for name, want := range map[string]string{
		"Content-Encoding": "gzip", "Access-Control-Allow-Origin": "https://app.example.com", "X-Content-Type-Options": "nosniff",
		"X-Ratelimit-Limit": "1000", "Vary": "Origin, Accept-Encoding",
	} {
		if got := answer.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
	if preflight := get("OPTIONS", "/site/", "Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"); preflight.StatusCode != 204 || !strings.Contains(preflight.Header.Get("Access-Control-Allow-Methods"), "PUT") {
		t.Errorf("preflight: %s %v", preflight.Status, preflight.Header)
	}
	if long := get("GET", "/site/?"+strings.Repeat("x", 1100)); long.StatusCode != 414 {
		t.Errorf("a long address: %s", long.Status)
	}

	s.edit("deny: [203.0.113.0/24]", "deny: [127.0.0.0/8]")
	s.becomes("/site/", 403)
	refused := get("GET", "/site/", "Accept", "text/html,*/*;q=0.8")
	body, err := io.ReadAll(refused.Body)
	if err != nil || !strings.HasPrefix(string(body), "<!doctype html>") || !strings.Contains(string(body), "127.0.0.1") {
		t.Errorf("a browser reads %s: %v", body, err)
	}
}
