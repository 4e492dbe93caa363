package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// mode is a way in which a browser uses the app.
type mode struct {
	name    string
	scripts bool
	bypass  bool // the Content-Security-Policy is not looked at
}

// stop is a page, and a link that leads from it to another.
type stop struct {
	path, title string
	link, other string
	person      bool
	htmx        bool // the link is htmx's where there are scripts
}

var stops = []stop{
	{path: "/sign-in", title: "Sign in", link: `main a[href="/sign-up"]`, other: "/sign-up"},
	{path: "/sign-up", title: "Begin a daybook", link: `main a[href="/sign-in"]`, other: "/sign-in"},
	{path: "/", title: "Friday, 20 November", link: `#menu a[href="/history"]`, other: "/history", person: true, htmx: true},
	{path: "/history", title: "History", link: `#menu a[href="/"]`, other: "/", person: true, htmx: true},
	{path: "/history/2026-11-20", title: "Friday, 20 November 2026", link: `#menu a[href="/history"]`, other: "/history", person: true, htmx: true},
}

// TestEveryPageInEveryMode opens every page with JavaScript, without it, and held
// to the Content-Security-Policy, and does there what people and networks do:
// reload, Back over a slow network, a restored tab, 404, 500, no network, a
// session that ends. What is shown is always one whole page.
func TestEveryPageInEveryMode(t *testing.T) {
	t.Parallel()
	for _, m := range []mode{{"JavaScript", true, true}, {"no JavaScript", false, false}, {"strict CSP", true, false}} {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, "")
			b := h.tab(t)
			if !m.scripts {
				b.noScripts()
			}
			b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
				_, err := cdp.Call(ctx, target, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: m.bypass})
				return err
			}))
			signUp(h.app)
			writer := h.browser(t)
			writer.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
			writer.submit("Save", map[string]string{"note": "Kept."})
			for _, s := range stops {
				s.htmx = s.htmx && m.scripts
				b.visit(s)
			}
		})
	}
}

// whole waits until an address shows its page, and not a page inside a page.
func (b *tab) whole(path, title string) {
	b.t.Helper()
	b.isAt(path)
	b.shows("h1", title)
	b.until(`document.querySelectorAll("#menu").length === 1 && document.querySelectorAll("#content").length === 1 && !document.querySelector("#content header, #content title")`)
}

// visit does on one page what the test promises.
func (b *tab) visit(s stop) {
	b.t.Helper()
	b.t.Log(s.path)
	b.forget()
	if s.person {
		b.signedIn()
	}
	whole := func() { b.t.Helper(); b.whole(s.path, s.title) }
	b.open(s.path)
	whole()
	b.do(chromedp.Reload())
	whole()

	// A slow network: the page stays until the other comes. Then Back.
	arrived, release := b.hold("GET " + s.other)
	b.press(s)
	select {
	case <-arrived:
	case <-b.ctx.Done():
		b.t.Fatal("nothing was asked for")
	}
	if s.htmx {
		b.until(`location.pathname === ` + quoted(s.path) + ` && document.querySelector("h1").textContent.includes(` + quoted(s.title) + `)`)
	}
	release()
	b.isAt(s.other)
	b.back()
	whole()
	b.fail(nil)

	// A restored tab: from the browser's history, with what it kept.
	b.do(chromedp.Navigate("about:blank"))
	b.back()
	whole()

	b.fails(s, "There is no such page", func(r *http.Request) { r.URL.Path = "/nothing" })
	if s.person { // nothing behind the entrance's pages can fail
		b.fails(s, "Something went wrong on our side", func(*http.Request) { b.clock.breaks(true) })
	}
	whole()

	// With scripts the page stays, and a bar says so; without, the browser has
	// its own words.
	b.cut(true)
	b.press(s)
	if s.htmx {
		b.until(`!document.querySelector("#offline").hidden`)
		whole()
	} else {
		b.until(`location.protocol === "chrome-error:" || !document.querySelector("main")`)
	}
	b.cut(false)
	b.open(s.path)
	whole()

	if s.person { // a session that ends leads to sign-in as a whole
		b.forget()
		b.press(s)
		b.until(`location.pathname === "/sign-in" && ` + ready + ` && document.querySelectorAll("main").length === 1 && !!document.querySelector("#password")`)
	}
}

// press follows the link once htmx has seen it.
func (b *tab) press(s stop) {
	b.t.Helper()
	b.until(ready)
	b.click(s.link)
}

// fails makes the next answer an error: with htmx it stands beside what is
// there, otherwise it is a page of its own, from which Back leads on.
func (b *tab) fails(s stop, words string, how func(*http.Request)) {
	b.t.Helper()
	failed := false
	b.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if !failed && !strings.Contains(r.URL.Path, "/assets/") {
			failed = true
			how(r)
		}
		return false
	})
	b.press(s)
	if s.htmx {
		b.shows("#problem [role=alert]", words)
		b.whole(s.path, s.title)
	} else {
		b.whole(s.other, words)
	}
	b.fail(nil)
	b.clock.breaks(false)
	b.open(s.path)
}
