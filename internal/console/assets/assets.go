// Package assets holds what the browser needs besides the pages: the style
// sheet, htmx, the console's own script, the icons. They are built from src/
// and pinned npm packages by build.mjs, committed in dist/ and embedded, so
// that nobody needs Node to run or test the program.
//
// A file is served under a name that holds a hash of its content, so it may be
// kept for ever; a new version has a new name.
package assets

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
)

//go:embed dist/console.css* dist/console.js* dist/htmx.js* dist/favicon.svg* dist/icons.svg
var dist embed.FS

// Prefix is where the files are served.
const Prefix = "/assets/"

var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// file is one asset with its compressed forms.
type file struct {
	contentType         string
	plain, gzip, brotli []byte
}

// Set is the embedded files under their hashed names. It is not changed after
// Load, and safe for concurrent use.
type Set struct {
	files   map[string]file   // by hashed name
	urls    map[string]string // by plain name
	sprite  string
	version string
}

// Load reads the embedded files.
func Load() (*Set, error) {
	s := &Set{files: map[string]file{}, urls: map[string]string{}}
	all := sha256.New()
	for _, name := range []string{"console.css", "console.js", "htmx.js", "favicon.svg"} {
		var f file
		for ext, into := range map[string]*[]byte{"": &f.plain, ".gz": &f.gzip, ".br": &f.brotli} {
			b, err := dist.ReadFile("dist/" + name + ext)
			if err != nil {
				return nil, fmt.Errorf("reading the embedded asset %s: %w", name+ext, err)
			}
			*into = b
		}
		sum := sha256.Sum256(f.plain)
		all.Write(sum[:])
		ext := path.Ext(name)
		f.contentType = types[ext]
		hashed := strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(sum[:5]) + ext
		s.files[hashed] = f
		s.urls[name] = Prefix + hashed
	}
	sprite, err := dist.ReadFile("dist/icons.svg")
	if err != nil {
		return nil, fmt.Errorf("reading the embedded icons: %w", err)
	}
	s.sprite = strings.TrimSpace(string(sprite))
	all.Write(sprite)
	s.version = hex.EncodeToString(all.Sum(nil)[:6])
	return s, nil
}

// URL returns where the file of a plain name ("console.css") is served. It
// panics for a name that is not there: a page that asks for one is wrong.
func (s *Set) URL(name string) string {
	u, ok := s.urls[name]
	if !ok {
		panic("assets: no file named " + name)
	}
	return u
}

// Sprite returns the icons as one hidden SVG, to stand once in a whole page.
func (s *Set) Sprite() string { return s.sprite }

// Version names the content of all files together.
func (s *Set) Version() string { return s.version }

// ServeHTTP answers with a file in the best form that the client takes
// (brotli, gzip, plain). An unknown name is 404.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	f, ok := s.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Vary", "Accept-Encoding")
	body, encoding := f.plain, ""
	switch {
	case accepts(r, "br"):
		body, encoding = f.brotli, "br"
	case accepts(r, "gzip"):
		body, encoding = f.gzip, "gzip"
	}
	tag := `"` + name + `"`
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
		tag = `"` + name + "." + encoding + `"`
	}
	h.Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// accepts tells whether the client takes an encoding (RFC 9110 section
// 12.5.3): named, and not with a weight of zero.
func accepts(r *http.Request, encoding string) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), encoding) {
			continue
		}
		q, isWeight := strings.CutPrefix(strings.TrimSpace(params), "q=")
		if !isWeight {
			return true
		}
		weight, err := strconv.ParseFloat(q, 64)
		return err == nil && weight > 0
	}
	return false
}
