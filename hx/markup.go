package hx

import (
	"bytes"
	"context"
	"html/template"
)

// HTML renders into the form in which html/template puts it into a page as it
// is, unescaped: for a layout that is an html/template. The renderers stand for
// that what they write is HTML.
func HTML(ctx context.Context, all ...Renderer) (template.HTML, error) {
	var b bytes.Buffer
	for _, r := range all {
		if err := r.Render(ctx, &b); err != nil {
			return "", err
		}
	}
	return template.HTML(b.String()), nil //nolint:gosec // what a Renderer writes is HTML
}

// HTMLAttributes is Attributes as html/template puts it into a tag.
func (v *Release) HTMLAttributes() template.HTMLAttr {
	say := `='{"` + headerRelease + `":"` + v.version + `"}'`
	return template.HTMLAttr("hx-headers" + say + " hx-headers:inherited" + say) //nolint:gosec // a version has no quotes
}
