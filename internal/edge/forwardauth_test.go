package edge_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/upstream"
)

// outside opens a front whose service lets an outside address decide.
func outside(t *testing.T, decide, serve http.HandlerFunc, change ...func(*toll.Service)) *house {
	t.Helper()
	authority := httptest.NewServer(decide)
	t.Cleanup(authority.Close)
	asked := toll.ForwardAuth{URL: authority.URL + "/auth?app=1", Timeout: 20 * time.Second, Headers: []string{"Remote-User", "X_Groups"}, MaxBody: 1000}
	h := open(t, serve, append([]func(*toll.Service){func(s *toll.Service) {
		s.Access, s.ForwardAuth = toll.AccessForwardAuth, asked
	}}, change...)...)
	askWith(t, h, asked)
	return h
}

func askWith(t *testing.T, h *house, f toll.ForwardAuth) {
	t.Helper()
	asker, err := upstream.NewAsker(f, upstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(asker.Close)
	h.chain.SwitchDeciders(edge.Deciders{"ner": asker})
}

func TestWhomAnOutsideAddressLetsInGoesOnWithItsFields(t *testing.T) {
	t.Parallel()
	asked, served := make(chan *http.Request, 10), make(chan *http.Request, 10)
	h := outside(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Add("Remote-User", "ann")
		w.Header().Add("X_Groups", "a")
		w.Header().Add("X_Groups", "b")
		w.Header().Set("Tollhouse-Customer", "cus_from_outside")
		w.Header().Set("X-Other", "not named")
		w.WriteHeader(http.StatusNoContent)
	}, func(w http.ResponseWriter, r *http.Request) {
		served <- r
		fmt.Fprint(w, "in")
	})
	response, body := h.call(t, "POST", "/v1/ner/extractions/%c3%a9?a=b&c", "a body", "Remote-User", "root", "Remote_user", "root", "x-groups", "all", "X-Groups", "all",
		"Cookie", "session=1; tollhouse=console", "Tollhouse-Mode", "forged", "X-Forwarded-Uri", "/forged", "X-Forwarded-Method", "GET", "If-None-Match", `"x"`, "Range", "bytes=0-1", "Connection", "Remote-User")
	if response.StatusCode != 200 || body != "in" {
		t.Fatalf("%s %s", response.Status, body)
	}
	question := <-asked
	for name, want := range map[string]string{
		"X-Forwarded-Method": "POST", "X-Forwarded-Uri": "/v1/ner/extractions/%C3%A9?a=b&c", "X-Forwarded-Host": strings.TrimPrefix(h.url, "http://"),
		"X-Forwarded-Proto": "http", "X-Forwarded-For": "127.0.0.1", "Cookie": "session=1", "Authorization": "Bearer " + h.key,
		"Tollhouse-Mode": "", "Content-Length": "", "If-None-Match": "", "Range": "", "Accept-Encoding": "",
	} {
		if got := strings.Join(question.Header.Values(name), "|"); got != want {
			t.Errorf("asked with %s %q, want %q", name, got, want)
		}
	}
	if question.Method != "GET" || question.RequestURI != "/auth?app=1" || question.ContentLength != 0 || question.Header.Get("X-Request-Id") != response.Header.Get("X-Request-Id") {
		t.Errorf("asked %s %s %v", question.Method, question.RequestURI, question.Header)
	}
	request := <-served
	for name, want := range map[string]string{"Remote-User": "ann", "X_groups": "a|b", "X-Groups": "", "Remote_user": "", "Tollhouse-Customer": "", "X-Other": "", "Authorization": "Bearer " + h.key} {
		if got := strings.Join(request.Header.Values(name), "|"); got != want {
			t.Errorf("served with %s %q, want %q", name, got, want)
		}
	}
	if e := h.recorder.Events(); len(e) != 1 || e[0].Status != 200 || e[0].Customer != "" {
		t.Errorf("the books have %+v", e)
	}
}

func TestWhomAnOutsideAddressRefusesGetsItsAnswer(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	h := outside(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Other", "between us")
		w.Header().Set("Connection", "X-Other")
		w.Header().Set("Tollhouse-Customer", "cus_from_outside")
		switch r.Header.Get("X-Case") {
		case "sign in":
			w.Header().Set("Location", "https://sso.example/?rd=1")
			w.Header().Add("Set-Cookie", "a=1; HttpOnly")
			w.Header().Add("Set-Cookie", "b=2")
			w.WriteHeader(http.StatusFound)
		case "challenge":
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Cache-Control", "private")
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, "who are you?")
		default:
			w.WriteHeader(http.StatusTeapot)
		}
	}, func(http.ResponseWriter, *http.Request) { served.Add(1) })

	response, _ := h.call(t, "GET", "/v1/ner/x", "", "X-Case", "sign in")
	if response.StatusCode != 302 || response.Header.Get("Location") != "https://sso.example/?rd=1" || len(response.Header["Set-Cookie"]) != 2 || response.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("sign in: %s %v", response.Status, response.Header)
	}
	response, body := h.call(t, "POST", "/v1/ner/x", strings.Repeat("x", 100<<10), "X-Case", "challenge")
	if response.StatusCode != 401 || response.Header.Get("Www-Authenticate") != `Basic realm="x"` || body != "who are you?" || response.Header.Get("Cache-Control") != "private" || response.Header.Get("Content-Type") != "text/plain" {
		t.Errorf("challenge: %s %v %q", response.Status, response.Header, body)
	}
	response, _ = h.call(t, "HEAD", "/v1/ner/x", "")
	if response.StatusCode != 418 {
		t.Errorf("refused: %s", response.Status)
	}
	if response.Header.Get("X-Other") != "" || response.Header.Get("Tollhouse-Customer") != "" || response.Header.Get("X-Request-Id") == "" {
		t.Errorf("refused with %v", response.Header)
	}
	if served.Load() != 0 {
		t.Error("the service was asked")
	}
	for _, e := range h.recorder.Events() {
		if e.Class != toll.NotBillable {
			t.Errorf("the books have %+v", e)
		}
	}
}

