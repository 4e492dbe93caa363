package hxtest_test

import (
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/hx/hxtest"
)

// byHand is a site that keeps the rules without package hx, and breaks them one
// at a time: mistake names which.
type byHand struct {
	mistake string

	mu   sync.Mutex
	made int
	done map[string]bool
}

const secretText = "password of the database"

func (b *byHand) is(mistake string) bool { return b.mistake == mistake }

func (b *byHand) partial(r *http.Request) bool {
	h := r.Header
	switch {
	case h.Get("HX-Request") != "true" && !b.is("fragment without HX-Request"):
		return false
	case h.Get("HX-Request") != "true":
		return h.Get("HX-History-Restore-Request") == ""
	case h.Get("HX-History-Restore-Request") == "true":
		return b.is("fragment for a restore")
	case h.Get("HX-Boosted") == "true" && h.Get("HX-Request-Type") == "":
		return b.is("fragment for a boosted link")
	}
	return h.Get("HX-Request-Type") != "full" || b.is("fragment for what htmx 4 calls full")
}

func (b *byHand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !b.is("no Vary") {
		w.Header().Set("Vary", "HX-Request, HX-Request-Type, HX-Boosted, HX-Target, HX-History-Restore-Request")
	}
	if b.is("Vary without HX-Target") {
		w.Header().Set("Vary", "HX-Request, HX-Request-Type, HX-Boosted, HX-History-Restore-Request")
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	switch r.URL.Path {
	case "/notes":
		if r.Method == http.MethodPost {
			b.add(w, r)
			return
		}
		content := "<ul><li>one</li></ul>"
		if r.Header.Get("HX-Target") == "notes" || strings.HasSuffix(r.Header.Get("HX-Target"), "#notes") {
			content = "<li>one</li>"
		}
		if b.is("echoes HX-Target") {
			content += r.Header.Get("HX-Target")
		}
		b.send(w, r, 200, content)
	case "/private":
		if !b.enter(w, r) {
			return
		}
		b.send(w, r, 200, "<p>private</p>")
	case "/gone":
		b.send(w, r, 404, "<p>gone</p>")
	case "/boom":
		if b.is("panic escapes") {
			panic(secretText)
		}
		text := "<p>Something went wrong.</p>"
		if b.is("shows the cause") {
			text = secretText
		}
		b.send(w, r, 500, text)
	case "/after":
		to := r.URL.Query().Get("next")
		if !b.is("follows next") && (!strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\t%.")) {
			to = "/notes"
		}
		b.lead(w, r, to)
	}
}

func (b *byHand) enter(w http.ResponseWriter, r *http.Request) bool {
	c, err := r.Cookie("session")
	if err == nil && c.Value == "good" || b.is("lets all in") || b.is("lets htmx in") && r.Header.Get("HX-Request") == "true" {
		return true
	}
	w.Header().Set("Cache-Control", "no-store")
	to := "/sign-in"
	if b.is("repeats HX-Current-URL") && r.Header.Get("HX-Current-URL") != "" {
		to += "?next=" + r.Header.Get("HX-Current-URL")
	}
	restore := r.Header.Get("HX-History-Restore-Request") == "true"
	if r.Header.Get("HX-Request") == "true" && (!restore || b.is("HX-Redirect for a restore")) && !b.is("303 to sign-in for a fragment") {
		w.Header().Set("HX-Redirect", to)
		w.WriteHeader(http.StatusUnauthorized)
		return false
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return false
}

func (b *byHand) lead(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	if b.partial(r) && !b.is("303 for a fragment") {
		w.Header().Set("HX-Redirect", to)
		return
	}
	status := http.StatusSeeOther
	if b.is("307 after a form") {
		status = http.StatusTemporaryRedirect
	}
	w.Header().Set("Location", to)
	w.WriteHeader(status)
}

func (b *byHand) add(w http.ResponseWriter, r *http.Request) {
	token := r.PostFormValue("token")
	b.mu.Lock()
	if b.done == nil {
		b.done = map[string]bool{}
	}
	if !b.done[token] || b.is("does it twice") {
		b.made++
	} else if b.is("refuses the second") {
		b.mu.Unlock()
		b.send(w, r, 409, "<p>sent already</p>")
		return
	}
	b.done[token] = true
	b.mu.Unlock()
	b.lead(w, r, "/notes")
}

func (b *byHand) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.made
}

func (b *byHand) send(w http.ResponseWriter, r *http.Request, status int, content string) {
	partial := b.partial(r)
	body := content
	if !partial && !b.is("no page") || b.is("page inside a fragment") || status >= 400 && b.is("error page inside a fragment") {
		body = "<!doctype html><html><head><title>x</title></head><body>" + content + "</body></html>"
	}
	if status >= 400 && partial && b.is("empty error") {
		body = ""
	}
	if status < 400 && partial && b.is("empty fragment") {
		body = " "
	}
	h := w.Header()
	switch {
	case status >= 400:
		if !b.is("error may be kept") {
			h.Set("Cache-Control", "no-store")
		}
		if r.Header.Get("HX-Request") == "true" && !b.is("error changes the address") {
			h.Set("HX-Push-Url", "false")
		}
		if partial && b.is("200 for a fragment's error") {
			status = 200
		}
	case b.is("says nothing of caches"):
	case b.is("public with a session"):
		h.Set("Cache-Control", "public, max-age=60")
	case b.is("public with a cookie"):
		h.Set("Cache-Control", "public, max-age=60")
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
	default:
		h.Set("Cache-Control", "private, no-cache")
	}
	if status == 200 && r.Method != http.MethodPost {
		tag := fmt.Sprintf(`"%x"`, sha256.Sum256([]byte(body)))
		if b.is("one ETag for both forms") {
			tag = `"7"`
		}
		h.Set("ETag", tag)
		if r.Header.Get("If-None-Match") == tag && !b.is("ETag that is never confirmed") {
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	if r.Method == http.MethodHead && b.is("no HEAD") {
		status = http.StatusMethodNotAllowed
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		fmt.Fprint(w, body)
	}
}

// examine asks for all routes of the site.
func (b *byHand) examine() []hxtest.Finding {
	tokens := 0
	public := hxtest.Examine(hxtest.App{Handler: b},
		hxtest.Route{Path: "/notes", Target: "notes"},
		hxtest.Route{Path: "/gone", Status: 404},
		hxtest.Route{Path: "/boom", Status: 500, Secret: secretText},
		hxtest.Route{Path: "/after?next=/notes", Redirects: true, Next: "next"},
		hxtest.Route{Path: "/notes", Redirects: true, Once: true, Effects: b.count, Form: func() url.Values {
			tokens++
			return url.Values{"token": {fmt.Sprint(tokens)}, "text": {"hello"}}
		}},
	)
	gated := hxtest.Examine(hxtest.App{Handler: b, SignInPath: "/sign-in",
		SignIn: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "good"}) },
		Expire: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "old"}) },
	}, hxtest.Route{Path: "/private"})
	return append(public, gated...)
}

