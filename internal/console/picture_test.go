package console

import (
	"context"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var screens = flag.String("screens", "", "write pictures of every page into this folder")

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
	ctx, cancel = context.WithTimeout(ctx, 4*time.Minute)
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
	page, err := w.office.Customers(ctx, systemPerson, toll.CustomerQuery{Search: "Tyrell"})
	w.ok(err)
	_, err = w.office.Suspend(ctx, systemPerson, page.Customers[0].ID)
	w.ok(err)
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

// view is a page in a state worth looking at.
type view struct {
	name, email, path string
	then              chromedp.Action[chromedp.Void]
}

func click(selector, wait string) chromedp.Action[chromedp.Void] {
	return chromedp.Steps(chromedp.Click(chromedp.CSS(selector)), chromedp.WaitVisible(chromedp.CSS(wait)))
}

// views are all pages, each with its states that look different.
func (w *world) views() []view {
	key := "/keys/" + w.key.ID
	cus := "/customers/" + w.customer.ID
	return []view{
		{"sign-in", "", "/sign-in", nil},
		{"sign-in-wrong", "", "/sign-in", chromedp.Steps(
			chromedp.SetValue(chromedp.ID("email"), "owner@acme.example"), chromedp.SetValue(chromedp.ID("password"), "wrong"),
			chromedp.Submit(chromedp.ID("password")), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"overview", "owner@acme.example", "/overview", nil},
		{"overview-go", "owner@acme.example", "/overview?code=go", nil},
		{"overview-empty", "owner@initech.example", "/overview", nil},
		{"keys", "owner@acme.example", "/keys", nil},
		{"keys-empty", "owner@initech.example", "/keys", nil},
		{"keys-viewer", "viewer@acme.example", "/keys", nil},
		{"key-new", "owner@acme.example", "/keys/new", nil},
		{"key-new-wrong", "owner@acme.example", "/keys/new", chromedp.Steps(
			chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := chromedp.Evaluate[chromedp.Void](`document.querySelector("form.form").noValidate = true; document.querySelector("form.form button").click()`)(ctx, t)
				return err
			}), chromedp.WaitVisible(chromedp.CSS(".panel-bad")))},
		{"key-made", "owner@acme.example", "/keys/new", chromedp.Steps(chromedp.SetValue(chromedp.ID("name"), "deploy bot"), click("form.form button[type=submit]", ".secret"))},
		{"key-roll", "owner@acme.example", key + "/roll", nil},
		{"key-revoke-dialog", "owner@acme.example", "/keys", click(`a[href="`+key+`/revoke"]`, "dialog[open]")},
		{"usage", "owner@acme.example", "/usage", nil},
		{"usage-24h", "owner@acme.example", "/usage?range=24h", nil},
		{"usage-words", "owner@acme.example", "/usage?range=90d&unit=words", nil},
		{"usage-empty", "owner@initech.example", "/usage", nil},
		{"customers", "admin@house.example", "/customers", nil},
		{"customers-none", "admin@house.example", "/customers?q=zzz", nil},
		{"customer", "admin@house.example", cus, nil},
		{"customer-usage", "admin@house.example", cus + "/usage", nil},
		{"customer-suspend-dialog", "admin@house.example", cus, click(`a[href$="/suspend"]`, "dialog[open]")},
		{"not-found", "owner@acme.example", "/nowhere", nil},
		{"forbidden", "owner@acme.example", "/customers", nil},
		{"pieces", "owner@acme.example", "/dev/pieces", nil},
	}
}

func development(o *Options) { o.Development = true }
func demo(o *Options)        { o.Demo = true }

// Pictures of every page, to be looked at: go test -run TestPictures -screens DIR.
func TestPictures(t *testing.T) {
	if *screens == "" {
		t.Skip("no -screens DIR was given")
	}
	ctx := chromium(t)
	w, base := served(t, development, demo)
	if err := os.MkdirAll(*screens, 0o755); err != nil {
		t.Fatal(err)
	}
	email := "?"
	for _, v := range w.views() {
		if v.email != email {
			email = v.email
			w.ok(chromedp.Do(ctx, signedOut()))
			if email != "" {
				w.ok(chromedp.Do(ctx, look(1280, 800, false), signedInAt(base, email)))
			}
		}
		for _, size := range [][2]int64{{1280, 800}, {390, 844}} {
			for _, dark := range []bool{false, true} {
				theme := map[bool]string{false: "light", true: "dark"}[dark]
				name := filepath.Join(*screens, fmt.Sprintf("%s-%d-%s.png", v.name, size[0], theme))
				w.ok(chromedp.Do(ctx, look(size[0], size[1], dark), chromedp.Navigate(base+v.path)))
				if v.then != nil {
					if err := chromedp.Do(ctx, v.then); err != nil {
						t.Fatalf("%s: %v", v.name, err)
					}
				}
				png, err := chromedp.Run(ctx, shot(size[0] < 600 || v.name == "pieces" || v.name == "customer"))
				w.ok(err)
				w.ok(os.WriteFile(name, png, 0o644))
			}
		}
	}
}

// shot takes the picture of what is seen, or of the whole page.
func shot(whole bool) chromedp.Action[[]byte] {
	return func(ctx context.Context, t *chromedp.Target) ([]byte, error) {
		res, err := cdp.Call(ctx, t, cdppage.CaptureScreenshot, cdppage.CaptureScreenshotParams{Format: cdppage.CaptureScreenshotFormatPng, CaptureBeyondViewport: new(whole)})
		if err != nil {
			return nil, err
		}
		return res.Data, nil
	}
}

func setCookie(base, name, value string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: base})
		return err
	})
}
