package hx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answered sends one answer to one request.
func answered(t *testing.T, o Options, f func(http.ResponseWriter, *http.Request) (Answer, error), headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	site, err := New(o)
	must(t, err)
	r := httptest.NewRequest("GET", "http://example.com/notes?q=1", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	site.Handler(f).ServeHTTP(w, r)
	return w
}

func gives(a Answer) func(http.ResponseWriter, *http.Request) (Answer, error) {
	return func(http.ResponseWriter, *http.Request) (Answer, error) { return a, nil }
}

func fails(err error) func(http.ResponseWriter, *http.Request) (Answer, error) {
	return func(http.ResponseWriter, *http.Request) (Answer, error) { return Answer{}, err }
}

var two = []string{"HX-Request", "true"}

func TestOneAnswerHasAllForms(t *testing.T) {
	t.Parallel()
	a := Answer{Title: "A & B", Fragment: Text("all"), Parts: map[string]Renderer{"some": Text("part")}, Beside: []Partial{{Target: "#n", Content: raw("<b>1</b>")}}}
	if got := answered(t, Options{}, gives(a)).Body.String(); !strings.Contains(got, "<title>A &amp; B</title>") || !strings.Contains(got, "<main>all</main>") || strings.Contains(got, "<b>") {
		t.Errorf("the page is %s", got)
	}
	if got := answered(t, Options{}, gives(a), two...).Body.String(); got != `<title>A &amp; B</title>all<b hx-swap-oob="outerHTML:#n">1</b>` {
		t.Errorf("the fragment is %s", got)
	}
	if got := answered(t, Options{}, gives(a), append(two, "HX-Target", "some")...).Body.String(); got != `part<b hx-swap-oob="outerHTML:#n">1</b>` {
		t.Errorf("the part is %s", got)
	}
	whole := Answer{Page: Text("document")}
	w := answered(t, Options{}, gives(whole), two...)
	if w.Body.String() != "document" || w.Header().Get("HX-Retarget") != "body" || w.Header().Get("HX-Reswap") != "innerHTML" || w.Header().Get("HX-Reselect") != "unset" {
		t.Errorf("a page without fragment: %v %s", w.Header(), w.Body)
	}
}

func TestTheETagIsThatOfOneForm(t *testing.T) {
	t.Parallel()
	same := Answer{Page: Text("x"), Fragment: Text("x")}
	page, fragment := answered(t, Options{}, gives(same)), answered(t, Options{}, gives(same), two...)
	if page.Body.String() != fragment.Body.String() || page.Header().Get("ETag") == fragment.Header().Get("ETag") {
		t.Fatalf("%q and %q", page.Header().Get("ETag"), fragment.Header().Get("ETag"))
	}
	tag := page.Header().Get("ETag")
	for _, match := range []string{tag, "*", `"other", ` + tag, strings.TrimPrefix(tag, "W/")} {
		if w := answered(t, Options{}, gives(same), "If-None-Match", match); w.Code != http.StatusNotModified || w.Body.Len() > 0 || w.Header().Get("Vary") == "" {
			t.Errorf("%s: %d %v", match, w.Code, w.Header())
		}
	}
	if w := answered(t, Options{}, gives(same), append(two, "If-None-Match", tag)...); w.Code != http.StatusOK {
		t.Error("the page's tag confirms the fragment")
	}
	if w := answered(t, Options{}, gives(Answer{Fragment: Text("x"), Cache: NoStore})); w.Header().Get("ETag") != "" {
		t.Error("what nobody may keep has a tag")
	}
}

func TestVaryIsAddedToWhatIsThere(t *testing.T) {
	t.Parallel()
	w := answered(t, Options{}, func(w http.ResponseWriter, _ *http.Request) (Answer, error) {
		w.Header().Add("Vary", "Cookie, hx-request")
		w.Header().Add("Vary", "Accept-Language")
		return Answer{Fragment: Text("x")}, nil
	})
	if got := strings.Join(w.Header().Values("Vary"), "|"); got != "Cookie, hx-request, Accept-Language, HX-Request-Type, HX-Boosted, HX-Target, HX-History-Restore-Request" {
		t.Error(got)
	}
}

func TestErrorsHaveOnePlaceAndBothForms(t *testing.T) {
	t.Parallel()
	errPaper := errors.New("no paper s3cret")
	o := Options{
		FaultTarget: "#problem",
		Explain: func(err error) *Fault {
			if errors.Is(err, errPaper) {
				return &Fault{Status: 503, Message: "The printer has no paper.", RetryAfter: 1200 * time.Millisecond}
			}
			return nil
		},
		Fault: func(_ *http.Request, f *Fault) Renderer { return Text("!" + f.Message) },
	}
	for name, test := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"a fault":            {Errorf(409, "Somebody was faster."), 409, "!Somebody was faster."},
		"a wrapped fault":    {errors.Join(errors.New("x"), Errorf(404, "Gone.")), 404, "!Gone."},
		"explained":          {errPaper, 503, "!The printer has no paper."},
		"unknown":            {errors.New("s3cret"), 500, "!Please try again."},
		"a senseless status": {Errorf(200, "?"), 500, "!?"},
		"too large":          {&http.MaxBytesError{Limit: 7}, 413, "larger than the 7 bytes"},
	} {
		page, fragment := answered(t, o, fails(test.err)), answered(t, o, fails(test.err), append(two, "HX-Target", "cell")...)
		for form, w := range map[string]*httptest.ResponseRecorder{"page": page, "fragment": fragment} {
			body := w.Body.String()
			if w.Code != test.status || !strings.Contains(body, test.says) || strings.Contains(body, "s3cret") || strings.Contains(body, "<html") != (form == "page") {
				t.Errorf("%s, %s: %d %s", name, form, w.Code, body)
			}
			if h := w.Header(); h.Get("Cache-Control") != "no-store" || h.Get("ETag") != "" || h.Get("Vary") == "" {
				t.Errorf("%s, %s: %v", name, form, h)
			}
		}
		if h := fragment.Header(); h.Get("HX-Retarget") != "#problem" || h.Get("HX-Push-Url") != "false" || h.Get("HX-Reswap") != "innerHTML" {
			t.Errorf("%s: %v", name, h)
		}
		if page.Header().Get("HX-Retarget") != "" {
			t.Errorf("%s: the page is retargeted", name)
		}
	}
	if got := answered(t, o, fails(errPaper)).Header().Get("Retry-After"); got != "2" {
		t.Errorf("Retry-After: %s", got)
	}
}

