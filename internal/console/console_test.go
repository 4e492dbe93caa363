package console

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/assets"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var requestID = regexp.MustCompile(`01[0-9A-HJKMNP-TV-Z]{24}`)

// strip takes out of a page what differs from one request to the next.
func strip(r *httptest.ResponseRecorder) string {
	return requestID.ReplaceAllString(r.Body.String(), "ID")
}

var onceField = regexp.MustCompile(`name="once" value="([^"]+)"`)

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
	for _, bad := range []string{"unsafe", "data:", "http:", "*"} {
		if strings.Contains(policy, bad) {
			t.Errorf("the policy allows %q", bad)
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
			b = w.as(v.email)
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
	if strings.Contains(content, "<html") || !strings.Contains(content, "<title>Usage · Tollhouse</title>") || !strings.Contains(content, `hx-swap-oob="true"`) || !strings.Contains(content, "<h1") {
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

func TestTheCookieIsAsTheConnectionIs(t *testing.T) {
	t.Parallel()
	cookie := func(w *world) *http.Cookie {
		r := w.browser().post("/sign-in", url.Values{"email": {"owner@acme.example"}, "password": {password}})
		for _, c := range r.Result().Cookies() {
			if c.MaxAge > 0 {
				return c
			}
		}
		t.Fatalf("no cookie was set: %d %s", r.Code, r.Body)
		return nil
	}
	plain := newWorld(t)
	if c := cookie(plain); c.Name != PlainCookie || c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("over HTTP the cookie is %+v", c)
	}
	if !strings.Contains(plain.log.String(), "plain HTTP") {
		t.Error("nobody was warned of plain HTTP")
	}
	secure := newWorld(t, func(o *Options) { o.Secure = true })
	c := cookie(secure)
	if c.Name != SecureCookie || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("over HTTPS the cookie is %+v", c)
	}
	if c.MaxAge != 48*3600 {
		t.Errorf("the cookie lives %d seconds, want 48 hours", c.MaxAge)
	}
	if strings.Contains(secure.log.String(), "plain HTTP") {
		t.Error("a warning of plain HTTP over HTTPS")
	}
}

func TestASessionIsRenewedByUseAndEndsBySigningOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	first := b.cookies[PlainCookie]
	b.get("/keys")
	if b.cookies[PlainCookie] != first {
		t.Error("the token was renewed at once")
	}
	w.pass(61 * time.Minute)
	if r := b.get("/keys"); r.Code != 200 || b.cookies[PlainCookie] == first {
		t.Errorf("after an hour the page is %d and the token is the same", r.Code)
	}
	stolen := &browser{w: w, cookies: map[string]string{PlainCookie: b.cookies[PlainCookie]}, header: b.header}
	if r := b.post("/sign-out", nil); r.Code != 303 || b.cookies[PlainCookie] != "" {
		t.Errorf("signing out is %d and keeps the cookie", r.Code)
	}
	if r := stolen.get("/keys"); r.Code != 303 || !strings.HasPrefix(r.Header().Get("Location"), "/sign-in") {
		t.Errorf("a signed-out session still gets %d", r.Code)
	}
	forged := &browser{w: w, cookies: map[string]string{PlainCookie: first[:len(first)-4] + "AAAA"}, header: b.header}
	if r := forged.get("/keys"); r.Code != 303 || forged.cookies[PlainCookie] != "" {
		t.Errorf("a forged token gets %d and stays", r.Code)
	}
}

func TestSignInLeadsBackToOwnPathsOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.browser().get("/usage?range=7d")
	if got := r.Header().Get("Location"); r.Code != 303 || got != "/sign-in?next=%2Fusage%3Frange%3D7d" {
		t.Errorf("a page without a session leads to %q (%d)", got, r.Code)
	}
	for next, want := range map[string]string{
		"/usage?range=7d":         "/usage?range=7d",
		"//evil.example":          "/overview",
		"https://evil.example/":   "/overview",
		`/\evil.example`:          "/overview",
		"/%2f/evil.example":       "/overview",
		"javascript:alert(1)":     "/overview",
		"/usage\r\nSet-Cookie: x": "/overview",
		"/sign-out":               "/overview",
		"":                        "/overview",
	} {
		r := w.browser().post("/sign-in", url.Values{"email": {"owner@acme.example"}, "password": {password}, "next": {next}})
		if got := r.Header().Get("Location"); r.Code != 303 || got != want {
			t.Errorf("next=%q leads to %q (%d), want %q", next, got, r.Code, want)
		}
	}
	// htmx cannot swap sign-in into another page: it is told to load it, and
	// where to come back to is the page it is on.
	p := w.browser().htmx("div#results").with("HX-Current-URL", "http://localhost:8080/usage?range=24h").get("/usage?range=7d")
	if p.Code != 401 || p.Header().Get("HX-Redirect") != "/sign-in?next=%2Fusage%3Frange%3D24h" || p.Body.Len() != 0 {
		t.Errorf("htmx without a session gets %d, %q", p.Code, p.Header().Get("HX-Redirect"))
	}
}

