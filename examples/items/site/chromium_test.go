package site

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// TestIsUsedInChromium uses every part as a person does, and looks into the
// browser's network log for what was fetched and what was not.
func TestIsUsedInChromium(t *testing.T) {
	a, h := opened(t, time.Now)
	var running atomic.Pointer[http.Handler]
	running.Store(&h)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*running.Load()).ServeHTTP(w, r) }))
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	quoting, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	go func() { _ = a.quote(quoting, 100*time.Millisecond) }()

	ctx := chromium(t)
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, log.Enable, cdp.Empty{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	}))
	var mu sync.Mutex
	var fetched []string // from the server, not from the browser's cache
	weight := 0.0
	kept := map[network.RequestID]bool{}
	if err := chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *network.EventRequestServedFromCache:
			kept[e.RequestID] = true
		case *network.EventResponseReceived:
			if !e.Response.FromDiskCache && !kept[e.RequestID] {
				fetched = append(fetched, strings.TrimPrefix(e.Response.URL, s.URL))
			}
		case *network.EventLoadingFinished:
			weight += e.EncodedDataLength
		case *log.EventEntryAdded:
			if e.Entry.Level == "error" && !strings.Contains(e.Entry.Text, "status of 4") && !strings.Contains(e.Entry.Text, "ERR_") && !strings.Contains(e.Entry.Text, "WebSocket") {
				t.Errorf("the browser complains: %s", e.Entry.Text)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	times := func(path string) (n int) {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range fetched {
			if f == path {
				n++
			}
		}
		return n
	}
	// It asks from outside: a page that is not drawn, or was put away, asks itself nothing.
	until := func(condition string) {
		t.Helper()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for end := time.Now().Add(time.Minute); ; <-tick.C {
			ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+condition+")"))
			if err == nil && ok {
				return
			}
			if ctx.Err() != nil || time.Now().After(end) {
				shown, _ := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + " " + document.body.innerText`))
				t.Fatalf("never: %s (%v)\n%s", condition, err, shown)
			}
		}
	}
	click := func(selector string) {
		t.Helper()
		until(`document.readyState === "complete"`) // before, a click is the browser's own
		// Not with the pointer: a page that moves under it is missed.
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector(%q).click(); ""`, selector))); err != nil {
			t.Fatal(err)
		}
	}

	do(chromedp.Navigate(s.URL + "/"))
	until(`document.readyState === "complete" && !!window.htmx && document.querySelectorAll("#rows li").length === 8`)
	until(`document.querySelector("#price").textContent.match(/^\d\.\d\d$/)?.length === 1`)
	mu.Lock()
	t.Logf("the first view weighs %.1f KB in %d requests, the stream not counted", weight/1000, len(fetched))
	if weight > 60<<10 || len(fetched) > 6 {
		t.Errorf("the first view weighs %.0f bytes in %d requests; the budget is 60 KB in 6", weight, len(fetched))
	}
	mu.Unlock()

	// Typing asks when it pauses; the focus and the cursor stay.
	do(chromedp.SendKeys(chromedp.ID("q"), "sencha"))
	until(`document.querySelectorAll("#rows li").length === 1 && location.search === "?q=sencha"`)
	until(`document.activeElement.id === "q" && document.activeElement.selectionStart === 6`)

	// A second click inside max-age makes no request.
	click("#rows a")
	until(`location.pathname === "/items/3" && document.querySelector("h1").textContent === "Sencha"`)
	do(chromedp.Navigate(s.URL + "/"))
	until(`document.readyState === "complete" && !!window.htmx && document.querySelectorAll("#rows li").length === 8`)
	click(`#rows a[href="/items/3"]`)
	until(`location.pathname === "/items/3" && document.querySelector("h1").textContent === "Sencha"`)
	if n := times("/items/3"); n != 1 {
		t.Errorf("the item was fetched %d times", n)
	}
	do(chromedp.Navigate(s.URL + "/"))
	until(`document.readyState === "complete" && !!window.htmx && document.querySelectorAll("#rows li").length === 8`)

	// An error goes where errors go.
	click("#missing")
	until(`document.querySelector("#problem").textContent.includes("There is no item") && document.querySelectorAll("#rows li").length === 8`)
	// Polling ends.
	click("#start")
	until(`!!document.querySelector("#ready") && !document.querySelector("#export [hx-trigger]")`)
	until(`document.querySelector("#problem").textContent === ""`)
	// Clicks are throttled.
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](`for (let i = 0; i < 20; i++) document.querySelector("#like").click(); ""`)); err != nil {
		t.Fatal(err)
	}
	until(`Number(document.querySelector("#likes").textContent) >= 1`)
	// One choice changes another.
	do(chromedp.SetValue(chromedp.ID("shelf"), "Coffee"))
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector("#shelf").dispatchEvent(new Event("change", {bubbles: true})); ""`)); err != nil {
		t.Fatal(err)
	}
	until(`[...document.querySelectorAll("#kind option")].map(o => o.textContent).join() === "roasted,green"`)
	// The WebSocket.
	do(chromedp.SendKeys(chromedp.ID("words"), "<b>hello"))
	click("#send")
	until(`document.querySelector("#chat p")?.textContent === "<b>hello"`)
	if n := a.likes.Load(); n > 3 {
		t.Errorf("20 clicks at once made %d requests", n)
	}
	// hx-select takes its part of the whole page.
	click("#about")
	until(`location.pathname === "/about" && document.querySelectorAll("#content h1").length === 1 && document.querySelector("h1").textContent === "What is cached where" && document.querySelectorAll("nav").length === 1`)
	// After a deploy the hashed asset changes: the browser fetches that one, and
	// keeps the others.
	style, script := a.assets.URL("app.css"), a.assets.URL("items.js")
	files := fstest.MapFS{}
	for _, name := range []string{"htmx.js", "sse.js", "ws.js", "app.js", "app.css"} {
		content, err := fs.ReadFile(embedded(), name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: content}
	}
	files["app.css"].Data = append(files["app.css"].Data, "h1 { color: rgb(1, 2, 3) }\n"...)
	next, err := newApp(time.Now, files)
	if err != nil {
		t.Fatal(err)
	}
	deployed, err := next.handler()
	if err != nil {
		t.Fatal(err)
	}
	running.Store(&deployed)
	do(chromedp.Navigate(s.URL + "/about"))
	until(`document.readyState === "complete" && getComputedStyle(document.querySelector("h1")).color === "rgb(1, 2, 3)"`)
	if next.assets.URL("app.css") == style || next.assets.URL("items.js") != script {
		t.Errorf("the style sheet was %s and is %s; the script was %s and is %s", style, next.assets.URL("app.css"), script, next.assets.URL("items.js"))
	}
	for path, want := range map[string]int{style: 1, next.assets.URL("app.css"): 1, script: 1} {
		if n := times(path); n != want {
			t.Errorf("%s was fetched %d times, want %d", path, n, want)
		}
	}
	until(`!!window.htmx`)
	// The network goes: one bar says so, and what was there stays.
	stop()
	_ = s.Listener.Close()
	s.CloseClientConnections()
	click("#about")
	until(`!document.querySelector("#offline").hidden && document.querySelector("h1").textContent === "What is cached where"`)
}
