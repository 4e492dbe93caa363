package upstream

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// webSocket is a request for a WebSocket (RFC 6455 §4.1, with its example key).
func webSocket() *exchange.Request {
	req := request("GET", "/live", "")
	req.Upgrade = "websocket"
	req.Header = exchange.Fields{
		"Connection": {"keep-alive, Upgrade"}, "Upgrade": {"websocket"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"},
	}
	return req
}

// echo switches protocols, says hello in the same packet, and then repeats
// what it hears until it hears the end.
func echo(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Upgrade") != "websocket" || r.Header.Get("Connection") != "Upgrade" || r.Header.Get("Sec-Websocket-Key") == "" {
		http.Error(w, "no upgrade asked for", http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n"+
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello")
	_, _ = io.Copy(conn, buffered)
	_, _ = io.WriteString(conn, "bye")
}

func TestAWebSocketIsAConnectionBothWays(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{MaxInFlight: 1}, Options{QueueLength: -1}, server(t, echo))
	resp, err := p.Forward(t.Context(), webSocket())
	if err != nil {
		t.Fatal(err)
	}
	if resp.Status != 101 || resp.Upgraded == nil || resp.Header.Get("Upgrade") != "WebSocket" ||
		resp.Header.Get("Connection") != "Upgrade" || resp.Header.Get("Sec-WebSocket-Accept") == "" {
		t.Fatalf("answer is %d with %v", resp.Status, resp.Header)
	}
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(resp.Upgraded, got); err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	read("hello")
	for _, message := range []string{"\x81\x05first", strings.Repeat("second", 1000)} {
		if _, err := io.WriteString(resp.Upgraded, message); err != nil {
			t.Fatal(err)
		}
		read(message)
	}
	failure(t, p, request("GET", "/", ""), 503, "connection_limit_reached") // it holds its place
	half, ok := resp.Upgraded.(interface{ CloseWrite() error })
	if !ok {
		t.Fatal("one side alone cannot be closed")
	}
	if err := half.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	read("bye")
	if _, err := resp.Upgraded.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: %v", err)
	}
	if err := resp.Upgraded.Close(); err != nil {
		t.Error(err)
	}
	idleAgain(t, p)
}

func TestAnUpgradeThatIsDeclinedIsAnAnswer(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUpgradeRequired)
		_, _ = io.WriteString(w, "version 13 only")
	}))
	if resp, body := answer(t, p, webSocket()); resp.Status != 426 || resp.Upgraded != nil || body != "version 13 only" {
		t.Errorf("%d %q", resp.Status, body)
	}
}

func TestASwitchToAnotherProtocolIsRefused(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, says(t, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"))
	failure(t, p, webSocket(), 502, "http_upgrade_failed")
	idleAgain(t, p)
}

func TestNeverAsksForH2C(t *testing.T) {
	t.Parallel()
	req := webSocket()
	req.Upgrade = "H2C"
	req.Header.Set("Http2-Settings", "AAMAAABkAARAAAAAAAIAAAAA")
	if head := seen(t, "", req); strings.Contains(head, "Upgrade") {
		t.Errorf("asked for it:\n%s", head)
	}
}

func TestAnUpgradedConnectionEndsWithItsTimeOrItsClient(t *testing.T) {
	t.Parallel()
	bubble(t, echo, func(t *testing.T, p *Pool) {
		began := time.Now()
		resp, err := p.Forward(t.Context(), webSocket())
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.ReadAll(resp.Upgraded)
		after(t, began, limits.Stream)
		if err == nil {
			t.Error("the end looks like the upstream's own")
		}
		_ = resp.Upgraded.Close()
		idleAgain(t, p)
	})
	bubble(t, echo, func(t *testing.T, p *Pool) {
		ctx, leave := contextUntil(t)
		resp, err := p.Forward(ctx, webSocket())
		if err != nil {
			t.Fatal(err)
		}
		leave()
		synctest.Wait()
		if _, err := resp.Upgraded.Write([]byte("x")); err == nil {
			t.Error("it is still open")
		}
		_ = resp.Upgraded.Close()
		idleAgain(t, p)
	})
}

func TestBytesBehindTheSwitchAreKept(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		readHead(in)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"+strings.Repeat("early", 3000))
	}))
	resp, err := p.Forward(t.Context(), webSocket())
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Upgraded)
	if string(got) != strings.Repeat("early", 3000) || err != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	_ = resp.Upgraded.Close()
}
