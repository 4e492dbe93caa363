package route

import (
	"fmt"
	"strings"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"github.com/tollhouse/tollhouse/internal/toll"
	"pgregory.net/rapid"
)

func table(t testing.TB, services ...toll.Service) *Table {
	t.Helper()
	table, err := New(services)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMostSpecificServiceWins(t *testing.T) {
	t.Parallel()
	all := table(t,
		toll.Service{Name: "host+path", Host: "api.example.com", Path: "/v1"},
		toll.Service{Name: "host+longer", Host: "api.example.com", Path: "/v1/ner/fast/"},
		toll.Service{Name: "wild", Host: "*.example.com"},
		toll.Service{Name: "wild+path", Host: "*.example.com", Path: "/v1"},
		toll.Service{Name: "deep-wild", Host: "*.eu.example.com", Path: "/v1"},
		toll.Service{Name: "host", Host: "Daybook.localhost"},
		toll.Service{Name: "ner", Path: "/v1/ner"},
		toll.Service{Name: "v1", Path: "/v1"},
		toll.Service{Name: "ipv6", Host: "[::1]", Path: "/"},
	)
	for _, c := range []struct{ host, path, want string }{
		{"api.example.com", "/v1", "host+path"},
		{"api.example.com", "/v1/ner", "host+path"},
		{"api.example.com", "/v1/ner/fast", "host+longer"},
		{"api.example.com", "/v1/ner/fast/x", "host+longer"},
		{"api.example.com", "/v1/ner/faster", "host+path"},
		{"api.example.com", "/v2", "wild"}, // the exact host takes nothing there
		{"www.example.com", "/", "wild"},
		{"www.example.com", "/v1/ner", "wild+path"},
		{"www.example.com", "/v10", "wild"},
		{"a.eu.example.com", "/v1", "deep-wild"},
		{"a.eu.example.com", "/v1/ner", "deep-wild"},
		{"a.eu.example.com", "/", ""}, // a wildcard stands for one label
		{"eu.example.com", "/x", "wild"},
		{"example.com", "/v1/ner", "ner"},
		{".example.com", "/x", ""},
		{"daybook.localhost", "/v1/ner", "host"},
		{"daybook.localhost.", "/", "host"},
		{"localhost", "/v1/ner", "ner"},
		{"localhost", "/v1/ner/", "ner"},
		{"localhost", "/v1/ner/x", "ner"},
		{"localhost", "/v1/nerd", "v1"},
		{"localhost", "/v1/ner;x", "v1"},
		{"localhost", "/v1", "v1"},
		{"localhost", "/v", ""},
		{"localhost", "/", ""},
		{"", "/v1/x", "v1"},
		{"[::1]", "/", "ipv6"},
		{"localhost", "", ""},
		{"localhost", "v1", ""},
	} {
		got := ""
		if r, ok := all.Match(c.host, c.path); ok {
			got = r.Service.Name
		}
		if got != c.want {
			t.Errorf("%s %s goes to %q, want %q", c.host, c.path, got, c.want)
		}
	}
}

func TestManyServicesAreEachFound(t *testing.T) {
	t.Parallel()
	var services []toll.Service
	var endpoints []string
	for i := range 30 {
		endpoints = append(endpoints, fmt.Sprintf("GET /e%d/{id}", i))
		services = append(services,
			toll.Service{Name: fmt.Sprintf("host%d", i), Host: fmt.Sprintf("h%d.test", i)},
			toll.Service{Name: fmt.Sprintf("path%d", i), Path: fmt.Sprintf("/v1/p%d", i)})
	}
	services[1].Endpoints, services[1].StripPath = endpoints, true
	all := table(t, services...)
	for i := range 30 {
		if r, ok := all.Match(fmt.Sprintf("h%d.test", i), "/v1/p1"); !ok || r.Service.Name != fmt.Sprintf("host%d", i) {
			t.Errorf("host %d: %+v, %v", i, r, ok)
		}
		if r, ok := all.Match("x", fmt.Sprintf("/v1/p%d/x", i)); !ok || r.Service.Name != fmt.Sprintf("path%d", i) {
			t.Errorf("path %d: %+v, %v", i, r, ok)
		}
		r, _ := all.Match("x", "/v1/p0")
		if got := r.Endpoint("GET", fmt.Sprintf("/v1/p0/e%d/7", i)); got != endpoints[i] {
			t.Errorf("endpoint %d is %q", i, got)
		}
	}
	if r, ok := all.Match("h30.test", "/v1/p30"); ok {
		t.Errorf("what is not there is %+v", r)
	}
}

func TestEmptyTableMatchesNothing(t *testing.T) {
	t.Parallel()
	var none *Table
	for _, empty := range []*Table{none, {}, table(t)} {
		if r, ok := empty.Match("localhost", "/"); ok {
			t.Errorf("got %+v", r)
		}
	}
	if r, ok := table(t, toll.Service{Name: "all"}).Match("any", "/thing"); !ok || r.Service.Name != "all" {
		t.Error("a service without host and path should take everything")
	}
}

func TestRefusesTablesThatCannotBe(t *testing.T) {
	t.Parallel()
	for says, services := range map[string][]toll.Service{
		"services one and two both take the path /v1/ner on any host": {{Name: "one", Path: "/v1/ner"}, {Name: "two", Path: "/v1/ner/"}},
		"a and b both take the path / on x.org":                       {{Name: "a", Host: "x.org"}, {Name: "b", Host: "X.org", Path: "/"}},
		"c and d both take the path /x on *.x.org":                    {{Name: "c", Host: "*.x.org", Path: "/x"}, {Name: "d", Host: "*.x.org", Path: "/x"}},
		`path "v1" of service p`:                                      {{Name: "p", Path: "v1"}},
		`path "/a/../b" of service p`:                                 {{Name: "p", Path: "/a/../b"}},
		`path "/a//b" of service p`:                                   {{Name: "p", Path: "/a//b"}},
		`path "/caf%C3%A9" of service p`:                              {{Name: "p", Path: "/caf%C3%A9"}},
		`host "http://x.org" of service h`:                            {{Name: "h", Host: "http://x.org"}},
		`host "x.org:8080" of service h`:                              {{Name: "h", Host: "x.org:8080"}},
		`host "*" of service h`:                                       {{Name: "h", Host: "*"}},
		`host "a.*.org" of service h`:                                 {{Name: "h", Host: "a.*.org"}},
		`host "x..org" of service h`:                                  {{Name: "h", Host: "x..org"}},
		`host "*.*.org" of service h`:                                 {{Name: "h", Host: "*.*.org"}},
		`endpoint "/x" of service e`:                                  {{Name: "e", Endpoints: []string{"/x"}}},
		`endpoint "post /x" of service e`:                             {{Name: "e", Endpoints: []string{"post /x"}}},
		`endpoint "GET x" of service e`:                               {{Name: "e", Endpoints: []string{"GET x"}}},
		`endpoint "GET  /x" of service e`:                             {{Name: "e", Endpoints: []string{"GET  /x"}}},
		`written {name}`:                                              {{Name: "e", Endpoints: []string{"GET /{}"}}},
		`a whole segment`:                                             {{Name: "e", Endpoints: []string{"GET /a{id}"}}},
		`path parameters`:                                             {{Name: "e", Endpoints: []string{"GET /a;b"}}},
		`"GET /{a}/x" and "GET /{b}/x/" of service e are the same`:    {{Name: "e", Endpoints: []string{"GET /{a}/x", "POST /{a}/x", "GET /{b}/x/"}}},
	} {
		table, err := New(services)
		if err == nil || !strings.Contains(err.Error(), says) || toll.CodeOf(err) != toll.Invalid || table != nil {
			t.Errorf("want an Invalid error that says %q, got %v", says, err)
		}
	}
}

func TestStripTakesThePrefixOffBothForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		prefix           string
		strip            bool
		raw              string
		decoded, encoded string
		told             string
	}{
		{"/v1/ner", true, "/v1/ner/extractions", "/extractions", "/extractions", "/v1/ner"},
		{"/v1/ner/", true, "/v1/ner", "/", "/", "/v1/ner"},
		{"/v1/ner", true, "/v1/ner/", "/", "/", "/v1/ner"},
		{"/v1/ner", true, "//v1//n%65r//caf%c3%a9", "/café", "/caf%C3%A9", "/v1/ner"},
		{"/naïve café", true, "/na%C3%AFve%20caf%C3%A9/x%3by", "/x;y", "/x%3By", "/naïve café"},
		{"/v1/ner", false, "/v1/ner/x", "/v1/ner/x", "/v1/ner/x", ""},
		{"", true, "/x", "/x", "/x", ""},
		{"/", true, "/", "/", "/", ""},
	} {
		decoded, encoded, err := Canonical(c.raw)
		if err != nil {
			t.Fatal(err)
		}
		r, ok := table(t, toll.Service{Name: "s", Path: c.prefix, StripPath: c.strip}).Match("h", decoded)
		if !ok {
			t.Errorf("%q does not match %q", decoded, c.prefix)
			continue
		}
		if d, e := r.Strip(decoded, encoded); d != c.decoded || e != c.encoded || r.Prefix() != c.told {
			t.Errorf("%q without %q is %q, %q, told as %q; want %q, %q, told as %q", c.raw, c.prefix, d, e, r.Prefix(), c.decoded, c.encoded, c.told)
		}
	}
}

