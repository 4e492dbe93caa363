package console

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/oidc"
	"github.com/tollhouse/tollhouse/internal/account/oidc/oidctest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// appCode is what an authenticator app would show.
func (w *world) appCode(key string, steps int64) string {
	w.t.Helper()
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(key)
	w.ok(err)
	var counter [8]byte
	binary.BigEndian.PutUint64(counter[:], uint64(w.clock().Unix()/30+steps))
	mac := hmac.New(sha1.New, secret)
	mac.Write(counter[:])
	sum := mac.Sum(nil)
	at := sum[19] & 15
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[at:])&0x7fffffff)%1_000_000)
}

func find(t testing.TB, r *httptest.ResponseRecorder, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(r.Body.String())
	if m == nil {
		t.Fatalf("the page (%d) has no %s:\n%s", r.Code, pattern, r.Body)
	}
	return m[1]
}

// setUpApp sets an authenticator app up as a person would, and gives its key
// and the recovery codes' page.
func (b *browser) setUpApp(t testing.TB) (key string, codes *httptest.ResponseRecorder) {
	t.Helper()
	if r := b.get("/account/app"); r.Code != 200 {
		t.Fatalf("the form is %d", r.Code)
	}
	r := b.post("/account/app", url.Values{"current": {password}})
	key, step := find(t, r, `id="key" value="([A-Z2-7]+)"`), find(t, r, `name="step" value="([A-Z2-7]+)"`)
	if !strings.Contains(r.Body.String(), `class="qr"`) || !strings.Contains(r.Header().Get("Cache-Control"), "no-store") {
		t.Error("the key is not drawn, or may be kept")
	}
	if r := b.post("/account/app/confirm", url.Values{"step": {step}, "code": {"000000"}}); r.Code != 422 || find(t, r, `id="key" value="([A-Z2-7]+)"`) != key {
		t.Errorf("a wrong code is %d", r.Code)
	}
	codes = b.post("/account/app/confirm", url.Values{"step": {step}, "code": {b.w.appCode(key, 0)}})
	if n := strings.Count(codes.Body.String(), "<li><code>"); codes.Code != 200 || n != 10 {
		t.Fatalf("confirming is %d and shows %d recovery codes", codes.Code, n)
	}
	return key, codes
}

func TestAPersonSignsInByPasswordAndCodeWithoutJavaScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	key, codes := b.setUpApp(t)
	recovery := find(t, codes, `<li><code>([a-z0-9-]+)</code>`)
	w.pass(time.Minute)

	b = w.browser()
	r := b.post("/sign-in", url.Values{"email": {"owner@acme.example"}, "password": {password}, "next": {"/usage"}})
	if r.Code != 303 || r.Header().Get("Location") != "/sign-in/code?next=%2Fusage" || b.cookies[PlainCookie] != "" {
		t.Fatalf("the password alone is %d, leads to %q", r.Code, r.Header().Get("Location"))
	}
	if r := b.get("/keys"); r.Code != 303 {
		t.Errorf("half signed in, a page is %d", r.Code)
	}
	if r := b.get("/sign-in/code?next=/usage"); r.Code != 200 || !strings.Contains(r.Body.String(), `value="/usage"`) {
		t.Errorf("the second step is %d", r.Code)
	}
	other := w.browser()
	if r := other.post("/sign-in/code", url.Values{"code": {w.appCode(key, 0)}}); r.Code != 422 || other.cookies[PlainCookie] != "" {
		t.Errorf("the code in another browser is %d", r.Code)
	}
	if r := b.post("/sign-in/code", url.Values{"code": {"000000"}}); r.Code != 422 {
		t.Errorf("a wrong code is %d", r.Code)
	}
	r = b.post("/sign-in/code", url.Values{"code": {w.appCode(key, 0)}, "next": {"/usage"}})
	if r.Code != 303 || r.Header().Get("Location") != "/usage" || b.cookies[PlainCookie] == "" || b.cookies[PlainCookie+"-step"] != "" {
		t.Fatalf("the right code is %d, leads to %q", r.Code, r.Header().Get("Location"))
	}
	if r := b.get("/account"); !strings.Contains(r.Body.String(), "Password and code") || !strings.Contains(r.Body.String(), "10 recovery codes left") {
		t.Error("the account page does not tell how the session began")
	}

	for try, want := range []int{303, 422} {
		b = w.browser()
		b.post("/sign-in", url.Values{"email": {"owner@acme.example"}, "password": {password}})
		if r := b.post("/sign-in/code", url.Values{"code": {recovery}}); r.Code != want {
			t.Errorf("try %d of a recovery code is %d, want %d", try+1, r.Code, want)
		}
	}
	b = w.browser()
	b.post("/sign-in", url.Values{"email": {"owner@acme.example"}, "password": {password}})
	w.pass(11 * time.Minute)
	if r := b.post("/sign-in/code", url.Values{"code": {w.appCode(key, 0)}}); r.Code != 422 || !strings.Contains(r.Body.String(), "too long") {
		t.Errorf("a code that comes too late is %d", r.Code)
	}
}

