package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

const streaming = `
listen: { http: "127.0.0.1:0" }
data: %q
console: { host: console.localhost }
services:
  live: { path: /live, strip_path: true, access: public, upstreams: [%q], cache: {} }
`

// A WebSocket and an event stream outlive every change of the configuration,
// also that of their service's end, and are told to come again when the program
// ends, which then does not wait for them.
func TestStreamsOutliveReloadsAndAreToldOfTheEnd(t *testing.T) {
	t.Parallel()
	steps := make(chan string)
	var mu sync.Mutex
	var open []io.Writer
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for step := range steps {
				fmt.Fprintf(w, "data: %s\n\n", step)
				w.(http.Flusher).Flush()
			}
			<-r.Context().Done()
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		mu.Lock()
		open = append(open, conn)
		mu.Unlock()
		_, _ = io.Copy(io.Discard, buffered.Reader)
	}))
	t.Cleanup(service.Close)
	dir := t.TempDir()
	s := &served{t: t, file: filepath.Join(dir, "tollhouse.yml")}
	s.write(fmt.Sprintf(streaming, filepath.Join(dir, "data"), service.URL))
	s.process = start(t, "serves at", "serve", "--config", s.file)
	s.url = strings.Fields(strings.SplitAfter(s.stdout.String(), "serves at ")[1])[0]
	address := strings.TrimPrefix(s.url, "http://")
	address = strings.Replace(address, "localhost", "127.0.0.1", 1)

	dial := func(fields string) *bufio.Reader {
		t.Helper()
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if err := conn.SetReadDeadline(time.Now().Add(2 * patience)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET /live/ HTTP/1.1\r\nHost: x\r\n%s\r\n", fields)
		return bufio.NewReader(conn)
	}
	ws := dial("Connection: Upgrade\r\nUpgrade: websocket\r\n")
	if response, err := http.ReadResponse(ws, nil); err != nil || response.StatusCode != 101 {
		t.Fatalf("%v %v", response, err)
	}
	events, err := http.ReadResponse(dial(""), nil)
	if err != nil || events.StatusCode != 200 {
		t.Fatalf("%v %v", events, err)
	}
	lines := bufio.NewReader(events.Body)
	both := func(step string) {
		t.Helper()
		steps <- step
		if line, err := lines.ReadString('\n'); line != "data: "+step+"\n" || err != nil {
			t.Fatalf("%s: the event stream says %q, %v", step, line, err)
		}
		if line, err := lines.ReadString('\n'); line != "\n" || err != nil {
			t.Fatalf("%s: %q, %v", step, line, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if _, err := open[0].Write(append([]byte{0x81, byte(len(step))}, step...)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 2+len(step))
		if _, err := io.ReadFull(ws, got); err != nil || string(got[2:]) != step {
			t.Fatalf("%s: the WebSocket says %q, %v", step, got, err)
		}
	}
	both("before")
	for _, change := range [][2]string{
		{"cache: {}", "cache: {}, timeouts: { idle: 7s }"},
		{"cache: {}, ", ""},
		{"path: /live", "path: /moved"},
		{"  live:", "  other:"}, // the service is gone
		{"access: public", "access: public, deny: [127.0.0.1]"},
	} {
		s.edit(change[0], change[1])
		ask[struct{}](t, "reload", "--config", s.file)
		both("after " + change[1])
	}

	began := time.Now()
	status := make(chan int, 1)
	go func() { status <- s.interrupt(t) }()
	closing := make([]byte, 4)
	if _, err := io.ReadFull(ws, closing); err != nil || string(closing) != "\x88\x02\x03\xf4" {
		t.Errorf("the end of the WebSocket is %x, %v; want a close frame with 1012", closing, err)
	}
	rest, err := io.ReadAll(lines)
	if !regexp.MustCompile(`^retry: \d{4}\n$`).Match(rest) || err != nil {
		t.Errorf("the end of the event stream is %q, %v; want a retry", rest, err)
	}
	if got := <-status; got != 0 {
		t.Errorf("exit %d", got)
	}
	t.Logf("ended after %s", time.Since(began))
	close(steps)
	log := s.stderr.String()
	if n := strings.Count(log, `"status":101`) + strings.Count(log, `"status":200`); n != 2 {
		t.Errorf("%d streams in the access log, want 2:\n%s", n, log)
	}
}
