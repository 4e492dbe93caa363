package assets

import (
	"io/fs"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
)

func load(t *testing.T) *hx.Assets {
	t.Helper()
	s, err := Load() // which also holds the compressed forms against the plain ones
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheBuildGaveEachFileInEachEncoding(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, name := range []string{"console.css", "console.js", "htmx.js", "favicon.svg"} {
		for accept, want := range map[string]string{"": "", "gzip": "gzip", "gzip, deflate, br": "br", "br;q=0, gzip;q=0.5": "gzip", "zstd, identity;q=0.1": ""} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", s.URL(name), nil)
			r.Header.Set("Accept-Encoding", accept)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if got := w.Header().Get("Content-Encoding"); w.Code != 200 || got != want {
				t.Errorf("%s for %q is %d, encoded as %q, want %q", name, accept, w.Code, got, want)
			}
			if cc := w.Header().Get("Cache-Control"); !strings.Contains(cc, "immutable") {
				t.Errorf("%s may not be kept for ever: %q", name, cc)
			}
		}
	}
}

func TestServesNothingElse(t *testing.T) {
	t.Parallel()
	s := load(t)
	for _, path := range []string{"/assets/", "/assets/../assets.go", "/assets/console-0000000000.css", "/assets/icons.svg", "/assets/htmx.LICENSE.txt"} {
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
		r.URL.Path = path
		s.ServeHTTP(w, r)
		if w.Code != 404 {
			t.Errorf("%s is %d, want 404", path, w.Code)
		}
	}
}

func embedded(t *testing.T, name string) string {
	t.Helper()
	b, err := fs.ReadFile(dist, "dist/"+name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The budgets of the console, for what is the same on every page.
func TestStaysInsideItsBudget(t *testing.T) {
	t.Parallel()
	if js := len(embedded(t, "htmx.js.gz")) + len(embedded(t, "console.js.gz")); js > 20<<10 {
		t.Errorf("JavaScript is %d bytes gzipped, the budget is 20 KB", js)
	}
	if css := len(embedded(t, "console.css.gz")); css > 15<<10 {
		t.Errorf("CSS is %d bytes gzipped, the budget is 15 KB", css)
	}
}

func TestNeedsNothingThatTheContentSecurityPolicyForbids(t *testing.T) {
	t.Parallel()
	css := embedded(t, "console.css")
	for _, bad := range []string{"@import", "url(http", "url(data:"} {
		if strings.Contains(css, bad) {
			t.Errorf("the style sheet holds %q", bad)
		}
	}
	for _, bad := range []string{"<script", "style=", "href=\"http"} {
		if strings.Contains(Sprite(), bad) {
			t.Errorf("the sprite holds %q", bad)
		}
	}
}
