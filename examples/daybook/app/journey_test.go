package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
)

// everywhere runs a journey at the root of a host and under a path.
func everywhere(t *testing.T, journey func(t *testing.T, h *house)) {
	t.Helper()
	for name, prefix := range map[string]string{"at the root": "", "under a path": "/daybook", "under a deep path": "/apps/daybook"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			journey(t, newHouse(t, prefix))
		})
	}
}

func TestKeepsADaybookFromSigningUpToSigningOut(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, h *house) {
		b := h.browser(t)
		b.isAt(h.url + "/sign-in")
		b.signUp("Ada")
		b.isAt(h.url + "/")
		b.shows(http.StatusOK, "Friday, 20 November 2026", "Not saved yet")

		b.submit("Save", map[string]string{"note": "Walked by the river.\nSaw a heron."})
		b.isAt(h.url + "/")
		b.shows(http.StatusOK, "Saved at 18:30")
		if got := b.note(); got != "Walked by the river.\nSaw a heron." {
			t.Errorf("the note is %q", got)
		}

		h.clock.pass(3 * time.Hour)
		b.submit("Save", map[string]string{"note": b.note() + "\nSlept early."})
		b.shows(http.StatusOK, "Saved at 21:30")

		h.clock.pass(12 * time.Hour) // the next morning
		b.follow("Today")
		b.shows(http.StatusOK, "Saturday, 21 November 2026", "Not saved yet")
		if got := b.note(); got != "" {
			t.Errorf("a new day begins with %q", got)
		}

		b.follow("History")
		b.isAt(h.url + "/history")
		b.shows(http.StatusOK, "Fri 20 Nov 2026", "Walked by the river.")
		b.follow("Fri 20 Nov 2026 Walked by the river.")
		b.isAt(h.url + "/history/2026-11-20")
		b.shows(http.StatusOK, "Friday, 20 November 2026", "Saw a heron. Slept early.", "Saved at 21:30")

		b.submit("Sign out", nil)
		b.isAt(h.url + "/sign-in")
		b.shows(http.StatusOK, "You are signed out")
		b.open(h.url + "/history")
		b.isAt(h.url + "/sign-in?next=%2Fhistory")

		b.submit("Sign in", map[string]string{"email": " Ada@Example.com ", "password": "a quiet Ada morning"})
		b.isAt(h.url + "/history")
		b.open(h.url + "/sign-in")
		b.isAt(h.url + "/")
	})
}

// TestEveryAddressOfEveryPageStaysUnderTheRootPath reads all pages of the
// journey and looks at every address in them.
func TestEveryAddressOfEveryPageStaysUnderTheRootPath(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, h *house) {
		b := h.browser(t)
		check := func() {
			t.Helper()
			for n := range b.page.Descendants() {
				for _, name := range []string{"href", "src", "action", "hx-get", "hx-post"} {
					address := attribute(n, name)
					if n.Type != html.ElementNode || address == "" || strings.HasPrefix(address, "#") {
						continue
					}
					target, err := b.at.Parse(address)
					if err != nil || !strings.HasPrefix(target.String(), h.url+"/") {
						t.Errorf("%s: %s=%q leads out of %s", b.at, name, address, h.url)
					}
					if n.Data == "link" || n.Data == "script" {
						response, err := b.client.Get(target.String())
						if err != nil {
							t.Fatal(err)
						}
						response.Body.Close()
						if response.StatusCode != http.StatusOK || !strings.Contains(response.Header.Get("Cache-Control"), "immutable") {
							t.Errorf("%s: %d, Cache-Control %q", target, response.StatusCode, response.Header.Get("Cache-Control"))
						}
					}
				}
			}
			if !strings.Contains(b.header.Get("Content-Security-Policy"), "default-src 'self'") || strings.Contains(b.header.Get("Content-Security-Policy"), "unsafe") {
				t.Errorf("%s: the policy is %q", b.at, b.header.Get("Content-Security-Policy"))
			}
			if b.header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s: Cache-Control is %q", b.at, b.header.Get("Cache-Control"))
			}
		}
		check()
		b.follow("Begin one")
		check()
		b.submit("Begin", nil)
		b.shows(http.StatusUnprocessableEntity)
		check()
		b.open(h.url + "/")
		b.signUp("Ada")
		check()
		b.submit("Save", map[string]string{"note": "x"})
		check()
		b.follow("History")
		check()
		b.open(h.url + "/history/2026-11-20")
		check()
		b.open(h.url + "/nothing")
		b.shows(http.StatusNotFound, "There is no such page", "Sign out")
		check()
	})
}

func TestPagesThroughALongHistory(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	b := h.browser(t)
	b.signUp("Ada")
	for range 40 {
		b.submit("Save", map[string]string{"note": "on " + h.clock.Now().Format(time.DateOnly)})
		h.clock.pass(24 * time.Hour)
		b.follow("Today")
	}
	b.follow("History")
	b.shows(http.StatusOK, "on 2026-12-29", "on 2026-11-30", "Older days")
	if strings.Contains(b.text, "on 2026-11-29") {
		t.Error("the first page has more than thirty days")
	}
	b.follow("Older days")
	b.shows(http.StatusOK, "on 2026-11-29", "on 2026-11-20", "Latest")
	if strings.Contains(b.text, "Older days") {
		t.Error("the last page leads to an older one")
	}
	b.open(h.url + "/history?before=2020-01-01")
	b.shows(http.StatusOK, "There is nothing older")
	b.open(h.url + "/history?before=yesterday")
	b.shows(http.StatusNotFound)
}

func TestShowsWhatToDoInAnEmptyHistory(t *testing.T) {
	t.Parallel()
	b := newHouse(t, "").browser(t)
	b.signUp("Ada")
	b.follow("History")
	b.shows(http.StatusOK, "Nothing is written yet")
}

// TestALateCheckTakesNoMessageAway: the check of a field may arrive after the
// form was sent, and before the page that welcomes.
func TestALateCheckTakesNoMessageAway(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.follow("Begin one")
	b.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	b.submit("Begin", map[string]string{"name": "Ada", "email": "ada@example.com", "password": "a quiet Ada morning"})
	if b.status != http.StatusSeeOther {
		t.Fatalf("signing up: %d", b.status)
	}
	b.post(h.url+"/sign-up/check", url.Values{"email": {"ada@example.com"}}, "same-origin")
	b.open(h.url + "/")
	b.shows(http.StatusOK, "Welcome, Ada")
	b.open(h.url + "/")
	if strings.Contains(b.text, "Welcome, Ada") {
		t.Error("the page welcomes twice")
	}
}
