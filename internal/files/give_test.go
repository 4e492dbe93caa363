package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/files"
)

func TestTheVariantIsTheOneThatTheClientLikesMost(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{
		"app.css": "plain", "app.css.br": "brotli", "app.css.gz": "gzip", "app.css.zst": "zstd",
		"one.js": "plain", "one.js.gz": "gzip", "none.js": "plain", "pic.png": "png", "pic.png.gz": "gzip",
		"old.js": "new content", "old.js.gz": "old content",
	})
	old := time.Now().Add(-24 * time.Hour)
	if err := os.Chtimes(filepath.Join(dir, "old.js.gz"), old, old); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	tags := map[string]string{}
	for _, c := range []struct{ path, accept, body, coding, vary string }{
		{"/app.css", "gzip, deflate, br, zstd", "brotli", "br", "Accept-Encoding"},
		{"/app.css", "gzip, zstd", "zstd", "zstd", "Accept-Encoding"},
		{"/app.css", "gzip", "gzip", "gzip", "Accept-Encoding"},
		{"/app.css", "br;q=0.5, gzip;q=0.8", "gzip", "gzip", "Accept-Encoding"},
		{"/app.css", "br;q=0, *", "zstd", "zstd", "Accept-Encoding"},
		{"/app.css", "", "plain", "", "Accept-Encoding"},
		{"/app.css", "identity, br;q=0.9", "plain", "", "Accept-Encoding"},
		{"/one.js", "br, gzip;q=0.1", "gzip", "gzip", "Accept-Encoding"},
		{"/one.js", "br", "plain", "", "Accept-Encoding"},
		{"/none.js", "br, gzip", "plain", "", ""},
		{"/pic.png", "gzip", "png", "", ""},
		{"/old.js", "gzip", "new content", "", ""}, // made of another file
	} {
		g := s.ask(t, "GET", c.path, "Accept-Encoding", c.accept)
		if g.body != c.body || g.header.Get("Content-Encoding") != c.coding || g.header.Get("Vary") != c.vary {
			t.Errorf("%s for %q: %+v, want %+v", c.path, c.accept, g, c)
		}
		if kind := g.header.Get("Content-Type"); c.path == "/app.css" && kind != "text/css; charset=utf-8" {
			t.Errorf("the variant's type is %s", kind)
		}
		tag := g.header.Get("ETag")
		if was, ok := tags[c.path+c.coding]; ok && was != tag {
			t.Errorf("%s in %q has the tags %s and %s", c.path, c.coding, was, tag)
		}
		tags[c.path+c.coding] = tag
		for other, its := range tags {
			if other != c.path+c.coding && strings.HasPrefix(other, c.path) && its == tag {
				t.Errorf("%s and %s in %q have one tag, %s", other, c.path, c.coding, tag)
			}
		}
		if again := s.ask(t, "GET", c.path, "Accept-Encoding", c.accept, "If-None-Match", tag); again.status != 304 || again.body != "" || again.header.Get("Vary") != c.vary || again.header.Get("ETag") != tag {
			t.Errorf("%s for %q asked after: %+v", c.path, c.accept, again)
		}
	}
}

func TestATagIsMadeOfTheContent(t *testing.T) {
	t.Parallel()
	when := time.Unix(1, 0)
	tags := map[string]string{}
	for _, text := range []string{"one", "two", "one"} { // as releases that were built reproducibly
		dir := tree(t, map[string]string{"a.js": text})
		if err := os.Chtimes(filepath.Join(dir, "a.js"), when, when); err != nil {
			t.Fatal(err)
		}
		g := open(t, dir).ask(t, "GET", "/a.js")
		tag := g.header.Get("ETag")
		if was, ok := tags[text]; ok && was != tag {
			t.Errorf("%q has the tags %s and %s", text, was, tag)
		}
		tags[text] = tag
		if g.header.Get("Last-Modified") != "" {
			t.Errorf("a file without a time was modified %s", g.header.Get("Last-Modified"))
		}
	}
	if tags["one"] == tags["two"] {
		t.Errorf("two contents have the tag %s", tags["one"])
	}
	dir := tree(t, map[string]string{"a.js": "first"})
	s := open(t, dir)
	before := s.ask(t, "GET", "/a.js").header.Get("ETag")
	write(t, dir, "a.js", "the second")
	if after := s.ask(t, "GET", "/a.js", "If-None-Match", before); after.status != 200 || after.body != "the second" || after.header.Get("ETag") == before {
		t.Errorf("after a change: %+v", after)
	}
}

