package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// brokenLink is a way in which the link to a service is slow or broken, and how a
// request over it must end.
type brokenLink struct {
	name   string
	wrong  []string // with the link, as toxiproxy says it
	method string   // "": GET
	path   string
	body   []byte

	status int
	errors []string // one of which Proxy-Status names; none: the answer is the service's
	cut    bool     // the answer begins, and the client sees that it breaks off
	want   string   // else: the answer, "" for big
}

const terminated, timedOut = "connection_terminated", "http_response_timeout"

// The services have connect 1 s, response 1 s, idle 1 s, stream 4 s.
var brokenLinks = []brokenLink{
	{name: "latency", wrong: []string{`{"type":"latency","attributes":{"latency":200,"jitter":100}}`}, path: "big", status: 200},
	{name: "latency-beyond-response", wrong: []string{`{"type":"latency","attributes":{"latency":60000}}`}, path: "small", status: 504, errors: []string{timedOut}},
	{name: "silence", wrong: []string{`{"type":"timeout","attributes":{"timeout":0}}`}, path: "small", status: 504, errors: []string{timedOut}},
	{name: "silence-upwards", wrong: []string{`{"type":"timeout","stream":"upstream","attributes":{"timeout":0}}`}, method: "POST", body: []byte("x"), path: "small", status: 504, errors: []string{timedOut}},
	{name: "silence-then-close", wrong: []string{`{"type":"timeout","attributes":{"timeout":100}}`}, path: "small", status: 502, errors: []string{terminated}},
	{name: "reset", wrong: []string{`{"type":"reset_peer","attributes":{"timeout":0}}`}, path: "small", status: 502, errors: []string{terminated}},
	{name: "reset-upload", wrong: []string{`{"type":"reset_peer","stream":"upstream","attributes":{"timeout":0}}`}, method: "POST", body: big, path: "small", status: 502, errors: []string{terminated}},
	{name: "slow-close", wrong: []string{`{"type":"slow_close","attributes":{"delay":300}}`}, path: "close", status: 200, want: "the end is the end of the connection"},
	{name: "slow-close-with-length", wrong: []string{`{"type":"slow_close","attributes":{"delay":60000}}`}, path: "big", status: 200},
	{name: "slow-close-beyond-idle", wrong: []string{`{"type":"slow_close","attributes":{"delay":60000}}`}, path: "close", status: 200, cut: true},
	{name: "nothing-comes", wrong: []string{`{"type":"limit_data","attributes":{"bytes":0}}`}, path: "small", status: 502, errors: []string{terminated}},
	{name: "half-a-head", wrong: []string{`{"type":"limit_data","attributes":{"bytes":30}}`}, path: "small", status: 502, errors: []string{"http_protocol_error", terminated}},
	{name: "half-a-body", wrong: []string{`{"type":"limit_data","attributes":{"bytes":200000}}`}, path: "big", status: 200, cut: true},
	{name: "half-the-chunks", wrong: []string{`{"type":"limit_data","attributes":{"bytes":200000}}`}, path: "chunks", status: 200, cut: true},
	{name: "slices", wrong: []string{`{"type":"slicer","attributes":{"average_size":300,"size_variation":200,"delay":10}}`}, path: "big", status: 200},
	{name: "slices-of-chunks", wrong: []string{`{"type":"slicer","attributes":{"average_size":300,"size_variation":200,"delay":10}}`}, path: "chunks", status: 200},
	{name: "slices-upwards", wrong: []string{`{"type":"slicer","stream":"upstream","attributes":{"average_size":300,"size_variation":200,"delay":10}}`}, method: "POST", body: big, path: "small", status: 200, want: fmt.Sprintf("%d bytes came", len(big))},
	{name: "narrow", wrong: []string{`{"type":"bandwidth","attributes":{"rate":400}}`}, path: "big", status: 200},
	{name: "too-narrow", wrong: []string{`{"type":"bandwidth","attributes":{"rate":20}}`}, path: "big", status: 200, cut: true},
	{name: "too-narrow-upwards", wrong: []string{`{"type":"bandwidth","stream":"upstream","attributes":{"rate":1}}`}, method: "POST", body: bytes.Repeat(big, 32), path: "small", status: 504, errors: []string{"connection_write_timeout", timedOut}},
	{name: "gone", wrong: nil, path: "small", status: 502, errors: []string{"connection_refused"}},
}

