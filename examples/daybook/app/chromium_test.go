package app_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/chromedp"
)

// TestIsUsedInARealBrowserWithoutJavaScript signs up, writes and reads in
// Chromium with scripts off, under a path, in both themes and at the widths of
// a phone and a desk, and looks for what the browser complains of. With
// DAYBOOK_PICTURES=DIR each page is kept as a picture, to be looked at.
func TestIsUsedInARealBrowserWithoutJavaScript(t *testing.T) {
	t.Parallel()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed")
	}
	h := newHouse(t, "/daybook")
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	browser, closeBrowser := chromedp.NewContext(allocator)
	defer closeBrowser()
	ctx, cancel := context.WithTimeout(browser, 2*time.Minute)
	defer cancel()

	var complaints []string
	err = chromedp.Listen(ctx, func(event any) {
		// The browser says of a 4xx page that it failed to load; that is meant.
		if e, ok := event.(*log.EventEntryAdded); ok && !strings.Contains(e.Entry.Text, "status of 4") {
			complaints = append(complaints, e.Entry.Text)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	run := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	// look takes the page in every theme and width, and fails when it is wider
	// than its window.
	look := func(name string) {
		t.Helper()
		for _, theme := range []string{"light", "dark"} {
			for width, size := range map[string][2]int64{"desk": {1280, 800}, "phone": {390, 844}} {
				run(chromedp.EmulateViewport(size[0], size[1]))
				if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}); err != nil {
					t.Fatal(err)
				}
				wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth`))
				if err != nil {
					t.Fatal(err)
				}
				picture, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
				if err != nil {
					t.Fatal(err)
				}
				if wide {
					t.Errorf("%s is wider than a %s", name, width)
				}
				if dir := os.Getenv("DAYBOOK_PICTURES"); dir != "" {
					if err := os.WriteFile(filepath.Join(dir, name+"-"+theme+"-"+width+".png"), picture, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	sees := func(selector, want string) {
		t.Helper()
		got, err := chromedp.Run(ctx, chromedp.Text(selector))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s shows %q, want %q", selector, got, want)
		}
	}

	if _, err := chromedp.Call(ctx, log.Enable, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	run(chromedp.Navigate(h.url+"/"), chromedp.WaitVisible(`input[name=password]`))
	look("sign-in")
	run(chromedp.SendKeys(`#email`, "ada@example.com"), chromedp.SendKeys(`#password`, "not the password\r"), chromedp.WaitVisible(`[role=alert]`))
	look("sign-in-wrong")
	run(chromedp.Click(`a[href$="/sign-up"]`), chromedp.WaitVisible(`#name`), chromedp.SendKeys(`#email`, "ada"), chromedp.Click(`main button`), chromedp.WaitVisible(`#name-wrong`))
	look("sign-up-wrong")
	run(chromedp.SendKeys(`#name`, "Ada Lovelace"), chromedp.SetValue(`#email`, "ada@example.com"), chromedp.SendKeys(`#password`, "a quiet morning\r"), chromedp.WaitVisible(`#note`))
	sees(`#state`, "Not saved yet")
	run(chromedp.SendKeys(`#note`, "Walked by the river before breakfast.\nSaw a heron, and two boys who had never seen one.\n\nIn the afternoon the proofs came: four pages to correct."), chromedp.Click(`.below button`), chromedp.WaitVisible(`.saved`))
	sees(`#state`, "Saved at 18:30")
	look("today")
	// The state turns once the note was changed and left, by style alone.
	run(chromedp.SendKeys(`#note`, " More."), chromedp.Focus(`.below button`), chromedp.WaitVisible(`.changed`), chromedp.WaitNotVisible(`.saved`))
	look("today-changed")
	run(chromedp.Click(`.below button`), chromedp.WaitVisible(`.saved`))
	for _, text := range []string{"Rain all day. Read.", "A letter from home, and " + strings.Repeat("a long story ", 20), "First frost."} {
		h.clock.pass(24 * time.Hour)
		run(chromedp.Navigate(h.url+"/"), chromedp.WaitVisible(`#note`), chromedp.SendKeys(`#note`, text), chromedp.Click(`.below button`), chromedp.WaitVisible(`.saved`))
	}
	run(chromedp.Click(`nav a[href$="/history"]`), chromedp.WaitVisible(`.days`))
	look("history")
	run(chromedp.Click(`.days li:last-child a`), chromedp.WaitVisible(`article`))
	sees(`article`, "Saw a heron")
	look("day")
	run(chromedp.Navigate(h.url+"/nothing"), chromedp.WaitVisible(`h1`))
	look("not-found")
	run(chromedp.Navigate(h.url+"/history"), chromedp.Click(`.leave button`), chromedp.WaitVisible(`#password`))
	// Back after signing out must not show the note again.
	run(chromedp.Navigate(h.url+"/history"), chromedp.WaitVisible(`#password`))
	for _, complaint := range complaints {
		t.Errorf("the browser complains: %s", complaint)
	}
}
