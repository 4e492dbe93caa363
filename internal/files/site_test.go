package files_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/files"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// tree writes files, by name and content, and gives their directory.
func tree(t testing.TB, content map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range content {
		write(t, dir, name, text)
	}
	return dir
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	at := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// site is a site with the ways in that tests use.
type site struct{ *files.Site }

func open(t testing.TB, dir string, change ...func(*files.Options)) site {
	t.Helper()
	o := files.Options{Files: toll.Files{Root: dir, Index: "index.html"}}
	for _, f := range change {
		f(&o)
	}
	s, err := files.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return site{s}
}

// got is an answer, read whole.
type got struct {
	status int
	header exchange.Header
	length int64
	body   string
	err    error
}

func (s site) ask(t testing.TB, method, path string, fields ...string) got {
	t.Helper()
	return s.at(t, time.Now().Add(time.Hour), method, path, fields...)
}

func (s site) at(t testing.TB, now time.Time, method, path string, fields ...string) got {
	t.Helper()
	h := exchange.Fields{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	r, err := s.Forward(context.Background(), &exchange.Request{Method: method, Path: path, RawPath: path, Header: h, Arrived: now})
	if err != nil {
		if r != nil {
			t.Errorf("%s: an answer and the error %v", path, err)
		}
		return got{err: err}
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return got{r.Status, r.Header, r.Length, string(body), nil}
}

// refused is the status of a refusal, 0 when it is none.
func (g got) refused() int {
	var r *files.Refusal
	if errors.As(g.err, &r) {
		return r.Status
	}
	return 0
}

func TestAFileIsGivenAsItIs(t *testing.T) {
	t.Parallel()
	s := open(t, tree(t, map[string]string{
		"index.html": "<h1>Home</h1>", "a/index.html": "A", "a/b c.txt": "text", "empty.css": "", "data.bin": "\x00\x01", "no/index/here.txt": "x",
		".well-known/security.txt": "Contact: us",
	}))
	for path, want := range map[string]got{
		"/":                         {status: 200, body: "<h1>Home</h1>"},
		"/index.html":               {status: 200, body: "<h1>Home</h1>"},
		"/a/":                       {status: 200, body: "A"},
		"/a/b c.txt":                {status: 200, body: "text"},
		"/empty.css":                {status: 200, body: ""},
		"/data.bin":                 {status: 200, body: "\x00\x01"},
		"/.well-known/security.txt": {status: 200, body: "Contact: us"},
	} {
		g := s.ask(t, "GET", path)
		if g.err != nil || g.status != want.status || g.body != want.body || g.length != int64(len(want.body)) {
			t.Errorf("GET %s: %+v", path, g)
			continue
		}
		head := s.ask(t, "HEAD", path)
		if head.status != 200 || head.body != "" || head.length != g.length || head.header.Get("ETag") != g.header.Get("ETag") {
			t.Errorf("HEAD %s: %+v", path, head)
		}
		if g.header.Get("X-Content-Type-Options") != "nosniff" || g.header.Get("Last-Modified") == "" || g.header.Get("Cache-Control") != "no-cache" {
			t.Errorf("fields of %s: %v", path, g.header)
		}
	}
	for path, kind := range map[string]string{"/": "text/html; charset=utf-8", "/data.bin": "application/octet-stream", "/empty.css": "text/css; charset=utf-8"} {
		if g := s.ask(t, "GET", path); g.header.Get("Content-Type") != kind {
			t.Errorf("%s is %s, want %s", path, g.header.Get("Content-Type"), kind)
		}
	}
	if g := s.ask(t, "GET", "/a", "X-Forwarded-Prefix", "/site"); g.status != 308 || g.header.Get("Location") != "/site/a/" {
		t.Errorf("a directory without its slash: %+v", g)
	}
	for _, path := range []string{"/no/", "/no/index/", "/no", "/nothing", "/index.html/", "/index.html/x", "/a/b", "/" + strings.Repeat("x", 5000)} {
		if g := s.ask(t, "GET", path); g.refused() != 404 {
			t.Errorf("%.40s: %+v, want 404", path, g)
		}
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS", "PATCH"} {
		if g := s.ask(t, method, "/"); g.refused() != 405 {
			t.Errorf("%s: %+v, want 405", method, g)
		}
	}
}

func TestNothingOutsideOfTheDirectoryOrHiddenInItIsGiven(t *testing.T) {
	t.Parallel()
	outer := tree(t, map[string]string{"secret.txt": "SECRET", "public/ok.txt": "ok", "public/.env": "SECRET", "public/.git/config": "SECRET", "public/a/.htpasswd": "SECRET", "public/a/.well-known/x": "SECRET", "public2/near.txt": "SECRET"})
	public := filepath.Join(outer, "public")
	for name, to := range map[string]string{
		"out.txt": "../secret.txt", "absolute.txt": filepath.Join(outer, "secret.txt"), "up": "..", "near": "../public2", "passwd": "/etc/passwd", "loop": "loop",
		"in.txt": "ok.txt", "dotted.txt": ".env",
	} {
		if err := os.Symlink(to, filepath.Join(public, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(public, "pipe"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := open(t, public)
	for _, path := range []string{
		"/../secret.txt", "/a/../../secret.txt", "/./../secret.txt", "//etc/passwd", "/..", "/../", "/a/..", "/public/../../secret.txt",
		"/..\\secret.txt", "/a\x00.txt", "/ok.txt\x00.html", "/%2e%2e/secret.txt", "/../public2/near.txt", "/...", "/ok.txt/..",
		"/out.txt", "/absolute.txt", "/up/secret.txt", "/near/near.txt", "/passwd", "/loop", "/pipe",
		"/.env", "/.git/config", "/.git/", "/a/.htpasswd", "/a/.well-known/x", "/.well-known/../.env",
	} {
		if g := s.ask(t, "GET", path); g.refused() != 404 || strings.Contains(g.body, "SECRET") {
			t.Errorf("%q: %+v, want 404", path, g)
		}
	}
	if g := s.ask(t, "GET", "/in.txt"); g.body != "ok" {
		t.Errorf("a link within the directory: %+v", g)
	}
}

func FuzzNoPathLeadsOut(f *testing.F) {
	outer := tree(f, map[string]string{"secret.txt": "SECRET", "public/ok.txt": "ok", "public/.env": "SECRET", "public/a/index.html": "a"})
	if err := os.Symlink("..", filepath.Join(outer, "public", "up")); err != nil {
		f.Fatal(err)
	}
	s := open(f, filepath.Join(outer, "public"), func(o *files.Options) { o.Fallback = "ok.txt" })
	for _, seed := range []string{"/", "/ok.txt", "/../secret.txt", "/up/secret.txt", "/.env", "/a", "/a/", "/./.env", "//", "/a//index.html", "\\..\\secret.txt", "/a/..//.env", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		g := s.ask(t, "GET", path)
		if strings.Contains(g.body, "SECRET") {
			t.Fatalf("%q gives what is outside or hidden", path)
		}
		if g.err != nil && g.refused() == 0 {
			t.Fatalf("%q: %v", path, g.err)
		}
	})
}

func TestAnApplicationsOwnRoutesGetItsPage(t *testing.T) {
	t.Parallel()
	s := open(t, tree(t, map[string]string{"index.html": "app", "404.html": "nothing here", "a.js": "js"}), func(o *files.Options) {
		o.Fallback, o.NotFound, o.MaxAge = "index.html", "404.html", time.Hour
	})
	for path, want := range map[string]string{"/users/7": "200 app", "/a.js": "200 js", "/gone.js": "404 nothing here", "/users/x.y": "404 nothing here", "/.env": "404 nothing here", "/.git/HEAD": "200 app"} {
		var g got
		if strings.HasPrefix(want, "404") {
			g = s.ask(t, "GET", path, "If-None-Match", "*", "Range", "bytes=1-2") // a page that says no is no answer to these
		} else {
			g = s.ask(t, "GET", path)
		}
		if status, body, _ := strings.Cut(want, " "); g.err != nil || status != map[int]string{200: "200", 404: "404"}[g.status] || g.body != body {
			t.Errorf("%s: %+v, want %s", path, g, want)
		}
	}
	if g := s.ask(t, "GET", "/gone.js"); g.header.Get("ETag") != "" || g.header.Get("Cache-Control") != "no-cache" || g.header.Get("Content-Type") != "text/html; charset=utf-8" {
		t.Errorf("the fields of the 404 page: %v", g.header)
	}
}

func TestAReplacedDirectoryIsNoticed(t *testing.T) {
	t.Parallel()
	outer := tree(t, map[string]string{"v1/index.html": "one", "v2/index.html": "two"})
	link := filepath.Join(outer, "current")
	if err := os.Symlink("v1", link); err != nil {
		t.Fatal(err)
	}
	s := open(t, link)
	now := time.Now()
	if g := s.at(t, now, "GET", "/"); g.body != "one" {
		t.Fatal(g)
	}
	next := filepath.Join(outer, "next")
	if err := os.Symlink("v2", next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, link); err != nil {
		t.Fatal(err)
	}
	if g := s.at(t, now.Add(2*time.Second), "GET", "/"); g.body != "two" {
		t.Errorf("after a deploy: %+v", g)
	}
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	if g := s.at(t, now.Add(4*time.Second), "GET", "/"); g.body != "two" {
		t.Errorf("while it is being replaced: %+v", g)
	}
}

func TestADirectoryThatIsNotThereIsToldAtTheStart(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"file": ""})
	for _, root := range []string{filepath.Join(dir, "none"), filepath.Join(dir, "file")} {
		_, err := files.Open(files.Options{Files: toll.Files{Root: root}})
		if message := toll.SafeMessage(err); err == nil || !strings.Contains(message, root) {
			t.Errorf("%s: %v", root, err)
		}
	}
}
