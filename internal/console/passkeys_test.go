package console

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// onLocalhost is a world whose console is reached by a name, as passkeys need.
func onLocalhost(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	s := httptest.NewUnstartedServer(nil)
	_, port, _ := strings.Cut(s.Listener.Addr().String(), ":")
	base := "http://localhost:" + port
	w.options.Sessions = w.newSessions(account.SessionOptions{ConsoleURL: base})
	var err error
	w.console, err = New(w.options)
	w.ok(err)
	s.Config.Handler = w.console
	s.Start()
	t.Cleanup(s.Close)
	return w, base
}

// authenticator gives the browser a virtual one that verifies its user.
func authenticator() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, webauthn.Enable, webauthn.EnableParams{}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		}})
		return err
	})
}

// A person registers a passkey, signs out and signs in with it, in a real
// browser; what the browser sent is then replayed, and changed, and refused.
func TestAPersonSignsInByPasskeyInARealBrowser(t *testing.T) {
	ctx := chromium(t)
	w, base := onLocalhost(t)
	b := tab{t, ctx, base}
	b.do(signedInAt(base, "owner@globex.example"), authenticator(), chromedp.Navigate(base+"/account/new-passkey"))
	b.do(chromedp.SetValue(chromedp.ID("name"), "Test key"), chromedp.SetValue(chromedp.ID("current"), password), chromedp.Submit(chromedp.ID("current")))
	b.until(`document.querySelector("form[data-passkey]") !== null && document.readyState === "complete"`)
	b.do(chromedp.Click(chromedp.CSS("form[data-passkey] button[type=submit]")))
	b.until(`location.pathname === "/account" && document.body.textContent.includes("Test key")`)
	owner := w.person("owner@globex.example")
	keys, err := w.store.PasskeysOf(t.Context(), owner.Kind, owner.ID)
	w.ok(err)
	if len(keys) != 1 || keys[0].Name != "Test key" {
		t.Fatalf("kept %+v", keys)
	}

	for name, email := range map[string]string{"discoverable": "", "after the address": "owner@globex.example"} {
		w.pass(time.Second)
		b.do(signedOut(), chromedp.Navigate(base+"/sign-in?next=/usage"), run(`document.getElementById("email").value = "`+email+`"`))
		b.do(chromedp.Click(chromedp.CSS(`button[formaction="/sign-in/passkey"]`)))
		b.until(`location.pathname === "/usage"`)
		rows, err := w.store.SessionsOf(t.Context(), owner.Kind, owner.ID)
		w.ok(err)
		if rows[0].Method != "passkey" || !rows[0].Strong {
			t.Errorf("%s: the session is %+v", name, rows[0])
		}
		w.pass(time.Second)
	}

	// What a browser answers is taken by hand, to send it more than once.
	wire := w.browser()
	begin := func() (options, step string) {
		r := wire.post("/sign-in/passkey", url.Values{})
		return find(t, r, `data-passkey="([^"]+)"`), wire.cookies[PlainCookie+"-step"]
	}
	sign := func(options string) string {
		reply, err := chromedp.Run(ctx, chromedp.Evaluate[string](`(async () => {
			const t = document.createElement("textarea"); t.innerHTML = `+"`"+options+"`"+`;
			const { publicKey } = JSON.parse(t.value);
			const c = await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
			return JSON.stringify(c.toJSON());
		})()`, chromedp.EvalAwaitPromise))
		w.ok(err)
		return reply
	}
	send := func(step, reply string) int {
		wire.cookies = map[string]string{PlainCookie + "-step": step}
		code := wire.post("/sign-in/passkey/finish", url.Values{"reply": {reply}}).Code
		if in := wire.cookies[PlainCookie] != ""; in != (code == 303) {
			t.Errorf("the answer is %d, and signed in: %v", code, in)
		}
		return code
	}
	options, step := begin()
	reply := sign(options)
	if code := send(step, reply); code != 303 {
		t.Fatalf("the control: a right reply is %d", code)
	}
	if code := send(step, reply); code != 422 {
		t.Errorf("a reply that was sent before is %d", code)
	}
	_, fresh := begin()
	if code := send(fresh, reply); code != 422 {
		t.Errorf("a reply to another challenge is %d", code)
	}
	options, step = begin()
	reply = sign(options)
	w.pass(11 * time.Minute)
	if code := send(step, reply); code != 422 {
		t.Errorf("a reply that comes too late is %d", code)
	}
	for _, bad := range []string{"", "{}", "null", "[]", strings.Repeat("x", 40<<10), reply[:len(reply)/2]} {
		_, step := begin()
		if code := send(step, bad); code != 422 {
			t.Errorf("the reply %.20q is %d", bad, code)
		}
	}

	// The same key, asked by a page of another origin: the browser says so.
	other := w.newSessions(account.SessionOptions{ConsoleURL: "http://localhost:1"})
	held, err := other.BeginPasskeySignIn(t.Context(), "", w.home())
	w.ok(err)
	reply = sign(strings.ReplaceAll(string(held.Options), `"`, "&quot;"))
	if _, _, err := other.FinishPasskeySignIn(t.Context(), held.Step, []byte(reply), w.home(), ""); toll.CodeOf(err) != toll.Unauthorized {
		t.Errorf("a reply that was made for another origin: %v", err)
	}

	// A counter that goes back: there is a copy of the key.
	keys, err = w.store.PasskeysOf(t.Context(), owner.Kind, owner.ID)
	w.ok(err)
	ahead := strings.Replace(string(keys[0].Document), `"signCount":`, `"signCount":9`, 1)
	w.ok(w.store.UsePasskey(t.Context(), keys[0].ID, keys[0].Document, []byte(ahead), w.clock()))
	options, step = begin()
	if code := send(step, sign(options)); code != 422 {
		t.Errorf("a counter that went back is %d: %s", code, ahead)
	}
	if !strings.Contains(ahead, `"signCount":9`) {
		t.Errorf("no counter was changed: %s", ahead)
	}
}

func TestNobodyLearnsByPasskeyWhoHasAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ask := func(email string) string {
		r := w.browser().post("/sign-in/passkey", url.Values{"email": {email}})
		if r.Code != 200 {
			t.Fatalf("%s is %d", email, r.Code)
		}
		return find(t, r, `allowCredentials[^}]*id&#34;:&#34;([^&]+)`)
	}
	nobody, again, without := ask("nobody@acme.example"), ask("Nobody@acme.example"), ask("viewer@acme.example")
	if nobody != again || nobody == without || len(nobody) != len(without) {
		t.Errorf("nobody is asked for %q and %q, somebody without a passkey for %q", nobody, again, without)
	}
}
