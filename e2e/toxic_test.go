package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// link is a proxy on the way from the gateway to a service, which can be made
// slow and broken.
type link struct{ proxy *toxiproxy.Proxy }

// newLink opens a link to a service, with what is wrong with it: each in the JSON
// form of toxiproxy.
func newLink(t *testing.T, to string, wrong ...string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	l := &link{proxy: toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", strings.TrimPrefix(to, "http://"))}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	for _, w := range wrong {
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(w)); err != nil {
			t.Fatalf("%s: %v", w, err)
		}
	}
	return l
}

func (l *link) url() string { return "http://" + l.proxy.Listen }

// heal takes away all that is wrong with a link.
func (l *link) heal(t *testing.T) {
	t.Helper()
	l.proxy.Toxics.ResetToxics(t.Context())
}

// big is a body that no buffer on the way holds whole.
var big = bytes.Repeat([]byte("0123456789abcdef"), 32<<10)

// steady is a service that does nothing wrong, and counts how often each errand
// came.
type steady struct {
	mu   sync.Mutex
	done map[string]int
}

func (s *steady) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if errand := r.Header.Get(errandField); errand != "" && err == nil {
		s.mu.Lock()
		s.done[errand]++
		s.mu.Unlock()
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/big"):
		w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		_, _ = w.Write(big)
	case strings.HasSuffix(r.URL.Path, "/chunks"):
		for part := range slices.Chunk(big, 10_000) {
			_, _ = w.Write(part)
			_ = http.NewResponseController(w).Flush()
		}
	case strings.HasSuffix(r.URL.Path, "/close"):
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nthe end is the end of the connection")
		_ = conn.Close()
	default:
		fmt.Fprintf(w, "%d bytes came", len(body))
	}
}

func newSteady(t *testing.T) (*steady, string) {
	t.Helper()
	s := &steady{done: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, server.URL
}
