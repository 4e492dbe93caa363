package hx

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var style = []byte(strings.Repeat("body { color: black; background: url(fonts/a.woff2) }\n", 200))

func assets(t *testing.T, o AssetOptions, more fstest.MapFS) *Assets {
	t.Helper()
	files := fstest.MapFS{
		"app.css":        {Data: style},
		"fonts/a.woff2":  {Data: bytes.Repeat([]byte{1, 2, 3}, 1000)},
		"small.js":       {Data: []byte("1")},
		"a b/ü.svg":      {Data: []byte("<svg/>")},
		"archive.tar.gz": {Data: []byte("no form of another file")},
	}
	for k, v := range more {
		files[k] = v
	}
	a, err := NewAssets(files, o)
	must(t, err)
	return a
}

func fetched(a http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestAssetsAreKeptForEverUnderTheirHash(t *testing.T) {
	t.Parallel()
	a := assets(t, AssetOptions{}, nil)
	url := a.URL("app.css")
	if !strings.HasPrefix(url, "/assets/app-") || !strings.HasSuffix(url, ".css") {
		t.Fatal(url)
	}
	for encoding, decode := range map[string]func(io.Reader) (io.Reader, error){
		"zstd": func(r io.Reader) (io.Reader, error) { return zstd.NewReader(r) },
		"br":   func(r io.Reader) (io.Reader, error) { return brotli.NewReader(r), nil },
		"gzip": func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
		"":     func(r io.Reader) (io.Reader, error) { return r, nil },
	} {
		w := fetched(a, url, "Accept-Encoding", encoding)
		h := w.Header()
		if h.Get("Content-Encoding") != encoding || h.Get("Cache-Control") != "public, max-age=31536000, immutable" || h.Get("Vary") != "Accept-Encoding" || h.Get("Content-Type") != "text/css; charset=utf-8" {
			t.Errorf("%q: %v", encoding, h)
		}
		r, err := decode(w.Body)
		must(t, err)
		if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, style) {
			t.Errorf("%q: %d bytes, %v", encoding, len(got), err)
		}
		if w := fetched(a, url, "Accept-Encoding", encoding, "If-None-Match", h.Get("ETag")); w.Code != http.StatusNotModified || w.Body.Len() > 0 {
			t.Errorf("%q, asked again: %d", encoding, w.Code)
		}
	}
	if w := fetched(a, "/assets/app.css"); w.Code != 200 || w.Header().Get("Cache-Control") != "public, max-age=0" {
		t.Errorf("under its own name: %d %v", w.Code, w.Header())
	}
	if w := fetched(a, a.URL("a b/ü.svg")); w.Code != 200 {
		t.Errorf("%s: %d", a.URL("a b/ü.svg"), w.Code)
	}
	for _, none := range []string{"/assets/", "/assets/none.css", "/assets/app.css.br", "/other", "/assets/../app.css"} {
		if w := fetched(a, none); w.Code != 404 || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d %v", none, w.Code, w.Header())
		}
	}
	changed := assets(t, AssetOptions{}, fstest.MapFS{"app.css": {Data: []byte("p{}")}})
	if changed.URL("app.css") == url || changed.Version() == a.Version() || changed.URL("small.js") != a.URL("small.js") {
		t.Error("a changed file must have another name, and no other file")
	}
	if w := fetched(a, url, "Range", "bytes=0-3"); w.Code != 206 || w.Body.String() != "body" {
		t.Errorf("a range: %d %q", w.Code, w.Body)
	}
}

func TestTakesCompressedFormsThatAreGiven(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	z := brotli.NewWriterLevel(&b, 4)
	_, _ = z.Write(style)
	must(t, z.Close())
	a := assets(t, AssetOptions{}, fstest.MapFS{"app.css.br": {Data: b.Bytes()}})
	if w := fetched(a, a.URL("app.css"), "Accept-Encoding", "br"); !bytes.Equal(w.Body.Bytes(), b.Bytes()) {
		t.Error("the given form is not served")
	}
	for name, data := range map[string][]byte{"app.css.br": []byte("rubbish"), "app.css.gz": b.Bytes(), "app.css.zst": nil, "small.js.br": b.Bytes()} {
		files := fstest.MapFS{"app.css": {Data: style}, "small.js": {Data: []byte("1")}, name: {Data: data}}
		if _, err := NewAssets(files, AssetOptions{}); err == nil {
			t.Errorf("%s of another build is taken", name)
		}
	}
}

