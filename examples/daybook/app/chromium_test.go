package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/examples/daybook/words"
)

// TestIsUsedInEveryLanguageWithAndWithoutScripts signs up, signs out and in,
// writes and reads, as a person does, by what the pages say.
func TestIsUsedInEveryLanguageWithAndWithoutScripts(t *testing.T) {
	t.Parallel()
	for _, language := range words.Languages {
		for _, scripts := range []string{"scripts on", "scripts off"} {
			t.Run(language.Name+", "+scripts, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t, "/daybook")
				b := h.tab(t)
				if scripts == "scripts off" {
					b.noScripts()
				}
				w, _ := words.In(language.Code)
				b.open("/")
				b.isAt("/sign-in")
				b.click(`button[lang=` + language.Code + `]`)
				b.until(`document.documentElement.lang === "` + language.Code + `" && ` + ready)
				b.shows("h1", w.T("in.title"))

				b.click(`main a[href$="/sign-up"]`)
				b.isAt("/sign-up")
				b.types("#name", "Ada")
				b.types("#email", "ada@example.com")
				b.types("#password", "short")
				b.click(".card > button:not([type])")
				b.shows("#password-wrong", w.T("wrong.password.short", w.Number(10)))
				b.until(ready)
				b.want(`document.querySelector("#name").value`, "Ada")
				b.types("#password", "short and long enough\r")
				b.isAt("/")
				b.shows(".said", w.T("up.said", "Ada"))
				b.shows("h1", w.LongDay(h.clock.Now()))
				b.shows("#state", w.T("state.never"))

				b.click(".leave button")
				b.isAt("/sign-in")
				b.shows(".said", w.T("out.said"))
				b.open("/history")
				b.isAt("/sign-in?next=%2Fhistory")
				b.types("#email", "ada@example.com")
				b.types("#password", "wrong\r")
				b.shows("#failed", w.T("in.wrong"))
				b.until(ready + ` && document.activeElement.id === "password"`)
				b.types("#password", "short and long enough\r")
				b.isAt("/history")
				b.shows(".empty", w.T("history.empty"))
				b.shows("h1", w.T("history.title"))

				b.click(`#menu a[href="/daybook/"]`)
				b.isAt("/")
				b.types("#note", "Walked by the river.\nSaw a heron.")
				b.click(".below button")
				b.shows("#state .saved", w.T("state.saved", "18:30"))
				b.until(ready)
				b.want(`document.querySelector("#note").value`, "Walked by the river.\nSaw a heron.")

				b.click(`#menu a[href$="/history"]`)
				b.isAt("/history")
				b.shows(".days", w.ShortDay(h.clock.Now()))
				b.until(`document.querySelector("#menu [aria-current]").textContent === ` + quoted(w.T("menu.history")))
				b.want(`document.title`, w.T("history.title")+" · Daybook")
				b.click(".days a")
				b.isAt("/history/2026-11-20")
				b.shows("h1", w.LongDay(h.clock.Now()))
				b.shows("article", "Saw a heron.")
				b.do(chromedp.Reload())
				b.isAt("/history/2026-11-20")
				b.open("/nothing")
				b.shows("h1", w.T("fault.404.what"))
			})
		}
	}
}

func TestTheStyleSheetTellsOfAChangeWhereNoScriptCan(t *testing.T) {
	t.Parallel()
	b := newHouse(t, "").tab(t)
	b.signedUp()
	b.noScripts()
	b.open("/")
	b.types("#note", "One.")
	b.click(".below button")
	b.until(`!!document.querySelector(".saved")`)
	b.do(chromedp.WaitVisible(".saved"), chromedp.WaitNotVisible(".changed"))
	b.types("#note", " Two.")
	b.do(chromedp.Focus(".below button"), chromedp.WaitVisible(".changed"), chromedp.WaitNotVisible(".saved"))
}

