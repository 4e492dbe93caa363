package hx_test

import (
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing/fstest"
	"time"

	"github.com/tollhouse/tollhouse/hx"
)

// asked sends a request to a handler and prints status, some headers and body.
func asked(h http.Handler, method, path string, form string, headers ...string) {
	r := httptest.NewRequest(method, path, strings.NewReader(form))
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	fmt.Println(strings.TrimSpace(fmt.Sprint(w.Code, " ", w.Body)))
	for _, name := range []string{"Location", "HX-Redirect", "HX-Retarget", "HX-Trigger", "Retry-After"} {
		if v := w.Header().Get(name); v != "" {
			fmt.Println(name+":", v)
		}
	}
}

var pages = template.Must(template.New("").Parse(`
{{- define "layout"}}<html><title>{{.Title}}</title><main>{{.Content}}</main></html>{{end}}
{{- define "notes"}}<ul>{{range .}}<li>{{.}}</li>{{end}}</ul>{{end}}`))

// layout puts content into a document of html/template.
func layout(_ *http.Request, title string, content hx.Renderer) hx.Renderer {
	return hx.RenderFunc(func(ctx context.Context, w io.Writer) error {
		var b strings.Builder
		if err := content.Render(ctx, &b); err != nil {
			return err
		}
		return pages.ExecuteTemplate(w, "layout", map[string]any{"Title": title, "Content": template.HTML(b.String())})
	})
}

func notes(http.ResponseWriter, *http.Request) (hx.Answer, error) {
	return hx.Answer{Title: "Notes", Fragment: hx.Template(pages, "notes", []string{"milk", "<bread>"})}, nil
}

// One handler answers the page and the fragment.
func ExampleSite_Handler() {
	site, err := hx.New(hx.Options{Layout: layout})
	if err != nil {
		panic(err)
	}
	h := site.Handler(notes)
	asked(h, "GET", "/notes", "")
	asked(h, "GET", "/notes", "", "HX-Request", "true", "HX-Source", "a", "HX-Request-Type", "partial")
	// Output:
	// 200 <html><title>Notes</title><main><ul><li>milk</li><li>&lt;bread&gt;</li></ul></main></html>
	// 200 <title>Notes</title><ul><li>milk</li><li>&lt;bread&gt;</li></ul>
}

// An error is shown in the form that was asked for, and a fragment's error in
// the place for errors.
func ExampleErrorf() {
	site, err := hx.New(hx.Options{FaultTarget: "#problem", Fault: func(_ *http.Request, f *hx.Fault) hx.Renderer { return hx.Text(f.Message) }})
	if err != nil {
		panic(err)
	}
	h := site.Handler(func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{}, &hx.Fault{Status: http.StatusTooManyRequests, Message: "One search a second, please.", RetryAfter: time.Second}
	})
	asked(h, "GET", "/search", "", "HX-Request", "true", "HX-Target", "results")
	// Output:
	// 429 One search a second, please.
	// HX-Retarget: #problem
	// Retry-After: 1
}

// After a form, a browser follows a 303 and htmx an HX-Redirect.
func ExampleRedirect() {
	site, err := hx.New(hx.Options{})
	if err != nil {
		panic(err)
	}
	h := site.Handler(func(http.ResponseWriter, *http.Request) (hx.Answer, error) { return hx.Redirect("/notes"), nil })
	asked(h, "POST", "/notes", "text=x")
	asked(h, "POST", "/notes", "text=x", "HX-Request", "true")
	// Output:
	// 303
	// Location: /notes
	// 200
	// HX-Redirect: /notes
}

// A double click does one thing, and both clicks get its answer.
func ExampleOnce() {
	site, err := hx.New(hx.Options{})
	if err != nil {
		panic(err)
	}
	once, err := hx.NewOnce(site, hx.OnceOptions{
		Store: hx.NewMemoryOnce(10_000, 16<<20, nil),
		Who:   func(*http.Request) string { return "session-of-ann" },
	})
	if err != nil {
		panic(err)
	}
	orders := 0
	h := once.Handler(site.Handler(func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		orders++
		return hx.Answer{Fragment: hx.Text(fmt.Sprintf("order %d", orders))}, nil
	}))
	form := hx.OnceField + "=" + once.Token() + "&item=tea"
	asked(h, "POST", "/orders", form, "HX-Request", "true")
	asked(h, "POST", "/orders", form, "HX-Request", "true")
	fmt.Println(orders)
	// Output:
	// 200 order 1
	// 200 order 1
	// 1
}

// Where to go after sign-in is taken from a link, so it may be anybody's.
func ExampleLocalPath() {
	for _, to := range []string{"/notes?page=2", "//evil.example", `/\evil.example`, "https://evil.example"} {
		path, err := hx.LocalPath(to)
		fmt.Printf("%q %v\n", path, err == nil)
	}
	// Output:
	// "/notes?page=2" true
	// "" false
	// "" false
	// "" false
}

// An answer fires events in the page.
func ExampleTrigger() {
	w := httptest.NewRecorder()
	if err := hx.Trigger(w, hx.Event{Name: "saved", Detail: map[string]string{"title": "Café"}}); err != nil {
		panic(err)
	}
	fmt.Println(w.Header().Get("HX-Trigger"))
	// Output: {"saved":{"title":"Caf\u00e9"}}
}

