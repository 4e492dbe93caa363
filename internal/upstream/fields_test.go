package upstream

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// seen forwards a request and returns its head as the upstream saw it.
func seen(t *testing.T, base string, req *exchange.Request) string {
	t.Helper()
	heads := make(chan string, 1)
	url := raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		head := readHead(in)
		heads <- head
		// The body is read too: an answer and a close while it is still being
		// written would be another test.
		if r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), in))); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	p := poolTo(t, toll.Service{}, Options{}, url+base)
	answer(t, p, req)
	return <-heads
}

func TestKeepsTheConnectionsFieldsToItself(t *testing.T) {
	t.Parallel()
	req := request("GET", "/", "")
	req.Header = exchange.Fields{
		"Connection":          {"close, X-Private", " Keep-Alive"},
		"Keep-Alive":          {"timeout=5"},
		"Proxy-Connection":    {"keep-alive"},
		"Proxy-Authorization": {"Basic eDp5"},
		"Te":                  {"gzip;q=0.5, Trailers"},
		"Trailer":             {"X-Sum"},
		"Transfer-Encoding":   {"chunked"},
		"Upgrade":             {"h2c"},
		"X-Private":           {"secret"},
		"Accept":              {"text/html", "application/json"},
		"Authorization":       {"Bearer th_live_x"},
	}
	head := seen(t, "", req)
	for _, no := range []string{"X-Private", "Keep-Alive", "Proxy-", "gzip", "Trailer:", "Transfer-Encoding", "Upgrade", "close", "User-Agent", "Accept-Encoding"} {
		if strings.Contains(head, no) {
			t.Errorf("%s was passed on:\n%s", no, head)
		}
	}
	for _, yes := range []string{"Te: trailers\r\n", "Connection: TE\r\n", "Accept: text/html\r\n", "Accept: application/json\r\n", "Authorization: Bearer", "Host: api.example.com:8080\r\n"} {
		if !strings.Contains(head, yes) {
			t.Errorf("%q is missing:\n%s", yes, head)
		}
	}
	if req.Header.Get("Connection") == "" || req.Header.Get("User-Agent") != "" {
		t.Error("Forward changed the request's own fields")
	}
}

// crowded is a head with as many fields as fit into one, half of them named by
// Connection, in no order.
func crowded() exchange.Fields {
	const fields = 5000
	h := exchange.Fields{"Accept": {"*/*"}}
	var options []string
	for i := range fields {
		name := fmt.Sprintf("X%d", (i*7919)%fields)
		h[name] = []string{"1"}
		if i%2 == 0 {
			options = append(options, strings.ToLower(name))
		}
	}
	h["Connection"] = []string{strings.Join(options, ", ")}
	return h
}

func TestDropsEachOfManyFieldsThatConnectionNames(t *testing.T) {
	t.Parallel()
	h := crowded()
	got := requestFields(h, "")
	for _, name := range strings.Split(h["Connection"][0], ", ") {
		if _, there := got[http.CanonicalHeaderKey(name)]; there {
			t.Fatalf("%s is passed on", name)
		}
	}
	if want := len(h) - 1 - 2500 + 1; len(got) != want { // without Connection, with User-Agent
		t.Errorf("%d fields are passed on, want %d", len(got), want)
	}
}

// What a client can make the gateway do with one head of 64 KB.
func BenchmarkManyFieldsThatConnectionNames(b *testing.B) {
	h := crowded()
	for b.Loop() {
		requestFields(h, "")
	}
}

