package site

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/websocket"

	"github.com/tollhouse/tollhouse/hx/hxtest"
)

func opened(t *testing.T, now func() time.Time) (*app, http.Handler) {
	t.Helper()
	a, err := newApp(now, embedded())
	if err != nil {
		t.Fatal(err)
	}
	h, err := a.handler()
	if err != nil {
		t.Fatal(err)
	}
	return a, h
}

func TestKeepsTheRulesOfHTMX(t *testing.T) {
	t.Parallel()
	_, h := opened(t, func() time.Time { return time.UnixMilli(1_000_000) })
	empty := func() url.Values { return url.Values{} }
	hxtest.Check(t, hxtest.App{Handler: h},
		hxtest.Route{Path: "/", Target: "rows"},
		hxtest.Route{Path: "/?q=assam", Target: "rows"},
		hxtest.Route{Path: "/items/1", Target: "content"},
		hxtest.Route{Path: "/items/404", Status: 404, Target: "rows"},
		hxtest.Route{Path: "/about", Target: "content"},
		hxtest.Route{Path: "/kinds?shelf=Tea", Target: "kind"},
		hxtest.Route{Path: "/exports/999000", Target: "export"},
		hxtest.Route{Path: "/exports/x", Status: 404},
		hxtest.Route{Path: "/none", Status: 404},
	)
	for _, path := range []string{"/likes", "/exports"} { // with htmx a part, without it a redirect
		for _, htmx := range []string{"", "true"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(empty().Encode()))
			r.Header.Set("HX-Request", htmx)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if want := map[string]int{"": 303, "true": 200}[htmx]; w.Code != want {
				t.Errorf("%s, htmx %q: %d", path, htmx, w.Code)
			}
		}
	}
}

// TestFailuresHaveTheFormThatWasAskedFor: a template that fails half-way, and a
// panic, in every form of every page.
func TestFailuresHaveTheFormThatWasAskedFor(t *testing.T) {
	t.Parallel()
	form := func() url.Values { return url.Values{} }
	a, broken := opened(t, time.Now)
	a.breakTemplates()
	hxtest.Check(t, hxtest.App{Handler: broken},
		hxtest.Route{Path: "/", Target: "rows", Status: 500, Secret: "template"},
		hxtest.Route{Path: "/items/1", Target: "content", Status: 500, Secret: "template"},
		hxtest.Route{Path: "/about", Target: "content", Status: 500, Secret: "template"},
		hxtest.Route{Path: "/kinds?shelf=Tea", Target: "kind", Status: 500, Secret: "template"},
	)
	_, panics := opened(t, func() time.Time { panic("s3cret of the clock") })
	hxtest.Check(t, hxtest.App{Handler: panics},
		hxtest.Route{Path: "/exports/1", Target: "export", Status: 500, Secret: "s3cret"},
		hxtest.Route{Path: "/exports", Form: form, Target: "export", Status: 500, Secret: "s3cret"},
	)
	_, h := opened(t, time.Now)
	hxtest.Check(t, hxtest.App{Handler: h},
		hxtest.Route{Path: "/likes", Form: form, Target: "likes", FragmentOnly: true},
		hxtest.Route{Path: "/exports", Form: form, Target: "export", FragmentOnly: true},
	)
}

func TestPollingEnds(t *testing.T) {
	t.Parallel()
	now := time.UnixMilli(1_000_000)
	_, h := opened(t, func() time.Time { return now })
	for _, want := range []string{`value="0"`, `value="50"`, "Ready"} {
		r := httptest.NewRequest("GET", "/exports/1000000", nil)
		r.Header.Set("HX-Request", "true")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if body := w.Body.String(); !strings.Contains(body, want) || strings.Contains(body, "hx-trigger") == (want == "Ready") {
			t.Errorf("want %s: %s", want, body)
		}
		now = now.Add(exportTakes / 2)
	}
}

func TestQuotesUntilTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, _ := opened(t, time.Now)
		before := a.prices.LastID()
		done := make(chan error, 1)
		ctx := t.Context()
		go func() { done <- a.quote(ctx, time.Second) }()
		time.Sleep(2500 * time.Millisecond)
		synctest.Wait()
		if after := a.prices.LastID(); after == before || !strings.HasSuffix(after, "-3") {
			t.Errorf("after 2.5 seconds: %s", after)
		}
		_ = a.prices.Drain(ctx) // nobody listens
		if err := <-done; err == nil {
			t.Error("quoting goes on after the streams are drained")
		}
	})
}

func TestTheChatTellsAllOfThisSite(t *testing.T) {
	t.Parallel()
	_, h := opened(t, time.Now)
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	at := strings.Replace(s.URL, "http", "ws", 1) + "/chat"
	one, err := websocket.Dial(at, "", s.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = one.Close() })
	if err := websocket.JSON.Send(one, map[string]string{"text": "<b>hello"}); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := websocket.Message.Receive(one, &got); err != nil || !strings.Contains(got, "<p>&lt;b&gt;hello</p>") {
		t.Errorf("%q, %v", got, err)
	}
	if c, err := websocket.Dial(at, "", "http://evil.example"); err == nil {
		_ = c.Close()
		t.Error("another site may talk here")
	}
}
