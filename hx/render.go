package hx

import (
	"context"
	"io"
)

// Renderer is anything that writes HTML. A templ component is one. Render is
// called once for each answer, possibly from many goroutines at once; what it
// writes is sent only when it returns nil.
type Renderer interface {
	Render(ctx context.Context, w io.Writer) error
}

// RenderFunc makes a Renderer of a function.
type RenderFunc func(ctx context.Context, w io.Writer) error

// Render calls the function.
func (f RenderFunc) Render(ctx context.Context, w io.Writer) error { return f(ctx, w) }

// Text renders a text with HTML's special characters escaped.
type Text string

// Render writes the escaped text.
func (t Text) Render(_ context.Context, w io.Writer) error {
	return writeEscaped(w, string(t))
}

// Templates is what Template needs of a *html/template.Template. (A
// text/template has the method too and escapes nothing: do not use one.)
type Templates interface {
	ExecuteTemplate(w io.Writer, name string, data any) error
}

// Template renders one named template with its data.
func Template(t Templates, name string, data any) Renderer {
	return RenderFunc(func(_ context.Context, w io.Writer) error {
		return t.ExecuteTemplate(w, name, data)
	})
}
