package edge_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
)

func TestPlainHTTPLeadsToHTTPSWhereThereIsOne(t *testing.T) {
	t.Parallel()
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })
	d := edge.Redirect{
		Answers: func(host string) bool { return host == "one.example" },
		Proxies: func() edge.Proxies { return edge.Proxies{netip.MustParsePrefix("192.0.2.0/24")} }, HTTP: "80", HTTPS: "443", Next: next,
	}
	for _, c := range []struct {
		what, http, https, method, target, host string
		want                                    string
	}{
		{"a page", "80", "443", "GET", "/a%2Fb/?q=1&r=%20", "one.example", "https://one.example/a%2Fb/?q=1&r=%20"},
		{"a post", "80", "443", "POST", "/", "ONE.example:80", "https://one.example/"},
		{"ports of our own", "8080", "8443", "GET", "/x", "one.example:8080", "https://one.example:8443/x"},
		{"ports that something moves", "8080", "8443", "GET", "/x", "one.example", "https://one.example/x"},
		{"port 80 with another for HTTPS", "80", "8443", "GET", "/x", "one.example", "https://one.example:8443/x"},
		{"a whole address", "80", "443", "GET", "http://one.example/x?y", "one.example", "https://one.example/x?y"},
		{"no path", "80", "443", "OPTIONS", "*", "one.example", "https://one.example/"},
		{"two slashes", "80", "443", "GET", "//evil.example/", "one.example", "https://one.example//evil.example/"},
		{"a host without HTTPS", "80", "443", "GET", "/", "two.example", ""},
		{"an address", "80", "443", "GET", "/healthz", "127.0.0.1:80", ""},
	} {
		r := httptest.NewRequest(c.method, "/", strings.NewReader(""))
		r.RequestURI, r.Host, r.RemoteAddr = c.target, c.host, "198.51.100.1:1234"
		r.Header.Set("X-Forwarded-Proto", "https") // nobody's word
		w := httptest.NewRecorder()
		d.HTTP, d.HTTPS = c.http, c.https
		d.ServeHTTP(w, r)
		want := 308
		if c.want == "" {
			want = 299
		}
		if w.Code != want || w.Header().Get("Location") != c.want {
			t.Errorf("%s: %d %s, want %d %s", c.what, w.Code, w.Header().Get("Location"), want, c.want)
		}
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Host, r.RemoteAddr = "one.example", "192.0.2.9:1234"
	r.Header.Set("X-Forwarded-Proto", "https")
	w := httptest.NewRecorder()
	if d.ServeHTTP(w, r); w.Code != 299 {
		t.Errorf("a request that a trusted proxy had over HTTPS: %d", w.Code)
	}
}

func TestBrowsersAreToldToComeOverHTTPSUnlessTheServiceSaysOtherwise(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "own") {
			w.Header().Set("Strict-Transport-Security", "max-age=1")
		}
	})
	server := httptest.NewServer(edge.StrictTransport(180*24*time.Hour, h.front))
	defer server.Close()
	for _, c := range []struct{ host, path, want string }{
		{"api.example", "/v1/ner/", "max-age=15552000"},
		{"api.example", "/v1/ner/own", "max-age=1"},
		{"api.example", "/console", "max-age=15552000"},
		{"api.localhost", "/console", ""},
		{"localhost:8443", "/console", ""},
	} {
		r, err := http.NewRequest("GET", server.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = c.host
		r.Header.Set("X-Api-Key", h.key)
		response, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if got := response.Header.Values("Strict-Transport-Security"); strings.Join(got, "|") != c.want {
			t.Errorf("%s%s: %q, want %q", c.host, c.path, got, c.want)
		}
	}
}