// Files are kept for ever under names with their hash; with a CDN they come
// from there, and the policy allows it.
func ExampleNewAssets() {
	assets, err := hx.NewAssets(fstest.MapFS{"app.css": {Data: []byte("main { color: teal }")}}, hx.AssetOptions{CDN: "https://cdn.example"})
	if err != nil {
		panic(err)
	}
	policy, err := hx.NewPolicy(nil, assets)
	if err != nil {
		panic(err)
	}
	fmt.Println(assets.URL("app.css"))
	fmt.Println(strings.Contains(policy.String(), "style-src 'self' https://cdn.example"))
	// Output:
	// https://cdn.example/assets/app-758484924ad5f18d.css
	// true
}

// A rule says what it means.
func ExampleCacheRule_Where() {
	for _, rule := range []hx.CacheRule{hx.Revalidate, hx.Private(30 * time.Second), hx.Public(time.Minute, time.Hour)} {
		fmt.Println(rule, "=", rule.Where())
	}
	// Output:
	// private, no-cache = browser: kept, asked for again each time; shared caches: not kept
	// private, max-age=30 = browser: 30s; shared caches: not kept
	// public, max-age=60, s-maxage=3600 = browser: 1m; shared caches: 1h
}

// What is the same for many is rendered once.
func ExampleFragmentCache() {
	cache := hx.NewFragmentCache(64<<20, nil)
	for range 3 {
		menu := cache.Fragment("menu en", time.Minute, hx.RenderFunc(func(_ context.Context, w io.Writer) error {
			fmt.Println("rendering")
			_, err := io.WriteString(w, "<nav></nav>")
			return err
		}))
		if err := menu.Render(context.Background(), io.Discard); err != nil {
			panic(err)
		}
	}
	// Output: rendering
}

// A hub is published to from anywhere and served where the gates are passed.
func ExampleHub() {
	hub := hx.NewHub(hx.HubOptions{})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		customer := "cus_1" // of the session; never of the URL
		_ = hub.Serve(w, r, customer, "everybody")
	})
	if _, err := hub.Publish("everybody", hx.StreamEvent{Data: "<p>Maintenance at noon.</p>"}); err != nil {
		panic(err)
	}
	fmt.Println(hub.Clients())
	// Output: 0
}

// Behind a gateway that serves the site under /app, handlers go on naming their
// own paths.
func ExampleOptions_root() {
	site, err := hx.New(hx.Options{SignIn: "/sign-in", Root: func(r *http.Request) string {
		return r.Header.Get("X-Forwarded-Prefix") // which the gateway sets, and nobody else can
	}})
	if err != nil {
		panic(err)
	}
	h := site.Handler(func(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		if r.URL.Path == "/private" {
			return hx.Answer{}, hx.Errorf(http.StatusUnauthorized, "Sign in first.")
		}
		return hx.Redirect("/notes"), nil
	})
	asked(h, "GET", "/", "", "X-Forwarded-Prefix", "/app")
	asked(h, "GET", "/private", "", "X-Forwarded-Prefix", "/app")
	// Output:
	// 303 <a href="/app/notes">See Other</a>.
	// Location: /app/notes
	// 303 <a href="/app/sign-in?next=%2Fprivate">See Other</a>.
	// Location: /app/sign-in?next=%2Fprivate
}

// A page that needs two scripts asks for one.
func ExampleAssetOptions_join() {
	files := fstest.MapFS{"htmx.js": {Data: []byte("var htmx = {}")}, "app.js": {Data: []byte("htmx.ready = true")}}
	assets, err := hx.NewAssets(files, hx.AssetOptions{Join: map[string][]string{"all.js": {"htmx.js", "app.js"}}})
	if err != nil {
		panic(err)
	}
	fmt.Println(assets.URL("all.js"))
	// Output:
	// /assets/all-ecef94ceea6d3ae6.js
}

// A form of more than 20 bytes is too large here.
func ExampleParseForm() {
	site, err := hx.New(hx.Options{})
	if err != nil {
		panic(err)
	}
	h := site.Handler(func(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		if err := hx.ParseForm(w, r, 20); err != nil {
			return hx.Answer{}, err
		}
		return hx.Answer{Fragment: hx.Text(r.PostForm.Get("note"))}, nil
	})
	asked(h, "POST", "/", "note=short", "HX-Request", "true")
	asked(h, "POST", "/", "note=much+too+long+a+note", "HX-Request", "true")
	// Output:
	// 200 short
	// 413 <div role="alert"><h1>Request Entity Too Large</h1><p>What was sent is larger than the 20 bytes that are taken here.</p></div>
}

// What a component writes, in a page of html/template.
func ExampleHTML() {
	content, err := hx.HTML(context.Background(), hx.Text("a < b"), hx.RenderFunc(func(_ context.Context, w io.Writer) error {
		_, err := io.WriteString(w, "<br>")
		return err
	}))
	if err != nil {
		panic(err)
	}
	page := template.Must(template.New("").Parse("<main>{{.}}</main>\n"))
	if err := page.Execute(os.Stdout, content); err != nil {
		panic(err)
	}
	// Output:
	// <main>a &lt; b<br></main>
}

// A page of html/template that says with each request of which version it is.
func ExampleRelease_HTMLAttributes() {
	release, err := hx.NewRelease("v7")
	if err != nil {
		panic(err)
	}
	page := template.Must(template.New("").Parse("<body {{.}}>\n"))
	if err := page.Execute(os.Stdout, release.HTMLAttributes()); err != nil {
		panic(err)
	}
	// Output:
	// <body hx-headers='{"X-Release":"v7"}' hx-headers:inherited='{"X-Release":"v7"}'>
}
