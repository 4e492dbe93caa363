package edge_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestUpgradesArePassedThroughBothWays(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			t.Errorf("the service saw Upgrade %q", r.Header.Get("Upgrade"))
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTollhouse-Usage: words=7\r\n\r\n")
		line, err := buffered.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(conn, "echo "+line)
	})
	closed := make(chan bool, 1)
	h.recorder.OnDone = func(delivered bool) { closed <- delivered }
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/ner/socket HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", h.key)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Upgrade") != "echo" {
		t.Fatalf("answer %v %v", response, err)
	}
	if got := response.Header.Get("Tollhouse-Usage"); got != "" {
		t.Errorf("the client saw Tollhouse-Usage: %s", got)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := reader.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q (%v)", line, err)
	}
	conn.Close()
	<-h.seen
	opened, events := h.recorder.Opened(), h.recorder.Events()
	if len(opened) != 1 || len(events) != 1 || events[0].Status != 101 {
		t.Fatalf("opened %+v, recorded %+v", opened, events)
	}
	if want := []toll.Amount{{Unit: "words", Count: 7}}; !slices.Equal(events[0].Units, want) {
		t.Errorf("units %+v, want %+v", events[0].Units, want)
	}
	// Otherwise it stays in doubt, and its part of the journal is never deleted.
	select {
	case delivered := <-closed:
		if !delivered {
			t.Error("it was closed as not delivered")
		}
	case <-time.After(5 * time.Second): // only a failing test waits for it
		t.Error("the request was never closed in the journal")
	}
}

// tunnelled opens a tunnel to a service that does with its end what serve does.
func tunnelled(t *testing.T, serve func(conn *net.TCPConn, r *bufio.Reader), change ...func(*toll.Service)) (*house, *net.TCPConn, *bufio.Reader) {
	t.Helper()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n")
		serve(conn.(*net.TCPConn), buffered.Reader)
	}, change...)
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	fmt.Fprintf(conn, "GET /v1/ner/socket HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n", h.key)
	reader := bufio.NewReader(conn)
	if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != 101 {
		t.Fatalf("answer %v %v", response, err)
	}
	return h, conn.(*net.TCPConn), reader
}

// TestAHalfThatIsClosedLeavesTheOtherOpen: `docker run -i` and others end their
// input and then read the answer to all of it.
func TestAHalfThatIsClosedLeavesTheOtherOpen(t *testing.T) {
	t.Parallel()
	h, conn, reader := tunnelled(t, func(conn *net.TCPConn, r *bufio.Reader) {
		all, err := io.ReadAll(r) // to the client's end
		if err != nil {
			t.Error(err)
		}
		fmt.Fprintf(conn, "%d bytes", len(all))
	})
	fmt.Fprint(conn, strings.Repeat("x", 100_000))
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "100000 bytes" {
		t.Errorf("got %q, %v", got, err)
	}
	<-h.seen
	if e := h.recorder.Events(); len(e) != 1 || e[0].BytesIn != 100_000 || e[0].BytesOut != 12 {
		t.Errorf("recorded %+v", e)
	}
}

// TestTheServicesLastWordsArrive: a connection that is closed while something
// of the client lies unread in it is reset, and what was under way is lost.
func TestTheServicesLastWordsArrive(t *testing.T) {
	t.Parallel()
	const words = 4 << 20
	_, conn, reader := tunnelled(t, func(conn *net.TCPConn, _ *bufio.Reader) {
		fmt.Fprint(conn, strings.Repeat("w", words)) // and reads nothing
		_ = conn.CloseWrite()
		_, _ = io.Copy(io.Discard, conn)
	})
	fmt.Fprint(conn, strings.Repeat("x", 1000))
	if got, err := io.ReadAll(reader); err != nil || len(got) != words {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}

func TestASideThatGoesOnAloneMayNotBeSilentForEver(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	h, conn, reader := tunnelled(t, func(conn *net.TCPConn, r *bufio.Reader) {
		_, _ = io.ReadAll(r)
		<-over // says nothing, and stays
	}, func(s *toll.Service) { s.Timeouts.Idle = 50 * time.Millisecond })
	defer close(over)
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(reader)
	<-h.seen
	if e := h.recorder.Events(); len(e) != 1 {
		t.Errorf("recorded %+v", e)
	}
}
