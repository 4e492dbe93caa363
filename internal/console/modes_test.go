package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// street is what lies between a browser and the console: it can be slow, and
// what is behind it can fail.
type street struct {
	w      *world
	broken http.Handler  // the same console, behind whose door everything panics
	fault  atomic.Int32  // what the next page is: 404, 500, 0 for what it should be
	hold   atomic.Bool   // the next page waits for let
	held   chan struct{} // holds one when a page waits
	let    chan struct{}
	off    atomic.Bool // every connection is cut
	posts  atomic.Int32
}

func (s *street) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/assets/") {
		s.w.console.ServeHTTP(w, r)
		return
	}
	if s.off.Load() {
		panic(http.ErrAbortHandler)
	}
	if r.Method == http.MethodPost {
		s.posts.Add(1)
	}
	if s.hold.CompareAndSwap(true, false) {
		s.held <- struct{}{}
		<-s.let
	}
	switch s.fault.Swap(0) {
	case http.StatusNotFound:
		r.URL.Path = "/nowhere"
	case http.StatusInternalServerError:
		s.broken.ServeHTTP(w, r)
		return
	}
	s.w.console.ServeHTTP(w, r)
}

// mode is a way in which a browser uses the console.
type mode struct {
	name    string
	scripts bool
	bypass  bool // the Content-Security-Policy is not looked at
}

var modes = []mode{{"JavaScript", true, true}, {"no JavaScript", false, false}, {"strict CSP", true, false}}

// walk is one tab of one mode.
type walk struct {
	tab
	mode
	*street
}

// TestEveryPageInEveryMode opens every page of the console in Chromium with
// JavaScript, without it, and held to the Content-Security-Policy, and does there
// what people and networks do: Back, reload, a restored tab, a session that ends,
// a double click, a slow network, 4xx, 5xx, no network (all of it on a page of
// each kind, see kinds). What is shown is always one whole page. The modes run in three private windows of one browser at once.
func TestEveryPageInEveryMode(t *testing.T) {
	browser := chromium(t)
	if err := chromedp.Do(browser, chromedp.Navigate("about:blank")); err != nil { // the browser must stand before it can open private windows
		t.Fatal(err)
	}
	t.Run("modes", func(t *testing.T) {
		for _, m := range modes {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				o := w.options
				panicking(&o)
				broken, err := New(o)
				w.ok(err)
				s := &street{w: w, broken: broken, held: make(chan struct{}, 1), let: make(chan struct{})}
				server := httptest.NewServer(s)
				t.Cleanup(server.Close)
				ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
				t.Cleanup(cancel)
				ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
				t.Cleanup(cancel)
				walk{tab{t, ctx, server.URL}, m, s}.all()
			})
		}
	})
}

// call makes a step of a DevTools command.
func call[P, R any](method cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, method, params)
		return err
	})
}

func (k walk) all() {
	k.do(look(1280, 800, false),
		call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !k.scripts}),
		call(cdppage.SetBypassCSP, cdppage.SetBypassCSPParams{Enabled: k.bypass}))
	if !k.bypass {
		complaints(k.ctx, k.t, "status of 500", "ERR_EMPTY_RESPONSE") // which are made on purpose
	}
	k.do(chromedp.Navigate(k.base + "/sign-in"))
	k.whole("/sign-in", "Sign in")
	k.reload("/sign-in", "Sign in")
	k.restore("/sign-in", "Sign in")
	for _, p := range k.pages() {
		k.t.Logf("%s", p.path)
		k.enter(p.email)
		k.do(chromedp.Navigate(k.base + p.path))
		k.eventually(whole)
		title := k.ask(`document.querySelector("#content h1").textContent.trim()`)
		k.reload(p.path, title)
		k.back(p, title)
		if p.all {
			k.restore(p.path, title)
			k.fails(p, 404)
			k.fails(p, 500)
			k.offline(p, title)
			k.expires(p)
		}
	}
	k.twice()
}

type stop struct {
	email, path string
	other       string // a link of the menu to another page
	all         bool   // everything is done there
}

