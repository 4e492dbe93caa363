package console

import (
	"context"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// chromium starts a browser, or skips the test where there is none.
func chromium(t *testing.T) context.Context {
	t.Helper()
	found := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			found = p
			break
		}
	}
	if found == "" {
		missing(t, "Chromium is not installed")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(found), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("force-color-profile", "srgb"),
	)
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 6*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// missing skips a test that needs something that is not installed; in CI it fails.
func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// served is a world on a real port.
func served(t *testing.T, changes ...change) (*world, string) {
	t.Helper()
	w := newWorld(t, changes...)
	w.furnish()
	s := httptest.NewServer(w.console)
	w.server = s
	t.Cleanup(s.Close)
	return w, s.URL
}

// furnish adds what makes the pages look as they do in use.
func (w *world) furnish() {
	ctx := w.t.Context()
	w.scopedKey()
	w.makeKey(w.customer.ID, "ci", toll.Test, 12*24*time.Hour, 5*time.Hour)
	old := w.makeKey(w.customer.ID, "old laptop", toll.Live, 40*24*time.Hour, 9*24*time.Hour)
	owner := w.person("owner@acme.example")
	_, err := w.office.RevokeKey(ctx, owner, old.ID)
	w.ok(err)
	rolled := w.makeKey(w.customer.ID, "staging", toll.Live, 33*24*time.Hour, 40*time.Minute)
	_, _, err = w.office.RollKey(ctx, owner, rolled.ID, 24*time.Hour)
	w.ok(err)
	for i, name := range []string{"Hooli", "Pied Piper", "Umbrella Corporation of Raccoon City and Surroundings", "Wonka Industries", "Stark Industries", "Tyrell", "Soylent", "Cyberdyne"} {
		w.pass(-time.Duration(i*31) * time.Hour)
		_, err := w.office.CreateCustomer(ctx, systemPerson, newCustomer(name, []string{"free", "pro", "payg"}[i%3]))
		w.ok(err)
		w.pass(time.Duration(i*31) * time.Hour)
	}
	for email, lang := range map[string]string{"aline@acme.example": "fr", "alba@acme.example": "es"} {
		_, err := w.office.CreateMember(ctx, systemPerson, account.NewMember{CustomerID: w.customer.ID, Email: email, Name: "Aline Dubois", Role: toll.MemberOwner, Password: password, Language: lang})
		w.ok(err)
	}
	w.usage.past(w.other.ID, w.now, 20, 160)
	_, err = w.office.CreateMember(ctx, systemPerson, account.NewMember{CustomerID: w.customer.ID, Email: withApp, Name: "Ida Careful", Role: toll.MemberOwner, Password: password})
	w.ok(err)
	careful := w.browser()
	careful.cookies[PlainCookie] = w.token(withApp) // as long as the password alone is enough
	careful.setUpApp(w.t)
	page, err := w.office.Customers(ctx, systemPerson, toll.CustomerQuery{Search: "Tyrell"})
	w.ok(err)
	_, err = w.office.Suspend(ctx, systemPerson, page.Customers[0].ID)
	w.ok(err)
}

// withApp is an owner with an authenticator app.
const withApp = "careful@acme.example"

// token is the session of somebody who signed in once: signing in is paced.
func (w *world) token(email string) string {
	w.t.Helper()
	if w.tokens[email] == "" {
		if w.tokens == nil {
			w.tokens = map[string]string{}
		}
		w.tokens[email] = w.as(email).cookies[PlainCookie]
	}
	return w.tokens[email]
}

func signedInAt(base, email string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(
		chromedp.Navigate(base+"/sign-in"),
		chromedp.SetValue(chromedp.ID("email"), email),
		chromedp.SetValue(chromedp.ID("password"), password),
		chromedp.Submit(chromedp.ID("password")),
		chromedp.WaitReady(chromedp.ID("toasts")),
	)
}

func signedOut() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.ClearBrowserCookies, cdp.Empty{})
		return err
	})
}

func look(width, height int64, dark bool) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		theme := "light"
		if dark {
			theme = "dark"
		}
		if _, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
		return err
	})
}

func development(o *Options) { o.Development = true }
func demo(o *Options)        { o.Demo = true }

func setCookie(base, name, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: base})
		return err
	})
}
