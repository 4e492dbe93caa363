package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tab is a page in Chromium with short words for what a journey does and asks.
type tab struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

func (b tab) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

func (b tab) fill(id, text string) {
	b.t.Helper()
	b.do(chromedp.Clear(chromedp.ID(id)), chromedp.SendKeys(chromedp.ID(id), text))
}

func (b tab) see(selector string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS(selector)))
}

// until waits for a condition in the page; the context bounds it.
func (b tab) until(condition string) {
	b.t.Helper()
	_, err := chromedp.Run(b.ctx, chromedp.Poll[bool](condition))
	for err != nil && (strings.Contains(err.Error(), "navigated") || strings.Contains(err.Error(), "Cannot find context")) { // the page that was asked is gone: ask the next
		_, err = chromedp.Run(b.ctx, chromedp.Poll[bool](condition))
	}
	if err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		b.t.Fatalf("at %s: %s: %v", at, condition, err)
	}
}

func (b tab) ask(expression string) string {
	b.t.Helper()
	s, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](expression))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b tab) at(path string) {
	b.t.Helper()
	got, err := chromedp.Run(b.ctx, chromedp.Location())
	if err != nil {
		b.t.Fatal(err)
	}
	if got = strings.TrimPrefix(got, b.base); got != path {
		b.t.Errorf("at %q, want %q", got, path)
	}
}

// complaints collects what the browser says is wrong: refused by the policy,
// exceptions, failed loads but for those with one of the texts that are expected.
func complaints(ctx context.Context, t *testing.T, expected ...string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, tg *chromedp.Target) error {
		_, err := cdp.Call(ctx, tg, log.Enable, cdp.Empty{})
		return err
	})); err != nil {
		t.Fatal(err)
	}
	entries := chromedp.Events(ctx, log.EntryAdded)
	thrown := chromedp.Events(ctx, runtime.ExceptionThrown)
	go func() {
		for e, err := range entries {
			if err != nil {
				return
			}
			is := func(text string) bool { return strings.Contains(e.Entry.Text, text) }
			if e.Entry.Level == "error" && !slices.ContainsFunc(expected, is) && !is("status of 4") && !strings.Contains(e.Entry.Text, "ERR_CONNECTION_REFUSED") {
				t.Errorf("the browser complains: %s (%v)", e.Entry.Text, e.Entry.URL)
			}
		}
	}()
	go func() {
		for e, err := range thrown {
			if err != nil {
				return
			}
			t.Errorf("the browser threw: %s", e.ExceptionDetails.Text)
		}
	}()
}