// TestMatchIsTheBestOfAll compares the tree with a look at every service.
func TestMatchIsTheBestOfAll(t *testing.T) {
	t.Parallel()
	hosts := []string{"", "a.test", "b.test", "*.test", "x.a.test", "*.a.test"}
	segments := []string{"a", "b", "ab", "é", "c", "d", "e", "f", "g", "h"}
	path := func(t *rapid.T, label string) string {
		s := ""
		for range rapid.IntRange(0, 3).Draw(t, label) {
			s += "/" + rapid.SampledFrom(segments).Draw(t, "segment")
		}
		return s
	}
	rapid.Check(t, func(t *rapid.T) {
		var services []toll.Service
		seen := map[string]bool{}
		for i := range rapid.IntRange(0, 40).Draw(t, "services") {
			s := toll.Service{Name: fmt.Sprint(i), Host: rapid.SampledFrom(hosts).Draw(t, "host"), Path: path(t, "prefix")}
			if at := s.Host + s.Path; !seen[at] {
				seen[at] = true
				services = append(services, s)
			}
		}
		table, err := New(services)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			host := rapid.SampledFrom([]string{"a.test", "b.test", "c.test", "x.a.test", "y.a.test", "y.b.test", "test"}).Draw(t, "asked host")
			asked := path(t, "asked") + rapid.SampledFrom([]string{"", "/"}).Draw(t, "end")
			if asked == "" {
				asked = "/"
			}
			want, score := "", -1
			for _, s := range services {
				rank := 0
				switch _, parent, _ := strings.Cut(host, "."); {
				case s.Host == "":
				case s.Host == host:
					rank = 2000
				case s.Host == "*."+parent:
					rank = 1000
				default:
					continue
				}
				if (s.Path == "" || asked == s.Path || strings.HasPrefix(asked, s.Path+"/")) && rank+len(s.Path) > score {
					want, score = s.Name, rank+len(s.Path)
				}
			}
			got := ""
			if r, ok := table.Match(host, asked); ok {
				got = r.Service.Name
			}
			if got != want {
				t.Fatalf("%s%s goes to %q, want %q", host, asked, got, want)
			}
		}
	})
}

func FuzzMatch(f *testing.F) {
	services := []toll.Service{
		{Name: "ner", Path: "/v1/ner", StripPath: true, Endpoints: []string{"POST /extractions", "GET /documents/{id}/entities", "GET /{a}/{b}"}},
		{Name: "wild", Host: "*.example.com", Endpoints: []string{"GET /"}},
		{Name: "all"},
	}
	all := table(f, services...)
	for _, s := range [][3]string{{"localhost", "GET", "/v1/ner/documents/7/entities"}, {"a.example.com", "GET", "/"}, {"", "", ""}, {".", "X", "/;"}, {"..", "HEAD", "//"}, {"x", "POST", "v1"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, host, method, path string) {
		r, ok := all.Match(host, path)
		if !ok {
			if strings.HasPrefix(path, "/") {
				t.Errorf("%q%q goes nowhere", host, path)
			}
			return
		}
		name := r.Endpoint(method, path)
		known := false
		for _, e := range r.Endpoints() {
			known = known || e == name
		}
		if !known {
			t.Errorf("the endpoint %q is none of the service's", name)
		}
		if d, e := r.Strip(path, path); d != e || d[0] != '/' {
			t.Errorf("stripped, %q is %q and %q", path, d, e)
		}
	})
}