// TestChecksWhileSomebodyTypes: messages come and go by the server's word, and
// the field keeps focus and cursor.
func TestChecksWhileSomebodyTypes(t *testing.T) {
	t.Parallel()
	b := newHouse(t, "/daybook").tab(t)
	b.open("/sign-up")
	b.isAt("/sign-up")
	b.types("#email", "adaexample.com")
	b.shows("#email-wrong", "no e-mail address")
	b.until(`document.querySelector("#email").getAttribute("aria-invalid") === "true" && document.querySelector("#name-wrong").textContent === ""`)
	b.want(`document.activeElement.id + document.activeElement.value`, "emailadaexample.com")
	b.ask(`window.same = document.querySelector("#email")`)
	for range len("example.com") { // the cursor goes back into the middle
		b.do(chromedp.KeyEvent("\u0302")) // ArrowLeft, as kb names it
	}
	b.do(chromedp.KeyEvent("@"))
	b.until(`document.querySelector("#email-wrong").textContent === "" && !document.querySelector("#email").hasAttribute("aria-invalid")`)
	b.do(chromedp.KeyEvent("x")) // and stays there
	b.until(ready)
	b.want(`document.querySelector("#email") === window.same && document.activeElement === window.same && window.same.value`, "ada@xexample.com")

	b.types("#password", "secret")
	b.shows("#password-wrong", "at least 10 characters")
	b.click(".show")
	b.want(`document.querySelector("#password").type + document.querySelector(".show").textContent`, "textHide")

	// The note: what stands in it is saved or not, while it is written.
	b.signedUp()
	b.open("/")
	b.isAt("/")
	b.types("#note", "One two.")
	b.shows("#state", "Not saved yet")
	b.click(".below button")
	b.shows("#state .saved", "Saved at 18:30")
	b.ask(`(() => { const n = document.querySelector("#note"); window.same = n; n.focus(); n.setSelectionRange(4, 4) })()`)
	b.do(chromedp.KeyEvent("and "))
	b.shows("#state", "Not saved: changed since 18:30")
	b.until(ready)
	b.want(`document.activeElement === window.same && window.same.value + window.same.selectionStart`, "One and two.8")
	for range 4 {
		b.do(chromedp.KeyEvent("\b"))
	}
	b.shows("#state", "Saved at 18:30") // it is again what was saved
	b.want(`document.activeElement === window.same && window.same.value + window.same.selectionStart`, "One two.4")
	b.ask(`(() => { window.same.value = "y".repeat(20001); window.same.dispatchEvent(new Event("input", { bubbles: true })) })()`)
	b.shows("#state", "this note has 20,001 characters; a day can hold 20,000")
	b.click(".below button")
	b.until(ready)
	b.shows("#state .refused", "20,001")
	b.want(`window.same.value.length`, "20001")
}

// TestASlowNetworkLosesNothing holds the answer to a save back.
func TestASlowNetworkLosesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.tab(t)
	b.signedUp()
	b.open("/")
	b.isAt("/")
	b.types("#note", "One.")
	b.shows("#state", "Not saved yet")
	b.until(ready)
	arrived, release := h.hold("POST /")
	b.click(".below button")
	<-arrived
	b.until(`document.querySelector("#progress").matches(".htmx-request") && getComputedStyle(document.querySelector(".below button"), "::after").content.includes("Saving")`)
	b.types("#note", " Two.") // while it is under way
	release()
	b.shows("#state", "Not saved: changed since 18:30")
	b.want(`document.querySelector("#note").value`, "One. Two.")

	// A double click saves once.
	b.until(ready)
	b.ask(`(() => { const s = document.querySelector(".below button"); s.click(); s.click(); s.click() })()`)
	b.shows("#state .saved", "Saved at")
	b.until(ready + ` && document.querySelector("#version").value === "2"`)
}

