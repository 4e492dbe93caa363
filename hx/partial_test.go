package hx

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

func raw(html string) Renderer {
	return RenderFunc(func(_ context.Context, w io.Writer) error { _, err := io.WriteString(w, html); return err })
}

func TestWritesChangesBesideForEachVersion(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		part      Partial
		two, four string
	}{
		{Partial{Target: "#a", Content: raw(`<p id="a">1</p>`)},
			`<p hx-swap-oob="outerHTML:#a" id="a">1</p>`,
			`<hx-partial hx-target="#a" hx-swap="outerHTML"><p id="a">1</p></hx-partial>`},
		{Partial{Target: `[name="x"]`, Swap: InnerHTML, Content: Text("<1>")},
			`<div hx-swap-oob="innerHTML:[name=&#34;x&#34;]">&lt;1&gt;</div>`,
			`<hx-partial hx-target="[name=&#34;x&#34;]" hx-swap="innerHTML">&lt;1&gt;</hx-partial>`},
		{Partial{Target: "#rows", Swap: BeforeEnd, Content: raw("<!-- new -->\n<TR><td>1</td></TR>")},
			"<template><tbody hx-swap-oob=\"beforeend:#rows\"><!-- new -->\n<TR><td>1</td></TR></tbody></template>",
			"<hx-partial hx-target=\"#rows\" hx-swap=\"beforeend\"><!-- new -->\n<TR><td>1</td></TR></hx-partial>"},
		{Partial{Target: "#row-1", Content: raw(`<tr><td>1</td></tr>`)},
			`<template><tr hx-swap-oob="outerHTML:#row-1"><td>1</td></tr></template>`,
			`<hx-partial hx-target="#row-1" hx-swap="outerHTML"><tr><td>1</td></tr></hx-partial>`},
		{Partial{Target: "#row-1", Swap: DeleteSwap},
			`<div hx-swap-oob="delete:#row-1"></div>`,
			`<hx-partial hx-target="#row-1" hx-swap="delete"></hx-partial>`},
	} {
		for version, want := range map[Version]string{HTMX2: test.two, HTMX4: test.four} {
			var b bytes.Buffer
			must(t, test.part.render(t.Context(), &b, version))
			if b.String() != want {
				t.Errorf("htmx %d: %s\nwant %s", version, b.String(), want)
			}
		}
	}
	for name, p := range map[string]Partial{"no target": {Content: Text("x")}, "no content": {Target: "#a"}, "no element": {Target: "#a", Content: Text("x")}} {
		if err := p.render(t.Context(), &bytes.Buffer{}, HTMX2); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func FuzzFirstTag(f *testing.F) {
	for _, s := range []string{"<p>", " <!-- x --><tr>", "<!--", "text", "<", "</p>", "<a/>", "<!-->"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		end, name := firstTag([]byte(s))
		if (end < 0) != (name == "") || end > len(s) {
			t.Fatalf("%q: %d %q", s, end, name)
		}
		if end > 0 && !strings.EqualFold(s[end-len(name):end], name) {
			t.Fatalf("%q: %q does not end at %d", s, name, end)
		}
	})
}
