package hx_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/hx"
)

// tab is a page in Chromium with short words for what a person does and sees.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func newTab(t *testing.T, base string) tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-features", "BackForwardCache")) // it would hide what comes from the HTTP cache
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	b := tab{t, ctx, base}
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{})
		return err
	}))
	return b
}

// complaints fails the test for what the browser says is wrong, such as what
// the Content-Security-Policy refused.
func (b tab) complaints() {
	entries := chromedp.Events(b.ctx, log.EntryAdded)
	go func() {
		for e, err := range entries {
			if err != nil {
				return
			}
			if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "status of 4") && !strings.Contains(e.Entry.Text, "ERR_") {
				b.t.Errorf("the browser complains: %s (%v)", e.Entry.Text, e.Entry.URL)
			}
		}
	}()
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) open(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + path))
}

// back presses Back. Unlike chromedp.NavigateBack it does not wait for a load,
// which a history that htmx keeps does not have.
func (b tab) back() {
	b.t.Helper()
	b.ask(`setTimeout(() => history.back())`) // later: the document that is asked may go
}

func (b tab) click(selector string) {
	b.t.Helper()
	// htmx 2 takes a moment after a swap; a click before would be the browser's
	// own, which works too and is another test.
	b.until(`document.readyState === "complete" && !!window.htmx && !document.querySelector(".htmx-request, .htmx-swapping, .htmx-settling, .htmx-added")`)
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// until waits for a condition in the page; the context bounds it. It asks from
// outside: a page that is not drawn, or was put away, asks itself nothing.
func (b tab) until(condition string) {
	b.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
		if err == nil && ok {
			return
		}
		if b.ctx.Err() != nil {
			b.t.Fatalf("never: %s (%v)", condition, err)
		}
	}
}

func (b tab) ask(expression string) string {
	b.t.Helper()
	for {
		s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](`String(`+expression+`)`))
		switch {
		case err == nil:
			return s
		case b.ctx.Err() == nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "context")): // another document came
			continue
		}
		b.t.Fatalf("%s: %v", expression, err)
	}
}

func (b tab) want(expression, want string) {
	b.t.Helper()
	if got := b.ask(expression); got != want {
		b.t.Errorf("%s is %q, want %q", expression, got, want)
	}
}

const whole = `document.querySelectorAll("nav").length === 1 && document.querySelectorAll("main").length === 1`

func TestWorksInChromium(t *testing.T) {
	for _, version := range []string{"htmx2", "htmx4"} {
		t.Run(version, func(t *testing.T) {
			s := newSample(t, version)
			b := newTab(t, s.serve())
			b.complaints()
			journey(s, b)
		})
	}
}

