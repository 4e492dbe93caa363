package edge_test

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"

// textOf gives what people read of a page, and fails on anything that would
// load or run something.
func textOf(t *testing.T, page string) string {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for n := range root.Descendants() {
		switch {
		case n.Type == html.TextNode && n.Parent.Data != "style":
			b.WriteString(n.Data + " ")
		case n.Type == html.ElementNode:
			switch n.Data {
			case "script", "link", "img", "iframe", "object", "embed", "form", "base":
				t.Errorf("the page has a <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key == "style" || a.Key == "src" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
			}
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestBrowsersGetAPageAndHTMXAFragmentOfTheSameProblem(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })
	for range 3 {
		h.call(t, "GET", "/v1/ner/", "")
	}
	asJSON, body := h.call(t, "GET", "/v1/ner/", "", "Accept", "*/*")
	want := problemOf(t, asJSON, body, 429, "quota-exceeded")
	for _, c := range []struct {
		name   string
		fields []string
		whole  bool
	}{
		{"page", []string{"Accept", browser}, true},
		{"fragment", []string{"Accept", "*/*", "HX-Request", "true"}, false},
	} {
		response, body := h.call(t, "GET", "/v1/ner/", "", c.fields...)
		id := response.Header.Get("X-Request-Id")
		if response.StatusCode != 429 || response.Header.Get("Content-Type") != "text/html; charset=utf-8" || id == "" {
			t.Fatalf("%s: %s %v", c.name, response.Status, response.Header)
		}
		for _, name := range []string{"Cache-Control", "X-Content-Type-Options", "RateLimit-Policy", "Vary"} {
			if got := response.Header.Get(name); got == "" || got != asJSON.Header.Get(name) {
				t.Errorf("%s: %s %q, in JSON %q", c.name, name, got, asJSON.Header.Get(name))
			}
		}
		if _, err := strconv.Atoi(response.Header.Get("Retry-After")); err != nil || response.Header.Get("RateLimit") == "" {
			t.Errorf("%s: without Retry-After or RateLimit", c.name)
		}
		text := textOf(t, body)
		for _, part := range []string{"Limit reached", "“minute”", id} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q does not say %q", c.name, text, part)
			}
		}
		if !strings.Contains(body, `href="`+want.Upgrade+`"`) || !strings.Contains(body, "problems.md#quota-exceeded") {
			t.Errorf("%s: leads nowhere:\n%s", c.name, body)
		}
		if got := strings.HasPrefix(body, "<!doctype html>"); got != c.whole || strings.Contains(body, "<body") != c.whole || strings.Contains(body, "<style") != c.whole {
			t.Errorf("%s: a whole page: %v", c.name, got)
		}
		if got := response.Header.Get("Content-Security-Policy"); !strings.HasPrefix(got, "default-src 'none'; ") || strings.Contains(got, "unsafe") {
			t.Errorf("%s: Content-Security-Policy %q", c.name, got)
		}
		head, nothing := h.call(t, "HEAD", "/v1/ner/", "", c.fields...)
		if head.StatusCode != 429 || nothing != "" || head.Header.Get("Content-Type") != response.Header.Get("Content-Type") ||
			head.ContentLength != int64(len(body)) {
			t.Errorf("%s: HEAD says %s, %d bytes; GET had %d", c.name, head.Status, head.ContentLength, len(body))
		}
	}
}

// A browser applies the style only when its digest is the policy's.
func TestAPagesPolicyAllowsItsOwnStyleAlone(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) {})
	response, body := h.call(t, "GET", "/v1/ner/%2f", "", "Accept", browser)
	if response.StatusCode != 400 {
		t.Fatal(response.Status)
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(body)
	if style == nil {
		t.Fatalf("no style in\n%s", body)
	}
	sum := sha256.Sum256([]byte(style[1]))
	want := "style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	if got := response.Header.Get("Content-Security-Policy"); !strings.Contains(got, want) {
		t.Errorf("Content-Security-Policy %q, want %q in it", got, want)
	}
}

func TestFailuresOfTheServiceHaveAPageToo(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n")
		conn.Close()
	})
	response, body := h.call(t, "GET", "/v1/ner/", "", "Accept", browser)
	text := textOf(t, body)
	if response.StatusCode != 502 || !strings.Contains(text, "Nothing is billed") || !strings.Contains(text, "Try again") || response.Header.Get("Proxy-Status") == "" {
		t.Errorf("%s: %s", response.Status, text)
	}
	response, body = h.call(t, "POST", "/v1/ner/", "x", "Accept", browser)
	if text := textOf(t, body); response.StatusCode != 502 || strings.Contains(text, "Try again") {
		t.Errorf("a POST that failed is offered again: %s", text)
	}
}

// What a caller or the configuration says is text on the page, never markup.
func TestAPageEscapesWhatItRepeats(t *testing.T) {
	t.Parallel()
	const evil = `<script>alert(1)</script>"'&`
	h := open(t, func(http.ResponseWriter, *http.Request) {}, func(s *toll.Service) {
		s.Policies = []toll.Policy{{Name: evil, Kind: toll.RateLimit, Count: 1, Window: time.Hour, Service: s.Name, Partition: toll.PerIP}}
	})
	h.call(t, "GET", "/v1/ner/", "")
	for _, fields := range [][]string{{"Accept", browser}, {"HX-Request", "true"}} {
		response, body := h.call(t, "GET", "/v1/ner/", "", fields...)
		if response.StatusCode != 429 || !strings.Contains(html.UnescapeString(body), evil) || !strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			t.Fatalf("%s %v\n%s", response.Status, response.Header, body)
		}
		textOf(t, body)
		if strings.Contains(body, "<script") {
			t.Errorf("the page holds a script:\n%s", body)
		}
	}
}