func TestOperatorsWhoMustHaveTwoFactorsSeeOnlyTheirAccountWithout(t *testing.T) {
	t.Parallel()
	required := true
	w := newWorld(t, func(o *Options) { o.TwoFactors = func() bool { return required } })
	b := w.as("admin@house.example")
	for _, path := range []string{"/customers", "/customers/" + w.customer.ID, "/requests", "/customers/" + w.customer.ID + "/usage.csv"} {
		if r := b.get(path); r.Code != 303 || r.Header().Get("Location") != "/account" {
			t.Errorf("%s is %d, leads to %q", path, r.Code, r.Header().Get("Location"))
		}
		if r := b.htmx("div#results").get(path); r.Code != 200 || r.Header().Get("HX-Redirect") != "/account" || r.Body.Len() != 0 {
			t.Errorf("a part of %s is %d, %q", path, r.Code, r.Header().Get("HX-Redirect"))
		}
	}
	if r := b.post("/customers/"+w.customer.ID+"/suspend", nil); r.Code != 303 || r.Header().Get("Location") != "/account" {
		t.Errorf("a change is %d", r.Code)
	}
	if c, err := w.store.Customer(t.Context(), w.customer.ID); err != nil || c.Status != toll.CustomerActive {
		t.Errorf("it was done: %v, %v", c.Status, err)
	}
	if r := b.get("/account"); r.Code != 200 || !strings.Contains(r.Body.String(), "A second factor is needed") {
		t.Errorf("the account page is %d", r.Code)
	}
	b.setUpApp(t)
	if r := b.get("/customers"); r.Code != 200 {
		t.Errorf("with a second factor the page is %d", r.Code)
	}
	if r := w.as("owner@acme.example").get("/keys"); r.Code != 200 {
		t.Errorf("a member's page is %d", r.Code)
	}
	required = false
	if r := w.as("support@house.example").get("/customers"); r.Code != 200 {
		t.Errorf("where it is not required, the page is %d", r.Code)
	}
}

func TestAPersonChangesTheirPasswordAndSeesTheirSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b, other := w.as("owner@acme.example"), w.as("owner@acme.example")
	body := b.get("/account").Body.String()
	for _, want := range []string{"Safari on iPhone", "198.51.100.0/24", "This one", "Phone", "Sign out all others"} {
		if !strings.Contains(body, want) {
			t.Errorf("the account page does not say %q", want)
		}
	}
	if r := b.post("/account/password", url.Values{"current": {"wrong"}, "password": {"quite another one"}}); r.Code != 422 || strings.Contains(r.Body.String(), "quite another one") {
		t.Errorf("a wrong current password is %d", r.Code)
	}
	if r := b.post("/account/password", url.Values{"current": {password}, "password": {"quite another one"}}); r.Code != 303 {
		t.Errorf("changing it is %d", r.Code)
	}
	if r := b.get("/keys"); r.Code != 200 {
		t.Errorf("one's own session is %d", r.Code)
	}
	if r := other.get("/keys"); r.Code != 303 {
		t.Errorf("another session of before is %d", r.Code)
	}
	r := b.post("/account/profile", url.Values{"name": {"Zoë"}, "language": {"fr"}, "time_zone": {"Europe/Berlin"}})
	if r.Code != 303 {
		t.Errorf("the profile is %d", r.Code)
	}
	if body := b.get("/account").Body.String(); !strings.Contains(body, `lang="fr"`) || !strings.Contains(body, "Votre profil a été enregistré.") || !strings.Contains(body, "CET") {
		t.Error("the page is not in the chosen language and zone")
	}
	for _, field := range []string{"role", "customer_id", "email", "kind"} { // mass assignment
		b.post("/account/profile", url.Values{"name": {"Zoë"}, field: {"admin"}})
	}
	if p := w.person("owner@acme.example"); p.Role != "owner" || p.CustomerID != w.customer.ID {
		t.Errorf("the person is now %+v", p)
	}
	if r := b.post("/account/sessions/"+ownersSession+"/end", nil); r.Code != 404 && r.Code != 303 {
		t.Errorf("ending a session is %d", r.Code)
	}
	own := b.get("/account")
	id := find(t, own, `/account/sessions/(ses_[0-9A-Za-z]+)/end`)
	if r := b.post("/account/sessions/"+id+"/end", nil); r.Code != 303 || r.Header().Get("Location") != "/sign-in" || b.cookies[PlainCookie] != "" {
		t.Errorf("ending one's own session is %d", r.Code)
	}
}

func TestSigningInByAProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	provider := oidctest.Start(t, "http://localhost:8080/sign-in/with/acme/callback")
	provider.Clock = w.clock
	ours, err := oidc.NewProvider(oidc.Options{
		Name: "acme", Title: "Acme SSO", Issuer: provider.Issuer(), ClientID: oidctest.ClientID, ClientSecret: oidctest.ClientSecret, RedirectURL: provider.RedirectURL, Clock: w.clock,
	})
	w.ok(err)
	w.options.Sessions = w.newSessions(account.SessionOptions{ConsoleURL: "http://localhost:8080", Providers: []*account.SignInProvider{{Provider: ours}}})
	w.console, err = New(w.options)
	w.ok(err)

	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	leave := func(b *browser, path string) string {
		r := b.get(path)
		if r.Code != 303 || !strings.HasPrefix(r.Header().Get("Location"), provider.Issuer()+"/authorize?") {
			t.Fatalf("%s is %d, leads to %q", path, r.Code, r.Header().Get("Location"))
		}
		res, err := client.Get(r.Header().Get("Location"))
		w.ok(err)
		w.ok(res.Body.Close())
		back, err := url.Parse(res.Header.Get("Location"))
		w.ok(err)
		return back.RequestURI()
	}
	who := oidctest.Somebody{Subject: "1", Email: "owner@acme.example", Verified: true, Name: "Ada"}
	provider.SignsIn(who, oidctest.Honest)
	if r := w.browser().get("/sign-in?next=/usage"); !strings.Contains(r.Body.String(), `href="/sign-in/with/acme?next=%2Fusage"`) {
		t.Error("the sign-in page has no button for it")
	}
	b := w.browser()
	back := leave(b, "/sign-in/with/acme?next=/usage")
	if r := w.browser().get(back); r.Code != 422 || !strings.Contains(r.Body.String(), "another browser") {
		t.Errorf("coming back in another browser is %d", r.Code)
	}
	back = leave(b, "/sign-in/with/acme?next=/usage")
	cross := b.with("Sec-Fetch-Site", "cross-site") // a provider is another site
	if r := cross.get(back); r.Code != 303 || r.Header().Get("Location") != "/usage" || b.cookies[PlainCookie] == "" {
		t.Errorf("coming back is %d, leads to %q: %s", r.Code, r.Header().Get("Location"), r.Body)
	}
	if r := b.get("/account"); !strings.Contains(r.Body.String(), "Acme SSO") {
		t.Error("the account page does not tell how the session began")
	}
	if r := w.browser().get(back); r.Code != 422 {
		t.Errorf("the same way back again is %d", r.Code)
	}
	for _, next := range []string{"//evil.example", "https://evil.example/", `/\evil.example`} {
		b := w.browser()
		if r := b.get(leave(b, "/sign-in/with/acme?next="+url.QueryEscape(next))); r.Header().Get("Location") != "/overview" {
			t.Errorf("next=%q leads to %q", next, r.Header().Get("Location"))
		}
	}
	for _, x := range []struct {
		who  oidctest.Somebody
		how  oidctest.Hostile
		says string
	}{
		{oidctest.Somebody{Subject: "2", Email: "owner@acme.example", Verified: false}, oidctest.Honest, "Ask for an invitation"},
		{oidctest.Somebody{Subject: "3", Email: "stranger@acme.example", Verified: true}, oidctest.Honest, "Ask for an invitation"},
		{who, oidctest.WrongNonce, "was not accepted"},
		{who, oidctest.AlgNone, "was not accepted"},
	} {
		provider.SignsIn(x.who, x.how)
		b := w.browser()
		if r := b.get(leave(b, "/sign-in/with/acme")); r.Code != 422 || !strings.Contains(r.Body.String(), x.says) || b.cookies[PlainCookie] != "" {
			t.Errorf("%+v %s is %d", x.who, x.how, r.Code)
		}
	}
}