func journey(s *sample, b tab) {
	s.t.Helper()
	b.open("/notes")
	b.until(whole + ` && !!window.htmx`)
	loaded := func() { b.ask(`window.stays = "yes"`) }
	loaded()

	b.t.Log("a fragment is put into the page, and the title with it")
	b.ask(`document.title = "another"`)
	b.click("#nav-notes")
	b.until(`document.title === "Notes"`)
	b.until(whole + ` && window.stays === "yes" && !!document.querySelector("#content h1")`)

	b.t.Log("422: the form with its message, in its own place")
	b.click("#save")
	b.until(`!!document.querySelector("#wrong")`)
	b.until(whole + ` && window.stays === "yes" && location.pathname === "/notes"`)

	b.t.Log("a form that is done leads to a page, which says so once")
	b.do(chromedp.SendKeys(chromedp.ID("text"), "second"))
	b.click("#save")
	b.until(`document.querySelector(".said")?.textContent === "Saved." && window.stays === undefined`)
	b.want(`[...document.querySelectorAll("#notes li")].map(e => e.textContent)`, "first,second")
	b.until(whole)
	b.do(chromedp.Reload())
	b.until(whole + ` && document.querySelectorAll("#notes li").length === 2 && !document.querySelector(".said")`)

	b.t.Log("a boosted link changes address, title and body; Back and Forward show whole pages")
	loaded()
	b.click("#nav-about")
	b.until(`location.pathname === "/about" && document.querySelector("h1")?.textContent === "About" && document.title === "About"`)
	b.until(whole + ` && window.stays === "yes"`)
	b.back()
	b.until(`location.pathname === "/notes" && document.querySelectorAll("#notes li").length === 2 && document.querySelector("h1").textContent === "Notes"`)
	b.until(whole)
	b.ask(`setTimeout(() => history.forward())`)
	b.until(`location.pathname === "/about" && document.querySelector("h1").textContent === "About"`)
	b.until(whole)

	b.t.Log("an address that was loaded as a fragment is a page after reload, and on Back from another document")
	b.open("/notes")
	b.until(whole + ` && !!window.htmx`)
	b.click("#nav-frag")
	b.until(`location.pathname === "/about" && document.querySelector("h1").textContent === "About"`)
	b.open("/sign-in")
	b.back()
	b.until(`location.pathname === "/about" && document.querySelector("h1")?.textContent === "About"`)
	b.until(whole)
	b.do(chromedp.Reload())
	b.until(`location.pathname === "/about" && document.querySelector("h1")?.textContent === "About" && ` + whole)

	b.t.Log("changes beside: an element, a row instead of another, a row more, a place that is not there")
	b.open("/notes")
	b.until(whole + ` && !!window.htmx`)
	b.click("#change")
	b.until(`document.querySelector("#content").textContent.trim() === "changed"`)
	b.until(`document.querySelector("#count").textContent === "42" && document.querySelectorAll("#rows tr").length === 2`)
	b.want(`[...document.querySelectorAll("#rows tr")].map(e => e.id + "=" + e.textContent)`, "row-1=new one,row-2=two")
	b.want(`document.querySelectorAll("#count").length + " " + document.body.textContent.includes("lost")`, "1 false")

	b.t.Log("an error for a small place goes where errors go, and leaves the place and the address alone")
	b.click("#nav-gone")
	b.until(`document.querySelector("#problem").textContent.includes("That note is gone.")`)
	b.want(`document.querySelector("#small").textContent + " " + location.pathname + " " + document.title`, "new one /notes Beside")

	b.t.Log("a page of the version before learns of the new one")
	b.ask(`document.body.addEventListener("release", e => window.learned = e.detail.version)`)
	b.click("#nav-notes")
	b.until(`!!document.querySelector("#notes")`)
	b.want(`window.learned`, "undefined")
	s.deploy("two")
	b.click("#nav-notes")
	b.until(`window.learned === "two"`)
	s.deploy("one")

	b.t.Log("htmx goes to another page by itself, and the page stays")
	loaded()
	b.click("#nav-visit")
	b.until(`location.pathname === "/about" && document.querySelector("h1").textContent === "About" && window.stays === "yes"`)
	b.until(whole)
	b.back()
	b.until(`location.pathname === "/notes" && document.querySelector("h1").textContent === "Notes"`)

	b.t.Log("a session that has ended leads to sign-in as a whole, and back")
	loaded()
	b.click("#nav-private")
	b.until(`location.pathname + location.search === "/sign-in?next=%2Fnotes" && window.stays === undefined`)
	b.until(whole)
}

// TestAFragmentIsShownOnBackWithoutVary is the mistake itself, so that the
// journey above is known to see it.
func TestAFragmentIsShownOnBackWithoutVary(t *testing.T) {
	s := newSample(t, "htmx4")
	s.naked = true
	b := newTab(t, s.serve())
	b.open("/notes")
	b.until(whole + ` && !!window.htmx`)
	b.click("#nav-frag")
	b.until(`location.pathname === "/about" && document.querySelector("h1").textContent === "About"`)
	b.open("/sign-in")
	b.back()
	b.until(`location.pathname === "/about" && document.querySelector("h1")?.textContent === "About" && document.querySelectorAll("nav").length === 0`)
}