func TestNobodyGetsInWhenTheOutsideAddressDoesNotDecide(t *testing.T) {
	t.Parallel()
	var served atomic.Int64
	h := outside(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.Header.Get("X-Case") {
		case "broken":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprint(conn, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
				conn.Close()
			}
		case "no HTTP":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				fmt.Fprint(conn, "220 smtp.example ESMTP\r\n")
				conn.Close()
			}
		case "long":
			fmt.Fprint(w, strings.Repeat("x", 1001))
		case "just right":
			fmt.Fprint(w, strings.Repeat("x", 1000))
		case "a long head":
			w.Header().Set("X-Long", strings.Repeat("x", 2<<20))
		}
	}, func(http.ResponseWriter, *http.Request) { served.Add(1) }, func(s *toll.Service) { s.ForwardAuth.Headers = nil })
	closed := func(name string) {
		t.Helper()
		response, body := h.call(t, "GET", "/v1/ner/x", "", "X-Case", name)
		if response.StatusCode != 503 || !strings.Contains(body, "#access-undecided") || !strings.Contains(body, response.Header.Get("X-Request-Id")) || response.Header.Get("Retry-After") != "1" {
			t.Errorf("%s: %s %s", name, response.Status, body)
		}
		if s := <-h.seen; s.Err == nil {
			t.Errorf("%s: the log is not told why", name)
		}
	}
	for _, name := range []string{"broken", "no HTTP", "long", "a long head"} {
		closed(name)
	}
	if response, body := h.call(t, "GET", "/v1/ner/x", "", "X-Case", "just right"); response.StatusCode != 200 {
		t.Errorf("a large answer: %s %s", response.Status, body)
	}
	<-h.seen
	unused, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	unused.Close()
	front := served.Load()
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Case") == "a stalled yes" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}))
	defer authority.Close()
	askWith(t, h, toll.ForwardAuth{URL: authority.URL, Timeout: 10 * time.Millisecond, MaxBody: 1000})
	closed("slow")
	askWith(t, h, toll.ForwardAuth{URL: authority.URL, Timeout: 200 * time.Millisecond, MaxBody: 1000})
	closed("a stalled yes")
	askWith(t, h, toll.ForwardAuth{URL: "http://" + unused.Addr().String(), Timeout: 10 * time.Second, MaxBody: 1000})
	closed("nobody there")
	h.chain.SwitchDeciders(edge.Deciders{})
	closed("none any more")
	if served.Load() != front || front != 1 {
		t.Errorf("the service was asked %d times", served.Load())
	}
}

// What one caller may see is not what another one sees, though both were let in.
func TestTheCacheKeepsThoseApartWhomAnOutsideAddressLetIn(t *testing.T) {
	t.Parallel()
	h := outside(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Remote-User", r.Header.Get("X-User"))
	}, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/public"):
			w.Header().Set("Cache-Control", "public, max-age=60")
		case strings.HasSuffix(r.URL.Path, "/aged"):
			w.Header().Set("Cache-Control", "max-age=60")
		}
		fmt.Fprint(w, r.Header.Get("Remote-User"))
	}, func(s *toll.Service) {
		s.Cache = toll.Cache{MaxSize: 1 << 20, MaxObject: 1 << 16, DefaultTTL: time.Minute}
	})
	cache, err := httpcache.New(httpcache.Options{Settings: httpcache.Settings{MaxSize: 1 << 20, MaxObject: 1 << 16, DefaultTTL: time.Minute}, Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cache.Close)
	h.chain.SwitchCaches(edge.Caches{"ner": cache})
	h.key = "" // so that only the outside address tells them apart
	for _, path := range []string{"/v1/ner/said", "/v1/ner/aged"} {
		for range 3 {
			for _, user := range []string{"ann", "bob"} {
				if _, body := h.call(t, "GET", path, "", "X-User", user); body != user {
					t.Errorf("%s: %s sees what %s may see", path, user, body)
				}
			}
		}
	}
	h.call(t, "GET", "/v1/ner/public", "", "X-User", "ann")
	if response, _ := h.call(t, "GET", "/v1/ner/public", "", "X-User", "bob"); response.Header.Get("Age") == "" {
		t.Errorf("what is public is asked for again: %v", response.Header)
	}
}