func FuzzSignInLeadsToNoOtherSite(f *testing.F) {
	for _, s := range []string{"/usage", "//x", `/\x`, "/%2f/x", "/usage?a=//x", "http://x", "/a\tb", "/sign-in"} {
		f.Add(s)
	}
	base, err := url.Parse("http://console.example/sign-in")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		p := ownPath(next)
		if p == "" {
			return
		}
		u, err := base.Parse(p)
		if err != nil || u.Host != "console.example" || u.Scheme != "http" || !strings.HasPrefix(p, "/") || strings.HasPrefix(p, "//") || strings.ContainsAny(p, "\\\r\n") {
			t.Errorf("%q leads to %q (%v)", next, p, err)
		}
	})
}

func TestSignInTellsNothingAndSlowsDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	try := func(email, pass string) *httptest.ResponseRecorder {
		return w.browser().post("/sign-in", url.Values{"email": {email}, "password": {pass}})
	}
	unknown, wrong := try("nobody@acme.example", "x"), try("owner@acme.example", "x")
	if unknown.Code != 422 || wrong.Code != 422 {
		t.Errorf("an unknown address is %d, a wrong password %d, want 422 twice", unknown.Code, wrong.Code)
	}
	if a, b := strings.ReplaceAll(strip(unknown), "nobody@", "owner@"), strip(wrong); a != b {
		t.Error("an unknown address reads otherwise than a wrong password")
	}
	if body := try("owner@acme.example", "hunter2-secret").Body.String(); strings.Contains(body, "hunter2") || !strings.Contains(body, "owner@acme.example") {
		t.Error("the form shows the password again, or forgets the address")
	}
	if r := try("", ""); r.Code != 422 || !strings.Contains(r.Body.String(), "Fill in both fields") {
		t.Errorf("an empty form is %d", r.Code)
	}
	var last *httptest.ResponseRecorder
	for range 12 {
		last = try("owner@acme.example", "x")
	}
	if last.Code != 429 || last.Header().Get("Retry-After") == "" || !strings.Contains(last.Body.String(), "Too many attempts") {
		t.Errorf("after a dozen failures it is %d, Retry-After %q", last.Code, last.Header().Get("Retry-After"))
	}
}

func TestAKeyIsShownOnceAndMadeOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("developer@acme.example")
	form := url.Values{"once": {tokenOf(t, b.get("/keys/new"))}, "name": {"deploy"}, "mode": {"live"}, "expires": {"90d"}}
	var wg sync.WaitGroup
	texts := make([]string, 8)
	for i := range texts { // an impatient person
		wg.Go(func() {
			r := (&browser{w: w, cookies: map[string]string{PlainCookie: b.cookies[PlainCookie]}, header: b.header}).post("/keys", form)
			if r.Code == 200 {
				texts[i] = secretOf(r)
			}
		})
	}
	wg.Wait()
	for _, text := range texts {
		if !strings.HasPrefix(text, "th_live_") || text != texts[0] {
			t.Fatalf("each click must show the same key, got %q", texts)
		}
	}
	keys, err := w.office.Keys(t.Context(), w.person("owner@acme.example"), w.customer.ID)
	w.ok(err)
	made := 0
	for _, k := range keys {
		if k.Name == "deploy" {
			made++
			if want := w.clock().AddDate(0, 0, 90); !k.ExpiresAt.Equal(want.Truncate(time.Microsecond)) {
				t.Errorf("it expires at %v, want %v", k.ExpiresAt, want)
			}
		}
	}
	if made != 1 {
		t.Errorf("%d keys were made by one form", made)
	}
	if body := b.get("/keys").Body.String(); strings.Contains(body, texts[0]) {
		t.Error("the list shows the key's text")
	}
	w.pass(rememberAnswer + time.Second)
	if r := b.post("/keys", form); r.Code != 409 || strings.Contains(r.Body.String(), texts[0]) {
		t.Errorf("the form sent again later is %d and must not show the key", r.Code)
	}
	other := w.as("owner@acme.example")
	if r := other.post("/keys", form); r.Code != 200 || secretOf(r) == texts[0] {
		t.Error("somebody else's session got the answer of this one")
	}
	if w.log.Len() > 0 && strings.Contains(w.log.String(), texts[0]) {
		t.Error("the log holds the key's text")
	}
}

func TestAPageWithAKeysTextIsNeitherStoredNorCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example").with("Accept-Encoding", "gzip, br")
	if r := b.get("/keys"); r.Header().Get("Content-Encoding") != "gzip" {
		t.Error("a page without a secret is not compressed")
	} else if z, err := gzip.NewReader(r.Body); err != nil {
		t.Error(err)
	} else if body, err := io.ReadAll(z); err != nil || !strings.Contains(string(body), "<h1") {
		t.Errorf("the compressed page does not read as the page (%v)", err)
	}
	form := url.Values{"once": {(&Console{o: Options{Random: &counter{}}}).token()}, "name": {"x"}, "mode": {"live"}, "expires": {"never"}}
	r := b.post("/keys", form)
	if cc := r.Header().Get("Cache-Control"); r.Header().Get("Content-Encoding") != "" || !strings.Contains(cc, "no-store") || !strings.Contains(cc, "no-transform") {
		t.Errorf("the page with the key is encoded as %q with Cache-Control %q", r.Header().Get("Content-Encoding"), cc)
	}
	if secretOf(r) == "" {
		t.Error("the key is not shown")
	}
}

func TestAWrongKeyFormComesBackWithWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	token := tokenOf(t, b.get("/keys/new"))
	for _, x := range []struct {
		form url.Values
		says string
	}{
		{url.Values{"name": {"  "}, "mode": {"live"}, "expires": {"never"}}, "Give the key a name."},
		{url.Values{"name": {strings.Repeat("é", 101)}, "mode": {"live"}, "expires": {"never"}}, "at most 100 characters"},
		{url.Values{"name": {"x"}, "mode": {"root"}, "expires": {"never"}}, "live or test"},
		{url.Values{"name": {"x"}, "mode": {"live"}, "expires": {"yesterday"}}, "offered times"},
		{url.Values{"name": {"bell \a rings"}, "mode": {"live"}, "expires": {"never"}}, "aria-invalid"},
	} {
		x.form.Set("once", token)
		for _, asker := range []*browser{b, b.htmx("main#content")} {
			r := asker.post("/keys", x.form)
			if r.Code != 422 || !strings.Contains(r.Body.String(), x.says) || !strings.Contains(r.Body.String(), "data-summary") {
				t.Errorf("%v is %d, want 422 that says %q", x.form, r.Code, x.says)
			}
			if tokenOf(t, r) != token {
				t.Error("the form came back with another token")
			}
		}
	}
	good := url.Values{"once": {token}, "name": {`<b>"x"</b>`}, "mode": {"test"}, "expires": {"never"}}
	if r := b.post("/keys", good); r.Code != 200 || secretOf(r) == "" || strings.Contains(r.Body.String(), "<b>") {
		t.Errorf("the corrected form is %d", r.Code)
	}
	good.Del("once")
	if r := b.post("/keys", good); r.Code != 422 {
		t.Errorf("a form without its token is %d", r.Code)
	}
	if r := b.post("/keys", url.Values{"once": {token}, "name": {strings.Repeat("x", 70_000)}}); r.Code != 422 {
		t.Errorf("a form of 70 KB is %d", r.Code)
	}
}

func TestRollingAndRevokingSayWhatHappened(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	path := "/keys/" + w.key.ID
	ask := b.get(path + "/roll")
	r := b.post(path+"/roll", url.Values{"once": {tokenOf(t, ask)}, "overlap": {"24h"}})
	if r.Code != 200 || secretOf(r) == "" || !strings.Contains(r.Body.String(), "21 Nov 2026, 14:05:33 UTC") {
		t.Errorf("rolling is %d: %s", r.Code, r.Body)
	}
	if r := b.post(path+"/roll", url.Values{"once": {tokenOf(t, ask)}, "overlap": {"24h"}}); secretOf(r) == "" {
		t.Error("the second click does not show the key")
	}
	if r := b.post(path+"/roll", url.Values{"once": {tokenOf(t, b.get(path+"/roll"))}, "overlap": {"24h"}}); r.Code != 409 {
		t.Errorf("rolling a rolled key is %d, want 409", r.Code)
	}
	if r := b.post(path+"/roll", url.Values{"once": {tokenOf(t, ask)}, "overlap": {"99y"}}); r.Code != 422 {
		t.Errorf("an overlap that is not offered is %d, want 422", r.Code)
	}
	if r := b.post(path+"/revoke", nil); r.Code != 303 || r.Header().Get("Location") != "/keys" {
		t.Errorf("revoking is %d to %q", r.Code, r.Header().Get("Location"))
	}
	if body := b.get("/keys").Body.String(); !strings.Contains(body, "The key “production” was revoked.") {
		t.Error("the next page does not say that the key was revoked")
	}
	if body := b.get("/keys").Body.String(); strings.Contains(body, "was revoked.") {
		t.Error("it is said twice")
	}
}

func TestAPlantedMessageIsNotShown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for _, value := range []string{"eyJrIjoiLi4vLi4ifQ", "%%%", strings.Repeat("A", 3000), "eyJrIjoia2V5LnJldm9rZWQiLCJuIjoiPHNjcmlwdD4ifQ"} {
		b.cookies[PlainCookie+flashSuffix] = value
		if r := b.get("/keys"); r.Code != 200 || strings.Contains(r.Body.String(), "<script>") {
			t.Errorf("a planted message makes %d", r.Code)
		}
		if _, there := b.cookies[PlainCookie+flashSuffix]; there {
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
	set, err := assets.Load()
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for _, m := range regexp.MustCompile(`id="i-([a-z0-9-]+)"`).FindAllStringSubmatch(set.Sprite(), -1) {
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