func TestBackReloadAndARestoredTabShowWholePagesAndKeepWhatWasTyped(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	b := h.tab(t)
	b.signedUp()
	b.open("/")
	b.isAt("/")
	b.types("#note", "Kept.")
	b.click(".below button")
	b.shows("#state", "Saved at")
	b.ask(`window.stays = "yes"`)
	b.click(`#menu a[href$="/history"]`)
	b.isAt("/history")
	b.until(`document.activeElement.tagName === "H1"`)
	b.click(".days a")
	b.isAt("/history/2026-11-20")
	b.want(`window.stays`, "yes") // all of it was one document
	b.back()
	b.isAt("/history")
	b.shows(".days", "Kept.")
	b.back()
	b.isAt("/")
	b.until(`document.querySelector("#note")?.value === "Kept."`)
	b.ask(`setTimeout(() => history.forward())`)
	b.isAt("/history")
	b.do(chromedp.Reload())
	b.isAt("/history")

	// Typed and not saved: over the menu, a reload, another site and Back.
	b.click(`#menu a[href="/daybook/"]`)
	b.isAt("/")
	b.types("#note", " And this.")
	b.shows("#state", "Not saved: changed")
	for name, leave := range map[string]func(){
		"the menu": func() {
			b.click(`#menu a[href$="/history"]`)
			b.isAt("/history")
			b.click(`#menu a[href="/daybook/"]`)
		},
		"a reload": func() { b.do(chromedp.Reload()) },
		"another site": func() {
			b.do(chromedp.Navigate("about:blank"))
			b.back()
		},
	} {
		b.t.Log(name)
		leave()
		b.isAt("/")
		b.until(`document.querySelector("#note")?.value === "Kept. And this."`)
		b.shows("#state", "Not saved: changed")
	}
	// Who signs out leaves nothing: not to Back, nor to the next person.
	b.click(".leave button")
	b.isAt("/sign-in")
	b.want(`sessionStorage.length`, "0")
	b.back()
	b.isAt("/sign-in")
	b.until(`!document.body.textContent.includes("Kept.")`)
}

// TestASessionThatEndsLosesNoText: the fragment that is asked for leads to
// sign-in as a whole page, and what was typed is there afterwards.
func TestASessionThatEndsLosesNoText(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.tab(t)
	b.signedUp()
	again := func() {
		t.Helper()
		b.until(`location.pathname === "/sign-in" && ` + ready + ` && document.querySelectorAll("main").length === 1 && !document.querySelector("#writing")`)
		b.types("#email", "ada@example.com")
		b.types("#password", "a quiet Ada morning\r")
		b.isAt("/")
	}
	b.open("/")
	b.isAt("/")
	b.types("#note", "Not lost.")
	b.shows("#state", "Not saved yet")
	b.until(ready)
	b.forget()
	b.click(".below button")
	again()
	b.until(`document.querySelector("#note")?.value === "Not lost."`)
	b.shows("#state", "Not saved yet")
	b.until(ready)
	b.click(".below button")
	b.shows("#state", "Saved at 18:30")

	// Two days later it is another day: what was left can be taken into it.
	b.types("#note", " More.")
	b.shows("#state", "Not saved: changed")
	b.until(ready)
	h.clock.pass(48*time.Hour + time.Second)
	b.click(`#menu a[href$="/history"]`) // a fragment of another page
	again()
	b.shows("h1", "Sunday, 22 November")
	b.shows("[data-left]:not([hidden]) .note", "Not lost. More.")
	b.click("[data-take]")
	b.until(`document.querySelector("#note")?.value === "Not lost. More." && document.querySelector("[data-left]")?.hidden`)
	b.shows("#state", "Not saved yet")
	b.until(ready)
	b.click(".below button")
	b.shows("#state", "Saved at 18:30")

	// Somebody else at the same tab sees nothing of it.
	b.types("#note", " Mine.")
	b.shows("#state", "Not saved: changed")
	b.until(ready)
	b.forget()
	b.click(".below button")
	b.until(`location.pathname === "/sign-in" && ` + ready)
	b.click(`main a[href$="/sign-up"]`)
	b.isAt("/sign-up")
	b.types("#name", "Bob")
	b.types("#email", "bob@example.com")
	b.types("#password", "a quiet Bob morning\r")
	b.isAt("/")
	b.want(`document.querySelector("#note").value + document.body.textContent.includes("Mine.") + sessionStorage.length`, "false0")
}

