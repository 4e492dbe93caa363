package hx_test

import (
	"bytes"
	"context"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/a-h/templ"

	"github.com/tollhouse/tollhouse/hx"
)

type customer struct{ ID, Name, Plan, Used string }

func fifty() []customer {
	all := make([]customer, 50)
	for i := range all {
		all[i] = customer{fmt.Sprintf("cus_%04d", i), fmt.Sprintf("Customer & Sons %d", i), "pro", fmt.Sprint(i * 1031)}
	}
	return all
}

var benchPages = template.Must(template.New("").Parse(`
{{define "page"}}<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{{.Title}}</title></head><body><nav><a href="/">Home</a></nav><main>{{template "rows" .Rows}}</main></body></html>{{end}}
{{define "rows"}}<table><thead><tr><th>Name</th><th>Plan</th><th>Used</th></tr></thead><tbody>{{range .}}<tr id="{{.ID}}"><td><a href="/customers/{{.ID}}" hx-target="#content">{{.Name}}</a></td><td>{{.Plan}}</td><td>{{.Used}}</td></tr>{{end}}</tbody></table>{{end}}`))

// rowsByHand is what templ generates: strings and escaped values, one after the
// other.
func rowsByHand(all []customer) hx.Renderer {
	return hx.RenderFunc(func(_ context.Context, w io.Writer) error {
		b, ok := w.(*bytes.Buffer)
		if !ok {
			b = &bytes.Buffer{}
		}
		b.WriteString(`<table><thead><tr><th>Name</th><th>Plan</th><th>Used</th></tr></thead><tbody>`)
		for _, c := range all {
			b.WriteString(`<tr id="`)
			b.WriteString(templ.EscapeString(c.ID))
			b.WriteString(`"><td><a href="/customers/`)
			b.WriteString(templ.EscapeString(c.ID))
			b.WriteString(`" hx-target="#content">`)
			b.WriteString(templ.EscapeString(c.Name))
			b.WriteString(`</a></td><td>`)
			b.WriteString(templ.EscapeString(c.Plan))
			b.WriteString(`</td><td>`)
			b.WriteString(templ.EscapeString(c.Used))
			b.WriteString(`</td></tr>`)
		}
		b.WriteString(`</tbody></table>`)
		if !ok {
			_, err := w.Write(b.Bytes())
			return err
		}
		return nil
	})
}

func handLayout(_ *http.Request, title string, content hx.Renderer) hx.Renderer {
	return hx.RenderFunc(func(ctx context.Context, w io.Writer) error {
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>`+templ.EscapeString(title)+`</title></head><body><nav><a href="/">Home</a></nav><main>`)
		if err := content.Render(ctx, w); err != nil {
			return err
		}
		_, err := io.WriteString(w, `</main></body></html>`)
		return err
	})
}

// nowhere is an answer that is thrown away.
type nowhere struct{ h http.Header }

func (n *nowhere) Header() http.Header         { return n.h }
func (n *nowhere) WriteHeader(int)             {}
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }

// BenchmarkRender answers 50 rows as a fragment and as a page: through hx with
// a component as templ generates it, through hx with html/template, and by
// html/template alone, which sends no ETag and no Vary.
func BenchmarkRender(b *testing.B) {
	rows := fifty()
	site, err := hx.New(hx.Options{Layout: handLayout})
	if err != nil {
		b.Fatal(err)
	}
	page := httptest.NewRequest("GET", "/customers", nil)
	fragment := httptest.NewRequest("GET", "/customers", nil)
	fragment.Header.Set("HX-Request", "true")
	fragment.Header.Set("HX-Target", "content")
	bench := func(name string, f func(w http.ResponseWriter)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f(&nowhere{http.Header{}})
			}
		})
	}
	component := hx.Answer{Title: "Customers", Fragment: rowsByHand(rows)}
	templated := hx.Answer{Title: "Customers", Fragment: hx.Template(benchPages, "rows", rows),
		Page: hx.Template(benchPages, "page", map[string]any{"Title": "Customers", "Rows": rows})}
	bench("fragment/hx and a component", func(w http.ResponseWriter) { site.Send(w, fragment, component) })
	bench("fragment/hx and a component that is kept", func() func(http.ResponseWriter) {
		cache := hx.NewFragmentCache(1<<20, nil)
		return func(w http.ResponseWriter) {
			site.Send(w, fragment, hx.Answer{Title: "Customers", Fragment: cache.Fragment("rows", 1<<40, component.Fragment)})
		}
	}())
	bench("fragment/hx and html-template", func(w http.ResponseWriter) { site.Send(w, fragment, templated) })
	bench("fragment/html-template alone", func(w http.ResponseWriter) { _ = benchPages.ExecuteTemplate(w, "rows", rows) })
	bench("page/hx and a component", func(w http.ResponseWriter) { site.Send(w, page, component) })
	bench("page/hx and html-template", func(w http.ResponseWriter) { site.Send(w, page, templated) })
	bench("page/html-template alone", func(w http.ResponseWriter) {
		_ = benchPages.ExecuteTemplate(w, "page", map[string]any{"Title": "Customers", "Rows": rows})
	})
}