func TestConditionsAndPartsOfFiles(t *testing.T) {
	t.Parallel()
	dir := tree(t, map[string]string{"a.bin": "0123456789", "empty.bin": ""})
	changed := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "a.bin"), changed, changed); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	tag := s.ask(t, "GET", "/a.bin").header.Get("ETag")
	at := exchange.FormatDate(changed)
	before, after := exchange.FormatDate(changed.Add(-time.Hour)), exchange.FormatDate(changed.Add(time.Hour))
	for _, c := range []struct {
		status int
		body   string
		fields []string
	}{
		{304, "", []string{"If-Modified-Since", at}},
		{304, "", []string{"If-None-Match", tag, "If-Modified-Since", before}},
		{304, "", []string{"If-None-Match", "W/" + tag}},
		{304, "", []string{"If-None-Match", `"x", ` + tag, "Range", "bytes=1-2"}},
		{200, "0123456789", []string{"If-None-Match", `"x"`, "If-Modified-Since", at}},
		{200, "0123456789", []string{"If-Modified-Since", before}},
		{200, "0123456789", []string{"If-Match", tag}},
		{200, "0123456789", []string{"If-Match", "*"}},
		{200, "0123456789", []string{"If-Unmodified-Since", after}},
		{412, "", []string{"If-Match", `"x"`}},
		{412, "", []string{"If-Match", "W/" + tag}},
		{412, "", []string{"If-Unmodified-Since", before}},
		{206, "123", []string{"Range", "bytes=1-3"}},
		{206, "9", []string{"Range", "bytes=-1", "If-Range", tag}},
		{206, "9", []string{"Range", "bytes=-1", "If-Range", at}},
		{200, "0123456789", []string{"Range", "bytes=-1", "If-Range", `"x"`}},
		{200, "0123456789", []string{"Range", "bytes=0-1,3-4"}},
	} {
		g := s.ask(t, "GET", "/a.bin", c.fields...)
		status := g.status
		if g.err != nil {
			status = g.refused()
		}
		if status != c.status || g.body != c.body {
			t.Errorf("%q: %+v, want %d %q", c.fields, g, c.status, c.body)
		}
		if g.err == nil && g.status != 304 && g.length != int64(len(g.body)) {
			t.Errorf("%q: length %d, %d bytes", c.fields, g.length, len(g.body))
		}
	}
	var outside *exchange.RangeError
	if g := s.ask(t, "GET", "/a.bin", "Range", "bytes=10-"); !errors.As(g.err, &outside) || outside.Whole != 10 {
		t.Errorf("a part behind the end: %+v", g)
	}
	if g := s.ask(t, "HEAD", "/a.bin", "Range", "bytes=1-3"); g.status != 200 || g.length != 10 {
		t.Errorf("HEAD with a range: %+v", g)
	}
}

func TestHowLongAFileMayBeKept(t *testing.T) {
	t.Parallel()
	const year, asked, hour = "public, max-age=31536000, immutable", "no-cache", "public, max-age=3600"
	content := map[string]string{}
	rows := map[string]string{
		"app.3f2a9c1d.js": year, "app-0d1e2f3a4b5c.css": year, "assets/index-DiwrgTda.js": year, "assets/deep/x.js": year,
		"report-20240115.pdf": hour, "index-download.js": hour, "deadbeef.js": hour, "a1b2c3.js": hour, "assetsx/y.js": hour,
		"index.html": asked, "page.3f2a9c1d.html": year,
	}
	for name := range rows {
		content[name] = name
	}
	dir := tree(t, content)
	s := open(t, dir, func(o *files.Options) { o.MaxAge, o.Immutable = time.Hour, []string{"assets"} })
	private := open(t, dir, func(o *files.Options) { o.MaxAge, o.Immutable, o.Private = time.Hour, []string{"/assets/"}, true })
	for name, want := range rows {
		if got := s.ask(t, "GET", "/"+name).header.Get("Cache-Control"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
		mine := map[string]string{year: "private, max-age=31536000, immutable", hour: "private, max-age=3600", asked: "private, no-cache"}[want]
		if got := private.ask(t, "GET", "/"+name).header.Get("Cache-Control"); got != mine {
			t.Errorf("%s with a key: %s, want %s", name, got, mine)
		}
	}
}

func BenchmarkASmallFile(b *testing.B) {
	dir := tree(b, map[string]string{"a.3f2a9c1d.css": "body{}", "a.3f2a9c1d.css.br": "x"})
	s := open(b, dir)
	b.ReportAllocs()
	for b.Loop() {
		s.ask(b, "GET", "/a.3f2a9c1d.css", "Accept-Encoding", "gzip, br")
	}
}
