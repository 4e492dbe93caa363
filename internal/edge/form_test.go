package edge

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

func TestTheFormIsOneThatTheSenderCanUse(t *testing.T) {
	t.Parallel()
	const chrome = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
	for _, c := range []struct {
		fields []string
		want   form
	}{
		{nil, asProblem},
		{[]string{"Accept", "*/*"}, asProblem},
		{[]string{"Accept", chrome}, asPage},
		{[]string{"Accept", "text/html"}, asPage},
		{[]string{"Accept", "TEXT/HTML; charset=utf-8"}, asPage},
		{[]string{"Accept", "text/*"}, asPage},
		{[]string{"Accept", "text/html,*/*"}, asPage},
		{[]string{"Accept", "text/*, */*;q=0.5"}, asPage},
		{[]string{"Accept", "application/json;q=0.9, text/html"}, asPage},
		{[]string{"Accept", "application/*;q=0.1, text/html;q=0.2"}, asPage},
		{[]string{"Accept", "application/json, text/plain, */*"}, asProblem},
		{[]string{"Accept", "application/json, text/html"}, asProblem},
		{[]string{"Accept", "text/html, application/problem+json"}, asProblem},
		{[]string{"Accept", "text/html;q=0.5, */*"}, asProblem},
		{[]string{"Accept", "text/html;q=0, */*"}, asProblem},
		{[]string{"Accept", "text/html;q=0"}, asProblem},
		{[]string{"Accept", "text/*, text/html;q=0"}, asProblem},
		{[]string{"Accept", "text/html;q=1.5"}, asProblem},
		{[]string{"Accept", "image/png"}, asProblem},
		{[]string{"Accept", ",;,/,*"}, asProblem},

		{[]string{"HX-Request", "true"}, asFragment},
		{[]string{"HX-Request", "true", "Accept", chrome}, asFragment},
		{[]string{"HX-Request", "true", "HX-Request-Type", "partial"}, asFragment},
		{[]string{"HX-Request", "false", "Accept", chrome}, asPage},
		{[]string{"HX-Request", "true", "HX-Boosted", "true", "Accept", "*/*"}, asPage},
		{[]string{"HX-Boosted", "true", "Accept", "*/*"}, asProblem},
		{[]string{"HX-Request", "true", "HX-History-Restore-Request", "true", "Accept", "*/*"}, asPage},
		{[]string{"HX-Request", "true", "HX-Request-Type", "full", "Accept", "text/html"}, asPage},
	} {
		h := exchange.Fields{}
		for i := 0; i < len(c.fields); i += 2 {
			h.Set(c.fields[i], c.fields[i+1])
		}
		if got := formFor(&exchange.Request{Header: h}); got != c.want {
			t.Errorf("%q: form %d, want %d", c.fields, got, c.want)
		}
	}
}

// Whatever Accept says: a page is only for who names HTML.
func FuzzAPageIsOnlyForWhoNamesHTML(f *testing.F) {
	for _, seed := range []string{"text/html", "*/*", "text/html;q=0.5,*/*", "text/html;q=0", "text/*;q=1.0000", ",,;q=", "text/html\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		if !prefersHTML([]string{accept}) {
			return
		}
		if lower := strings.ToLower(accept); !strings.Contains(lower, "text/html") && !strings.Contains(lower, "text/*") {
			t.Fatalf("%q gets a page", accept)
		}
		if prefersHTML([]string{accept, "text/html;q=0, application/json"}) && !strings.Contains(strings.ToLower(accept), "text/html") {
			t.Fatalf("%q gets a page though HTML is refused", accept)
		}
	})
}
