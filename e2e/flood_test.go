package e2e

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// flood is an attack of a size; it is over when attack returns.
type flood struct {
	name   string
	size   func(n int) string
	attack func(t *testing.T, b *besieged, n int)
}

func size(format string) func(int) string {
	return func(n int) string { return strings.Replace(format, "%d", strconv.Itoa(n), 1) }
}

var floods = []flood{
	{"slow heads", size("%d connections"), func(t *testing.T, b *besieged, n int) { b.hold(t, n, slowHead) }},
	{"slow bodies", func(n int) string { return fmt.Sprintf("%d connections", n/2) }, func(t *testing.T, b *besieged, n int) { b.hold(t, n/2, slowBody) }},
	{"slow readers", func(n int) string { return fmt.Sprintf("%d connections", n/2) }, func(t *testing.T, b *besieged, n int) { b.hold(t, n/2, slowRead) }},
	{"slow heads, bodies and readers", size("%d connections"), func(t *testing.T, b *besieged, n int) {
		b.hold(t, n, slowHead, slowBody, slowHead, slowRead)
	}},
	{"rapid reset (CVE-2023-44487)", size("%d streams over 10 connections"), rapidReset},
	{"endless CONTINUATION (CVE-2024-27316)", size("20 connections, up to 16 MB each"), endlessContinuation},
	{"HPACK bomb", size("20 connections, 60,000 references to a field of 4 kB each"), hpackBomb},
	{"PING flood, nothing read", size("20 connections, up to 500,000 frames each"), func(t *testing.T, b *besieged, _ int) {
		b.frameFlood(t, func(f *http2.Framer) error { return f.WritePing(false, [8]byte{1}) })
	}},
	{"SETTINGS flood, nothing read", size("20 connections, up to 500,000 frames each"), func(t *testing.T, b *besieged, _ int) {
		b.frameFlood(t, func(f *http2.Framer) error {
			return f.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1})
		})
	}},
	{"no window for streams", size("%d streams"), zeroWindow},
	{"unknown names (SNI)", size("%d handshakes"), unknownNames},
}

// connect dials from one of several addresses of this machine, so that its ports
// do not run out.
func connect(i int, address string) (*net.TCPConn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%4))}
	conn, err := (&net.Dialer{LocalAddr: from, Timeout: patience}).Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// many runs f for each i of n, some at a time.
func many(n, at int, f func(i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range at {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	all.Wait()
}

type slowness struct{ first, drop string }

var (
	slowHead = slowness{"GET /app/ HTTP/1.1\r\nHost: app.example.com\r\n", "X: y\r\n"}
	slowBody = slowness{"POST /app/ HTTP/1.1\r\nHost: app.example.com\r\nContent-Length: 1000000\r\n\r\n", "x"}
	slowRead = slowness{"GET /app/big HTTP/1.1\r\nHost: app.example.com\r\n\r\n", ""}
)

// hold opens n connections of the given kinds, keeps them for a while with a
// drop now and then, and closes them.
func (b *besieged) hold(t *testing.T, n int, kinds ...slowness) {
	t.Helper()
	conns := make([]*net.TCPConn, n)
	var lost atomic.Int64
	many(n, 32, func(i int) {
		conn, err := connect(i, b.plain)
		if err == nil {
			conns[i] = conn
			_ = conn.SetReadBuffer(4096)
			_, err = io.WriteString(conn, kinds[i%len(kinds)].first)
		}
		if err != nil {
			lost.Add(1)
		}
	})
	for range 1 + n/2000 {
		time.Sleep(time.Second) // a slow attack takes its time
		for i, conn := range conns {
			if drop := kinds[i%len(kinds)].drop; conn != nil && drop != "" {
				if _, err := io.WriteString(conn, drop); err != nil {
					lost.Add(1)
				}
			}
		}
	}
	if held := b.gauges(t).connections; held < int64(n) {
		t.Errorf("%d of %d connections are held (%d lost)", held, n, lost.Load())
	}
	for _, conn := range conns {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// speakHTTP2 opens an HTTP/2 connection.
func (b *besieged) speakHTTP2(i int, settings ...http2.Setting) (*tls.Conn, *http2.Framer, error) {
	conn, err := connect(i, b.secure)
	if err != nil {
		return nil, nil, err
	}
	secure := tls.Client(conn, &tls.Config{ServerName: "app.example.com", RootCAs: b.roots, NextProtos: []string{"h2"}})
	if err := secure.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, nil, err
	}
	if _, err := io.WriteString(secure, http2.ClientPreface); err != nil {
		_ = conn.Close()
		return nil, nil, err
	}
	f := http2.NewFramer(secure, secure)
	return secure, f, f.WriteSettings(settings...)
}

// head is a request's header block.
func head(path string, more ...string) []byte {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "app.example.com"}, {":path", path}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	for i := 0; i < len(more); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: more[i], Value: more[i+1]})
	}
	return block.Bytes()
}

