package console

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var (
	screens = flag.String("screens", "", "write pictures of every page into this folder")
	only    = flag.String("only", "", "with -screens: only the pages whose names match this")
)

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
	wanted := regexp.MustCompile(*only)
	for _, v := range w.views() {
		if !wanted.MatchString(v.name) {
			continue
		}
		if v.email != email {
			email = v.email
			w.ok(chromedp.Do(ctx, signedOut()))
			if email != "" {
				w.ok(chromedp.Do(ctx, setCookie(base, PlainCookie, w.token(email))))
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
				png, err := chromedp.Run(ctx, shot(size[0] < 600 || v.name == "pieces" || v.name == "customer" || strings.HasPrefix(v.name, "plan")))
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
