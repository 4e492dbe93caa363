package hx_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
)

func rooted(t *testing.T, root string) *hx.Site {
	t.Helper()
	site, err := hx.New(hx.Options{SignIn: "/sign-in", Root: func(*http.Request) string { return root }})
	if err != nil {
		t.Fatal(err)
	}
	return site
}

func TestLeadsUnderTheRootThatTheBrowserKnows(t *testing.T) {
	t.Parallel()
	site := rooted(t, "/app")
	for _, c := range []struct {
		name    string
		answer  hx.Answer
		err     error
		headers []string
		header  string
		want    string
	}{
		{"redirect", hx.Redirect("/notes"), nil, nil, "Location", "/app/notes"},
		{"redirect to the start", hx.Redirect("/"), nil, nil, "Location", "/app/"},
		{"redirect of a fragment", hx.Redirect("/notes"), nil, []string{"HX-Request", "true"}, "HX-Redirect", "/app/notes"},
		{"follow", hx.Follow("/notes"), nil, []string{"HX-Request", "true"}, "Location", "/app/notes"},
		{"visit", hx.Visit(hx.Location{Path: "/notes"}), nil, []string{"HX-Request", "true"}, "HX-Location", `{"path":"/app/notes","headers":{"HX-Request-Type":"full"}}`},
		{"visit without htmx", hx.Visit(hx.Location{Path: "/notes"}), nil, nil, "Location", "/app/notes"},
		{"sign-in, and back to a path of its own", hx.Answer{}, hx.Errorf(401, ""), nil, "Location", "/app/sign-in?next=%2Fasked"},
		{"sign-in of a fragment, and back to the page it is in", hx.Answer{}, hx.Errorf(401, ""), []string{"HX-Request", "true", "HX-Current-URL", "http://example.com/app/notes?q=1"}, "HX-Redirect", "/app/sign-in?next=%2Fnotes%3Fq%3D1"},
		{"sign-in from the start", hx.Answer{}, hx.Errorf(401, ""), []string{"HX-Request", "true", "HX-Current-URL", "http://example.com/app"}, "HX-Redirect", "/app/sign-in"},
		{"sign-in from another app of the host", hx.Answer{}, hx.Errorf(401, ""), []string{"HX-Request", "true", "HX-Current-URL", "http://example.com/application"}, "HX-Redirect", "/app/sign-in"},
		{"sign-in from a way around", hx.Answer{}, hx.Errorf(401, ""), []string{"HX-Request", "true", "HX-Current-URL", "http://example.com/app//evil.example"}, "HX-Redirect", "/app/sign-in"},
	} {
		r := httptest.NewRequest("GET", "http://example.com/asked", nil)
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		w := httptest.NewRecorder()
		site.Handler(func(http.ResponseWriter, *http.Request) (hx.Answer, error) { return c.answer, c.err }).ServeHTTP(w, r)
		if got := w.Header().Get(c.header); got != c.want {
			t.Errorf("%s: %s is %q, want %q", c.name, c.header, got, c.want)
		}
	}
}

func TestTakesNoRootThatLeadsElsewhere(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest("GET", "/", nil)
	for _, root := range []string{"", "/", "//evil.example", "https://evil.example", "/app/", "/a?b", "/a#b", "/a\r\nb", `/\evil`, "app"} {
		if got := rooted(t, root).Path(r, "/notes"); got != "/notes" {
			t.Errorf("under %q it is %q", root, got)
		}
	}
}

func TestAFormSentAgainInTheOtherFormIsLedUnderTheRootOnce(t *testing.T) {
	t.Parallel()
	site := rooted(t, "/app")
	once, err := hx.NewOnce(site, hx.OnceOptions{Store: hx.NewMemoryOnce(10, 1<<20, nil), Who: func(*http.Request) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	h := once.Handler(site.Handler(func(http.ResponseWriter, *http.Request) (hx.Answer, error) { return hx.Redirect("/notes"), nil }))
	form := url.Values{hx.OnceField: {once.Token()}}.Encode()
	for _, c := range []struct{ htmx, header string }{{"", "Location"}, {"true", "HX-Redirect"}, {"", "Location"}} {
		r := httptest.NewRequest("POST", "/notes", strings.NewReader(form))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("HX-Request", c.htmx)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := w.Header().Get(c.header); got != "/app/notes" {
			t.Errorf("htmx %q: %s is %q", c.htmx, c.header, got)
		}
	}
}