func TestAClientCannotTalkTheGatewaysFieldsAway(t *testing.T) {
	t.Parallel()
	req := request("GET", "/", "")
	req.Header = exchange.Fields{
		"Connection":         {"Tollhouse-Customer, X-Request-ID, x-forwarded-for, X-Mine"},
		"Tollhouse-Customer": {"cus_1"},
		"X-Request-Id":       {"01J"},
		"X-Forwarded-For":    {"192.0.2.1"},
		"X-Mine":             {"1"},
	}
	head := seen(t, "", req)
	for _, yes := range []string{"Tollhouse-Customer: cus_1", "X-Request-Id: 01J", "X-Forwarded-For: 192.0.2.1"} {
		if !strings.Contains(head, yes) {
			t.Errorf("%q is missing:\n%s", yes, head)
		}
	}
	if strings.Contains(head, "X-Mine") {
		t.Errorf("what the client named and is its own was passed on:\n%s", head)
	}
}

func TestPassesTheTargetOnAsItIs(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ base, target, line string }{
		{"", "/", "GET / HTTP/1.1"},
		{"", "/a%20b/%C3%A9;v=1?q=%2F&x=a+b", "GET /a%20b/%C3%A9;v=1?q=%2F&x=a+b HTTP/1.1"},
		{"", `/a"b|c^`, `GET /a"b|c^ HTTP/1.1`},
		{"", "//evil.example/x", "GET //evil.example/x HTTP/1.1"},
		{"/base/", "/x", "GET /base/x HTTP/1.1"},
		{"/b%20c", "/", "GET /b%20c/ HTTP/1.1"},
		{"", "", "GET / HTTP/1.1"},
	} {
		if head := seen(t, test.base, request("GET", test.target, "")); !strings.HasPrefix(head, test.line+"\r\n") {
			t.Errorf("%s behind %q became %q, want %q", test.target, test.base, head[:strings.Index(head, "\r")], test.line)
		}
	}
}

func TestSaysABodysLengthAsTheClientDid(t *testing.T) {
	t.Parallel()
	known := seen(t, "", request("POST", "/", "12345"))
	if !strings.Contains(known, "Content-Length: 5\r\n") || strings.Contains(known, "chunked") {
		t.Errorf("a known length became:\n%s", known)
	}
	streamed := request("POST", "/", "12345")
	streamed.Length = -1
	if head := seen(t, "", streamed); !strings.Contains(head, "Transfer-Encoding: chunked\r\n") || strings.Contains(head, "Content-Length") {
		t.Errorf("an unknown length became:\n%s", head)
	}
	if head := seen(t, "", request("POST", "/", "")); !strings.Contains(head, "Content-Length: 0\r\n") {
		t.Errorf("an empty body became:\n%s", head)
	}
	if head := seen(t, "", request("GET", "/", "")); strings.Contains(head, "Content-Length") {
		t.Errorf("no body became:\n%s", head)
	}
}

func TestKeepsTheUpstreamsConnectionFieldsFromTheClient(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, says(t, "HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"+
		"Upgrade: h2c\r\nProxy-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok"))
	resp, body := answer(t, p, request("GET", "/", ""))
	if body != "ok" || len(resp.Header.Values("Set-Cookie")) != 2 || resp.Header.Get("Content-Length") != "2" {
		t.Errorf("the answer is %q with %v", body, resp.Header)
	}
	for _, no := range []string{"Connection", "X-Hop", "Keep-Alive", "Upgrade", "Proxy-Authenticate"} {
		if resp.Header.Get(no) != "" {
			t.Errorf("%s was passed on", no)
		}
	}
}

// strange is a Header that is no Fields and keeps names as they were written.
type strange struct{ exchange.Fields }

func (s strange) Values(name string) []string { return s.Fields[http.CanonicalHeaderKey(name)] }

func TestTakesAnyKindOfHeader(t *testing.T) {
	t.Parallel()
	req := request("GET", "/", "")
	req.Header = strange{exchange.Fields{"Connection": {"x-drop"}, "X-Drop": {"1"}, "X-Keep": {"1", "2"}, "User-Agent": {"curl/8"}}}
	head := seen(t, "", req)
	if strings.Contains(head, "X-Drop") || strings.Count(head, "X-Keep:") != 2 || !strings.Contains(head, "User-Agent: curl/8\r\n") {
		t.Errorf("became:\n%s", head)
	}
}
