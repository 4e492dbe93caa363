package app

import (
	"context"
	"embed"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strings"

	"github.com/tollhouse/tollhouse/examples/daybook/user"
	"github.com/tollhouse/tollhouse/examples/daybook/words"
	"github.com/tollhouse/tollhouse/hx"
)

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed assets
var assetFiles embed.FS

// templates are all pages and their parts. A part that htmx fetches alone is
// the same template that stands in its page.
var templates = template.Must(template.ParseFS(pageFiles, "pages/*.html"))

// assets are the style sheet, the icon and one script, under names that change
// with their content: a browser keeps them for ever.
var assets = func() *hx.Assets {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // the name is a constant
	}
	a, err := hx.NewAssets(files, hx.AssetOptions{Join: map[string][]string{"all.js": {"htmx.js", "daybook.js"}}})
	if err != nil {
		panic(err) // the files were built in
	}
	return a
}()

// version names this program's pages, for open ones to learn of a newer one.
var version = assets.Version()

// view is what every template gets.
type view struct {
	words.Words
	Root   string       // before every link: "" or the path that the gateway takes off
	Path   string       // of the page that is shown, within the app
	Here   string       // which entry of the menu is the current one
	Person *user.User   // who is signed in, or nil
	Said   []hx.Message // what to say once
	Data   any          // what the page itself shows
}

// Asset is where a page takes a file from.
func (v view) Asset(name string) string { return assets.URLUnder(v.Root, name) }

// Languages are those to choose from.
func (v view) Languages() []words.Language { return words.Languages }

// view makes the view of a request.
func (a *App) view(r *http.Request, data any) view {
	known := seen(r)
	v := view{Words: known.words, Root: root(r), Person: known.person, Path: r.URL.RequestURI(), Data: data}
	switch { // a form's address is not always one to come back to
	case r.URL.Path == "/state":
		v.Path = "/"
	case r.URL.Path == "/sign-up/check":
		v.Path = "/sign-up"
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		v.Path = r.URL.Path
	}
	switch {
	case v.Path == "/" || strings.HasPrefix(v.Path, "/?"):
		v.Here = "today"
	case strings.HasPrefix(v.Path, "/history"):
		v.Here = "history"
	}
	return v
}

// page is the answer that shows a template as a page, or as the content of the
// page that is there; then the menu is changed beside it.
func (a *App) page(w http.ResponseWriter, r *http.Request, title, name string, data any) (hx.Answer, error) {
	v := a.view(r, data)
	var err error
	// What is said once follows a redirect: a check of what is being typed, which
	// comes in between, must not take it.
	if r.Method == http.MethodGet {
		if v.Said, err = a.flashes.of(r).Take(w, r); err != nil {
			return hx.Answer{}, err
		}
	}
	return hx.Answer{
		Title:    title + " · Daybook",
		Fragment: hx.RenderFunc(func(ctx context.Context, w io.Writer) error { return v.render(ctx, w, "said", name) }),
		Beside:   []hx.Partial{{Target: "#menu", Content: hx.Template(templates, "menu", v)}, {Target: "#here", Content: hx.Template(templates, "here", v)}},
	}, nil
}

func (v view) render(ctx context.Context, w io.Writer, names ...string) error {
	for _, name := range names {
		if err := hx.Template(templates, name, v).Render(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// document is what the layout gets.
type document struct {
	view
	Title      string
	Config     template.HTML
	Attributes template.HTMLAttr
	Content    template.HTML
}

// layout puts content into the whole document.
func (a *App) layout(r *http.Request, title string, content hx.Renderer) hx.Renderer {
	return hx.RenderFunc(func(ctx context.Context, w io.Writer) error {
		config, err := hx.HTML(ctx, hx.Config)
		if err != nil {
			return err
		}
		body, err := hx.HTML(ctx, content)
		if err != nil {
			return err
		}
		return templates.ExecuteTemplate(w, "layout", document{
			view: a.view(r, nil), Title: title, Config: config, Content: body,
			Attributes: a.release.HTMLAttributes(),
		})
	})
}