func TestJourneyWithJavaScript(t *testing.T) {
	ctx := chromium(t)
	w, base := served(t)
	complaints(ctx, t)
	b := tab{t, ctx, base}
	b.do(look(1280, 800, false), chromedp.Navigate(base+"/keys"))
	b.at("/sign-in?next=%2Fkeys")
	b.fill("email", "owner@acme.example")
	b.fill("password", password)
	b.click("form button[type=submit]")
	b.until(`location.pathname === "/keys" && !!document.querySelector("#menu")`)

	// The menu swaps the content: the page itself stays.
	b.ask(`window.stays = "yes"; document.title`)
	b.click(`#menu a[href="/usage"]`)
	b.until(`location.pathname === "/usage" && document.querySelector("h1")?.textContent === "Usage"`)
	b.until(`document.activeElement?.tagName === "H1" && document.title.startsWith("Usage")`)
	if got := b.ask(`window.stays + " " + document.querySelector("#menu [aria-current]").textContent.trim() + " " + document.querySelectorAll("#menu").length + " " + document.querySelectorAll("#content").length`); got != "yes Usage 1 1" {
		t.Errorf("after a swap: %q", got)
	}
	// A filter changes its part and the address, and keeps the focus.
	b.ask(`document.querySelector("h1").dataset.stays = "yes"; ""`)
	b.do(chromedp.Focus(chromedp.ID("unit")), chromedp.SendKeys(chromedp.ID("unit"), "Words"))
	b.until(`location.search === "?unit=words" && document.querySelector("#results dt").textContent === "Words"`)
	if got := b.ask(`document.activeElement.id + " " + document.querySelector("h1").dataset.stays`); got != "unit yes" {
		t.Errorf("after a filter: %q", got)
	}
	// Values under the pointer, from the table below.
	b.do(chromedp.Focus(chromedp.CSS("toll-chart .chart")), chromedp.KeyEvent("\ue012")) // arrow left
	b.until(`!document.querySelector(".tip")?.hidden`)

	// From the cost of the month to its lines, and back.
	b.click(`#menu a[href="/overview"]`)
	b.see(`.tile-link a[href="/plan"]`)
	b.click(`.tile-link:has(a[href="/plan"]) .value`)
	b.until(`location.pathname === "/plan" && !!document.querySelector("#bill") && document.activeElement?.tagName === "H1"`)
	if got := b.ask(`window.stays + " " + document.querySelector("#menu [aria-current]").textContent.trim()`); got != "yes Plan" {
		t.Errorf("after the way to the plan: %q", got)
	}
	b.do(chromedp.NavigateBack())
	b.until(`location.pathname === "/overview"`)
	b.do(chromedp.NavigateBack())
	b.until(`location.pathname === "/usage"`)

	// Back and reload show whole pages.
	b.do(chromedp.NavigateBack())
	b.until(`location.pathname === "/keys" && document.querySelector("h1")?.textContent === "Keys" && document.querySelectorAll("#menu").length === 1`)
	b.do(chromedp.Reload())
	b.until(`document.querySelector("h1")?.textContent === "Keys" && !!document.querySelector("#menu")`)

	// A wrong form says so where it is; the right one shows the key once.
	b.click(`.pagehead a[href="/keys/new"]`)
	b.until(`document.activeElement?.id === "name"`)
	b.ask(`document.querySelector("form.form").noValidate = true; ""`)
	b.click("form.form button[type=submit]")
	b.until(`!!document.activeElement?.hasAttribute("data-summary") && location.pathname === "/keys/new"`)
	b.fill("name", "journey")
	b.click("form.form button[type=submit]")
	b.see("#secret")
	if text := b.ask(`document.querySelector("#secret").value`); !strings.HasPrefix(text, "th_live_") {
		t.Errorf("the key is %q", text)
	}
	b.click(`.actions a[href="/keys"]`)
	b.until(`document.body.textContent.includes("journey") && !document.querySelector("#secret")`)

	// The dialog asks, Cancel closes it, the deed is said in the live region.
	revoke := `a[href="/keys/` + w.key.ID + `/revoke"]`
	b.click(revoke)
	b.until(`document.querySelector("#dialog").open`)
	b.at("/keys")
	b.click("#dialog a.btn")
	b.until(`!document.querySelector("#dialog").open`)
	b.click(revoke)
	b.see("#dialog .btn-danger")
	b.click("#dialog .btn-danger")
	b.until(`document.querySelector("#toasts").textContent.includes("was revoked") && !document.querySelector("#dialog").open`)
	b.at("/keys")
	b.click("#toasts [data-close]")
	b.until(`!document.querySelector("#toasts .toast")`)

	// A session that ended elsewhere leads to sign-in, not into a hole.
	b.do(signedOut())
	b.click(`#menu a[href="/overview"]`)
	b.until(`location.pathname === "/sign-in"`)

	// Search while one types.
	b.do(signedInAt(base, "admin@house.example"))
	b.fill("q", "umbrella")
	b.until(`location.search.startsWith("?q=umbrella") && document.querySelectorAll("#results tbody tr").length === 1`)
	if got := b.ask(`document.activeElement.id`); got != "q" {
		t.Errorf("the search lost the focus to %q", got)
	}
	b.click("#results tbody a")
	b.until(`document.querySelector("h1").textContent.includes("Umbrella")`)

	b.click(`form[action="/sign-out"] button`)
	b.until(`location.pathname === "/sign-in"`)

	// The network goes: one bar says so, and what was there stays.
	b.do(signedInAt(base, "admin@house.example"))
	w.server.Close()
	b.click(`#menu a[href="/customers"]`)
	b.see("#offline")
	if got := b.ask(`document.querySelector("h1").textContent`); got != "Customers" {
		t.Errorf("without a network the page shows %q", got)
	}
}

