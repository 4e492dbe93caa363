package hx

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

func TestTakesPathsOfThisSiteOnly(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/": "/", "/notes?q=a&b=c#d": "/notes?q=a&b=c#d", "/a//b": "/a//b", "/é": "/%C3%A9", "/x?next=//y": "/x?next=//y", "/.well-known/x": "/.well-known/x",
	} {
		if got, err := LocalPath(in); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	for _, evil := range []string{
		"", "notes", "//evil", "///evil", `/\evil`, `\\evil`, "https://evil", "https:evil", "/\t/evil", "/\n/evil", " //evil", "/ /evil", "/%09/evil", "/%0a", "/.//evil", "/./", "/..//evil", "/a/..//evil",
		"/%2e%2e//evil", "/%2F/evil", "/%5Cevil", "javascript:alert(1)", "/\x00", "/" + strings.Repeat("x", 3000), "/%zz",
	} {
		if got, err := LocalPath(evil); err == nil {
			t.Errorf("%q is taken, as %q", evil, got)
		}
	}
}

func FuzzLocalPath(f *testing.F) {
	for _, s := range []string{"/", "//evil", `/\evil`, "/a/../b", "/%2e/x", "/é?ü", "/\t/evil", "/a;b", "/?#", "/" + strings.Repeat("é", 500)} {
		f.Add(s)
	}
	base, err := url.Parse("https://own.example/at/here")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := LocalPath(s)
		if err != nil {
			return
		}
		// What a browser makes of it.
		u, err := url.Parse(strings.ReplaceAll(path, `\`, "/"))
		if err != nil {
			t.Fatalf("%q became %q, which cannot be read", s, path)
		}
		at := base.ResolveReference(u)
		if at.Host != "own.example" || at.Scheme != "https" || strings.HasPrefix(at.Path, "//") {
			t.Errorf("%q leads to %s", s, at)
		}
		again, err := LocalPath(path)
		if err != nil || again != path {
			t.Errorf("%q: not the same the second time: %q, %v", path, again, err)
		}
		w := httptest.NewRecorder()
		http.Redirect(w, httptest.NewRequest("GET", "/", nil), path, http.StatusSeeOther)
		if to := w.Header().Get("Location"); !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") {
			t.Errorf("net/http makes %q of %q", to, path)
		}
	})
}
