package site

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/hx"
)

//go:embed pages.html
var pagesText string

//go:embed assets
var assetFiles embed.FS

// What is cached where: the page /about shows this table, and the handlers use
// it.
var (
	listRule  = hx.Private(10 * time.Second)                                          // the second click inside it makes no request
	itemRule  = hx.Public(time.Minute, time.Hour).Stale(10*time.Second, 24*time.Hour) // the same for everybody
	aboutRule = hx.Revalidate
)

// embedded is the folder of assets that was built in.
func embedded() fs.FS {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic(err) // the name is a constant
	}
	return files
}

// exportTakes is how long an export lasts.
const exportTakes = 3 * time.Second

type app struct {
	site   *hx.Site
	assets *hx.Assets
	pages  *template.Template
	prices *hx.Hub
	chat   *chat
	likes  atomic.Int64
	now    func() time.Time
}

// newApp makes the app with these scripts and styles; see embedded.
func newApp(now func() time.Time, files fs.FS) (*app, error) {
	a := &app{prices: hx.NewHub(hx.HubOptions{Events: 16}), chat: newChat(), now: now}
	var err error
	if a.assets, err = hx.NewAssets(files, hx.AssetOptions{Join: map[string][]string{"items.js": {"htmx.js", "sse.js", "ws.js", "app.js"}}}); err != nil {
		return nil, err
	}
	if a.pages, err = template.New("").Parse(pagesText); err != nil {
		return nil, err
	}
	a.site, err = hx.New(hx.Options{Layout: a.layout, FaultTarget: "#problem"})
	return a, err
}

func (a *app) handler() (http.Handler, error) {
	mux := http.NewServeMux()
	for pattern, f := range map[string]func(http.ResponseWriter, *http.Request) (hx.Answer, error){
		"GET /{$}":          a.list,
		"GET /items/{id}":   a.item,
		"GET /about":        a.about,
		"GET /kinds":        a.kinds,
		"POST /likes":       a.like,
		"POST /exports":     a.startExport,
		"GET /exports/{id}": a.export,
	} {
		mux.Handle(pattern, a.site.Handler(f))
	}
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		_ = a.prices.Serve(w, r, "tea") // whoever leaves comes back, or not
	})
	mux.Handle("GET /chat", a.chat)
	mux.Handle(a.assets.Prefix(), a.assets)
	mux.Handle("/", a.site.NotFound())
	policy, err := hx.NewPolicy(map[string][]string{"img-src": {"data:"}}, a.assets)
	if err != nil {
		return nil, err
	}
	return policy.Handler(http.NewCrossOriginProtection().Handler(mux)), nil
}

// list is the first page. The search field asks for "rows" only.
func (a *app) list(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	at := hx.After("/events", a.prices.LastID())
	found, err := search(r.Context(), r.FormValue("q"))
	if err != nil {
		return hx.Answer{}, err
	}
	shelf := r.FormValue("shelf")
	if kinds(shelf) == nil {
		shelf = shelves()[0]
	}
	data := map[string]any{"Q": r.FormValue("q"), "Items": found, "Events": at, "Likes": a.likes.Load(), "Shelves": shelves(), "Shelf": shelf, "Kinds": kinds(shelf)}
	return hx.Answer{Title: "Items", Fragment: a.view("items", data), Parts: map[string]hx.Renderer{"rows": a.view("rows", data)}, Cache: listRule}, nil
}

func (a *app) item(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	i, ok := find(r.PathValue("id"))
	if !ok {
		return hx.Answer{}, hx.Errorf(http.StatusNotFound, "There is no item %q. It may have been sold.", r.PathValue("id"))
	}
	return hx.Answer{Title: i.Name, Fragment: a.view("item", i), Cache: itemRule}, nil
}

func (a *app) kinds(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	return hx.Answer{Title: "Kinds", Fragment: a.view("kinds", map[string]any{"Kinds": kinds(r.FormValue("shelf"))}),
		Parts: map[string]hx.Renderer{"kind": a.view("kinds", map[string]any{"Kinds": kinds(r.FormValue("shelf"))})}}, nil
}

func (a *app) like(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	n := a.likes.Add(1)
	if a.site.Read(r).Version == hx.NoHTMX {
		return hx.Redirect("/"), nil
	}
	return hx.Answer{Parts: map[string]hx.Renderer{"likes": hx.Text(fmt.Sprint(n))}, Fragment: hx.Text(fmt.Sprint(n))}, nil
}

// startExport begins a job whose number is the time it was begun at.
func (a *app) startExport(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	id := strconv.FormatInt(a.now().UnixMilli(), 10)
	if a.site.Read(r).Version == hx.NoHTMX {
		return hx.Redirect("/exports/" + id), nil
	}
	return a.progress(id)
}

func (a *app) export(_ http.ResponseWriter, r *http.Request) (hx.Answer, error) {
	return a.progress(r.PathValue("id"))
}

func (a *app) progress(id string) (hx.Answer, error) {
	ms, err := strconv.ParseInt(id, 10, 64)
	age := a.now().Sub(time.UnixMilli(ms))
	if err != nil || age < 0 || age > time.Hour {
		return hx.Answer{}, hx.Errorf(http.StatusNotFound, "That export is not here any more. Begin another.")
	}
	percent := min(100, int(100*age/exportTakes))
	return hx.Answer{Title: "Export", Fragment: a.view("export", map[string]any{"ID": id, "Percent": percent, "Items": len(stock)}), Cache: hx.NoStore}, nil
}

func (a *app) about(http.ResponseWriter, *http.Request) (hx.Answer, error) {
	return hx.Answer{Title: "What is cached where", Cache: aboutRule, Fragment: a.view("about", []struct {
		What string
		Rule hx.CacheRule
	}{
		{"The list, and a search: / and /?q=", listRule}, {"An item: /items/1", itemRule}, {"This page", aboutRule},
		{"Scripts and styles, under names with their hash", hx.Immutable}, {"Errors, exports, redirects", hx.NoStore},
	})}, nil
}

// quote publishes a price every so often until ctx ends.
func (a *app) quote(ctx context.Context, every time.Duration) error {
	for price := 400; ; price += 7 {
		if _, err := a.prices.Publish("tea", hx.StreamEvent{Data: fmt.Sprintf("%d.%02d", price/100, price%100)}); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every):
		}
	}
}

func (a *app) view(name string, data any) hx.Renderer { return hx.Template(a.pages, name, data) }

func (a *app) layout(_ *http.Request, title string, content hx.Renderer) hx.Renderer {
	return hx.RenderFunc(func(ctx context.Context, w io.Writer) error {
		config, err := hx.HTML(ctx, hx.Config)
		if err != nil {
			return err
		}
		body, err := hx.HTML(ctx, content)
		if err != nil {
			return err
		}
		return a.view("page", document{a.assets, title, config, body}).Render(ctx, w)
	})
}

// document is what the layout shows.
type document struct {
	*hx.Assets
	Title           string
	Config, Content template.HTML
}