func TestFindsNothingInASiteThatKeepsTheRules(t *testing.T) {
	t.Parallel()
	for _, f := range (&byHand{}).examine() {
		t.Error(f)
	}
}

func TestFindsEachMistake(t *testing.T) {
	t.Parallel()
	found := map[hxtest.Rule]bool{}
	for _, wrong := range []struct {
		mistake string
		rule    hxtest.Rule
	}{
		{"no page", hxtest.Page},
		{"fragment for a restore", hxtest.Page},
		{"fragment for a boosted link", hxtest.Page},
		{"fragment for what htmx 4 calls full", hxtest.Page},
		{"fragment without HX-Request", hxtest.Page},
		{"page inside a fragment", hxtest.Fragment},
		{"empty fragment", hxtest.Fragment},
		{"no Vary", hxtest.Vary},
		{"Vary without HX-Target", hxtest.Vary},
		{"one ETag for both forms", hxtest.ETag},
		{"ETag that is never confirmed", hxtest.ETag},
		{"200 for a fragment's error", hxtest.Status},
		{"error page inside a fragment", hxtest.Failure},
		{"empty error", hxtest.Failure},
		{"error may be kept", hxtest.Failure},
		{"error changes the address", hxtest.Failure},
		{"303 for a fragment", hxtest.Redirect},
		{"307 after a form", hxtest.Redirect},
		{"follows next", hxtest.Next},
		{"lets all in", hxtest.Expired},
		{"303 to sign-in for a fragment", hxtest.Expired},
		{"HX-Redirect for a restore", hxtest.Expired},
		{"lets htmx in", hxtest.Forged},
		{"echoes HX-Target", hxtest.Forged},
		{"repeats HX-Current-URL", hxtest.Forged},
		{"does it twice", hxtest.Once},
		{"refuses the second", hxtest.Once},
		{"public with a session", hxtest.Cache},
		{"public with a cookie", hxtest.Cache},
		{"says nothing of caches", hxtest.Cache},
		{"no HEAD", hxtest.Head},
		{"panic escapes", hxtest.Panic},
		{"shows the cause", hxtest.Leak},
	} {
		findings := (&byHand{mistake: wrong.mistake}).examine()
		if !slices.ContainsFunc(findings, func(f hxtest.Finding) bool { return f.Rule == wrong.rule }) {
			t.Errorf("%s: the rule %q is not seen to be broken; found %v", wrong.mistake, wrong.rule, findings)
		}
		found[wrong.rule] = true
		if len(findings) > 0 {
			t.Logf("%s:\n\t%s", wrong.mistake, findings[0])
		}
	}
	for _, rule := range rules(t) {
		if !found[rule] {
			t.Errorf("no handler breaks the rule %q", rule)
		}
	}
}

// rules are those that the package names: the constants of type Rule.
func rules(t *testing.T) (all []hxtest.Rule) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "app.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.ValueSpec)
		if !is {
			return true
		}
		if name, is := spec.Type.(*ast.Ident); is && name.Name == "Rule" {
			text, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, hxtest.Rule(text))
		}
		return true
	})
	if len(all) < 15 {
		t.Fatalf("only the rules %q are seen", all)
	}
	return all
}

func TestLetsAFragmentFollowWhereItMay(t *testing.T) {
	t.Parallel()
	route := hxtest.Route{Path: "/after?next=/notes", Redirects: true, Followed: true}
	hxtest.Check(t, hxtest.App{Handler: &byHand{mistake: "303 for a fragment"}}, route)
	for name, to := range map[string]string{"an error": "/gone", "another site": "//evil.example"} {
		route.Path = "/after?next=" + to
		b := &byHand{mistake: "303 for a fragment"}
		h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/after" {
				b.lead(w, r, to)
				return
			}
			b.ServeHTTP(w, r)
		})
		if len(hxtest.Examine(hxtest.App{Handler: h}, route)) == 0 {
			t.Errorf("a fragment is led to %s", name)
		}
	}
}

func TestLooksAtTheVersionsThatAreUsed(t *testing.T) {
	t.Parallel()
	two := &byHand{mistake: "fragment for a boosted link"} // htmx 2 only does not say so itself
	route := hxtest.Route{Path: "/notes", Target: "notes"}
	if len(hxtest.Examine(hxtest.App{Handler: two}, route)) == 0 {
		t.Error("the mistake is not found")
	}
	hxtest.Check(t, hxtest.App{Handler: two, Versions: []hx.Version{hx.HTMX4}}, route)
}
