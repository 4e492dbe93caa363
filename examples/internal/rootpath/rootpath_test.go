package rootpath_test

import (
	"net/http/httptest"
	"testing"

	"github.com/tollhouse/tollhouse/examples/internal/rootpath"
)

func TestTakesPlainPathsOnly(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"": "", "/": "", "///": "", "/daybook": "/daybook", "/daybook/": "/daybook", "/v1/ner": "/v1/ner", "/a-b_c.d~e": "/a-b_c.d~e",
		"daybook": "", "//evil.example": "", "/a//b": "", "https://evil.example": "", "/a/../b": "", "/.": "", "/a b": "", "/a;Path=/": "", "/a\nSet-Cookie: x=y": "", "/ä": "", "/%2f": "", `/"><script>`: "", `/\evil`: "", "/a?b": "", "/a#b": "",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Forwarded-Prefix"] = []string{given}
		if got := rootpath.Of(r); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
