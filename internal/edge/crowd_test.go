package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/edge"
)

// crowded opens a listener of the house that a crowd bounds.
func crowded(t *testing.T, h *house, o edge.CrowdOptions) (*edge.Crowd, string) {
	t.Helper()
	crowd := edge.NewCrowd(o)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := edge.NewServer(h.front, slog.New(slog.DiscardHandler))
	go func() { _ = server.Serve(crowd.Listen(listener, true)) }()
	t.Cleanup(func() { _ = server.Close() })
	return crowd, listener.Addr().String()
}

func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}).Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // only a failing test waits for it
		t.Fatal(err)
	}
	return conn
}

// calls sends a whole request and reads its answer; the connection is kept.
func calls(t *testing.T, conn net.Conn) int {
	t.Helper()
	if _, err := io.WriteString(conn, "GET /v1/ner/x HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func TestWhoWaitsLongestMakesRoomInAFullHouse(t *testing.T) {
	t.Parallel()
	service := newStrict(t, nil)
	h := openBefore(t, service.address, public)
	var log bytes.Buffer
	var mu sync.Mutex
	crowd, address := crowded(t, h, edge.CrowdOptions{Max: 10, Log: slog.New(slog.NewTextHandler(lockedWriter{&mu, &log}, nil))})
	halves := make([]net.Conn, 30)
	for i := range halves {
		halves[i] = dialFrom(t, "127.0.0.1", address)
		fmt.Fprintf(halves[i], "GET /v1/ner/half-%d HTTP/1.1\r\nHost: x\r\n", i)
	}
	for range 5 {
		if status := calls(t, dialFrom(t, "127.0.0.1", address)); status != 200 {
			t.Errorf("an honest client got %d", status)
		}
	}
	if s := crowd.Status(); s.Open > 10 || s.Closed != 25 || s.Refused != 0 {
		t.Errorf("%+v, want at most 10 open, 25 closed, none refused", s)
	}
	if _, err := io.ReadAll(halves[0]); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the oldest is still there: %v", err)
	}
	if last := halves[len(halves)-1]; true { // the youngest are left alone
		fmt.Fprint(last, "\r\n")
		if response, err := http.ReadResponse(bufio.NewReader(last), nil); err != nil || response.StatusCode != 200 {
			t.Errorf("a head that came late: %v %v", response, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "listen.max_connections") {
		t.Errorf("%d lines in the log, want 1 with the field to change:\n%s", n, log.String())
	}
}

type lockedWriter struct {
	mu *sync.Mutex
	to io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func TestWhereEveryConnectionIsAtWorkANewOneIsToldSo(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	h := open(t, func(http.ResponseWriter, *http.Request) { <-release }, public)
	crowd, address := crowded(t, h, edge.CrowdOptions{Max: 3})
	var busy []net.Conn
	for range 3 {
		busy = append(busy, dialFrom(t, "127.0.0.1", address))
		fmt.Fprint(busy[len(busy)-1], "GET /v1/ner/x HTTP/1.1\r\nHost: x\r\n\r\n")
	}
	for { // until net/http has all three heads
		conn := dialFrom(t, "127.0.0.1", address)
		fmt.Fprint(conn, "GET /v1/ner/x HTTP/1.1\r\nHost: x\r\n\r\n")
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			continue // it took the place of one whose head was not read yet
		}
		body, err := io.ReadAll(response.Body)
		if response.StatusCode != 503 || response.Header.Get("Retry-After") == "" || !response.Close || err != nil || !strings.Contains(string(body), "overloaded") {
			t.Errorf("%s %v %s %v", response.Status, response.Header, body, err)
		}
		break
	}
	if s := crowd.Status(); s.Refused == 0 {
		t.Errorf("%+v", s)
	}
	close(release)
}

func TestOneAddressTakesItsShareAndNoMore(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	defer close(release)
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "slow") {
			<-release
		}
	}, public)
	crowd, address := crowded(t, h, edge.CrowdOptions{
		Max: 100, PerAddress: 4, Exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.3") },
	})
	for _, c := range []struct {
		from    string
		refused int64
	}{{"127.0.0.2", 4}, {"127.0.0.3", 0}} {
		before := crowd.Status()
		for range 8 {
			fmt.Fprint(dialFrom(t, c.from, address), "GET /v1/ner/slow HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		if status := calls(t, dialFrom(t, "127.0.0.4", address)); status != 200 {
			t.Errorf("an honest client from elsewhere got %d", status)
		}
		after := crowd.Status()
		if got := after.Address + after.Closed - before.Address - before.Closed; got != c.refused {
			t.Errorf("from %s: %+v, want %d more turned away", c.from, after, c.refused)
		}
	}
}

func TestACrowdForgetsConnectionsThatEnd(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) {}, public)
	crowd, address := crowded(t, h, edge.CrowdOptions{Max: 5, PerAddress: 5})
	for range 50 {
		conn := dialFrom(t, "127.0.0.1", address)
		if status := calls(t, conn); status != 200 {
			t.Fatalf("got %d", status)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(20 * time.Second); crowd.Status().Open > 0 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if s := crowd.Status(); s.Open != 0 || s.Refused+s.Address != 0 {
		t.Errorf("%+v", s)
	}
}
