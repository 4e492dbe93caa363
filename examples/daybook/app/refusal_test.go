package app_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestRefusesAWrongPasswordAndAnUnknownAddressAlike(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.browser(t).signUp("Ada")
	b := h.browser(t)
	var answers []string
	for _, email := range []string{"ada@example.com", "nobody@example.com"} {
		b.submit("Sign in", map[string]string{"email": email, "password": "something else entirely"})
		b.shows(http.StatusUnprocessableEntity, "The e-mail address or the password is wrong")
		if strings.Contains(b.text, "something else entirely") {
			t.Error("the page repeats the password")
		}
		answers = append(answers, strings.ReplaceAll(b.text, email, ""))
	}
	if answers[0] != answers[1] {
		t.Error("the two answers tell the addresses apart")
	}
	b.open(h.url + "/")
	b.isAt(h.url + "/sign-in")
}

func TestSaysWhatIsWrongWithASignUp(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.browser(t).signUp("Ada")
	b := h.browser(t)
	b.follow("Begin one")
	for name, c := range map[string]struct{ name, email, password, message string }{
		"no name":         {" ", "b@example.com", "long enough a word", "Say how you want to be called"},
		"long name":       {strings.Repeat("ż", 81), "b@example.com", "long enough a word", "80 characters"},
		"no address":      {"B", "b.example.com", "long enough a word", "no e-mail address"},
		"named address":   {"B", "B <b@example.com>", "long enough a word", "no e-mail address"},
		"no domain":       {"B", "b@localhost", "long enough a word", "no e-mail address"},
		"short password":  {"B", "b@example.com", "short", "at least 10 characters"},
		"huge password":   {"B", "b@example.com", strings.Repeat("x", 300), "256 bytes"},
		"taken":           {"B", "ADA@example.com", "long enough a word", "There is a daybook for this address already"},
		"script in names": {"<script>alert(1)</script>", "x", "long enough a word", "no e-mail address"},
	} {
		b.submit("Begin", map[string]string{"name": c.name, "email": c.email, "password": c.password})
		b.shows(http.StatusUnprocessableEntity, c.message)
		if strings.Contains(b.text, c.password) || strings.Contains(b.text, "<script>") {
			t.Errorf("%s: the page repeats what it must not", name)
		}
	}
}

func TestKeepsNotesApart(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	ada, bob := h.browser(t), h.browser(t)
	ada.signUp("Ada")
	ada.submit("Save", map[string]string{"note": "Ada's secret"})
	bob.signUp("Bob")
	for _, path := range []string{"/", "/history", "/history/2026-11-20", "/history?before=2027-01-01"} {
		bob.open(h.url + path)
		if strings.Contains(bob.text, "secret") {
			t.Errorf("Bob reads Ada's note at %s", path)
		}
	}
	bob.open(h.url + "/history/2026-11-20")
	bob.shows(http.StatusNotFound)
	// Fields that the form does not have change nothing.
	bob.post(h.url+"/", url.Values{"date": {"2026-11-20"}, "version": {"1"}, "note": {"overwritten"}, "user": {"ada@example.com"}, "user_id": {"ada"}}, "same-origin")
	ada.open(h.url + "/")
	if got := ada.note(); got != "Ada's secret" {
		t.Errorf("Ada's note is %q", got)
	}
}

func TestShowsAScriptInANoteAsText(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	b := h.browser(t)
	b.signUp("Ada")
	evil := "</textarea><script>alert(1)</script><img src=x onerror=alert(2)> {{.Root}} \"'&amp;"
	b.submit("Save", map[string]string{"note": evil})
	if got := b.note(); got != evil {
		t.Errorf("the note is %q", got)
	}
	for _, path := range []string{"/", "/history", "/history/2026-11-20"} {
		b.open(h.url + path)
		b.shows(http.StatusOK, "<script>alert(1)</script>")
		for _, tag := range []string{"<script>", "<img"} {
			if strings.Contains(b.text, tag) {
				t.Errorf("%s has a %s of the note", path, tag)
			}
		}
	}
}

func TestRefusesANoteThatIsTooLongAndGivesItBack(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.signUp("Ada")
	b.submit("Save", map[string]string{"note": strings.Repeat("ż", 20_000)})
	b.shows(http.StatusOK, "Saved at 18:30")

	b.submit("Save", map[string]string{"note": strings.Repeat("y", 1<<20)})
	b.shows(http.StatusUnprocessableEntity, "Not saved: this note has 1,048,576 characters; a day can hold 20,000")
	if got := len(b.note()); got != 1<<20 {
		t.Errorf("the form came back with %d bytes of the note", got)
	}
	b.submit("Save", map[string]string{"note": strings.Repeat("y", 3<<20)})
	b.shows(http.StatusRequestEntityTooLarge, "This is too much for one form")

	b.open(h.url + "/")
	if got := utf8.RuneCountInString(b.note()); got != 20_000 || !strings.HasPrefix(b.note(), "ż") {
		t.Errorf("the stored note has %d characters", got)
	}
}

func TestTellsOfANoteThatWasSavedElsewhere(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	first := h.browser(t)
	first.signUp("Ada")
	second := h.browser(t)
	second.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
	second.submit("Save", map[string]string{"note": "from the second"})

	first.submit("Save", map[string]string{"note": "from the first"})
	first.shows(http.StatusConflict, "saved somewhere else", "from the second", "Not saved")
	if got := first.note(); got != "from the first" {
		t.Errorf("what was typed is gone; the field has %q", got)
	}
	first.submit("Save", nil)
	first.shows(http.StatusOK, "Saved at")
	if got := first.note(); got != "from the first" {
		t.Errorf("the note is %q", got)
	}
}

func TestTakesTheSameFormTwiceForOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.signUp("Ada")
	form := url.Values{"date": {"2026-11-20"}, "version": {"0"}, "note": {"once\r\nonly"}}
	for range 2 {
		b.post(h.url+"/", form, "same-origin")
		b.shows(http.StatusOK, "Saved at 18:30")
	}
}

func TestSavesANoteOfWhoWroteThroughMidnight(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	b := h.browser(t)
	b.signUp("Ada")
	h.clock.pass(6 * time.Hour)
	b.submit("Save", map[string]string{"note": "late"})
	b.isAt(h.url + "/history/2026-11-20")
	b.shows(http.StatusOK, "late")
	for _, date := range []string{"2026-11-19", "2026-11-22", "", "today", "2026-02-30"} {
		b.post(h.url+"/", url.Values{"date": {date}, "version": {"0"}, "note": {"forged"}}, "same-origin")
		b.shows(http.StatusUnprocessableEntity, "This day is over")
	}
	b.post(h.url+"/", url.Values{"date": {"2026-11-21"}, "version": {"minus one"}, "note": {"forged"}}, "same-origin")
	b.shows(http.StatusUnprocessableEntity)
}

func TestRefusesFormsOfOtherSites(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	b := h.browser(t)
	b.signUp("Ada")
	for _, site := range []string{"cross-site", "same-site"} {
		for path, form := range map[string]url.Values{
			"/":         {"date": {"2026-11-20"}, "version": {"0"}, "note": {"forged"}},
			"/sign-out": {},
			"/sign-in":  {"email": {"ada@example.com"}, "password": {"a quiet Ada morning"}},
		} {
			b.post(h.url+path, form, site)
			b.shows(http.StatusForbidden, "another site")
		}
	}
	b.open(h.url + "/")
	b.shows(http.StatusOK, "Not saved yet")
}
