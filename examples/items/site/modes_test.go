package site

import (
	"context"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// chromium starts a browser, or skips the test where there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-dev-shm-usage", true))
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// breakTemplates makes every page fail half-way.
func (a *app) breakTemplates() {
	for _, name := range []string{"items", "rows", "item", "about", "kinds", "export"} {
		template.Must(a.pages.New(name).Parse(`half a page {{template "none"}}`))
	}
}

// street is what lies between the browser and the app: it can be slow or cut,
// and what is behind it can fail.
type street struct {
	app, broken http.Handler
	fault       atomic.Int32 // what the next page is: 404, 500, 0 for what it should be
	hold        atomic.Bool  // the next page waits for let
	held, let   chan struct{}
	off         atomic.Bool // every connection is cut
}

func (s *street) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/assets/") || r.URL.Path == "/events" || r.URL.Path == "/chat" {
		s.app.ServeHTTP(w, r)
		return
	}
	if s.off.Load() {
		panic(http.ErrAbortHandler)
	}
	if s.hold.CompareAndSwap(true, false) {
		s.held <- struct{}{}
		<-s.let
	}
	switch s.fault.Swap(0) {
	case http.StatusNotFound:
		r.URL.Path = "/none"
	case http.StatusInternalServerError:
		s.broken.ServeHTTP(w, r)
		return
	}
	s.app.ServeHTTP(w, r)
}

// walk is one tab that uses the site in one way.
type walk struct {
	t       *testing.T
	ctx     context.Context
	base    string
	scripts bool
	*street
}

// TestEveryPageInEveryMode opens every page with JavaScript, without it, and held
// to the Content-Security-Policy, and does there what people and networks do:
// reload, Back over a slow network, a restored tab, 404, 500, no network. What is
// shown is always one whole page.
func TestEveryPageInEveryMode(t *testing.T) {
	browser := chromium(t)
	if err := chromedp.Do(browser, chromedp.Navigate("about:blank")); err != nil { // it must stand before it opens private windows
		t.Fatal(err)
	}
	for _, m := range []struct {
		name            string
		scripts, bypass bool
	}{{"JavaScript", true, true}, {"no JavaScript", false, false}, {"strict CSP", true, false}} {
		t.Run(m.name, func(t *testing.T) {
			_, h := opened(t, time.Now)
			a, broken := opened(t, time.Now)
			a.breakTemplates()
			s := &street{app: h, broken: broken, held: make(chan struct{}, 1), let: make(chan struct{})}
			server := httptest.NewServer(s)
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections)
			ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
			t.Cleanup(cancel)
			k := walk{t, ctx, server.URL, m.scripts, s}
			k.do(call(log.Enable, cdp.Empty{}),
				call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !m.scripts}),
				call(page.SetBypassCSP, page.SetBypassCSPParams{Enabled: m.bypass}))
			err := chromedp.Listen(ctx, func(event any) {
				if e, ok := event.(*log.EventEntryAdded); ok && !m.bypass && e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "Failed to load resource") && !strings.Contains(e.Entry.Text, "WebSocket") {
					t.Errorf("the browser complains: %s", e.Entry.Text)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			ready := "/exports/" + strconv.FormatInt(time.Now().Add(-exportTakes).UnixMilli(), 10)
			for path, shown := range map[string]string{"/": "Search", "/?q=sencha&shelf=Coffee": "green", "/items/3": "Sencha", ready: "Ready: 8 items", "/about": "What is cached where"} {
				k.visit(path, shown)
			}
		})
	}
}

func call[P, R any](method cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, method, params)
		return err
	})
}

func (k walk) do(steps ...chromedp.Action[chromedp.Void]) {
	k.t.Helper()
	if err := chromedp.Do(k.ctx, steps...); err != nil {
		k.t.Fatal(err)
	}
}

// visit does on one page what the test promises.
func (k walk) visit(path, shown string) {
	k.t.Helper()
	k.t.Log(path)
	whole := func() { k.t.Helper(); k.whole(path, shown) }
	k.do(chromedp.Navigate(k.base + path))
	whole()
	k.do(chromedp.Reload())
	whole()

	// A slow network: the page stays until the other comes. Then Back.
	k.hold.Store(true)
	k.press()
	select {
	case <-k.held:
	case <-k.ctx.Done():
		k.t.Fatal("nothing was asked for")
	}
	if k.scripts {
		whole()
	}
	k.let <- struct{}{}
	k.whole("/about", "What is cached where")
	if path != "/about" { // a link to where one is leaves no step in the history of every mode
		k.script(`history.back()`)
		whole()
	}

	// A restored tab: from the browser's history, with what it kept.
	k.do(chromedp.Navigate("about:blank"))
	k.script(`history.back()`)
	whole()

	// An error is a page of its own, and with scripts no new address.
	at := "/about"
	if k.scripts {
		at = path
	}
	for status, words := range map[int32]string{404: "Not found", 500: "Something went wrong here"} {
		k.fault.Store(status)
		k.press()
		k.whole(at, words)
		k.do(chromedp.Navigate(k.base + path))
		whole()
	}

	// With scripts the page stays, and a bar says so; without, the browser has
	// its own words.
	k.off.Store(true)
	k.press()
	if k.scripts {
		k.eventually(`document.querySelector("#offline")?.checkVisibility()`)
		whole()
		k.off.Store(false)
		k.press()
		k.eventually(`!document.querySelector("#offline").checkVisibility()`)
		return
	}
	k.eventually(`!document.querySelector("main")`)
	k.off.Store(false)
}

// whole waits until an address shows one page, and not a page inside a page.
func (k walk) whole(path, shown string) {
	k.t.Helper()
	k.eventually(`["nav", "main", "h1", "#offline", "#problem"].every(s => document.querySelectorAll(s).length <= 1) && !!document.querySelector("body > nav") && location.pathname + location.search === "` + path + `" && document.querySelector("main").textContent.includes("` + shown + `")`)
}

// press follows the link that every page has, once the page is ready for it.
func (k walk) press() {
	k.t.Helper()
	k.eventually(`document.readyState === "complete" && document.querySelector("#about")` + map[bool]string{true: ` && window.htmx && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling")`}[k.scripts])
	k.script(`document.querySelector("#about").click()`)
}

// script runs something after which the document may be gone.
func (k walk) script(s string) {
	_, _ = chromedp.Run(k.ctx, chromedp.Evaluate[chromedp.Void](s))
}

// eventually waits for a condition in whichever document is there. It is asked
// from outside, for pages whose scripts do not run.
func (k walk) eventually(condition string) {
	k.t.Helper()
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for asked := 0; ; asked++ {
		ok, err := chromedp.Run(k.ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		if err == nil && ok {
			return
		}
		if asked < 2000 && k.ctx.Err() == nil { // half a minute and more
			<-tick.C
		} else {
			shown, _ := chromedp.Run(k.ctx, chromedp.Evaluate[string](`location.href + " " + document.documentElement.outerHTML.slice(0, 3000)`))
			k.t.Fatalf("never: %s (%v)\n%s", condition, err, shown)
		}
	}
}
