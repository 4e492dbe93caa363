package piece

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func render(t *testing.T, e Example) string {
	t.Helper()
	var b bytes.Buffer
	if err := e.View.Render(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	// One element a line, so that a change shows where it is.
	return strings.ReplaceAll(b.String(), "><", ">\n<") + "\n"
}

func TestPiecesLookAsTheirGoldenFiles(t *testing.T) {
	t.Parallel()
	for _, e := range Examples() {
		got := render(t, e)
		file := filepath.Join("testdata", e.Name+".html")
		if *update {
			if err := os.MkdirAll("testdata", 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is not as in %s (go test -update writes it anew):\n%s", e.Name, file, got)
		}
	}
}

func TestEachTemplateHasAnExample(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.templ")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"examples": true}
	for _, e := range Examples() {
		names[e.Name] = true
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f, ".templ"); !names[name] {
			t.Errorf("%s has no example of the name %s", f, name)
		}
	}
}

var (
	inline = regexp.MustCompile(`(?i)\s(style|on[a-z]+)\s*=`)
	ids    = regexp.MustCompile(`\sid="([^"]*)"`)
)

func TestNoPieceNeedsInlineStyleOrScript(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for _, e := range Examples() {
		html := render(t, e)
		if m := inline.FindString(html); m != "" {
			t.Errorf("%s has the inline attribute %q", e.Name, m)
		}
		if strings.Contains(html, "<script") || strings.Contains(html, "<style") {
			t.Errorf("%s has an inline element", e.Name)
		}
		for _, m := range ids.FindAllStringSubmatch(html, -1) {
			if other, ok := seen[m[1]]; ok {
				t.Errorf("%s and %s both have the ID %q", e.Name, other, m[1])
			}
			seen[m[1]] = e.Name
		}
	}
}

func TestPiecesEscapeWhatTheyAreGiven(t *testing.T) {
	t.Parallel()
	evil := `"><script>alert(1)</script>`
	for _, e := range []Example{
		{"button", Button{Label: evil, Busy: evil, Icon: evil}.View(), ""},
		{"link", Button{Label: evil, Href: "javascript:alert(1)"}.View(), ""},
		{"badge", Badge{Kind: evil, Label: evil}.View(), ""},
		{"field", Field{ID: evil, Name: evil, Label: evil, Hint: evil, Error: evil, Value: evil}.View(), ""},
		{"choice", Choice{ID: evil, Name: evil, Label: evil, Options: []Option{{evil, evil}}}.View(), ""},
		{"secret", Secret{ID: evil, Label: evil, Text: evil, Copy: evil, Done: evil}.View(), ""},
		{"code", Code{ID: evil, Label: evil, Text: evil, Tabs: []Tab{{evil, "javascript:alert(1)", true}}}.View(), ""},
		{"toast", Toast(evil, evil), ""},
		{"panel", Panel{Title: evil, Text: evil, Request: evil, Items: []Item{{evil, "javascript:alert(1)"}}}.View(), ""},
		{"confirm", Confirm{Title: evil, Text: evil, Action: "javascript:alert(1)", Cancel: evil, Back: "javascript:alert(1)", Dialog: true}.View(), ""},
	} {
		html := render(t, e)
		if strings.Contains(html, "<script") || strings.Contains(html, `href="javascript`) || strings.Contains(html, `action="javascript`) {
			t.Errorf("%s lets it through: %s", e.Name, html)
		}
	}
}

func TestChartsScaleIsRoundAndHoldsTheLargestBar(t *testing.T) {
	t.Parallel()
	for _, most := range []int64{0, 1, 2, 3, 7, 9, 10, 11, 99, 100, 101, 2122, 5000, 1_000_001, 1 << 53} {
		c := Chart{Bars: []Bar{{Values: []int64{most}}}}
		s := c.scale()
		if s.top < most {
			t.Errorf("a bar of %d is taller than its scale of %d", most, s.top)
		}
		if n := len(s.ticks); n < 2 || n > 7 {
			t.Errorf("a bar of %d has %d lines", most, n)
		}
		if most > 10 && s.top > 2*most {
			t.Errorf("a bar of %d stands on a scale of %d: most of it is empty", most, s.top)
		}
		if s.ticks[0].value != 0 || s.ticks[0].y != 100 {
			t.Errorf("a bar of %d has no zero line: %+v", most, s.ticks[0])
		}
	}
}

func TestStackedPartsAddUpAndStayInside(t *testing.T) {
	t.Parallel()
	c := Chart{Series: []Series{{Class: "s2"}, {Class: "s4"}, {Class: "s5"}}, Bars: []Bar{{Values: []int64{100, 0, 1}}}}
	parts := c.stack(c.Bars[0], c.scale())
	if len(parts) != 2 || parts[0].class != "s2" || parts[1].class != "s5" {
		t.Fatalf("parts are %+v: what is zero has none", parts)
	}
	for _, p := range parts {
		if p.y < 0 || p.height <= 0 || p.y+p.height > 100.001 {
			t.Errorf("%+v is outside", p)
		}
	}
	if top := parts[1].y + parts[1].height; top < parts[0].y-0.001 || top > parts[0].y+0.001 {
		t.Errorf("the second part ends at %v, the first begins at %v", top, parts[0].y)
	}
}

func TestMetersSayWhenTheyAreNearOrFull(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		used, limit int64
		want        string
	}{{0, 10, ""}, {7, 10, ""}, {8, 10, "near"}, {10, 10, "full"}, {11, 10, "full"}, {0, 0, "full"}} {
		if got := (Meter{Used: x.used, Limit: x.limit}).Level(); got != x.want {
			t.Errorf("%d of %d is %q, want %q", x.used, x.limit, got, x.want)
		}
	}
}
