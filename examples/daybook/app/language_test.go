package app_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestAnswersInTheLanguageThatWasChosenElseAskedForElseEnglish(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	for _, c := range []struct{ cookie, asked, want string }{
		{"", "", "en"}, {"", "fr-CA, en;q=0.5", "fr"}, {"es", "fr", "es"}, {"tlh", "fr", "fr"}, {"tlh", "de", "en"},
		{"../../etc", "", "en"}, {`"><script>`, "", "en"}, {strings.Repeat("x", 3000), "", "en"}, {"", strings.Repeat("q", 10_000), "en"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/sign-in", nil)
		r.Header.Set("Accept-Language", c.asked)
		r.Header.Set("Cookie", "daybook_language="+c.cookie)
		w := httptest.NewRecorder()
		h.app.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), `<html lang="`+c.want+`">`) {
			t.Errorf("%.20q, %.20q: %d, not in %s", c.cookie, c.asked, w.Code, c.want)
		}
	}
}

func TestTheLanguageOfAPersonFollowsToAnotherBrowser(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	b := h.browser(t)
	b.signUp("Ada")
	b.open(h.url + "/history")
	b.press("Français")
	b.isAt(h.url + "/history") // where it was
	b.shows(http.StatusOK, "Historique", "Rien n’est encore écrit")

	other := h.browser(t)
	other.shows(http.StatusOK, "Sign in")
	other.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
	other.shows(http.StatusOK, "Comment était cette journée ?", "Pas encore enregistré")

	b.post(h.url+"/language", url.Values{"language": {"tlh"}}, "same-origin")
	b.shows(http.StatusUnprocessableEntity, "Cette langue n’est pas parlée ici")
}

func TestLeadsNobodyToAnotherSite(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "/daybook")
	for _, next := range []string{"//evil.example", `/\evil.example`, "https://evil.example", "/\t/evil.example", "/.//evil.example", "javascript:alert(1)", "evil", ""} {
		b := h.browser(t)
		if next == "//evil.example" {
			b.signUp("Ada")
			b.submit("Sign out", nil)
		}
		b.open(h.url + "/sign-in?next=" + url.QueryEscape(next))
		b.submit("Sign in", map[string]string{"email": "ada@example.com", "password": "a quiet Ada morning"})
		b.isAt(h.url + "/")
		b.post(h.url+"/language", url.Values{"language": {"en"}, "next": {next}}, "same-origin")
		b.isAt(h.url + "/")
		b.open(h.url + "/sign-in?next=" + url.QueryEscape(next)) // signed in already
		b.isAt(h.url + "/")
	}
}

// TestBelievesNoHeaderOfHTMX: they choose a form of an answer, and where a page
// is that somebody says to be on; they let nobody in.
func TestBelievesNoHeaderOfHTMX(t *testing.T) {
	t.Parallel()
	h := newHouse(t, "")
	h.browser(t).signUp("Ada")
	for _, current := range []string{"https://evil.example/history", "http://example.com.evil.example/", "http://user@example.com/history", "//evil.example", "http://example.com//evil.example"} {
		r := httptest.NewRequest(http.MethodGet, "http://example.com/history", nil)
		for name, value := range map[string]string{"HX-Request": "true", "HX-Source": "a", "HX-Target": "main#content", "HX-Request-Type": "partial", "HX-Current-URL": current, "X-Forwarded-Prefix": "//evil.example"} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.app.Handler().ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || w.Header().Get("HX-Redirect") != "/sign-in" || strings.Contains(w.Body.String(), "evil") {
			t.Errorf("%s: %d, HX-Redirect %q", current, w.Code, w.Header().Get("HX-Redirect"))
		}
	}
}
