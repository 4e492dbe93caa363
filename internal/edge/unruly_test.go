package edge_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TestASecondAnswerIsNobodys has a service that answers each request twice on
// its connection: in one piece, and a moment later. Many clients ask at the
// same time, so that a connection that comes free is taken again at once; each
// must get its own answer, or none.
func TestASecondAnswerIsNobodys(t *testing.T) {
	t.Parallel()
	for _, form := range []struct{ name, format string }{
		{"counted", "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"},
		{"chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"},
	} {
		t.Run(form.name, func(t *testing.T) {
			t.Parallel()
			service := newStrict(t, func(a asked) string {
				once := fmt.Sprintf(form.format, len(a.says()), a.says())
				return once + fmt.Sprintf(form.format, len("poison"), "poison")
			})
			h := openBefore(t, service.address, public, func(s *toll.Service) { s.Timeouts.Stream = time.Minute })
			go func() {
				for range h.seen { // so that nobody waits for it
				}
			}()
			var wrong, right, refused atomic.Int64
			var all sync.WaitGroup
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}
			for c := range 16 {
				all.Go(func() {
					for i := range 100 {
						path := fmt.Sprintf("/own-%d-%d", c, i)
						response, err := client.Get(h.url + "/v1/ner" + path)
						if err != nil {
							t.Error(err)
							return
						}
						body, err := io.ReadAll(response.Body)
						_ = response.Body.Close()
						switch {
						case response.StatusCode == 502 || err != nil:
							refused.Add(1)
						case response.StatusCode == 200 && string(body) == fmt.Sprintf("GET %s %q", path, ""):
							right.Add(1)
						default:
							wrong.Add(1)
							t.Errorf("%s was answered %s %q", path, response.Status, body)
						}
					}
				})
			}
			all.Wait()
			client.CloseIdleConnections()
			if right.Load() == 0 || wrong.Load() > 0 {
				t.Errorf("%d right, %d wrong, %d refused", right.Load(), wrong.Load(), refused.Load())
			}
			service.clean(t)
		})
	}
}

// unruly is what a service can do wrong, and what the client may see of it.
var unruly = []struct {
	name   string
	answer string
	status int    // of the gateway, 0: the answer breaks off
	body   string // with a status of 200
}{
	{"short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 0, ""},
	{"longer than it says", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcdef", 200, "abc"},
	{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 502, ""},
	{"length and coding", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 502, ""},
	{"a coding nobody knows", "HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nabc", 502, ""},
	{"a signed length", "HTTP/1.1 200 OK\r\nContent-Length: +3\r\n\r\nabc", 502, ""},
	{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc", 502, ""},
	{"bad chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n", 0, ""},
	{"a chunk without a size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n", 502, ""},
	{"NUL in a field", "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 3\r\n\r\nabc", 502, ""},
	{"a field in a field", "HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: b\r\nContent-Length: 3\r\n\r\nabc", 502, ""},
	{"no HTTP", "nonsense\r\n\r\n", 502, ""},
	{"HTTP/0.9", "<html>hello</html>\r\n", 502, ""},
	{"a head without end", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 1000), 502, ""},
	{"a 1xx flood", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 100_000), 502, ""},
	{"a few interim answers", strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", 3) + "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc"},
	{"an upgrade nobody asked for", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x05hello", 502, ""},
	{"a body with a 204", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc", 204, ""},
	{"a body with a 304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\nabc", 304, ""},
	{"closed at once", "", 502, ""},
}

func TestAnUnrulyAnswerIsRefusedOrEndsAndHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, c := range unruly {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			service := newStrict(t, func(a asked) string {
				if a.target == "/odd" {
					return c.answer
				}
				return echoed(a)
			})
			h := openBefore(t, service.address, public)
			honest(t, h, "before") // so that there is a kept connection
			conn := h.dial(t)
			fmt.Fprint(conn, "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n")
			in := bufio.NewReader(conn)
			response, err := http.ReadResponse(in, nil)
			for interims := 0; err == nil && response.StatusCode < 200 && interims < 100; interims++ { // passed on, so many
				response, err = http.ReadResponse(in, nil)
			}
			if err != nil {
				if c.status != 0 {
					t.Errorf("no answer (%v), want %d", err, c.status)
				}
			} else {
				body, err := io.ReadAll(response.Body)
				switch {
				case c.status == 0 && err == nil && response.StatusCode != 502:
					t.Errorf("half an answer looks whole: %s %q", response.Status, body)
				case c.status != 0 && (err != nil || response.StatusCode != c.status || c.status == 200 && string(body) != c.body):
					t.Errorf("%s %q %v, want %d %q", response.Status, body, err, c.status, c.body)
				}
				if err == nil && !response.Close { // the same connection goes on with its own answer
					fmt.Fprint(conn, "GET /v1/ner/next HTTP/1.1\r\nHost: x\r\n\r\n")
					next, err := http.ReadResponse(in, nil)
					if err != nil {
						t.Fatal(err)
					}
					if text, err := io.ReadAll(next.Body); string(text) != `GET /next ""` || err != nil {
						t.Errorf("the next request on the connection got %s %q %v", next.Status, text, err)
					}
				}
			}
			for i := range 3 {
				honest(t, h, fmt.Sprint("after-", i))
			}
			service.clean(t)
		})
	}
}

func TestAnAnswerAfterTheClientLeftIsNobodys(t *testing.T) {
	t.Parallel()
	came, proceed := make(chan struct{}, 1), make(chan struct{})
	service := newStrict(t, func(a asked) string {
		if a.target == "/odd" {
			came <- struct{}{}
			<-proceed
			return "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
		}
		return echoed(a)
	})
	h := openBefore(t, service.address, public)
	honest(t, h, "before")
	<-h.seen
	ctx, leave := context.WithCancel(t.Context())
	request, err := http.NewRequestWithContext(ctx, "GET", h.url+"/v1/ner/odd", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-came; leave() }()
	if response, err := transport.RoundTrip(request); err == nil {
		_ = response.Body.Close()
		t.Fatal("it was answered before its client left")
	}
	if seen := <-h.seen; seen.Status != 499 {
		t.Errorf("the log says %d", seen.Status)
	}
	close(proceed)
	for i := range 5 {
		honest(t, h, fmt.Sprint("after-", i))
	}
	service.clean(t)
}

func TestAnAnswerWithoutEndLastsAsLongAsItsServiceSays(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		for part := make([]byte, 32<<10); r.Context().Err() == nil; {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}, public, func(s *toll.Service) { s.Timeouts.Stream = 300 * time.Millisecond })
	conn := h.dial(t)
	fmt.Fprint(conn, "GET /v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it ends with %v, want that it breaks off", err)
	}
	if seen := <-h.seen; seen.Delivered {
		t.Error("it counts as delivered whole")
	}
}
