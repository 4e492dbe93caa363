package app_test

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/store/storetest/pgserver"
)

// chromium is the one browser of all tests of this package; each test has a
// private window of its own in it.
var chromium struct {
	once sync.Once
	ctx  context.Context
	stop func()
	err  error
}

func TestMain(m *testing.M) {
	code := pgserver.Main(m)
	if chromium.stop != nil {
		chromium.stop()
	}
	os.Exit(code)
}

// missing skips a test that needs something that is not installed; in CI it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// tab is a page in Chromium with short words for what a person does and sees.
type tab struct {
	t   *testing.T
	ctx context.Context
	*house

	mu         sync.Mutex
	complaints []string
}

// tab opens a private window. What the browser complains of fails the test at
// its end: what the Content-Security-Policy refused, an error in a script.
func (h *house) tab(t *testing.T) *tab {
	t.Helper()
	chromium.once.Do(func() {
		path, err := exec.LookPath("chromium")
		if err != nil {
			chromium.err = err
			return
		}
		opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
			chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
			chromedp.Flag("disable-background-timer-throttling", true), chromedp.Flag("disable-renderer-backgrounding", true), chromedp.Flag("disable-backgrounding-occluded-windows", true),
			chromedp.Flag("force-color-profile", "srgb"))
		allocator, stop := chromedp.NewExecAllocator(context.Background(), opts...)
		ctx, cancel := chromedp.NewContext(allocator)
		chromium.ctx, chromium.stop = ctx, func() { cancel(); stop() }
		chromium.err = chromedp.Do(ctx)
	})
	if chromium.ctx == nil {
		missing(t, "chromium is not installed")
	}
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, house: h}
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	}))
	err := chromedp.Listen(ctx, func(event any) {
		e, ok := event.(*log.EventEntryAdded)
		// Of a 4xx or 5xx, and of no network, the browser says that it failed to load; those are meant.
		if !ok || e.Entry.Level != "error" || strings.Contains(e.Entry.Text, "Failed to load resource") {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, e.Entry.Text)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, complaint := range b.takeComplaints() {
			t.Errorf("the browser complains: %s", complaint)
		}
	})
	return b
}

func (b *tab) takeComplaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.complaints
	b.complaints = nil
	return all
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// ready holds when the page is there, and htmx when there are scripts at all.
const ready = `document.readyState === "complete" && (!matchMedia("(scripting: enabled)").matches || !!window.htmx) && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling")`

func (b *tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.url + path))
}

// until waits for a condition in whichever document is there. It is asked from
// outside: what waits inside a page stops when the browser puts the page away.
func (b *tab) until(condition string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; <-tick.C {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		switch {
		case err == nil && ok:
			return
		case b.ctx.Err() == nil && time.Now().Before(end):
			continue
		}
		shown, _ := chromedp.Run(b.ctx, chromedp.Evaluate[string](`location.href + " " + document.body.innerText`))
		b.t.Fatalf("never: %s (%v)\n%s", condition, err, shown)
	}
}

func (b *tab) ask(expression string) string {
	b.t.Helper()
	for {
		s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(`+expression+`)`))
		switch {
		case err == nil:
			return s
		case b.ctx.Err() == nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context")):
			continue
		}
		b.t.Fatalf("%s: %v", expression, err)
	}
}

func (b *tab) want(expression, want string) {
	b.t.Helper()
	if got := b.ask(expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

// click activates what is seen, by the page itself: a browser with many windows
// on a busy machine may drop what a mouse does before a window is painted.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(`document.readyState === "complete" && document.querySelector(` + quoted(selector) + `)?.checkVisibility() === true`)
	_, err := chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](`document.querySelector(`+quoted(selector)+`).click()`))
	if err != nil && (b.ctx.Err() != nil || !strings.Contains(err.Error(), "navigated") && !strings.Contains(err.Error(), "context")) {
		b.t.Fatal(err)
	}
}

// types adds to what stands in a field.
func (b *tab) types(selector, text string) {
	b.t.Helper()
	b.until(`!!document.querySelector(` + quoted(selector) + `)`)
	b.ask(`(() => { const e = document.querySelector(` + quoted(selector) + `); e.focus(); if (e.localName === "textarea") e.setSelectionRange(e.value.length, e.value.length) })()`)
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// shows waits for a text that is seen in an element.
func (b *tab) shows(selector, text string) {
	b.t.Helper()
	b.until(`!!document.querySelector(` + quoted(selector) + `)?.innerText.includes(` + quoted(text) + `)`)
}

// isAt waits for an address, and for the whole page of it.
func (b *tab) isAt(path string) {
	b.t.Helper()
	b.until(`location.href === ` + quoted(b.url+path) + ` && ` + ready + ` && document.querySelectorAll("header").length === 1 && document.querySelectorAll("main").length === 1 && document.querySelectorAll("h1").length === 1`)
}

// signedUp makes a person without a browser, and gives this one the session.
func (b *tab) signedUp() {
	b.t.Helper()
	b.takes(sessionOf(signUp(b.app, "X-Forwarded-Prefix", b.prefix)))
}

// signedIn gives the browser a new session of that person.
func (b *tab) signedIn() {
	b.t.Helper()
	b.takes(sessionOf(post(b.app, "/sign-in", url.Values{"email": {"ada@example.com"}, "password": {"a quiet Ada morning"}}, nil)))
}

func (b *tab) takes(session *http.Cookie) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.SetCookie, network.SetCookieParams{Name: session.Name, Value: session.Value, URL: b.url + "/", Path: session.Path, HTTPOnly: new(true)})
		return err
	}))
}

func (b *tab) forget() { // loses the session, as a browser that is cleaned up does
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.ClearBrowserCookies, cdp.Empty{})
		return err
	}))
}

func (b *tab) noScripts() {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// back presses Back. The document that is asked may go before it answers.
func (b *tab) back() {
	_, _ = chromedp.Run(b.ctx, chromedp.Evaluate[chromedp.Void](`history.back()`))
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text) + `"`
}
