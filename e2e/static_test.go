package e2e

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const static = `
listen: { http: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  site:
    path: /site
    strip_path: true
    access: public
    compress: [gzip]
    files: { root: %q, fallback: index.html }
  api: { path: /api, strip_path: true, access: key, files: %q }
plans:
  load: { name: Load, includes: [api], quotas: [ { name: monthly, limit: 100, every: month } ] }
`

// A directory is served like any service: to who may have it, counted, changed
// by a reload, and nothing beside it.
func TestAServiceOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	public := filepath.Join(dir, "public")
	long := strings.Repeat("body { color: red }\n", 200)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	fmt.Fprint(w, long)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{
		"secret.txt": "SECRET", "public/index.html": "home", "public/app.3f2a9c1d.css": long, "public/app.3f2a9c1d.css.gz": packed.String(),
		"public/other.css": long, "public/docs/index.html": "docs", "public/.env": "SECRET",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../secret.txt", filepath.Join(public, "out.txt")); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(static, filepath.Join(dir, "data"), public, public))
	if stdout, stderr, status := tollhouse(t, "check", "--config", s.file); status != 0 || !strings.Contains(stdout, "files in "+public) {
		t.Errorf("check: exit %d\n%s%s", status, stdout, stderr)
	}
	s.customer = ask[customer](t, "customer", "create", "--config", s.file, "--name", "ACME", "--plan", "load")
	s.key = ask[key](t, "key", "create", "--config", s.file, "--customer", s.customer.ID, "--name", "k").Key
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]

	for path, want := range map[string]string{"/site/": "200 home", "/site": "200 home", "/site/docs/": "200 docs", "/site/some/route": "200 home"} {
		response, body, _ := s.get(path)
		if got := fmt.Sprint(response.StatusCode, " ", body); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if response, _, _ := s.get("/site/docs?a=b"); response.StatusCode != 308 || response.Header.Get("Location") != "/site/docs/?a=b" {
		t.Errorf("a directory: %s %v", response.Status, response.Header)
	}
	for _, path := range []string{"/site/../secret.txt", "/site/%2e%2e/secret.txt", "/site/..%2fsecret.txt", "/site/out.txt", "/site/x.y", "/site/..;/secret.txt"} {
		if response, body, _ := s.get(path); response.StatusCode < 400 || strings.Contains(body, "SECRET") {
			t.Errorf("%s: %s %q", path, response.Status, body)
		}
	}
	if response, body, _ := s.get("/site/.env"); strings.Contains(body, "SECRET") {
		t.Errorf("a hidden file: %s %q", response.Status, body)
	}
	response, body, _ := s.get("/site/app.3f2a9c1d.css", "Accept-Encoding", "gzip")
	if body != packed.String() || response.Header.Get("Content-Encoding") != "gzip" || response.Header.Get("Vary") != "Accept-Encoding" ||
		response.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
		t.Errorf("the variant beside it: %s %v", response.Status, response.Header)
	}
	if again, _, _ := s.get("/site/app.3f2a9c1d.css", "Accept-Encoding", "gzip", "If-None-Match", response.Header.Get("ETag")); again.StatusCode != 304 {
		t.Errorf("asked after: %s", again.Status)
	}
	if part, body, _ := s.get("/site/other.css", "Range", "bytes=0-3"); part.StatusCode != 206 || body != "body" {
		t.Errorf("a part: %s %q", part.Status, body)
	}
	if made, _, _ := s.get("/site/other.css", "Accept-Encoding", "gzip"); made.Header.Get("Content-Encoding") != "gzip" || !strings.HasPrefix(made.Header.Get("ETag"), `W/"`) {
		t.Errorf("compressed on the way: %s %v", made.Status, made.Header)
	}

	if got := s.status("/api/other.css"); got != 200 {
		t.Errorf("with a key: %d", got)
	}
	if response, _, _ := s.get("/api/other.css"); response.StatusCode != 401 {
		t.Errorf("without a key: %s", response.Status)
	}
	if response, body, _ := s.get("/api/none.css", "X-API-Key", s.key); response.StatusCode != 404 || !strings.Contains(body, "#no-file") {
		t.Errorf("what is not there: %s %s", response.Status, body)
	}
	audit := ask[map[string]map[string]int64](t, "usage", "audit", "--config", s.file)
	if got := audit["requests"]["received"]; got < 2 {
		t.Errorf("the audit knows %d requests, want the two with a key at least: %v", got, audit)
	}

	// A service can go over from files to a program, and back.
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "program") }))
	t.Cleanup(service.Close)
	files := fmt.Sprintf("files: { root: %q, fallback: index.html }", public)
	for range 2 {
		s.edit(files, fmt.Sprintf("upstreams: [%q]", service.URL))
		ask[struct{}](t, "reload", "--config", s.file)
		if _, body, _ := s.get("/site/"); body != "program" {
			t.Errorf("answered by a program now: %q", body)
		}
		s.edit(fmt.Sprintf("upstreams: [%q]", service.URL), files)
		ask[struct{}](t, "reload", "--config", s.file)
		if _, body, _ := s.get("/site/"); body != "home" {
			t.Errorf("answered by files again: %q", body)
		}
	}
	s.edit(files, `files: ./not-there`)
	if line := refused(t, 1, "reload", "--config", s.file); !strings.Contains(line, "not-there") {
		t.Errorf("a directory that is not there: %s", line)
	}
	if _, body, _ := s.get("/site/"); body != "home" {
		t.Errorf("after a reload that failed: %q", body)
	}
}