func TestAPanicIsAnErrorLikeAnyOther(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	o := Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for name, f := range map[string]func(http.ResponseWriter, *http.Request) (Answer, error){
		"in the handler": func(http.ResponseWriter, *http.Request) (Answer, error) { panic("s3cret") },
		"in rendering":   gives(Answer{Fragment: RenderFunc(func(context.Context, io.Writer) error { panic("s3cret") })}),
		"after half a render": gives(Answer{Fragment: RenderFunc(func(_ context.Context, w io.Writer) error {
			_, _ = io.WriteString(w, "half")
			return errors.New("s3cret")
		})}),
	} {
		log.Reset()
		w := answered(t, o, f, "X-Request-ID", "r-1")
		if body := w.Body.String(); w.Code != 500 || strings.Contains(body, "s3cret") || strings.Contains(body, "half") || !strings.Contains(body, "r-1") {
			t.Errorf("%s: %d %s", name, w.Code, body)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "s3cret") || !strings.Contains(log.String(), "r-1") {
			t.Errorf("%s: %d lines in the log: %s", name, n, log.String())
		}
	}
	// The looks of errors may fail too.
	o.Fault = func(*http.Request, *Fault) Renderer { panic("s3cret") }
	if w := answered(t, o, fails(Errorf(404, "Gone."))); w.Code != 404 || !strings.Contains(w.Body.String(), "Gone.") || !strings.Contains(w.Body.String(), "<html") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAPanicInTheMiddleCutsTheConnection(t *testing.T) {
	t.Parallel()
	site, err := New(Options{Logger: slog.New(slog.DiscardHandler)})
	must(t, err)
	defer func() {
		if p := recover(); p != http.ErrAbortHandler {
			t.Errorf("recovered %v", p)
		}
	}()
	site.Guard(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		panic("late")
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	t.Error("no panic")
}

func TestRedirectsSoThatEachAskerCanFollow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		headers  []string
		status   int
		location string
		redirect string
	}{
		"a browser":       {nil, 303, "/b", ""},
		"htmx 2":          {two, 200, "", "/b"},
		"htmx 4":          {[]string{"HX-Request", "true", "HX-Source", "a", "HX-Request-Type", "partial"}, 200, "", "/b"},
		"boosted":         {append(two, "HX-Boosted", "true"), 303, "/b", ""},
		"boosted, target": {append(two, "HX-Boosted", "true", "HX-Target", "x"), 303, "/b", ""},
		"restore":         {append(two, "HX-History-Restore-Request", "true"), 303, "/b", ""},
	} {
		w := answered(t, Options{}, gives(Redirect("/b")), test.headers...)
		if h := w.Header(); w.Code != test.status || h.Get("Location") != test.location || h.Get("HX-Redirect") != test.redirect {
			t.Errorf("%s: %d %v", name, w.Code, h)
		}
	}
	if w := answered(t, Options{}, gives(Follow("/b")), two...); w.Code != 303 || w.Header().Get("Location") != "/b" || w.Header().Get("HX-Redirect") != "" {
		t.Errorf("to be followed: %d %v", w.Code, w.Header())
	}
	visit := gives(Visit(Location{Path: "/b", Target: "#c"}))
	if w := answered(t, Options{}, visit, two...); w.Code != 200 || w.Header().Get("HX-Location") != `{"path":"/b","target":"#c"}` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a visit by htmx: %d %v", w.Code, w.Header())
	}
	if w := answered(t, Options{}, visit); w.Code != 303 || w.Header().Get("Location") != "/b" {
		t.Errorf("a visit by a browser: %d %v", w.Code, w.Header())
	}
	if w := answered(t, Options{}, gives(Visit(Location{Path: "//evil"})), two...); w.Code != 500 || w.Header().Get("HX-Location") != "" {
		t.Errorf("a visit to another site: %d %v", w.Code, w.Header())
	}
	if w := answered(t, Options{}, gives(Redirect("//evil"))); w.Code != 500 || w.Header().Get("Location") != "" {
		t.Errorf("another site: %d %v", w.Code, w.Header())
	}
}

