package hx

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// AssetOptions say where files are served.
type AssetOptions struct {
	// Prefix is the path below which they are served, with a slash at both
	// ends: "/assets/" if "".
	Prefix string
	// CDN is the base URL that pages take them from instead, an https:// origin
	// with or without a path ("https://cdn.example.com/app"), which fetches from
	// Prefix here and adds no path of its own. "" is this server. Policy allows it.
	CDN string
	// AsBuilt makes no compressed forms: those that the build gave are all that
	// there are, and a start compresses nothing.
	AsBuilt bool
	// Join makes files of others, so that a page asks once: "all.js" of
	// {"htmx.js", "app.js"}, in that order. Scripts share one scope then, as
	// classic scripts do anyway; what one throws stops those behind it. The
	// others stay there under their own names.
	Join map[string][]string
}

// Assets are files (style sheets, scripts, fonts) under names that hold a hash
// of their content: a browser keeps them for ever, and a new version has a new
// name. Each is held in the forms that clients take: zstd, brotli, gzip and
// plain. It is not changed after NewAssets, and safe for concurrent use.
type Assets struct {
	prefix  string
	base    string // what URL begins with
	cdn     string // origin, "" if none
	files   map[string]*asset
	hashed  map[string]*asset
	version string
}

type asset struct {
	name, hashed string
	contentType  string
	tag          string
	integrity    string
	plain        []byte
	packed       []packed // smaller than plain, the smallest first
}

// NewAssets reads all files of a folder. Beside "app.css", a file "app.css.br",
// "app.css.gz" or "app.css.zst" is its compressed form and is served as it is;
// forms that are missing are made, for types that compress, unless AsBuilt is set. It fails for a
// file that cannot be read, a compressed form that does not hold what its file
// holds (it is from an older build), and an option that is no path or URL.
func NewAssets(files fs.FS, o AssetOptions) (*Assets, error) {
	if o.Prefix == "" {
		o.Prefix = "/assets/"
	}
	if _, err := LocalPath(o.Prefix); err != nil || !strings.HasSuffix(o.Prefix, "/") || strings.ContainsAny(o.Prefix, "?#%") {
		return nil, fmt.Errorf("hx: the prefix of assets must be a path such as /assets/, not %q", o.Prefix)
	}
	a := &Assets{prefix: o.Prefix, base: o.Prefix, files: map[string]*asset{}, hashed: map[string]*asset{}}
	if o.CDN != "" {
		u, err := url.Parse(o.CDN)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(o.CDN, ";, '\"<>") {
			return nil, fmt.Errorf("hx: the CDN of assets must be an https:// URL without query, not %q", o.CDN)
		}
		a.cdn = "https://" + u.Host
		a.base = strings.TrimSuffix(o.CDN, "/") + o.Prefix
	}
	given := map[string][]byte{}
	var names []string // WalkDir's order is sorted
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if given[name], err = fs.ReadFile(files, name); err == nil {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("hx: reading assets: %w", err)
	}
	made, err := join(given, o.Join)
	if err != nil {
		return nil, err
	}
	names = append(names, made...)
	slices.Sort(names)
	all := sha256.New()
	for _, name := range names {
		if isPackedFormOf(name, given) {
			continue
		}
		f, err := newAsset(name, given, o.AsBuilt)
		if err != nil {
			return nil, err
		}
		a.files[name], a.hashed[f.hashed] = f, f
		all.Write([]byte(name + "\x00" + f.hashed + "\x00"))
	}
	if len(a.files) == 0 {
		return nil, errors.New("hx: there are no assets in that folder")
	}
	a.version = hex.EncodeToString(all.Sum(nil)[:8])
	return a, nil
}

func newAsset(name string, given map[string][]byte, asBuilt bool) (*asset, error) {
	plain := given[name]
	sum := sha256.Sum256(plain)
	ext := path.Ext(name)
	short := hex.EncodeToString(sum[:8])
	f := &asset{
		name:        name,
		hashed:      strings.TrimSuffix(name, ext) + "-" + short + ext,
		contentType: typeOf(ext, plain),
		tag:         short,
		integrity:   "sha256-" + base64.StdEncoding.EncodeToString(sum[:]),
		plain:       plain,
	}
	var err error
	if f.packed, err = pack(name, plain, given, !asBuilt && compresses(f.contentType)); err != nil {
		return nil, err
	}
	return f, nil
}

// typeOf does not depend on what the machine's own tables say of web types.
func typeOf(ext string, content []byte) string {
	switch ext {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".woff2":
		return "font/woff2"
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".wasm":
		return "application/wasm"
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return http.DetectContentType(content)
}

// URL is where pages take a file from, by its own name ("app.css",
// "fonts/inter.woff2"). It panics for a name that is not there: such a page is
// wrong on each request, and is found by its first test.
func (a *Assets) URL(name string) string { return a.base + escapePath(a.get(name).hashed) }

// URLUnder is URL for a site that the browser knows under a root (see
// Options.Root), "" for none. What a CDN serves has no root.
func (a *Assets) URLUnder(root, name string) string {
	if a.cdn != "" {
		return a.URL(name)
	}
	return root + a.URL(name)
}

// Integrity is the value for an integrity attribute (Subresource Integrity),
// which a file from a CDN should have, with crossorigin="anonymous". It panics
// as URL does.
func (a *Assets) Integrity(name string) string { return a.get(name).integrity }

func (a *Assets) get(name string) *asset {
	f := a.files[name]
	if f == nil {
		panic("hx: there is no asset named " + name)
	}
	return f
}

// Version names the content of all files together.
func (a *Assets) Version() string { return a.version }

// Prefix is the path below which the files are served.
func (a *Assets) Prefix() string { return a.prefix }

// ServeHTTP answers a file in the smallest form that the client takes (RFC 9110
// section 12.5.3). Under its hashed name it is kept for ever (Immutable); under
// its own, which a relative url() of a style sheet leads to, it is asked for
// again each time. Everything else is 404.
func (a *Assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, a.prefix)
	f, rule := a.hashed[name], Immutable
	if f == nil {
		f, rule = a.files[name], Public(0, 0)
	}
	h := w.Header()
	switch {
	case !ok || f == nil:
		h.Set("Cache-Control", NoStore.String()) // it may be there after the next deploy
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "A file is read by GET.", http.StatusMethodNotAllowed)
		return
	}
	h.Set("Content-Type", f.contentType)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", rule.String())
	if a.cdn != "" { // a page of another origin checks integrity, and loads fonts
		h.Set("Access-Control-Allow-Origin", "*")
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	}
	if len(f.packed) > 0 {
		addVary(h, "Accept-Encoding")
	}
	p := choose(f.packed, r.Header.Values("Accept-Encoding"))
	if p == nil {
		h.Set("ETag", `"`+f.tag+`"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.plain))
		return
	}
	tag := `"` + f.tag + "." + p.encoding + `"`
	h.Set("ETag", tag)
	if matchesETag(r.Header.Get("If-None-Match"), tag) {
		h.Del("Content-Type")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h.Set("Content-Encoding", p.encoding)
	h.Set("Content-Length", strconv.Itoa(len(p.body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(p.body)
	}
}

func escapePath(name string) string { return (&url.URL{Path: name}).EscapedPath() }
