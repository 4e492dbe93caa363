package hx

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAnOldPageLearnsOfANewRelease(t *testing.T) {
	t.Parallel()
	v, err := NewRelease("2026-11-20")
	must(t, err)
	h := v.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("HX-Trigger", "own")
		_, _ = w.Write([]byte("x"))
	}))
	if got := fetched(h, "/", "HX-Request", "true", "X-Release", "old").Header(); got.Get("HX-Trigger") != `{"own":null,"release":{"version":"2026-11-20"}}` || got.Get("X-Release") != "2026-11-20" || got.Get("Vary") != "X-Release" {
		t.Errorf("%v", got)
	}
	for _, headers := range [][]string{{"HX-Request", "true", "X-Release", "2026-11-20"}, {"HX-Request", "true"}, {"X-Release", "old"}} {
		if got := fetched(h, "/", headers...).Header().Get("HX-Trigger"); got != "own" {
			t.Errorf("%v: %s", headers, got)
		}
	}
	if w := fetched(v, "/version.json"); strings.TrimSpace(w.Body.String()) != `{"version":"2026-11-20"}` || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s %v", w.Body, w.Header())
	}
	if a := v.Attributes(); a["hx-headers"] != `{"X-Release":"2026-11-20"}` || a["hx-headers"] != a["hx-headers:inherited"] {
		t.Errorf("%v", a)
	}
	for _, wrong := range []string{"", "a b", `a"b`, "a'b", "é", strings.Repeat("x", 65), "a\nb"} {
		if _, err := NewRelease(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}

func TestRulesOfCachesSayWhatIsKeptWhere(t *testing.T) {
	t.Parallel()
	for want, rule := range map[string]CacheRule{
		" = no rule": {},
		"no-store, no-transform = browser: not kept; shared caches: not kept":                                              Secret,
		"no-store = browser: not kept; shared caches: not kept":                                                            NoStore,
		"private, no-cache = browser: kept, asked for again each time; shared caches: not kept":                            Revalidate.Stale(time.Hour, time.Hour),
		"public, max-age=31536000, immutable = browser: a year, never asked for again; shared caches: the same":            Immutable,
		"private, max-age=10 = browser: 10s; shared caches: not kept":                                                      Private(10900 * time.Millisecond),
		"private, max-age=0 = browser: 0s; shared caches: not kept":                                                        Private(-time.Hour),
		"public, max-age=60, s-maxage=3600, stale-while-revalidate=5, stale-if-error=600 = browser: 1m; shared caches: 1h": Public(time.Minute, time.Hour).Stale(5*time.Second, 10*time.Minute),
		"public, max-age=60 = browser: 1m; shared caches: 1m":                                                              Public(time.Minute, time.Minute),
	} {
		if got := rule.String() + " = " + rule.Where(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
}

func TestAChangedFileReloadsThePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		write := func(name, text string) { must(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)) }
		write("page.html", "a")
		write("app.css", "a")
		l := NewReload()
		heard := &listener{header: http.Header{}}
		ctx, cancel := context.WithCancel(t.Context())
		go l.ServeHTTP(heard, httptest.NewRequestWithContext(ctx, "GET", "/dev/events", nil))
		watched := make(chan error, 1)
		go func() { watched <- l.Watch(ctx, 100*time.Millisecond, os.DirFS(folder)) }()
		change := func(name string) {
			time.Sleep(110 * time.Millisecond)
			synctest.Wait()
			write(name, "other")
			time.Sleep(110 * time.Millisecond)
			synctest.Wait()
		}
		change("app.css")
		change("page.html")
		if got := heard.data(); got != "style:changed reload:changed" {
			t.Errorf("heard %q", got)
		}
		cancel()
		if err := <-watched; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		synctest.Wait()
	})
	l := NewReload()
	if w := fetched(l, "/dev/reload.js"); !strings.Contains(w.Body.String(), "EventSource") || w.Header().Get("Content-Type") != "text/javascript; charset=utf-8" {
		t.Errorf("%v", w.Header())
	}
	if w := fetched(l, "/dev/none"); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}
