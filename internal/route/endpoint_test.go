package route

import (
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestEndpointIsTheServicesPattern(t *testing.T) {
	t.Parallel()
	patterns := []string{"POST /extractions", "GET /openapi.json", "GET /documents/{id}", "GET /documents/latest", "GET /documents/{id}/entities/{type}", "HEAD /alive", "GET /alive", "GET /", "PUT /{a}/b", "PUT /x/{c}/d"}
	for _, strip := range []bool{true, false} {
		prefix := "/v1/ner"
		own := patterns
		if !strip {
			own = nil
			for _, p := range patterns {
				own = append(own, strings.Replace(p, " /", " /v1/ner/", 1))
			}
		}
		r, _ := table(t, toll.Service{Name: "ner", Path: prefix, StripPath: strip, Endpoints: own}).Match("h", prefix)
		for _, c := range []struct{ method, path, want string }{
			{"POST", "/extractions", "POST /extractions"},
			{"POST", "/extractions/", "POST /extractions"},
			{"POST", "/extractions;x=y", "POST /extractions"},
			{"POST", "/extractions/x", ""},
			{"POST", "/extraction", ""},
			{"POST", "/Extractions", ""},
			{"GET", "/extractions", ""},
			{"post", "/extractions", ""},
			{"GET", "/documents/7", "GET /documents/{id}"},
			{"GET", "/documents/latest", "GET /documents/latest"},
			{"GET", "/documents/latest/entities/x", "GET /documents/{id}/entities/{type}"}, // back from the literal
			{"GET", "/documents/", ""},
			{"GET", "/documents/;x", ""},
			{"GET", "/documents/7/entities", ""},
			{"HEAD", "/documents/7", "GET /documents/{id}"},
			{"HEAD", "/alive", "HEAD /alive"},
			{"GET", "", "GET /"},
			{"GET", "/", "GET /"},
			{"PUT", "/x/b", "PUT /{a}/b"},
			{"PUT", "/x/b/d", "PUT /x/{c}/d"},
			{"DELETE", "/documents/7", ""},
		} {
			want := c.want
			switch {
			case want == "":
				want = Other
			case !strip:
				want = strings.Replace(want, " /", " /v1/ner/", 1)
			}
			if got := r.Endpoint(c.method, prefix+c.path); got != want {
				t.Errorf("strip %v: %s %s is %q, want %q", strip, c.method, c.path, got, want)
			}
		}
		if got := r.Endpoints(); !slices.Equal(got, append(slices.Clone(own), Other)) {
			t.Errorf("the endpoints are %q", got)
		}
	}
}

func TestServiceWithoutPatternsHasOneEndpoint(t *testing.T) {
	t.Parallel()
	r, _ := table(t, toll.Service{Name: "web"}).Match("h", "/")
	for _, path := range []string{"/", "/x", ""} {
		if got := r.Endpoint("GET", path); got != Other {
			t.Errorf("%q is %q", path, got)
		}
	}
}

func TestRoutingAllocatesNothing(t *testing.T) {
	all := contract(t)
	if n := testing.AllocsPerRun(100, func() {
		path, encoded, _ := Canonical("/v1/ner/documents/7/entities")
		r, _ := all.Match("www.example.com", path)
		r.Strip(path, encoded)
		if r.Endpoint("GET", path) == Other {
			t.Error("no endpoint")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// A path is walked no deeper than the patterns go.
func TestEndlessPathIsOther(t *testing.T) {
	t.Parallel()
	path := "/v1/ner" + strings.Repeat("/documents", 100_000)
	r, ok := contract(t).Match("h", path)
	if !ok || r.Service.Name != "ner" || r.Endpoint("GET", path) != Other {
		t.Errorf("got %+v, %v", r, ok)
	}
}

func contract(t testing.TB) *Table {
	return table(t,
		toll.Service{Name: "ner", Path: "/v1/ner", StripPath: true, Endpoints: []string{"POST /extractions", "GET /openapi.json", "GET /documents/{id}/entities"}},
		toll.Service{Name: "daybook", Host: "daybook.localhost"},
		toll.Service{Name: "wild", Host: "*.example.org"},
	)
}

func BenchmarkRoute(b *testing.B) {
	all := contract(b)
	b.ReportAllocs()
	for b.Loop() {
		path, encoded, _ := Canonical("/v1/ner/extractions")
		r, ok := all.Match("api.example.com", path)
		if !ok {
			b.Fatal()
		}
		r.Strip(path, encoded)
		if r.Endpoint("POST", path) == Other {
			b.Fatal()
		}
	}
}
