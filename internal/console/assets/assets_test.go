package assets

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

func load(t *testing.T) *Set {
	t.Helper()
	s, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestServesTheSameBytesInEachEncoding(t *testing.T) {
	t.Parallel()
	s := load(t)
	for name, url := range s.urls {
		plain := s.files[strings.TrimPrefix(url, Prefix)].plain
		for accept, want := range map[string]string{
			"":                      "",
			"gzip":                  "gzip",
			"gzip, deflate, br":     "br",
			"br;q=0, gzip;q=0.5":    "gzip",
			"BR":                    "br",
			"zstd, identity;q=0.1":  "",
			"gzip;q=0.0, br;q=0.00": "",
		} {
			r := httptest.NewRequest("GET", url, nil)
			r.Header.Set("Accept-Encoding", accept)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Encoding"); got != want {
				t.Errorf("%s for %q is encoded as %q, want %q", name, accept, got, want)
				continue
			}
			var body io.Reader = w.Body
			switch want {
			case "gzip":
				z, err := gzip.NewReader(w.Body)
				if err != nil {
					t.Fatal(err)
				}
				body = z
			case "br":
				body = brotli.NewReader(w.Body)
			}
			got, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, plain) {
				t.Errorf("%s for %q is not what the plain file is: run npm run build", name, accept)
			}
			if cc := w.Header().Get("Cache-Control"); !strings.Contains(cc, "immutable") {
				t.Errorf("%s may not be kept for ever: %q", name, cc)
			}
			again := httptest.NewRequest("GET", url, nil)
			again.Header.Set("Accept-Encoding", accept)
			again.Header.Set("If-None-Match", w.Header().Get("ETag"))
			w2 := httptest.NewRecorder()
			s.ServeHTTP(w2, again)
			if w2.Code != 304 || w2.Body.Len() != 0 {
				t.Errorf("%s asked again with its tag is %d with %d bytes, want 304 and none", name, w2.Code, w2.Body.Len())
			}
		}
	}
}

func TestRefusesANameThatIsNotThere(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, path := range []string{"/assets/console.css", "/assets/", "/assets/../assets.go", "/assets/console-0000000000.css"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = path
		s.ServeHTTP(w, r)
		if w.Code != 404 {
			t.Errorf("%s is %d, want 404", path, w.Code)
		}
	}
}

// The budgets of the console, for what is the same on every page.
func TestStaysInsideItsBudget(t *testing.T) {
	t.Parallel()
	s := load(t)
	size := func(names ...string) (sum int) {
		for _, n := range names {
			sum += len(s.files[strings.TrimPrefix(s.urls[n], Prefix)].gzip)
		}
		return sum
	}
	if js := size("htmx.js", "console.js"); js > 20<<10 {
		t.Errorf("JavaScript is %d bytes gzipped, the budget is 20 KB", js)
	}
	if css := size("console.css"); css > 15<<10 {
		t.Errorf("CSS is %d bytes gzipped, the budget is 15 KB", css)
	}
}

func TestNeedsNothingThatTheContentSecurityPolicyForbids(t *testing.T) {
	t.Parallel()
	s := load(t)
	css := string(s.files[strings.TrimPrefix(s.URL("console.css"), Prefix)].plain)
	for _, bad := range []string{"@import", "url(http", "url(data:"} {
		if strings.Contains(css, bad) {
			t.Errorf("the style sheet holds %q", bad)
		}
	}
	for _, bad := range []string{"<script", "style=", "href=\"http"} {
		if strings.Contains(s.Sprite(), bad) {
			t.Errorf("the sprite holds %q", bad)
		}
	}
}
