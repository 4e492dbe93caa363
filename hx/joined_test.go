package hx_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tollhouse/tollhouse/hx"
)

func TestMakesOneFileOfMany(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"a.js": {Data: []byte("let a = 1 // no end")}, "b.js": {Data: []byte("(() => a)()")}, "a.css": {Data: []byte("a{}")}, "b.css": {Data: []byte("b{}")}}
	join := map[string][]string{"all.js": {"a.js", "b.js"}, "all.css": {"b.css", "a.css"}}
	a, err := hx.NewAssets(files, hx.AssetOptions{Join: join})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"all.js": "let a = 1 // no end\n;\n(() => a)()\n;\n", "all.css": "b{}\na{}\n", "a.js": "let a = 1 // no end"} {
		w := httptest.NewRecorder()
		a.ServeHTTP(w, httptest.NewRequest("GET", a.URL(name), nil))
		if w.Body.String() != want || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %q", name, w.Code, w.Body)
		}
	}
	before := a.URL("all.js")
	files["b.js"] = &fstest.MapFile{Data: []byte("changed()")}
	b, err := hx.NewAssets(files, hx.AssetOptions{Join: join})
	if err != nil {
		t.Fatal(err)
	}
	if b.URL("all.js") == before || b.URL("all.css") != a.URL("all.css") || b.Version() == a.Version() {
		t.Errorf("a part changed; all.js was %s and is %s", before, b.URL("all.js"))
	}
	if got := b.URLUnder("/app", "all.css"); got != "/app"+b.URL("all.css") {
		t.Errorf("under a root: %s", got)
	}
	c, err := hx.NewAssets(files, hx.AssetOptions{CDN: "https://cdn.example.com", Join: join})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.URLUnder("/app", "all.css"); got != c.URL("all.css") {
		t.Errorf("from a CDN, under a root: %s", got)
	}
}

func TestRefusesAJoinThatCannotBeMeant(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{"a.js": {Data: []byte("a")}, "a.css": {Data: []byte("a{}")}}
	for name, join := range map[string]map[string][]string{
		"a file that is there":   {"a.js": {"a.js"}},
		"a part that is missing": {"all.js": {"b.js"}},
		"a part of another type": {"all.js": {"a.css"}},
		"a join of joins":        {"b.js": {"a.js"}, "c.js": {"b.js"}},
		"nothing":                {"all.js": {}},
	} {
		if _, err := hx.NewAssets(files, hx.AssetOptions{Join: join}); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
