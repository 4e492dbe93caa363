package console

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/assets"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var requestID = regexp.MustCompile(`01[0-9A-HJKMNP-TV-Z]{24}`)

// strip takes out of a page what differs from one request to the next.
func strip(r *httptest.ResponseRecorder) string {
	return requestID.ReplaceAllString(r.Body.String(), "ID")
}

var onceField = regexp.MustCompile(`name="hx-once" value="([^"]+)"`)

func tokenOf(t *testing.T, r *httptest.ResponseRecorder) string {
	t.Helper()
	m := onceField.FindStringSubmatch(r.Body.String())
	if m == nil {
		t.Fatalf("the page has no form with a token: %s", r.Body)
	}
	return m[1]
}

var secretField = regexp.MustCompile(`id="secret" value="([^"]+)"`)

func secretOf(r *httptest.ResponseRecorder) string {
	if m := secretField.FindStringSubmatch(r.Body.String()); m != nil {
		return m[1]
	}
	return ""
}

func TestEveryAnswerCarriesItsGuards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
	b := w.as("owner@acme.example")
	for _, path := range []string{"/overview", "/sign-in", "/nowhere", "/usage.csv", "/version.json", "/assets/none.css"} {
		h := b.get(path).Header()
		for name, want := range map[string]string{
			"Content-Security-Policy": policy,
			"X-Content-Type-Options":  "nosniff",
			"Referrer-Policy":         "same-origin",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s has %s: %q, want %q", path, name, got, want)
			}
		}
		if path[:3] != "/as" && h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be stored: %q", path, h.Get("Cache-Control"))
		}
	}
}

// Whatever a page holds must work under the policy: no inline style, script or
// handler on any of them.
func TestNoPageHoldsInlineStyleOrScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t, development, demo)
	w.furnish()
	inline := regexp.MustCompile(`(?i)<[^>]+\s(style|on[a-z]+|hx-on[^=]*)=|<style|<script>|<script [^s]|javascript:|js:`)
	for _, v := range w.views() {
		b := w.browser()
		if v.email != "" {
			b.cookies[PlainCookie] = w.token(v.email)
		}
		if m := inline.FindString(strings.ReplaceAll(b.get(v.path).Body.String(), "<script defer src", "<script src")); m != "" {
			t.Errorf("%s holds %q", v.path, m)
		}
	}
}

func TestAnswersTheWholePageOrThePartThatWasAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	whole := b.get("/usage")
	if body := whole.Body.String(); !strings.HasPrefix(body, "<!doctype html>") || !strings.Contains(body, `id="menu"`) {
		t.Errorf("a page is not whole: %.80s", body)
	}
	for _, name := range []string{"HX-Request", "HX-Request-Type", "HX-Target", "HX-History-Restore-Request", "Cookie", "Accept-Language"} {
		if !strings.Contains(whole.Header().Get("Vary"), name) {
			t.Errorf("Vary lacks %s", name)
		}
	}
	content := b.htmx("main#content").get("/usage").Body.String()
	if strings.Contains(content, "<html") || !strings.Contains(content, "<title>Usage · Tollhouse</title>") || !strings.Contains(content, `<hx-partial hx-target="#menu"`) || !strings.Contains(content, "<h1") {
		t.Errorf("the content is not what is swapped: %.200s", content)
	}
	part := b.htmx("div#results").get("/usage?range=7d").Body.String()
	if !strings.HasPrefix(part, `<div class="stack" id="results">`) || strings.Contains(part, "<h1") || strings.Contains(part, "<title") {
		t.Errorf("the part is more than the results: %.200s", part)
	}
	back := b.htmx("main#content").with("HX-History-Restore-Request", "true").get("/usage").Body.String()
	if !strings.HasPrefix(back, "<!doctype html>") {
		t.Errorf("Back does not give a whole page: %.80s", back)
	}
	full := b.htmx("body").with("HX-Request-Type", "full").get("/usage").Body.String()
	if !strings.HasPrefix(full, "<!doctype html>") {
		t.Errorf("a full request does not give a whole page: %.80s", full)
	}
	if dialog := b.htmx("dialog#dialog").get("/keys/" + w.key.ID + "/revoke").Body.String(); !strings.HasPrefix(dialog, `<form class="confirm"`) || strings.Contains(dialog, "<title") {
		t.Errorf("the dialog's part is not the form: %.200s", dialog)
	}
}

