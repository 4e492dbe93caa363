package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tollhouse/tollhouse/hx"
)

// listener is one stream of server-sent events, as a browser reads it.
type listener struct {
	client *http.Client
	url    string
	lastID string
	heard  []string
}

// listen opens the stream where it was left.
func (l *listener) listen(ctx context.Context) (*http.Response, *bufio.Reader, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, l.url, nil)
	if err != nil {
		return nil, nil, err
	}
	if l.lastID != "" {
		request.Header.Set("Last-Event-ID", l.lastID)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	if response.StatusCode != 200 || response.ProtoMajor != 2 || response.Header.Get("Content-Type") != "text/event-stream" {
		_ = response.Body.Close()
		return nil, nil, fmt.Errorf("%s %s", response.Proto, response.Status)
	}
	return response, bufio.NewReader(response.Body), nil
}

// read reads until so many events are heard.
func (l *listener) read(in *bufio.Reader, until int) error {
	id, data := "", ""
	for len(l.heard) < until {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "data: "):
			data = line[6:]
		case line == "": // only now it is an event
			l.lastID = id
			if data != "" {
				l.heard = append(l.heard, data)
				data = ""
			}
		}
	}
	return nil
}

// resident is the memory of a process in bytes, 0 where that is not told.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	n, err := strconv.ParseInt(strings.Fields(rest + " 0")[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}

// TestAThousandStreamsOverHTTP2OneOfWhichNeverReads opens a thousand streams of an
// hx.Hub through the program, over TLS and HTTP/2: one of them takes nothing off
// its connection. The others hear every event in order, also those whose
// connection is cut half-way and who come back with Last-Event-ID; memory stays
// bounded; and the one that never reads is cut off.
func TestAThousandStreamsOverHTTP2OneOfWhichNeverReads(t *testing.T) {
	t.Parallel()
	const streams, leaving, events, flood = 999, 100, 40, 4000
	hub := hx.NewHub(hx.HubOptions{Bytes: 8 << 20, Events: 2 * flood, WriteTimeout: 10 * time.Second})
	service := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		topics := []string{"all"}
		if r.URL.Path == "/live/flood" {
			topics = append(topics, "flood")
		}
		_ = hub.Serve(w, r, topics...)
	}))
	service.Config.ConnState = func(c net.Conn, s http.ConnState) {
		if s == http.StateNew { // so that one who does not read is soon felt
			_ = c.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
	}
	service.Start()
	t.Cleanup(service.Close)
	t.Cleanup(service.CloseClientConnections)
	_, secure, _, over2, p := gatewayBefore(t, fmt.Sprintf("  live: { path: /live, access: public, upstreams: [%q], timeouts: { connect: 60s } }\n", service.URL))
	over2.Timeout = 0 // streams

	ctx, cancel := context.WithTimeout(t.Context(), 3*patience)
	defer cancel()
	started := resident(p.cmd.Process.Pid)
	stalled := neverReads(t, secure, over2.Transport.(*http.Transport).TLSClientConfig)
	defer stalled.Close()

	var open, half, done sync.WaitGroup
	var failed atomic.Int64
	all := make([]*listener, streams)
	for i := range all {
		l := &listener{client: over2, url: secure + "/live/"}
		all[i] = l
		open.Add(1)
		half.Add(1)
		done.Go(func() {
			opened, halved := sync.OnceFunc(open.Done), sync.OnceFunc(half.Done)
			defer opened()
			defer halved()
			fail := func(err error) {
				if failed.Add(1) < 5 {
					t.Errorf("stream %d: %v", i, err)
				}
			}
			response, in, err := l.listen(ctx)
			if err != nil {
				fail(err)
				return
			}
			defer func() { _ = response.Body.Close() }()
			if _, err = in.Peek(1); err != nil { // its place has come: it hears whatever follows
				fail(err)
				return
			}
			opened()
			if i < leaving {
				if err = l.read(in, events/4); err == nil {
					_ = response.Body.Close() // and while it is away, more is published
					halved()
					half.Wait()
					if response, in, err = l.listen(ctx); err != nil {
						fail(err)
						return
					}
				}
			} else if err = l.read(in, events/2); err == nil {
				halved()
			}
			if err == nil {
				err = l.read(in, events)
			}
			if err != nil {
				fail(err)
			}
		})
	}
	open.Wait()
	for hub.Clients() < streams+1 && ctx.Err() == nil && failed.Load() == 0 {
		time.Sleep(10 * time.Millisecond) // the last ones are on their way through the gateway
	}
	opened := resident(p.cmd.Process.Pid)
	publish := func(topic, data string) {
		if _, err := hub.Publish(topic, hx.StreamEvent{Data: data}); err != nil {
			t.Error(err)
		}
	}
	text := strings.Repeat("x", 1<<10)
	for range flood {
		publish("flood", text)
	}
	for n := range events / 2 {
		publish("all", fmt.Sprint(n))
	}
	half.Wait()
	for n := events / 2; n < events; n++ {
		publish("all", fmt.Sprint(n))
	}
	done.Wait()
	loaded := resident(p.cmd.Process.Pid)
	for i, l := range all {
		for n, text := range l.heard {
			if text != fmt.Sprint(n) {
				t.Errorf("stream %d heard %v", i, l.heard)
				break
			}
		}
		if len(l.heard) != events && failed.Load() == 0 {
			t.Errorf("stream %d heard %d of %d events", i, len(l.heard), events)
		}
	}
	t.Logf("%d streams over HTTP/2, %d of which were cut and came back, heard %d events each in order; memory of the program: %d MiB before, %d MiB with the streams (%d KiB each), %d MiB after %d KiB for one that never reads",
		streams, leaving, events, started>>20, opened>>20, (opened-started)>>10/(streams+1), loaded>>20, flood)
	if grown := loaded - opened; grown > 48<<20 {
		t.Errorf("memory grew by %d MiB while events went by", grown>>20)
	}
	for hub.Clients() > 0 && ctx.Err() == nil { // the others have left; the one that never reads is cut off
		time.Sleep(20 * time.Millisecond)
	}
	if n := hub.Clients(); n != 0 {
		t.Errorf("%d streams are still open", n)
	}
}

// neverReads opens a stream on a connection of its own and takes nothing off it:
// no window is ever given back (RFC 9113 section 6.9).
func neverReads(t *testing.T, secure string, settings *tls.Config) io.Closer {
	t.Helper()
	config := settings.Clone()
	config.NextProtos = []string{"h2"}
	conn, err := tls.Dial("tcp", strings.TrimPrefix(secure, "https://"), config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("/live/flood"), EndHeaders: true, EndStream: true}); err != nil {
		t.Fatal(err)
	}
	return conn
}