// A button that works is disabled and says what it does; pressed twice it does
// the thing once.
func TestAButtonSaysWhatItIsDoing(t *testing.T) {
	ctx := chromium(t)
	w := newWorld(t)
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/keys" {
			<-hold
		}
		w.console.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	b := tab{t, ctx, s.URL}
	b.do(look(1280, 800, false), signedInAt(s.URL, "owner@acme.example"), chromedp.Navigate(s.URL+"/keys/new"))
	b.fill("name", "twice")
	b.click("form.form button[type=submit]")
	b.until(`document.querySelector("form.form button[type=submit]").disabled`)
	if got := b.ask(`document.querySelector("form.form button[type=submit]").innerText`); got != "Creating…" {
		t.Errorf("the button says %q while it works", got)
	}
	if got := b.ask(`getComputedStyle(document.querySelector("#progress")).animationName + " " + document.body.classList.contains("htmx-request")`); !strings.HasSuffix(got, "true") {
		t.Errorf("nothing shows that a request is under way: %q", got)
	}
	b.do(run(`document.querySelector("form.form button").click(); document.querySelector("form.form").requestSubmit()`))
	close(hold)
	b.see("#secret")
	keys, err := w.office.Keys(t.Context(), w.person("owner@acme.example"), w.customer.ID)
	w.ok(err)
	if len(keys) != 2 { // and the one that was there
		t.Errorf("%d keys after a double click", len(keys))
	}
}

func TestJourneyOnAPhone(t *testing.T) {
	ctx := chromium(t)
	_, base := served(t)
	b := tab{t, ctx, base}
	b.do(look(390, 844, false), signedInAt(base, "owner@acme.example"))
	if got := b.ask(`String(document.querySelector("#menu").checkVisibility())`); got != "false" {
		t.Error("the drawer is open from the start")
	}
	b.click("button[popovertarget=menu]")
	b.see("#menu a[href='/usage']")
	b.click("#menu a[href='/usage']")
	b.until(`document.querySelector("h1").textContent === "Usage" && !document.querySelector("#menu").checkVisibility()`)
	for _, path := range []string{"/overview", "/keys", "/keys/new", "/usage", "/usage?range=90d", "/plan"} {
		b.do(chromedp.Navigate(base + path))
		if got := b.ask(`String(document.documentElement.scrollWidth)`); got != "390" {
			t.Errorf("%s is %s px wide on a phone of 390", path, got)
		}
	}
}

// Without scripts every page, form and confirmation works by links and forms.
func TestJourneyWithoutJavaScript(t *testing.T) {
	ctx := chromium(t)
	w, base := served(t)
	b := tab{t, ctx, base}
	b.do(look(1280, 800, false), chromedp.Func(func(ctx context.Context, tg *chromedp.Target) error {
		_, err := cdp.Call(ctx, tg, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
	b.do(chromedp.Navigate(base + "/usage"))
	b.fill("email", "owner@acme.example")
	b.fill("password", password)
	b.click("form button[type=submit]")
	b.see("#results")
	b.at("/usage")
	b.see("noscript button")
	b.click(`.chips a[href="/usage?range=7d"]`)
	b.see(`.chips a[href="/usage?range=7d"][aria-current]`)
	b.click(`#menu a[href="/overview"]`)
	b.see(`.tile-link a[href="/plan"]`)
	b.click(`.pagehead a[href="/plan"]`)
	b.see("#bill")
	b.at("/plan")
	b.click(`#menu a[href="/keys"]`)
	b.see(`.pagehead a[href="/keys/new"]`)
	b.click(`.pagehead a[href="/keys/new"]`)
	b.see("#name")
	b.fill("name", "no scripts")
	b.click("form.form button[type=submit]")
	b.see("#secret")
	b.click(`.actions a[href="/keys"]`)
	b.see(`a[href="/keys/` + w.key.ID + `/revoke"]`)
	b.click(`a[href="/keys/` + w.key.ID + `/revoke"]`)
	b.see("main .confirm .btn-danger")
	b.click("main .confirm .btn-danger")
	b.see("#toasts .toast")
	b.at("/keys")
	b.click(`form[action="/sign-out"] button`)
	b.see("#password")
	b.at("/sign-in")
}