// TestEachWayInWhichALinkIsBrokenEndsAsItIsSaid sends requests over slow and broken
// links: what is only slow arrives whole, what ends before an answer is a problem
// that names the failure, and an answer that broke off never looks whole, over
// HTTP/1.1 and HTTP/2.
func TestEachWayInWhichALinkIsBrokenEndsAsItIsSaid(t *testing.T) {
	t.Parallel()
	_, service := newSteady(t)
	var services strings.Builder
	for _, b := range brokenLinks {
		l := newLink(t, service, b.wrong...)
		if b.name == "gone" {
			l.proxy.Stop()
		}
		fmt.Fprintf(&services, "  %s: { path: /%s, access: public, upstreams: [%q], max_body: 32MB, timeouts: { connect: 1s, response: 1s, idle: 1s, stream: 4s } }\n", b.name, b.name, l.url())
	}
	plain, secure, over1, over2, _ := gatewayBefore(t, services.String())
	for _, b := range brokenLinks {
		for _, way := range []struct {
			proto, base string
			client      *http.Client
		}{{"HTTP/1.1", plain, over1}, {"HTTP/2", secure, over2}} {
			t.Run(b.name+" over "+way.proto, func(t *testing.T) {
				t.Parallel()
				b.check(t, way.client, way.base)
			})
		}
	}
}

