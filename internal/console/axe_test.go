package console

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// axe reads the accessibility checker from the folder of pinned npm packages.
func axe(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("assets/node_modules/axe-core/axe.min.js")
	if err != nil {
		missing(t, "axe-core is not installed: npm ci in internal/console/assets")
	}
	return string(src)
}

// violations runs axe on what the page is now, and gives one line for each
// element that breaks a rule.
func violations(ctx context.Context, src string) ([]string, error) {
	if err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[chromedp.Void]("window.axe || (() => {"+src+"})();void 0")(ctx, t)
		return err
	})); err != nil {
		return nil, err
	}
	return chromedp.Run(ctx, chromedp.Evaluate[[]string](`axe.run(document, {resultTypes: ["violations"]}).then(r =>
		r.violations.flatMap(v => v.nodes.map(n => v.id + " at " + n.target.join(" ") + ": " + n.failureSummary)))`, chromedp.EvalAwaitPromise))
}

// TestAxeFindsNothingOnAnyPageInEitherTheme looks at every view, in two private
// windows of one browser at once: a wide one and a phone's. A page is opened
// once in each, and turns dark where it stands.
func TestAxeFindsNothingOnAnyPageInEitherTheme(t *testing.T) {
	src := axe(t)
	browser := chromium(t)
	if err := chromedp.Do(browser, chromedp.Navigate("about:blank")); err != nil { // the browser must stand before it can open private windows
		t.Fatal(err)
	}
	t.Run("widths", func(t *testing.T) {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprint(width), func(t *testing.T) {
				t.Parallel()
				ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
				t.Cleanup(cancel)
				axeAtWidth(ctx, t, src, width)
			})
		}
	})
}

func axeAtWidth(ctx context.Context, t *testing.T, src string, width int64) {
	t.Helper()
	w, base := served(t, development, demo)
	for _, v := range w.views() {
		w.ok(chromedp.Do(ctx, signedOut(), look(width, 844, false)))
		if v.email != "" {
			w.ok(chromedp.Do(ctx, setCookie(base, PlainCookie, w.token(v.email))))
		}
		w.ok(chromedp.Do(ctx, chromedp.Navigate(base+v.path)))
		if v.then != nil {
			if err := chromedp.Do(ctx, v.then); err != nil {
				t.Fatalf("%s: %v", v.name, err)
			}
		}
		for _, dark := range []bool{false, true} {
			w.ok(chromedp.Do(ctx, look(width, 844, dark)))
			found, err := violations(ctx, src)
			if err != nil {
				t.Fatalf("%s: %v", v.name, err)
			}
			for _, f := range found {
				t.Errorf("%s (dark %v, %d px): %s", v.name, dark, width, f)
			}
		}
	}

	// The control: a checker that finds nothing must be able to find something.
	w.ok(chromedp.Do(ctx, setCookie(base, PlainCookie, w.token("owner@acme.example")), chromedp.Navigate(base+"/overview"), chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[chromedp.Void](`document.querySelector("h1").insertAdjacentHTML("afterend", "<img src='/assets/x.png'><input>")`)(ctx, t)
		return err
	})))
	found, err := violations(ctx, src)
	w.ok(err)
	if all := fmt.Sprint(found); !strings.Contains(all, "image-alt") || !strings.Contains(all, "label") {
		t.Errorf("the planted violations were not found: %v", found)
	}
}