// TestAStreamLosesNothingInChromium cuts the connection again and again while
// events are published, and looks at what has arrived.
func TestAStreamLosesNothingInChromium(t *testing.T) {
	for _, version := range []string{"htmx2", "htmx4"} {
		t.Run(version, func(t *testing.T) {
			s := newSample(t, version)
			server := httptest.NewServer(s.handler())
			t.Cleanup(server.Close)
			t.Cleanup(server.CloseClientConnections)
			b := newTab(t, server.URL)
			b.open("/live?v=" + strings.TrimPrefix(version, "htmx"))
			const rounds, each = 4, 5
			n := 0
			var want []string
			for round := range rounds {
				for range each {
					n++
					want = append(want, fmt.Sprint(n))
					if _, err := s.hub.Publish("feed", hx.StreamEvent{Data: fmt.Sprintf("<i>%d</i>", n)}); err != nil {
						t.Fatal(err)
					}
				}
				if round > 0 { // what follows is published while nobody hears it, or just before
					server.CloseClientConnections()
				}
				if round < rounds-1 {
					b.until(fmt.Sprintf(`document.querySelectorAll("#feed i").length >= %d`, n-each))
				}
			}
			b.until(fmt.Sprintf(`document.querySelectorAll("#feed i").length >= %d`, n))
			b.want(`[...document.querySelectorAll("#feed i")].map(e => e.textContent)`, strings.Join(want, ","))
		})
	}
}

// TestReloadsOpenPagesInChromium changes files under an open page, and then the
// program itself.
func TestReloadsOpenPagesInChromium(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("app.css", "h1 { color: rgb(255, 0, 0) }")
	write("page.html", "one")
	policy, err := hx.NewPolicy(nil)
	if err != nil {
		t.Fatal(err)
	}
	var reload atomic.Pointer[hx.Reload]
	start := func() {
		l := hx.NewReload()
		reload.Store(l)
		go func() { _ = l.Watch(t.Context(), 50*time.Millisecond, os.DirFS(folder)) }()
	}
	start()
	mux := http.NewServeMux()
	mux.HandleFunc("/dev/", func(w http.ResponseWriter, r *http.Request) { reload.Load().ServeHTTP(w, r) })
	mux.HandleFunc("/app.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		http.ServeFile(w, r, filepath.Join(folder, "app.css"))
	})
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<!doctype html><title>x</title><link rel="stylesheet" href="/app.css"><script src="/dev/reload.js"></script><h1>x</h1>`)
	})
	server := httptest.NewServer(policy.Handler(mux))
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	b := newTab(t, server.URL)
	b.complaints()
	open := func() {
		t.Helper()
		b.until(`window.stays === undefined && document.readyState === "complete"`)
		b.ask(`window.stays = "yes"`)
	}
	b.open("/")
	open()
	// Whether the stream is open yet cannot be seen, so the file goes on changing.
	n := 0
	b.waits(`getComputedStyle(document.querySelector("h1")).color === "rgb(0, 0, 255)"`, func() {
		n++
		write("app.css", "h1 { color: rgb(0, 0, 255) }"+strings.Repeat(" ", n))
	})
	b.want(`window.stays`, "yes")
	b.waits(`window.stays === undefined`, func() {
		n++
		write("page.html", strings.Repeat("x", n))
	})
	open()
	// A page that was not connected before knows of no other process, so they go on changing.
	b.waits(`window.stays === undefined`, func() {
		start() // another process, as far as the page can tell
		server.CloseClientConnections()
	})
}

// waits does something again and again until a condition holds.
func (b tab) waits(condition string, do func()) {
	b.t.Helper()
	for range 200 {
		do()
		ok, err := chromedp.Run(b.ctx, chromedp.Poll[bool](condition, chromedp.WithPollingTimeout(300*time.Millisecond)))
		if err == nil && ok {
			return
		}
		if b.ctx.Err() != nil {
			break
		}
	}
	b.t.Fatalf("%s never held", condition)
}