func TestLeadsToSignInAndBack(t *testing.T) {
	t.Parallel()
	o := Options{SignIn: "/sign-in"}
	f := fails(Errorf(http.StatusUnauthorized, "Sign in first."))
	for name, test := range map[string]struct {
		headers []string
		status  int
		to      string
	}{
		"a browser":      {nil, 303, "/sign-in?next=%2Fnotes%3Fq%3D1"},
		"a fragment":     {append(two, "HX-Current-URL", "http://example.com/here"), 401, "/sign-in?next=%2Fhere"},
		"another site":   {append(two, "HX-Current-URL", "http://evil.example/here"), 401, "/sign-in"},
		"sign-in itself": {append(two, "HX-Current-URL", "http://example.com/sign-in?next=%2Fx"), 401, "/sign-in"},
		"a restore":      {append(two, "HX-History-Restore-Request", "true"), 303, "/sign-in?next=%2Fnotes%3Fq%3D1"},
	} {
		w := answered(t, o, f, test.headers...)
		if to := w.Header().Get("Location") + w.Header().Get("HX-Redirect"); w.Code != test.status || to != test.to || (w.Code == 401 && w.Body.Len() > 0) {
			t.Errorf("%s: %d %q", name, w.Code, to)
		}
	}
	if _, err := New(Options{SignIn: "//evil"}); err == nil {
		t.Error("a sign-in page elsewhere is taken")
	}
}

func TestAnErrorsHeadingIsItsTitle(t *testing.T) {
	t.Parallel()
	site, err := New(Options{Fault: func(_ *http.Request, f *Fault) Renderer {
		f.Heading = "Introuvable"
		return Text("Cette page n'existe pas.")
	}})
	must(t, err)
	w := httptest.NewRecorder()
	site.NotFound().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/nowhere", nil))
	if body := w.Body.String(); w.Code != 404 || !strings.Contains(body, "<title>Introuvable</title>") {
		t.Errorf("%d %s", w.Code, body)
	}
}
