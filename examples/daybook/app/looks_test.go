package app_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// sight is a page as somebody sees it.
type sight struct {
	name, path string
	person     bool       // somebody is signed in
	then       func(*tab) // what is done on the page first
}

// sights are all pages, and what they show when something is wrong.
func sights() []sight {
	return []sight{
		{name: "sign-in", path: "/sign-in"},
		{name: "sign-in-wrong", path: "/sign-in?next=/history", then: func(b *tab) {
			b.types("#email", "ada@example.com")
			b.types("#password", "not the password\r")
			b.shows("#failed", "wrong")
		}},
		{name: "sign-up", path: "/sign-up"},
		{name: "sign-up-wrong", path: "/sign-up", then: func(b *tab) {
			b.types("#email", "ada")
			b.click(".card > button:not([type])")
			b.shows("#name-wrong", "called")
		}},
		{name: "today", path: "/", person: true},
		{name: "today-changed", path: "/", person: true, then: func(b *tab) {
			b.types("#note", " More.")
			b.shows("#state", "changed since")
		}},
		{name: "today-elsewhere", path: "/", person: true, then: func(b *tab) {
			b.ask(`document.querySelector("#version").value = "1000"`)
			b.types("#note", " And more.")
			b.click(".below button")
			b.shows("#other", "Stored at")
		}},
		{name: "history", path: "/history", person: true},
		{name: "history-end", path: "/history?before=2020-01-01", person: true},
		{name: "day", path: "/history/2026-11-21", person: true},
		{name: "not-found", path: "/nothing", person: true},
		{name: "problem", path: "/history", person: true, then: func(b *tab) {
			b.until(ready)
			b.ask(`htmx.ajax("GET", "/history/2020-01-01", "#content")`)
			b.shows("#problem", "no such page")
		}},
	}
}

// furnished is a house with a person who has written for some days.
func furnished(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, "")
	signUp(h.app)
	writer := h.browser(t)
	writer.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
	for _, text := range []string{
		"Walked by the river before breakfast.\nSaw a heron, and two boys who had never seen one.\n\nIn the afternoon the proofs came: four pages to correct.",
		"Rain all day. Read.", "A letter from home, and " + strings.Repeat("a long story ", 20), "First frost.",
		"The market was full. Bought pears, and a lamp that does not work yet.",
	} {
		h.clock.pass(24 * time.Hour)
		writer.follow("Today")
		writer.submit("Save", map[string]string{"note": text})
	}
	return h
}

func (b *tab) size(width, height int64, dark bool) {
	b.t.Helper()
	theme := "light"
	if dark {
		theme = "dark"
	}
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
		return err
	}))
}

// look opens a page, signed in or not, and does what the sight asks.
func (b *tab) look(s sight) {
	b.t.Helper()
	b.forget()
	if s.person {
		b.signedIn()
	}
	b.ask(`sessionStorage.clear()`)
	b.do(chromedp.Navigate(b.url + s.path))
	b.until(ready + ` && !!document.querySelector("h1")`)
	if s.then != nil {
		s.then(b)
		b.until(ready)
	}
}

// TestNoPageIsWiderThanItsWindow looks at each page in both themes at the widths
// of a phone and a desk. With DAYBOOK_PICTURES=DIR each is kept as a picture, to
// be looked at; with axe-core installed (npm ci in internal/console/assets) each
// is examined by it too.
func TestNoPageIsWiderThanItsWindowNorBreaksARuleOfAccess(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile("../../../internal/console/assets/node_modules/axe-core/axe.min.js")
	if err != nil && os.Getenv("CI") == "true" {
		t.Fatal("axe-core is not installed: npm ci in internal/console/assets")
	}
	h := furnished(t)
	b := h.tab(t)
	b.open("/sign-in")
	for _, s := range sights() {
		b.size(1280, 800, false)
		b.look(s)
		for _, dark := range []bool{false, true} {
			for _, width := range []int64{1280, 390} {
				b.size(width, 844, dark)
				name := fmt.Sprintf("%s-%d-%s", s.name, width, map[bool]string{false: "light", true: "dark"}[dark])
				if wide := b.ask(`document.documentElement.scrollWidth > innerWidth`); wide == "true" {
					t.Errorf("%s is wider than its window", name)
				}
				if dir := os.Getenv("DAYBOOK_PICTURES"); dir != "" {
					picture, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
					if err != nil {
						t.Fatal(err)
					}
					if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			for _, violation := range b.violations(string(axe)) {
				t.Errorf("%s, dark %v: %s", s.name, dark, violation)
			}
		}
	}
	if len(axe) == 0 {
		return
	}
	// The control: what finds nothing must be able to find something.
	b.ask(`document.querySelector("h1").insertAdjacentHTML("afterend", "<input>")`)
	if found := fmt.Sprint(b.violations(string(axe))); !strings.Contains(found, "label") {
		t.Errorf("axe does not find a field without label: %s", found)
	}
}

// violations runs axe on the page as it is now.
func (b *tab) violations(axe string) []string {
	b.t.Helper()
	if axe == "" {
		return nil
	}
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := chromedp.Evaluate[chromedp.Void]("window.axe || (() => {"+axe+"})(); void 0")(ctx, target)
		return err
	}))
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"]}).then(r =>
		r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary)))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatal(err)
	}
	return found
}

// TestFirstViewsStayInsideTheirBudgets measures in the browser, with an empty
// cache, what a page weighs.
func TestFirstViewsStayInsideTheirBudgets(t *testing.T) {
	t.Parallel()
	h := furnished(t)
	for _, s := range sights() {
		if s.then != nil {
			continue
		}
		b := h.tab(t) // a private window: nothing is cached
		b.size(390, 844, false)
		if s.person {
			b.signedIn()
		}
		b.do(chromedp.Navigate(b.url + s.path))
		b.until(ready + ` && performance.getEntriesByType("navigation")[0].loadEventEnd > 0`)
		m, err := chromedp.Run(b.ctx, chromedp.Evaluate[map[string]float64](`(async () => {
			const all = [performance.getEntriesByType("navigation")[0], ...performance.getEntriesByType("resource")];
			const sum = (f) => all.filter(f).reduce((n, e) => n + e.transferSize, 0);
			let shift = 0;
			new PerformanceObserver((l) => l.getEntries().forEach((e) => shift += e.value)).observe({type: "layout-shift", buffered: true});
			await new Promise((r) => setTimeout(r, 50));
			return {requests: all.length, bytes: sum(() => true), js: sum((e) => e.name.endsWith(".js")), css: sum((e) => e.name.endsWith(".css")), shift};
		})()`, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%-12s %1.0f requests, %4.1f KB in all, JS %4.1f KB, CSS %3.1f KB, shift %.3f", s.name, m["requests"], m["bytes"]/1024, m["js"]/1024, m["css"]/1024, m["shift"])
		for name, most := range map[string]float64{"requests": 6, "bytes": 60 << 10, "js": 20 << 10, "css": 15 << 10, "shift": 0.001} {
			if m[name] > most {
				t.Errorf("%s: %s is %v, the budget is %v", s.name, name, m[name], most)
			}
		}
		if m["bytes"] < 5000 || m["js"] == 0 || m["css"] == 0 {
			t.Errorf("%s: %v: this measures nothing", s.name, m)
		}
	}
}