func TestErrorsArePagesAndParts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for _, x := range []struct {
		method, path string
		code         int
	}{{"GET", "/nowhere", 404}, {"GET", "/customers", 403}, {"GET", "/keys/none/roll", 404}, {"PUT", "/keys", 405}, {"POST", "/overview", 405}} {
		r := b.do(x.method, x.path, nil)
		if r.Code != x.code || !strings.Contains(r.Body.String(), "<html") || !strings.Contains(r.Body.String(), r.Header().Get("X-Request-ID")) {
			t.Errorf("%s %s is %d, want %d as a page with its request ID", x.method, x.path, r.Code, x.code)
		}
		p := b.htmx("main#content").do(x.method, x.path, nil)
		if p.Code != x.code || strings.Contains(p.Body.String(), "<html") || !strings.Contains(p.Body.String(), p.Header().Get("X-Request-ID")) {
			t.Errorf("%s %s for htmx is %d, want %d as a part with its request ID", x.method, x.path, p.Code, x.code)
		}
		if p.Header().Get("HX-Push-Url") != "false" {
			t.Errorf("%s %s would take the address", x.method, x.path)
		}
	}
	if allow := b.do("PUT", "/keys", nil).Header().Get("Allow"); allow != "GET, HEAD, POST" {
		t.Errorf("Allow is %q", allow)
	}
}

func TestAFailureInsideTellsNothingOfTheInside(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	w.usage.fail = errors.New("pq: relation usage_daily does not exist at 10.0.0.3")
	r := b.get("/overview")
	if r.Code != 500 || strings.Contains(r.Body.String(), "pq:") || strings.Contains(r.Body.String(), "10.0.0.3") {
		t.Errorf("the page is %d and tells: %s", r.Code, r.Body)
	}
	id := r.Header().Get("X-Request-ID")
	if !strings.Contains(r.Body.String(), id) || !strings.Contains(w.log.String(), id) || !strings.Contains(w.log.String(), "relation usage_daily") {
		t.Error("the log does not hold the cause with the request ID that the page shows")
	}
	w.usage.fail = toll.Errorf(toll.Unavailable, "The store is being started.")
	if r := b.get("/usage"); r.Code != 503 {
		t.Errorf("an unavailable store is %d", r.Code)
	}
}

func TestAPanicIsAnErrorPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.Limits = func(string) []toll.LimitState { panic("boom") } })
	r := w.as("owner@acme.example").get("/overview")
	if r.Code != 500 || strings.Contains(r.Body.String(), "boom") || !strings.Contains(w.log.String(), "boom") {
		t.Errorf("a panic is %d: %s", r.Code, r.Body)
	}
}

func TestAFormThatBreaksOffIsAnAnswerAndNoFaultOfOurs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as net/http does when the body's time is over
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/sign-in", iotest.ErrReader(os.ErrDeadlineExceeded))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r := httptest.NewRecorder()
	w.console.ServeHTTP(r, req)
	if r.Code != 422 || !strings.Contains(r.Body.String(), "</html>") || strings.Contains(w.log.String(), "ERROR") {
		t.Errorf("it is %d: %s\nthe log says %s", r.Code, r.Body, w.log)
	}
}

func TestFormsFromOtherSitesAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for _, h := range []http.Header{{"Sec-Fetch-Site": {"cross-site"}}, {"Sec-Fetch-Site": {"same-site"}}, {"Origin": {"https://evil.example"}}} {
		evil := &browser{w: w, cookies: b.cookies, header: h}
		if r := evil.post("/keys/"+w.key.ID+"/revoke", nil); r.Code != 403 {
			t.Errorf("a form with %v is %d, want 403", h, r.Code)
		}
	}
	if k, err := w.store.Key(t.Context(), w.key.ID); err != nil || !k.RevokedAt.IsZero() {
		t.Errorf("the key was revoked from another site (%v)", err)
	}
	if r := b.post("/keys/"+w.key.ID+"/revoke", nil); r.Code != 303 {
		t.Errorf("the same form from here is %d", r.Code)
	}
}

func TestAPlantedMessageIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	const name = PlainCookie + "-said"
	for _, value := range []string{"eyJrIjoiLi4vLi4ifQ", "%%%", strings.Repeat("A", 3000), "eyJ1Ijo5OTk5OTk5OTk5LCJtIjpbeyJ0IjoiUGFzc3dvcnQ_In1dfQ.AAAA"} {
		b.cookies[name] = value
		if r := b.get("/keys"); r.Code != 200 || strings.Contains(r.Body.String(), `class="toast`) {
			t.Errorf("a planted message makes %d", r.Code)
		}
		if _, there := b.cookies[name]; there {
			t.Error("the message stays")
		}
	}
}

func TestSuspendingHoldsAndIsSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("support@house.example")
	path := "/customers/" + w.customer.ID
	if r := b.post(path+"/suspend", nil); r.Code != 303 || r.Header().Get("Location") != path {
		t.Fatalf("suspending is %d", r.Code)
	}
	c, err := w.store.Customer(t.Context(), w.customer.ID)
	w.ok(err)
	if c.Status != toll.CustomerSuspended {
		t.Error("the customer is not suspended")
	}
	body := b.get(path).Body.String()
	if !strings.Contains(body, "Acme Robotics was suspended.") || !strings.Contains(body, path+"/resume") || strings.Contains(body, path+`/suspend"`) {
		t.Error("the page does not say so, or does not offer to resume")
	}
	if body := w.as("owner@acme.example").get("/overview").Body.String(); !strings.Contains(body, "Your account is suspended") {
		t.Error("the customer is not told")
	}
	if r := b.post(path+"/resume", nil); r.Code != 303 {
		t.Errorf("resuming is %d", r.Code)
	}
	if body := w.as("viewer@house.example").get(path).Body.String(); strings.Contains(body, "/suspend") {
		t.Error("a viewer is offered what would be refused")
	}
}

func TestTheConsoleSpeaksThePersonsLanguage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.office.CreateMember(t.Context(), account.System, account.NewMember{CustomerID: w.customer.ID, Email: "aline@acme.example", Name: "Aline", Role: toll.MemberOwner, Password: password, Language: "fr-CA"})
	w.ok(err)
	if body := w.as("aline@acme.example").get("/overview").Body.String(); !strings.Contains(body, `<html lang="fr">`) || !strings.Contains(body, "Vue d’ensemble") || !strings.Contains(body, "34\u202f396") {
		t.Errorf("a French person reads %.300s", body)
	}
	if body := w.browser().with("Accept-Language", "es-AR, en;q=0.2").get("/sign-in").Body.String(); !strings.Contains(body, `<html lang="es">`) || !strings.Contains(body, "Iniciar sesión") {
		t.Errorf("a Spanish browser reads %.300s", body)
	}
	if body := w.as("aline@acme.example").get("/nowhere").Body.String(); !strings.Contains(body, "Introuvable") || strings.Contains(body, "There is no") {
		t.Error("an error is not in French")
	}
}

func TestNewRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, spoil := range map[string]change{
		"no office":       func(o *Options) { o.Office = nil },
		"no sessions":     func(o *Options) { o.Sessions = nil },
		"no questions":    func(o *Options) { o.Questions = nil },
		"no plans":        func(o *Options) { o.Plans = nil },
		"no requests":     func(o *Options) { o.Requests = nil },
		"no public URL":   func(o *Options) { o.PublicURL = "" },
		"an odd URL":      func(o *Options) { o.PublicURL = "ftp://x" },
		"an odd language": func(o *Options) { o.Languages = []string{"xx"} },
	} {
		o := w.options
		spoil(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestTheSpriteHoldsEachIconAndNoOther(t *testing.T) {
	t.Parallel()
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`id="i-([a-z0-9-]+)"`).FindAllStringSubmatch(assets.Sprite(), -1) {
		there[m[1]] = false
	}
	used := regexp.MustCompile(`Icon(?:\("|: +")([a-z0-9-]+)"|"/[a-z]+", "([a-z-]+)"}|return "([a-z-]+-[a-z]+)"`)
	for _, pattern := range []string{"*.templ", "*.go", "piece/*.templ"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "_templ.go") || strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range used.FindAllStringSubmatch(string(src), -1) {
				name := m[1] + m[2] + m[3]
				if _, ok := there[name]; ok {
					there[name] = true
				} else if m[3] == "" {
					t.Errorf("%s shows the icon %q, which is not in the sprite", f, name)
				}
			}
		}
	}
	for name, is := range there {
		if !is {
			t.Errorf("the sprite holds %q, which nothing shows", name)
		}
	}
}

func TestTheGalleryIsForDevelopmentOnly(t *testing.T) {
	t.Parallel()
	if r := newWorld(t).browser().get("/dev/pieces"); r.Code != 404 {
		t.Errorf("outside development the gallery is %d", r.Code)
	}
	if r := newWorld(t, development).browser().get("/dev/pieces"); r.Code != 200 {
		t.Errorf("in development it is %d", r.Code)
	}
}
