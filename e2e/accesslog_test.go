package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const logged = `
listen: { http: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
access_log: %s
services:
  api: { path: /api, access: public, upstreams: [%q, %q], cache: {} }
`

// The articles' reverse proxy writes an access log with the upstream's time;
// so does this one, where its configuration says, also after a rotation.
func TestTheAccessLogSaysWhatARequestMet(t *testing.T) {
	t.Parallel()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/broken" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		fmt.Fprint(w, "fine")
	}))
	t.Cleanup(service.Close)
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := nobody.Addr().String()
	nobody.Close()
	dir := t.TempDir()
	file := filepath.Join(dir, "access.log")
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(logged, filepath.Join(dir, "data"), file, "http://"+away, service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]

	type line struct {
		Msg, ID, Method, Path, Proto, Client, Upstream, Service, Cache string
		Status, Out, Retries, Share                                    int
		UpstreamMs                                                     float64 `json:"upstream_ms"`
	}
	// lines waits until a file has so many of them.
	lines := func(name string, n int) []line {
		t.Helper()
		limit := time.After(patience)
		for {
			content, _ := os.ReadFile(name)
			if all := strings.Split(strings.TrimSuffix(string(content), "\n"), "\n"); len(content) > 0 && len(all) >= n {
				var out []line
				for _, text := range all {
					var l line
					if err := json.Unmarshal([]byte(text), &l); err != nil {
						t.Fatalf("%q: %v", text, err)
					}
					out = append(out, l)
				}
				return out
			}
			select {
			case <-limit:
				t.Fatalf("%s has not %d lines:\n%s", name, n, content)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	ids := map[string]bool{}
	for range 2 { // one of them meets the upstream that is away first
		response, _, _ := s.get("/api/a?key=th_live_" + strings.Repeat("A", 36))
		ids[response.Header.Get("X-Request-Id")] = true
	}
	retried := 0
	for _, l := range lines(file, 2) {
		retried += l.Retries
		if l.Msg != "request" || !ids[l.ID] || l.Method != "GET" || l.Path != "/api/a" || l.Proto != "HTTP/1.1" || l.Client != "127.0.0.1" || l.Status != 200 ||
			l.Out != 4 || l.Upstream != strings.TrimPrefix(service.URL, "http://") || l.UpstreamMs <= 0 || l.Service != "api" || l.Cache != "miss" {
			t.Errorf("a line says %+v", l)
		}
	}
	if retried != 1 {
		t.Errorf("%d retries in the log, want 1", retried)
	}
	if strings.Contains(s.stderr.String(), `"msg":"request"`) {
		t.Error("lines are on standard error too")
	}

	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	s.get("/api/b")
	if l := lines(file, 1)[0]; l.Path != "/api/b" {
		t.Errorf("after a rotation: %+v", l)
	}

	s.edit("access_log: "+file, "access_log: { to: "+file+", sample: 1% }")
	ask[struct{}](t, "reload", "--config", s.file)
	for range 3 {
		s.get("/api/broken")
	}
	for _, l := range lines(file, 4)[1:] {
		if l.Status == 200 && l.Share != 1 || l.Status == 500 && l.Share != 0 {
			t.Errorf("at 1 percent: %+v", l)
		}
	}
	s.edit("{ to: "+file+", sample: 1% }", "off")
	ask[struct{}](t, "reload", "--config", s.file)
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s.get("/api/c")
	s.edit("access_log: off", "access_log: "+filepath.Join(dir, "none", "access.log"))
	if said := refused(t, 1, "reload", "--config", s.file); !strings.Contains(said, "access log") {
		t.Errorf("a log that cannot be opened: %s", said)
	}
	s.edit("access_log: "+filepath.Join(dir, "none", "access.log"), "access_log: stderr")
	ask[struct{}](t, "reload", "--config", s.file)
	s.get("/api/d")
	if status := s.interrupt(t); status != 0 {
		t.Errorf("exit %d", status)
	}
	if after, err := os.ReadFile(file); string(after) != string(before) || err != nil {
		t.Errorf("while it was off there came %q, %v", after[len(before):], err)
	}
	if said := s.stderr.String(); !strings.Contains(said, `"path":"/api/d"`) || strings.Contains(said, `"path":"/api/c"`) {
		t.Errorf("on standard error:\n%s", said)
	}
}
