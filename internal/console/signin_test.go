package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

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
	p := w.browser().htmx("div#results").with("HX-Current-URL", "http://example.com/usage?range=24h").get("/usage?range=7d")
	if p.Code != 401 || p.Header().Get("HX-Redirect") != "/sign-in?next=%2Fusage%3Frange%3D24h" || p.Body.Len() != 0 {
		t.Errorf("htmx without a session gets %d, %q", p.Code, p.Header().Get("HX-Redirect"))
	}
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