// TestErrorsStandBesideWhatIsThere: 404, 409, 413, 5xx and no network.
func TestErrorsStandBesideWhatIsThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.tab(t)
	b.signedUp()
	b.open("/")
	b.isAt("/")
	b.types("#note", "Mine.")
	b.shows("#state", "Not saved yet")
	stays := func() {
		t.Helper()
		b.until(ready + ` && document.querySelector("#note")?.value.startsWith("Mine.") && document.querySelectorAll("h1").length === 1 && location.pathname === "/"`)
	}

	// 409: somebody else has saved.
	other := h.browser(t)
	other.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
	other.submit("Save", map[string]string{"note": "From elsewhere."})
	b.click(".below button")
	b.shows("#state .refused", "saved somewhere else")
	b.shows("#other", "From elsewhere.")
	stays()
	b.click(".below button")
	b.shows("#state .saved", "Saved at")
	b.until(`document.querySelector("#other").textContent.trim() === ""`)

	// 413: more than one form takes.
	b.ask(`(() => { const n = document.querySelector("#note"); n.value = "Mine." + "y".repeat(2 << 20) })()`)
	b.click(".below button")
	b.shows("#problem [role=alert]", "too much for one form")
	stays()
	b.ask(`document.querySelector("#note").value = "Mine."`)

	// 404 in a fragment.
	b.ask(`htmx.ajax("GET", "/history/2020-01-01", "#content")`)
	b.shows("#problem [role=alert]", "There is no such page")
	stays()

	// The network goes, and comes back.
	h.cut(true)
	b.types("#note", " More.")
	b.click(".below button")
	b.until(`!document.querySelector("#offline").hidden`)
	stays()
	h.cut(false)
	b.click(".below button")
	b.shows("#state .saved", "Saved at")
	b.until(`document.querySelector("#offline").hidden`)
	b.until(`document.querySelector("#problem").textContent.trim() === ""`)

	// 500, with an ID to ask for.
	h.fail(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/history" {
			r.Header.Set("X-Request-ID", "01REQUEST")
			h.clock.breaks(true)
		}
		return false
	})
	b.click(`#menu a[href$="/history"]`)
	b.shows("#problem [role=alert]", "Something went wrong on our side")
	b.shows("#problem code", "01REQUEST")
	h.clock.breaks(false)
	stays()
}

func TestAnOpenPageLearnsOfANewVersion(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.tab(t)
	b.signedUp()
	b.open("/")
	b.isAt("/")
	h.fail(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Release") != "" {
			r.Header.Set("X-Release", "before") // as a page of the version before would say
		}
		return false
	})
	b.types("#note", "In progress.")
	b.until(`!document.querySelector("#fresh").hidden && document.querySelector("#note")?.value === "In progress."`)
	b.click("#fresh a")
	b.isAt("/")
	b.until(`document.querySelector("#note")?.value === "In progress."`)
}

// TestTheBrowserHoldsToThePolicy is the control for all others: what the policy
// forbids is complained of, and they would fail.
func TestTheBrowserHoldsToThePolicy(t *testing.T) {
	t.Parallel()
	b := newHouse(t, "").tab(t)
	b.open("/sign-in")
	b.isAt("/sign-in")
	b.ask(`(() => { const s = document.createElement("script"); s.textContent = "window.ran = true"; document.body.append(s); document.body.setAttribute("style", "color: red"); return "" })()`)
	b.want(`window.ran`, "undefined")
	var all string
	for range 500 { // what the browser logs arrives a little later
		all += fmt.Sprint(b.takeComplaints())
		if strings.Contains(all, "inline script") && strings.Contains(all, "inline style") {
			return
		}
		b.ask(`1`)
	}
	t.Errorf("the browser complains of: %s", all)
}