func (b *brokenLink) check(t *testing.T, client *http.Client, base string) {
	method := b.method
	if method == "" {
		method = "GET"
	}
	request, err := http.NewRequest(method, base+"/"+b.name+"/"+b.path, bytes.NewReader(b.body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != b.status {
		t.Fatalf("%s %q, want %d: %.300q", response.Status, response.Header.Get("Proxy-Status"), b.status, body)
	}
	if b.cut {
		if err == nil {
			t.Errorf("%d bytes look like a whole answer", len(body))
		}
		return
	}
	if err != nil {
		t.Fatalf("the answer broke off after %d bytes: %v", len(body), err)
	}
	if len(b.errors) == 0 {
		want := b.want
		if want == "" {
			want = string(big)
		}
		if string(body) != want {
			t.Errorf("the answer has %d bytes: %.100q", len(body), body)
		}
		return
	}
	said := response.Header.Get("Proxy-Status")
	if !slices.ContainsFunc(b.errors, func(e string) bool { return said == "tollhouse; error="+e }) {
		t.Errorf("Proxy-Status: %q, want one of %v", said, b.errors)
	}
	var problem struct {
		Type      string
		Status    int
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		t.Fatalf("%v: %q", err, body)
	}
	kind := map[int]string{502: "upstream-failed", 504: "upstream-timeout"}[b.status]
	if response.Header.Get("Content-Type") != "application/problem+json" || problem.Status != b.status ||
		!strings.HasSuffix(problem.Type, "#"+kind) || problem.RequestID != response.Header.Get("X-Request-Id") {
		t.Errorf("%s %+v", response.Header.Get("Content-Type"), problem)
	}
}

// gatewayBefore starts the program before services, and gives its two ways in with a
// client for each.
func gatewayBefore(t *testing.T, services string) (plain, secure string, over1, over2 *http.Client, p *process) {
	t.Helper()
	dir, ca := t.TempDir(), edgetest.NewAuthority(t)
	pair := ca.Files(t, dir, "console.localhost")
	plainPort, securePort := freePort(t), freePort(t)
	file := filepath.Join(dir, "tollhouse.yml")
	config := fmt.Sprintf("listen: { http: \"127.0.0.1:%d\", https: \"127.0.0.1:%d\", admin: \"127.0.0.1:0\" }\ndata: %q\nconsole: { host: console.localhost }\ncertificates: [ { cert: %q, key: %q } ]\nservices:\n%s",
		plainPort, securePort, filepath.Join(dir, "data"), pair.Cert, pair.Key, services)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p = start(t, "serves at", "serve", "--config", file)
	over1 = &http.Client{Transport: &http.Transport{}, Timeout: patience}
	over2 = caller(t, ca.Roots())
	over2.Transport.(*http.Transport).TLSClientConfig.ServerName = "console.localhost" // an address has no certificate
	over2.Timeout = patience
	t.Cleanup(over1.CloseIdleConnections)
	return fmt.Sprintf("http://127.0.0.1:%d", plainPort), fmt.Sprintf("https://127.0.0.1:%d", securePort), over1, over2, p
}

// TestAnotherUpstreamIsAskedOnlyWhereThatIsSafe has one upstream of two behind a
// link that takes requests there and resets the connection instead of bringing
// the answer back.
func TestAnotherUpstreamIsAskedOnlyWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	s, service := newSteady(t)
	lost := newLink(t, service, `{"type":"reset_peer","attributes":{"timeout":0}}`)
	cases := []struct {
		method string
		body   []byte
		again  bool
	}{
		{"GET", nil, true}, {"HEAD", nil, true}, {"PUT", big[:20_000], true}, {"DELETE", nil, true},
		{"PUT", big, false}, // longer than what is kept for another try
		{"POST", big[:100], false}, {"PATCH", big[:100], false},
	}
	var services strings.Builder
	for i := range cases { // a service for each, whose breaker opens late: so each meets the broken link often
		fmt.Fprintf(&services, "  pair%d: { path: /pair%d, access: public, upstreams: [%q, %q], breaker: { failures: 1000 } }\n", i, i, lost.url(), service)
	}
	plain, _, client, _, _ := gatewayBefore(t, services.String())
	for n, c := range cases {
		failures := 0
		for i := range 20 {
			errand := fmt.Sprintf("%s of %d, %d", c.method, len(c.body), i)
			request, err := http.NewRequest(c.method, fmt.Sprintf("%s/pair%d/x", plain, n), bytes.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set(errandField, errand)
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			switch {
			case response.StatusCode == 200:
			case response.StatusCode == 502 && response.Header.Get("Proxy-Status") == "tollhouse; error="+terminated:
				failures++
			default:
				t.Errorf("%s: %s %q", errand, response.Status, response.Header.Get("Proxy-Status"))
			}
			s.mu.Lock()
			if times := s.done[errand]; times > 1 && !c.again || times == 0 && response.StatusCode == 200 {
				t.Errorf("%s was done %d times", errand, times)
			}
			s.mu.Unlock()
		}
		if c.again && failures > 0 || !c.again && failures == 0 {
			t.Errorf("%s of %d bytes: %d of 20 failed", c.method, len(c.body), failures)
		}
	}
}

// TestTheBreakerOpensForABrokenLinkAndClosesWhenItIsWell takes each kind of break
// that an upstream has to answer for.
func TestTheBreakerOpensForABrokenLinkAndClosesWhenItIsWell(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ wrong, path string }{
		"reset":       {`{"type":"reset_peer","attributes":{"timeout":0}}`, "small"},
		"silence":     {`{"type":"timeout","attributes":{"timeout":0}}`, "small"},
		"half a head": {`{"type":"limit_data","attributes":{"bytes":30}}`, "small"},
		"half a body": {`{"type":"limit_data","attributes":{"bytes":200000}}`, "big"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, service := newSteady(t)
			l := newLink(t, service, c.wrong)
			plain, _, client, _, p := gatewayBefore(t, fmt.Sprintf("  pair: { path: /pair, access: public, upstreams: [%q, %q], timeouts: { response: 200ms } }\n", l.url(), service))
			until := func(state string) {
				t.Helper()
				for range 2000 {
					if strings.Contains(p.stderr.String(), state) {
						return
					}
					response, err := client.Get(plain + "/pair/" + c.path)
					if err != nil {
						t.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, response.Body) // it may break off
					response.Body.Close()
				}
				t.Fatalf("the log never had %s", state)
			}
			upstream := `"upstream":"` + l.proxy.Listen + `"`
			until(`"msg":"upstream changed","service":"pair",` + upstream + `,"health":"unknown","circuit":"open"`)
			l.heal(t)
			until(`"msg":"upstream changed","service":"pair",` + upstream + `,"health":"unknown","circuit":"closed"`)
			for range 20 {
				response, body := get(t, client, plain+"/pair/big")
				if response.StatusCode != 200 || len(body) != len(big) {
					t.Errorf("with the link well again: %s, %d bytes", response.Status, len(body))
				}
			}
		})
	}
}