// kinds are the pages where everything is done, one of each kind: what follows
// there comes from the frame, the scripts and the gate that all pages share. On
// the others it is opened, reloaded, left over a slow network and come back to.
var kinds = []string{
	"/usage",                     // filters, a chart and a part of its own
	"/keys/new",                  // a form that is done once
	"/keys/{key}/roll",           // a question that is a dialog elsewhere
	"/account",                   // several forms, for members and operators
	"/support/threads/{thread}",  // a form with files
	"/customers/{customer}",      // an operator's, with a name in its path
	"/customers/{customer}/team", // a list with forms in its rows
}

// pages are the pages of the routes, each with somebody who may see it.
func (k walk) pages() (all []stop) {
	for _, r := range (&Console{}).routes() {
		switch {
		case r.method != "GET" || r.audience == public || strings.HasSuffix(r.pattern, ".csv"), strings.HasSuffix(r.pattern, "/file"), strings.HasSuffix(r.pattern, "/{attachment}"): // which are files
			continue
		case r.audience == operator:
			all = append(all, stop{"admin@house.example", k.w.path(r.pattern), "/requests", slices.Contains(kinds, r.pattern)})
		default:
			p := stop{"owner@acme.example", k.w.path(r.pattern), "/plan", slices.Contains(kinds, r.pattern)}
			if p.path == p.other {
				p.other = "/keys"
			}
			all = append(all, p)
		}
	}
	full := 0
	for _, p := range all {
		if p.all {
			full++
		}
	}
	if len(all) < 40 || full != len(kinds) {
		k.t.Errorf("only %d pages, and everything is done on %d", len(all), full)
	}
	return all
}

// whole tells that what is shown is one page, as a whole.
const whole = `document.querySelectorAll("#content").length === 1 && document.querySelectorAll("#content h1").length === 1 && document.querySelectorAll("#menu").length === (document.querySelector("main.door") ? 0 : 1) && !document.querySelector("#content #content, #content #menu, #content title")`

// eventually waits for a condition in whichever document is there; the context
// bounds it. It is asked from outside, for pages whose scripts do not run.
func (k walk) eventually(condition string) {
	tick := time.NewTicker(15 * time.Millisecond)
	defer tick.Stop()
	for asked := 0; ; asked++ {
		ok, err := chromedp.Run(k.ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-tick.C:
		case <-k.ctx.Done():
			k.t.Fatalf("never: %s (%v)", condition, err)
		}
		if asked == 2000 { // half a minute and more
			at, _ := chromedp.Run(k.ctx, chromedp.Location())
			html, _ := chromedp.Run(k.ctx, chromedp.Evaluate[string](`document.documentElement.outerHTML.slice(0, 3000)`))
			k.t.Fatalf("at %s, never: %s (%v)\n%s", at, condition, err, html)
		}
	}
}

// shows waits until an address shows its page, as a whole.
func (k walk) whole(path, title string) {
	k.eventually(whole + ` && location.pathname + location.search === "` + path + `" && document.querySelector("#content h1").textContent.trim() === "` + title + `"`)
}

// enter signs somebody in, in whatever state the browser is.
func (k walk) enter(email string) {
	k.w.pass(10 * time.Second) // signing in is paced
	k.do(setCookie(k.base, PlainCookie, k.w.as(email).cookies[PlainCookie]))
}

func (k walk) reload(path, title string) {
	k.do(chromedp.Reload())
	k.whole(path, title)
}

// meanwhile does a step that may end only when the answer that is held back has
// come, and waits until that is asked for.
func (k walk) meanwhile(step chromedp.Action[chromedp.Void]) {
	go func() { _ = chromedp.Do(k.ctx, step) }() // what follows sees whether it was done
	select {
	case <-k.held:
	case <-k.ctx.Done():
		k.t.Fatal("nothing was asked for")
	}
}

// press presses a link of the menu.
func (k walk) press(link string) {
	k.ready(link)
	k.do(k.pressing(link))
}

// pressing is a click: of the pointer, or of the document where no scripts run,
// because chromedp's pointer waits there for a page to settle that the browser
// took out of its history, and waits for ever.
func (k walk) pressing(link string) chromedp.Action[chromedp.Void] {
	selector := `#menu a[href="` + link + `"]`
	if k.scripts {
		return chromedp.Click(chromedp.CSS(selector))
	}
	return run("document.querySelector('" + selector + "').click()")
}

