package hx_test

import (
	"bytes"
	"html/template"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/hx"
)

// sample is a small site that uses all of hx: what hxtest and Chromium look at.
type sample struct {
	t      *testing.T
	site   *hx.Site
	once   *hx.Once
	flash  *hx.Flash
	hub    *hx.Hub
	assets *hx.Assets
	logged *syncBuffer
	naked  bool // without Vary: to see that it is needed

	mu      sync.Mutex
	notes   []string
	made    int
	release *hx.Release
}

// syncBuffer may be written by many.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

var samplePages = template.Must(template.New("").Parse(`
{{define "layout"}}<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title>{{.Config}}
<script src="{{.HTMX}}"></script><script src="{{.SSE}}"></script></head>
<body{{.Body}}><nav><a id="nav-notes" href="/notes" hx-get="/notes" hx-target="#content" hx-push-url="true">Notes</a>
<a id="nav-about" href="/about" hx-boost="true">About</a>
<a id="nav-frag" href="/about" hx-get="/about" hx-target="#content" hx-push-url="true">About, inside</a>
<a id="nav-private" href="/private" hx-get="/private" hx-target="#content">Private</a>
<a id="nav-visit" href="/visit" hx-get="/visit" hx-target="#small">Visit</a>
<a id="nav-gone" href="/gone" hx-get="/gone" hx-target="#small">Gone</a></nav>
<div id="problem"></div><p id="count">{{.Count}}</p><table><tbody id="rows"><tr id="row-1"><td id="small">one</td></tr></tbody></table>
<main id="content">{{.Content}}</main></body></html>{{end}}
{{define "notes"}}<h1>Notes</h1>{{range .Said}}<p class="said">{{.Text}}</p>{{end}}<ul id="notes">{{range .Notes}}<li>{{.}}</li>{{end}}</ul>
<form id="new" method="post" action="/notes" hx-post="/notes" hx-target="#content">{{.Once}}<label for="text">Note</label>
<input id="text" name="text" value="{{.Text}}"{{if .Wrong}} aria-invalid="true" aria-describedby="wrong"{{end}}>{{with .Wrong}}<p id="wrong">{{.}}</p>{{end}}
<button id="save">Save</button></form><button id="change" hx-get="/beside" hx-target="#content">Change</button>{{end}}
{{define "list"}}{{range .Notes}}<li>{{.}}</li>{{end}}{{end}}
{{define "about"}}<h1>About</h1><p>What this is.</p>{{end}}
{{define "private"}}<h1>Private</h1>{{end}}
{{define "sign-in"}}<h1>Sign in</h1><form method="post" action="/sign-in"><input name="next" value="{{.}}"><button>Sign in</button></form>{{end}}
{{define "live"}}<h1>Live</h1>{{.}}{{end}}`))

func newSample(t *testing.T, version string) *sample {
	t.Helper()
	s := &sample{t: t, notes: []string{"first"}, logged: &syncBuffer{}}
	var err error
	s.assets, err = hx.NewAssets(os.DirFS("testdata/"+version), hx.AssetOptions{})
	s.ok(err)
	s.site, err = hx.New(hx.Options{
		Layout: func(_ *http.Request, title string, content hx.Renderer) hx.Renderer {
			return hx.Template(samplePages, "layout", map[string]any{
				"Title": title, "Content": s.html(content), "Config": s.html(hx.Config), "Count": s.count(),
				"HTMX": s.assets.URL("htmx.js"), "SSE": s.assets.URL("sse.js"), "Body": s.attributes(),
			})
		},
		FaultTarget: "#problem", SignIn: "/sign-in",
		Logger: slog.New(slog.NewTextHandler(s.logged, nil)),
	})
	s.ok(err)
	s.once, err = hx.NewOnce(s.site, hx.OnceOptions{Store: hx.NewMemoryOnce(1000, 1<<20, nil), Who: who})
	s.ok(err)
	s.flash, err = hx.NewFlash(hx.FlashOptions{Keys: [][]byte{bytes.Repeat([]byte("k"), 32)}})
	s.ok(err)
	s.hub = hx.NewHub(hx.HubOptions{Retry: 200 * time.Millisecond})
	s.deploy("one")
	return s
}

func who(r *http.Request) string {
	if c, err := r.Cookie("session"); err == nil {
		return c.Value
	}
	return ""
}

func (s *sample) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// html lets html/template hold what a Renderer writes.
func (s *sample) html(r hx.Renderer) template.HTML {
	var b bytes.Buffer
	if err := r.Render(s.t.Context(), &b); err != nil {
		panic(err)
	}
	return template.HTML(b.String())
}

func (s *sample) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}