func rapidReset(t *testing.T, b *besieged, n int) {
	t.Helper()
	many(10, 10, func(i int) {
		conn, f, err := b.speakHTTP2(i)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		block := head("/app/big")
		for s := range n / 10 {
			id := uint32(2*s + 1)
			if f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true}) != nil ||
				f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
				return // the house has had enough of it, which is one way to outlive it
			}
		}
	})
}

func endlessContinuation(t *testing.T, b *besieged, _ int) {
	t.Helper()
	many(20, 20, func(i int) {
		conn, f, err := b.speakHTTP2(i)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		var block bytes.Buffer
		_ = hpack.NewEncoder(&block).WriteField(hpack.HeaderField{Name: "x", Value: strings.Repeat("y", 15_000), Sensitive: true})
		err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: head("/app/"), EndStream: true})
		sent := 0
		for ; err == nil && sent < 16<<20; sent += block.Len() {
			err = f.WriteContinuation(1, false, block.Bytes())
		}
		if err == nil {
			t.Errorf("it took %d bytes of one head and wants more", sent)
		}
	})
}

func hpackBomb(t *testing.T, b *besieged, _ int) {
	t.Helper()
	many(20, 20, func(i int) {
		conn, f, err := b.speakHTTP2(i)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		go func() { _, _ = io.Copy(io.Discard, conn) }()
		block := head("/app/", "x", strings.Repeat("y", 3900))
		bomb := bytes.Repeat([]byte{0x80 | 62}, 60_000) // the newest entry of the table, again and again
		err = f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block, EndStream: true})
		for len(bomb) > 0 && err == nil {
			part := bomb[:min(len(bomb), 16_000)]
			bomb = bomb[len(part):]
			err = f.WriteContinuation(1, len(bomb) == 0, part)
		}
		time.Sleep(100 * time.Millisecond) // for it to go off
	})
}

// frameFlood sends frames that want an answer, and reads none.
func (b *besieged) frameFlood(t *testing.T, frame func(*http2.Framer) error) {
	t.Helper()
	many(20, 20, func(i int) {
		conn, _, err := b.speakHTTP2(i)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		var buffered bytes.Buffer
		f := http2.NewFramer(&buffered, nil)
		if err := conn.SetDeadline(time.Now().Add(3 * time.Second)); err != nil {
			t.Error(err)
			return
		}
		for range 500 {
			buffered.Reset()
			for range 1000 {
				if err := frame(f); err != nil {
					t.Error(err)
					return
				}
			}
			if _, err := conn.Write(buffered.Bytes()); err != nil {
				return // it took no more of it, or ended the connection
			}
		}
	})
}

func zeroWindow(t *testing.T, b *besieged, n int) {
	t.Helper()
	conns := (n + 99) / 100
	held := make([]net.Conn, conns)
	many(conns, 16, func(i int) {
		conn, f, err := b.speakHTTP2(i, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		if err != nil {
			t.Error(err)
			return
		}
		held[i] = conn
		block := head("/app/small")
		for s := range min(100, n-100*i) {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*s + 1), BlockFragment: block, EndHeaders: true, EndStream: true}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	time.Sleep(time.Second) // a stall takes its time
	for _, conn := range held {
		if conn != nil {
			_ = conn.Close()
		}
	}
}

// unknownNames asks for names that nobody has, one handshake each.
func unknownNames(t *testing.T, b *besieged, n int) {
	t.Helper()
	if wrong := strangeNames(b.secure, n); wrong != nil {
		t.Error(wrong)
	}
}

func strangeNames(address string, n int) error {
	var failure atomic.Pointer[error]
	many(n, 16, func(i int) {
		conn, err := connect(i, address)
		if err != nil {
			failure.Store(&err)
			return
		}
		defer conn.Close()
		within, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = tls.Client(conn, &tls.Config{ServerName: fmt.Sprintf("stranger-%d.example.net", i), InsecureSkipVerify: true}).HandshakeContext(within)
		if err == nil || !strings.Contains(err.Error(), "unrecognized name") && !strings.Contains(err.Error(), syscall.ECONNRESET.Error()) {
			err = fmt.Errorf("the handshake for name %d ended with %v", i, err)
			failure.Store(&err)
		}
	})
	if err := failure.Load(); err != nil {
		return *err
	}
	return nil
}