func TestAssetsOfACDNAreAllowedByThePolicy(t *testing.T) {
	t.Parallel()
	a := assets(t, AssetOptions{CDN: "https://cdn.example/app"}, nil)
	if url := a.URL("app.css"); !strings.HasPrefix(url, "https://cdn.example/app/assets/app-") {
		t.Error(url)
	}
	if !strings.HasPrefix(a.Integrity("app.css"), "sha256-") {
		t.Error(a.Integrity("app.css"))
	}
	if w := fetched(a, "/assets/app.css"); w.Header().Get("Access-Control-Allow-Origin") != "*" {
		t.Error("a page of this site cannot check what comes from the CDN")
	}
	p, err := NewPolicy(map[string][]string{"img-src": {"data:"}, "frame-ancestors": {"'self'"}}, a)
	must(t, err)
	if want := "default-src 'self'; base-uri 'none'; font-src 'self' https://cdn.example; form-action 'self'; frame-ancestors 'self'; img-src 'self' https://cdn.example data:; object-src 'none'; script-src 'self' https://cdn.example; style-src 'self' https://cdn.example"; p.String() != want {
		t.Errorf("%s\nwant %s", p, want)
	}
	p, err = NewPolicy(nil, assets(t, AssetOptions{}, nil))
	must(t, err)
	if want := "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"; p.String() != want {
		t.Errorf("%s\nwant %s", p, want)
	}
	for _, wrong := range []string{"a; script-src *", "a b", "", "a,b", "é"} {
		if _, err := NewPolicy(map[string][]string{"img-src": {wrong}}); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	for _, wrong := range []AssetOptions{{CDN: "http://cdn.example"}, {CDN: "https://u@cdn.example"}, {CDN: "https://cdn.example;x"}, {CDN: "//cdn.example"}, {Prefix: "assets"}, {Prefix: "//evil/"}, {Prefix: "/a?b/"}} {
		if _, err := NewAssets(fstest.MapFS{"a": {}}, wrong); err == nil {
			t.Errorf("%+v is taken", wrong)
		}
	}
}

func TestChoosesTheFormThatIsAskedForMost(t *testing.T) {
	t.Parallel()
	forms := []packed{{"br", nil}, {"zstd", nil}, {"gzip", nil}} // the smallest first
	for accept, want := range map[string]string{
		"": "", "gzip": "gzip", "gzip, br": "br", "GZIP;q=1.0, br;q=0.5": "gzip", "br;q=0, *": "zstd", "*": "br", "identity": "", "br;q=0.1, identity;q=0.5": "",
		"gzip;q=x": "", "zstd ; q=0.8 ,br;q=0.8": "br", "*;q=0": "", "identity;q=0, gzip": "gzip", "br;level=3": "",
	} {
		got := ""
		if p := choose(forms, []string{accept}); p != nil {
			got = p.encoding
		}
		if got != want {
			t.Errorf("%q: %q, want %q", accept, got, want)
		}
	}
}

func FuzzAcceptEncoding(f *testing.F) {
	for _, s := range []string{"br, gzip;q=0.5", "*;q=0", ";;,", "q=1", "br;q=NaN", "br;q=1e9", "br;q=-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, coding := range []string{"br", "identity"} {
			if weight, _ := weightOf([]string{s}, coding); !(weight >= 0 && weight <= 1) {
				t.Errorf("%q: %v", s, weight)
			}
		}
		if !strings.Contains(s, "*") && !strings.Contains(strings.ToLower(s), "br") && choose([]packed{{"br", nil}}, []string{s}) != nil {
			t.Errorf("%q asks for no br", s)
		}
	})
}

func TestWithAsBuiltOnlyWhatTheBuildGaveIsThere(t *testing.T) {
	t.Parallel()
	plain := strings.Repeat("h1 { color: teal }\n", 100)
	var br bytes.Buffer
	w := brotli.NewWriter(&br)
	_, err := w.Write([]byte(plain))
	must(t, errors.Join(err, w.Close()))
	for _, asBuilt := range []bool{false, true} {
		a, err := NewAssets(fstest.MapFS{"app.css": {Data: []byte(plain)}, "app.css.br": {Data: br.Bytes()}}, AssetOptions{AsBuilt: asBuilt})
		must(t, err)
		for accept, want := range map[string]string{"br": "br", "gzip": map[bool]string{true: "", false: "gzip"}[asBuilt]} {
			r := httptest.NewRequestWithContext(t.Context(), "GET", a.URL("app.css"), nil)
			r.Header.Set("Accept-Encoding", accept)
			got := httptest.NewRecorder()
			a.ServeHTTP(got, r)
			if is := got.Header().Get("Content-Encoding"); is != want {
				t.Errorf("AsBuilt %v for %q: encoded as %q, want %q", asBuilt, accept, is, want)
			}
		}
	}
}
