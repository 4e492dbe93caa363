package upstream

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// raw is an upstream that speaks bytes: each connection is handed to serve
// with its number, counted from 0, and closed when serve returns.
func raw(t testing.TB, serve func(n int, conn net.Conn, in *bufio.Reader)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var (
		all   sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	all.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			all.Go(func() {
				defer func() { _ = conn.Close() }()
				serve(n, conn, bufio.NewReader(conn))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return "http://" + l.Addr().String()
}

// says is a raw upstream that reads a whole request and answers with text.
func says(t testing.TB, text string) string {
	return raw(t, func(_ int, conn net.Conn, in *bufio.Reader) {
		if r, err := http.ReadRequest(in); err == nil {
			_, _ = io.Copy(io.Discard, r.Body)
		}
		_, _ = io.WriteString(conn, text)
	})
}

// readHead reads a request up to its empty line and returns it.
func readHead(in *bufio.Reader) string {
	var head strings.Builder
	for {
		line, err := in.ReadString('\n')
		head.WriteString(line)
		if err != nil || line == "\r\n" {
			return head.String()
		}
	}
}

// refused is an address where nobody listens.
func refused(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return "http://" + l.Addr().String()
}

// memory is a network of pipes without buffers, so that tests can run in a
// synctest bubble and see what is held back where.
type memory struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newMemory() *memory { return &memory{conns: make(chan net.Conn), done: make(chan struct{})} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.done:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.once.Do(func() { close(m.done) }); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9001} }

// serve runs an upstream in memory until the test ends.
func (m *memory) serve(t testing.TB, h http.HandlerFunc) {
	s := &http.Server{Handler: h}
	var running sync.WaitGroup
	running.Go(func() { _ = s.Serve(m) })
	t.Cleanup(func() {
		_ = s.Close()
		running.Wait()
	})
}

// failure forwards and expects no answer, but a failure of that status and type.
func failure(t testing.TB, p *Pool, req *exchange.Request, status int, kind string) {
	t.Helper()
	_ = theFailure(t, p, req, status, kind)
}

// theFailure is failure that returns it.
func theFailure(t testing.TB, p *Pool, req *exchange.Request, status int, kind string) *exchange.Failure {
	t.Helper()
	resp, err := p.Forward(t.Context(), req)
	if err == nil {
		_ = resp.Body.Close()
		t.Fatalf("got an answer of status %d, want %d %s", resp.Status, status, kind)
	}
	return asFailure(t, err, status, kind)
}

// expect checks what kind of failure an error is.
func expect(t testing.TB, err error, status int, kind string) {
	t.Helper()
	_ = asFailure(t, err, status, kind)
}

// asFailure is expect that returns it.
func asFailure(t testing.TB, err error, status int, kind string) *exchange.Failure {
	t.Helper()
	f, ok := errors.AsType[*exchange.Failure](err)
	if !ok {
		t.Fatalf("error is %T %v, want an *exchange.Failure", err, err)
	}
	if f.Status != status || f.Type != kind {
		t.Fatalf("failure is %d %v, want %d %s", f.Status, f, status, kind)
	}
	return f
}

// idleAgain fails the test when a place in flight was not given back.
func idleAgain(t testing.TB, p *Pool) {
	t.Helper()
	for _, s := range p.Status() {
		if s.InFlight != 0 {
			t.Errorf("%s still has %d in flight", s.Upstream, s.InFlight)
		}
	}
}
