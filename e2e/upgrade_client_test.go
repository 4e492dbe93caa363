package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// line is one client's connection of one kind. It honours what a server says
// about it ("Connection: close", GOAWAY) by coming anew for the next request,
// and never sends a request twice: what fails is told.
type line interface {
	// ask sends one request and reads its answer to the end.
	ask(path, key string) (status int, err error)
	close()
}

// askPatience bounds one request; no request waits for it to pass.
const askPatience = time.Minute

// oneLine is HTTP/1.1 with keep-alive, over TLS where roots are given.
type oneLine struct {
	address string
	host    string
	tls     *tls.Config // nil: plain
	conn    net.Conn
	reader  *bufio.Reader
	opened  int // connections so far
}

func (l *oneLine) open() error {
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		return err
	}
	if l.tls != nil {
		secured := tls.Client(conn, l.tls)
		if err := secured.Handshake(); err != nil {
			return errors.Join(err, conn.Close())
		}
		conn = secured
	}
	l.conn, l.reader = conn, bufio.NewReader(conn)
	l.opened++
	return nil
}

func (l *oneLine) close() {
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

func (l *oneLine) ask(path, key string) (int, error) {
	if l.conn == nil {
		if err := l.open(); err != nil {
			return 0, fmt.Errorf("connecting: %w", err)
		}
	}
	if err := l.conn.SetDeadline(time.Now().Add(askPatience)); err != nil {
		return 0, err
	}
	if _, err := fmt.Fprintf(l.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\n\r\n", path, l.host, key); err != nil {
		return 0, fmt.Errorf("sending: %w", err)
	}
	response, err := http.ReadResponse(l.reader, nil)
	if err != nil {
		return 0, fmt.Errorf("reading the head: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	if err := errors.Join(err, response.Body.Close()); err != nil {
		return response.StatusCode, fmt.Errorf("reading the body: %w", err)
	}
	if response.Close {
		l.close()
	}
	return response.StatusCode, nil
}

// twoLine is one HTTP/2 connection that several use at once.
type twoLine struct {
	address, host string
	tls           *tls.Config

	mu     sync.Mutex
	conn   *http2.ClientConn //nolint:staticcheck // net/http's own client repeats requests by itself
	opened int
}

func (l *twoLine) current() (*http2.ClientConn, error) { //nolint:staticcheck // as above
	l.mu.Lock()
	defer l.mu.Unlock()
	// It says no after a GOAWAY; what is under way on it goes on.
	if l.conn != nil && l.conn.CanTakeNewRequest() {
		return l.conn, nil
	}
	raw, err := net.Dial("tcp", l.address)
	if err != nil {
		return nil, err
	}
	secured := tls.Client(raw, l.tls)
	if err := secured.Handshake(); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	if got := secured.ConnectionState().NegotiatedProtocol; got != "h2" {
		return nil, errors.Join(fmt.Errorf("the server speaks %q", got), raw.Close())
	}
	l.conn, err = new(http2.Transport).NewClientConn(secured) //nolint:staticcheck // as above
	l.opened++
	return l.conn, err
}

func (l *twoLine) ask(path, key string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), askPatience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+l.host+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-API-Key", key)
	conn, err := l.current()
	if err != nil {
		return 0, fmt.Errorf("connecting: %w", err)
	}
	response, err := conn.RoundTrip(request)
	if err != nil {
		return 0, fmt.Errorf("HTTP/2: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

func (l *twoLine) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		_ = l.conn.Close()
		l.conn = nil
	}
}

// clientTLS trusts an authority, and speaks one protocol.
func clientTLS(roots *x509.CertPool, host, protocol string) *tls.Config {
	return &tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{protocol}, MinVersion: tls.VersionTLS12}
}

// webSocket is a WebSocket to an echo service (RFC 6455), with text messages of
// less than 126 bytes.
type webSocket struct{ oneLine }

// dial opens it.
func (s *webSocket) dial(path, key string) error {
	if err := s.open(); err != nil {
		return err
	}
	if err := s.conn.SetDeadline(time.Now().Add(askPatience)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", path, s.host, key); err != nil {
		return err
	}
	response, err := http.ReadResponse(s.reader, nil)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("answer %s to a WebSocket's start", response.Status)
	}
	return nil
}

// frame is a client's frame: its payload masked with zeros.
func frame(opcode byte, payload []byte) []byte {
	return append([]byte{0x80 | opcode, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
}

// echo sends a message and reads it back.
func (s *webSocket) echo(message string) error {
	if err := s.conn.SetDeadline(time.Now().Add(askPatience)); err != nil {
		return err
	}
	if _, err := s.conn.Write(frame(1, []byte(message))); err != nil {
		return fmt.Errorf("sending: %w", err)
	}
	opcode, payload, err := s.read()
	if err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	if opcode != 1 || string(payload) != message {
		return fmt.Errorf("echo %d %q of %q", opcode, payload, message)
	}
	return nil
}

func (s *webSocket) read() (opcode byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(s.reader, head[:]); err != nil {
		return 0, nil, err
	}
	payload = make([]byte, head[1]&0x7f)
	_, err = io.ReadFull(s.reader, payload)
	return head[0] & 0xf, payload, err
}

// leave ends it as a client does, and waits for the other side.
func (s *webSocket) leave() error {
	defer s.close()
	if _, err := s.conn.Write(frame(8, []byte{3, 0xe8})); err != nil {
		return err
	}
	opcode, _, err := s.read()
	if err == nil && opcode != 8 {
		err = fmt.Errorf("a frame %d in answer to the close", opcode)
	}
	return err
}