// ready waits until htmx has seen a link of the menu.
func (k walk) ready(link string) {
	if k.scripts {
		k.eventually(`!!window.htmx && document.readyState === "complete" && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")`)
		k.eventually(`document.querySelector('#menu a[href="` + link + `"]')`)
	}
}

// goBack presses Back. Unlike chromedp.NavigateBack it does not wait for a load,
// which neither htmx's history nor a page that the browser kept whole has.
func (k walk) goBack() {
	_ = chromedp.Do(k.ctx, run(`history.back()`)) // the document that is asked may be gone before it answers
}

// back goes to another page over a slow network (the page stays, and says that
// something is under way, until the other comes) and then presses Back.
func (k walk) back(p stop, title string) {
	k.hold.Store(true)
	k.ready(p.other)
	k.meanwhile(k.pressing(p.other))
	if k.scripts {
		k.eventually(whole + ` && location.pathname + location.search === "` + p.path + `" && document.body.classList.contains("htmx-request")`)
	}
	k.let <- struct{}{}
	k.eventually(whole + ` && location.pathname === "` + p.other + `"`)
	if k.scripts {
		k.eventually(`window.htmx && document.activeElement?.tagName === "H1"`)
	}
	k.goBack()
	k.whole(p.path, title)
}

// restore comes back to the page as a browser does that was closed: from its
// history, with what it kept.
func (k walk) restore(path, title string) {
	k.do(chromedp.Navigate("about:blank"))
	k.goBack()
	k.whole(path, title)
}

// fails answers a link with an error: it is told in the page, with its request
// ID; htmx leaves the address alone. What is shown then leads on.
func (k walk) fails(p stop, status int32) {
	k.fault.Store(status)
	k.press(p.other)
	words := map[int32]string{404: "Not found", 500: "Something went wrong"}[status]
	at := p.other
	if k.scripts {
		at = p.path
	}
	k.whole(at, words)
	k.eventually(`document.querySelector("#content .panel-bad").textContent.includes("Request ID 01")`)
}

// offline cuts the network: with scripts the page stays, and a bar says so, until
// an answer comes again; without, the browser has its own words.
func (k walk) offline(p stop, title string) {
	k.off.Store(true)
	k.press(p.other)
	if k.scripts {
		k.see("#offline")
		k.eventually(whole + ` && location.pathname + location.search === "` + p.path + `"`)
		k.off.Store(false)
		return
	}
	k.eventually(`!document.querySelector("main")`)
	k.off.Store(false)
	k.do(chromedp.Navigate(k.base + p.path))
	k.whole(p.path, title)
}

// expires ends the session: the next link leads to sign-in as a whole, and back
// from there.
func (k walk) expires(p stop) {
	k.do(signedOut())
	k.press(p.other)
	k.eventually(whole + ` && location.pathname === "/sign-in" && document.querySelector("#password") && new URLSearchParams(location.search).get("next") !== null`)
	back := p.other
	if k.scripts {
		back = p.path // where the person is
	}
	k.do(chromedp.SetValue(chromedp.ID("email"), p.email), chromedp.SetValue(chromedp.ID("password"), password))
	k.do(chromedp.Submit(chromedp.ID("password")))
	k.eventually(whole + ` && location.pathname + location.search === "` + back + `"`)
}

// twice presses a button twice, as fast as it can be: the thing is done once.
func (k walk) twice() {
	k.enter("owner@acme.example")
	before := k.keys()
	k.do(chromedp.Navigate(k.base + "/keys/new"))
	k.whole("/keys/new", "Create key")
	if k.scripts {
		k.eventually(`!!window.htmx && document.readyState === "complete"`)
	}
	k.fill("name", "twice "+strings.ReplaceAll(k.name, " ", ""))
	k.hold.Store(true) // so that the second finds the first under way
	sent := k.posts.Load()
	k.meanwhile(chromedp.DoubleClick(chromedp.CSS("form.form button[type=submit]")))
	k.let <- struct{}{}
	k.eventually(whole + ` && document.querySelector("#secret")`)
	if made := k.keys() - before; made != 1 {
		k.t.Errorf("%d keys after a double click, with %d forms sent", made, k.posts.Load()-sent)
	}
	k.t.Logf("a double click sent %d forms and made one key", k.posts.Load()-sent)
}

func (k walk) keys() int { return k.w.keysOf(func(toll.Key) bool { return true }) }