func (s *sample) handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, f func(http.ResponseWriter, *http.Request) (hx.Answer, error)) {
		mux.Handle(pattern, s.site.Handler(f))
	}
	handle("GET /{$}", func(http.ResponseWriter, *http.Request) (hx.Answer, error) { return hx.Redirect("/notes"), nil })
	handle("GET /notes", s.list)
	mux.Handle("POST /notes", s.once.Handler(s.site.Handler(s.add)))
	handle("GET /about", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{Title: "About", Fragment: hx.Template(samplePages, "about", nil), Cache: hx.Public(time.Minute, time.Hour)}, nil
	})
	handle("GET /private", func(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		if who(r) == "" || who(r) == "old" {
			return hx.Answer{}, hx.Errorf(http.StatusUnauthorized, "Sign in first.")
		}
		return hx.Answer{Title: "Private", Fragment: hx.Template(samplePages, "private", nil)}, nil
	})
	handle("GET /sign-in", func(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		return hx.Answer{Title: "Sign in", Fragment: hx.Template(samplePages, "sign-in", hx.Next(r, "/notes"))}, nil
	})
	handle("POST /sign-in", func(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "ann", Path: "/"})
		return hx.Redirect(hx.Next(r, "/notes")), nil
	})
	handle("GET /beside", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{Title: "Beside", Fragment: hx.Text("changed"), Beside: []hx.Partial{
			{Target: "#count", Content: markup(`<p id="count">42</p>`)},
			{Target: "#row-1", Content: markup(`<tr id="row-1"><td id="small">new one</td></tr>`)},
			{Target: "#rows", Swap: hx.BeforeEnd, Content: markup(`<tr id="row-2"><td>two</td></tr>`)},
			{Target: "#nowhere", Content: markup(`<p id="nowhere">lost</p>`)},
		}}, nil
	})
	handle("GET /gone", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{}, hx.Errorf(http.StatusNotFound, "That note is gone.")
	})
	handle("GET /visit", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Visit(hx.Location{Path: "/about"}), nil
	})
	handle("GET /conflict", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{}, hx.Errorf(http.StatusConflict, "Somebody else changed it.")
	})
	handle("GET /busy", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{}, &hx.Fault{Status: http.StatusTooManyRequests, Message: "Come back soon.", RetryAfter: 1500 * time.Millisecond}
	})
	handle("GET /broken", func(http.ResponseWriter, *http.Request) (hx.Answer, error) {
		return hx.Answer{Fragment: hx.Template(samplePages, "no such template s3cret", nil)}, nil
	})
	handle("GET /boom", func(http.ResponseWriter, *http.Request) (hx.Answer, error) { panic("s3cret") })
	handle("GET /live", func(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
		at := hx.After("/events", s.hub.LastID())
		part := `<div id="feed" hx-sse:connect="` + at + `" hx-swap="beforeend"></div>`
		if r.URL.Query().Get("v") == "2" {
			part = `<div hx-ext="sse" sse-connect="` + at + `"><div id="feed" sse-swap="message" hx-swap="beforeend"></div></div>`
		}
		return hx.Answer{Title: "Live", Fragment: hx.Template(samplePages, "live", template.HTML(part))}, nil
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		_ = s.hub.Serve(w, r, "feed")
	})
	mux.Handle(s.assets.Prefix(), s.assets)
	mux.Handle("/", s.site.NotFound())
	policy, err := hx.NewPolicy(nil, s.assets)
	s.ok(err)
	return policy.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.naked {
			w = &withoutVary{w}
		}
		s.running().Handler(mux).ServeHTTP(w, r)
	}))
}

// withoutVary is what a site is that has forgotten it.
type withoutVary struct{ http.ResponseWriter }

func (w *withoutVary) WriteHeader(status int) {
	w.Header().Del("Vary")
	w.ResponseWriter.WriteHeader(status)
}

func (w *withoutVary) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (s *sample) running() *hx.Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.release
}

func (s *sample) deploy(version string) {
	release, err := hx.NewRelease(version)
	s.ok(err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.release = release
}

// attributes are those of the body, for html/template.
func (s *sample) attributes() template.HTMLAttr {
	var all string
	for name, value := range s.running().Attributes() {
		all += " " + name + "='" + value.(string) + "'"
	}
	return template.HTMLAttr(all)
}

func markup(html string) hx.Renderer { return hx.Template(literal(html), "", nil) }

func (s *sample) list(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	said, err := s.flash.Take(w, r)
	return s.notesAnswer(http.StatusOK, "", "", said), err
}

func (s *sample) notesAnswer(status int, text, wrong string, said []hx.Message) hx.Answer {
	s.mu.Lock()
	data := map[string]any{"Notes": slices.Clone(s.notes), "Text": text, "Wrong": wrong, "Said": said}
	s.mu.Unlock()
	data["Once"] = s.html(s.once.Field())
	return hx.Answer{Status: status, Title: "Notes", Fragment: hx.Template(samplePages, "notes", data),
		Parts: map[string]hx.Renderer{"notes": hx.Template(samplePages, "list", data)}}
}

func (s *sample) add(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	text := strings.TrimSpace(r.PostFormValue("text"))
	if text == "" {
		return s.notesAnswer(http.StatusUnprocessableEntity, text, "Write something.", nil), nil
	}
	s.mu.Lock()
	s.notes = append(s.notes, text)
	s.made++
	s.mu.Unlock()
	return hx.Redirect("/notes"), s.flash.Put(w, r, hx.Message{Kind: "good", Text: "Saved."})
}

func (s *sample) serve() string {
	server := httptest.NewServer(s.handler())
	s.t.Cleanup(server.CloseClientConnections)
	s.t.Cleanup(server.Close)
	return server.URL
}
