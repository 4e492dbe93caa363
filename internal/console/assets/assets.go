// Package assets holds what the browser needs besides the pages: the style
// sheet, htmx, the console's own script, the icons. They are built from src/
// and pinned npm packages by build.mjs, committed in dist/ and embedded, so
// that nobody needs Node to run or test the program.
package assets

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/tollhouse/tollhouse/hx"
)

//go:embed dist/console.css* dist/console.js* dist/passkeys.js* dist/htmx.js* dist/favicon.svg*
var dist embed.FS

//go:embed dist/icons.svg
var icons string

// Prefix is where the files are served.
const Prefix = "/assets/"

// Load reads the embedded files, each under a name that holds a hash of its
// content, compressed as the build left them.
func Load() (*hx.Assets, error) {
	files, err := fs.Sub(dist, "dist")
	if err != nil {
		return nil, fmt.Errorf("opening the embedded assets: %w", err)
	}
	set, err := hx.NewAssets(files, hx.AssetOptions{Prefix: Prefix, AsBuilt: true})
	if err != nil {
		return nil, fmt.Errorf("reading the embedded assets: %w", err)
	}
	return set, nil
}

// Sprite returns the icons as one hidden SVG, to stand once in a whole page.
func Sprite() string { return strings.TrimSpace(icons) }
