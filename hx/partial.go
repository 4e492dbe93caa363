package hx

import (
	"bytes"
	"context"
	"fmt"
	"html"
	"io"
	"strings"
)

// Partial is a change in another place of the page than the one that asked.
// htmx 4 gets it as <hx-partial>, htmx 2 as an element with hx-swap-oob; rows
// and cells of tables are wrapped as each needs them. A target that is not in
// the page is passed over by both.
type Partial struct {
	// Target is the CSS selector of the place, "#total" for example.
	Target string
	// Swap is the style, without modifiers. "" is OuterHTML: the content is one
	// element, which takes the target's place.
	Swap Swap
	// Content is what is put there. It may be nil for DeleteSwap alone.
	Content Renderer
}

func (p Partial) render(ctx context.Context, b *bytes.Buffer, version Version) error {
	swap := p.Swap
	if swap == "" {
		swap = OuterHTML
	}
	if p.Target == "" {
		return fmt.Errorf("a part beside has no target")
	}
	if p.Content == nil && swap != DeleteSwap {
		return fmt.Errorf("the part beside for %s has no content", p.Target)
	}
	if version == HTMX4 {
		fmt.Fprintf(b, `<hx-partial hx-target="%s" hx-swap="%s">`, html.EscapeString(p.Target), html.EscapeString(string(swap)))
		if p.Content != nil {
			if err := p.Content.Render(ctx, b); err != nil {
				return err
			}
		}
		b.WriteString(`</hx-partial>`)
		return nil
	}
	var content bytes.Buffer
	if p.Content != nil {
		if err := p.Content.Render(ctx, &content); err != nil {
			return err
		}
	}
	return oob(b, content.Bytes(), p.Target, swap)
}

// oob writes the form of htmx 2. For OuterHTML the attribute belongs on the
// content's own element; every other style takes its wrapper off.
func oob(w io.Writer, content []byte, target string, swap Swap) error {
	attribute := fmt.Sprintf(` hx-swap-oob="%s:%s"`, html.EscapeString(string(swap)), html.EscapeString(target))
	at, tag := firstTag(content)
	before, after := "", ""
	if wrapper := wrapperOf(tag); wrapper != "" { // outside of a table the parser would drop the tags
		before, after = "<template>", "</template>"
		if swap != OuterHTML {
			before, after = before+"<"+wrapper+attribute+">", "</"+wrapper+">"+after
		}
	} else if swap != OuterHTML {
		before, after = "<div"+attribute+">", "</div>"
	}
	if swap == OuterHTML {
		if at < 0 {
			return fmt.Errorf("the part beside for %s must be one element", target)
		}
		content = append(append(append([]byte{}, content[:at]...), attribute...), content[at:]...)
	}
	for _, piece := range [][]byte{[]byte(before), content, []byte(after)} {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return nil
}

// firstTag finds the first start tag behind blanks and comments: its name in
// lower case, and where the name ends. It is -1 when there is none.
func firstTag(b []byte) (end int, name string) {
	at := 0
	for {
		for at < len(b) && strings.IndexByte(" \t\r\n\f", b[at]) >= 0 {
			at++
		}
		if !bytes.HasPrefix(b[at:], []byte("<!--")) {
			break
		}
		n := bytes.Index(b[at+4:], []byte("-->"))
		if n < 0 {
			return -1, ""
		}
		at += 4 + n + 3
	}
	if at >= len(b) || b[at] != '<' {
		return -1, ""
	}
	end = at + 1
	for end < len(b) && strings.IndexByte(" \t\r\n\f/>", b[end]) < 0 {
		end++
	}
	lower := bytes.Clone(b[at+1 : end])
	for i, c := range lower { // HTML knows the case of ASCII letters only
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	if len(lower) == 0 || lower[0] < 'a' || lower[0] > 'z' {
		return -1, ""
	}
	return end, string(lower)
}

// wrapperOf is the element that a part of a table needs around it.
func wrapperOf(tag string) string {
	switch tag {
	case "tr":
		return "tbody"
	case "td", "th":
		return "tr"
	case "tbody", "thead", "tfoot", "caption", "colgroup":
		return "table"
	case "col":
		return "colgroup"
	}
	return ""
}
