package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// secured is a house behind HTTPS, for the host api.example.
type secured struct {
	*house
	address string
	roots   *x509.CertPool
}

const secureHost = "api.example"

// openSecure starts an HTTPS listener before a service that handler serves.
func openSecure(t *testing.T, handler http.HandlerFunc, change ...func(*toll.Service)) *secured {
	t.Helper()
	return secure(t, open(t, handler, change...))
}

// secure gives a house an HTTPS listener too.
func secure(t *testing.T, h *house) *secured {
	t.Helper()
	ca := edgetest.NewAuthority(t)
	certificates, err := edge.NewCertificates(edge.CertificateOptions{
		Files: []edge.CertificateFile{ca.Files(t, t.TempDir(), secureHost)},
		ACME:  edge.ACME{Dir: t.TempDir()},
		Log:   slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(certificates.Close)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	config := certificates.TLS()
	server, err := edge.NewTLSServer(h.front, config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(edge.ListenTLS(edge.Listen(listener), config)) }()
	t.Cleanup(func() { _ = server.Close() })
	h.url = "https://" + secureHost
	return &secured{house: h, address: listener.Addr().String(), roots: ca.Roots()}
}

// dial opens a connection that speaks the protocol.
func (s *secured) dial(t *testing.T, protocol string) *tls.Conn {
	t.Helper()
	conn, err := tls.Dial("tcp", s.address, &tls.Config{ServerName: secureHost, RootCAs: s.roots, NextProtos: []string{protocol}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if got := conn.ConnectionState().NegotiatedProtocol; got != protocol {
		t.Fatalf("speaks %q, want %q", got, protocol)
	}
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil { // only a failing test waits for it
		t.Fatal(err)
	}
	return conn
}

// answers are the shapes in which a service can answer.
var answers = []struct {
	name   string
	answer http.HandlerFunc
	body   string
}{
	{"known length", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "short") }, "short"},
	{"chunked", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "part")
		w.(http.Flusher).Flush()
		fmt.Fprint(w, "rest")
	}, "partrest"},
	{"long", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 50_000)) }, strings.Repeat("x", 50_000)},
	{"trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum, Tollhouse-Usage")
		fmt.Fprint(w, "part")
		w.(http.Flusher).Flush()
		w.Header().Set("X-Sum", "1")
		w.Header().Set("Tollhouse-Usage", "words=2")
	}, "part"},
	{"no body", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, ""},
}

func TestARequestOverTLSIsOutOfDoubtOnlyWhenItsLastByteIsOut(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, c := range answers {
			t.Run(protocol+" "+c.name, func(t *testing.T) {
				t.Parallel()
				s := openSecure(t, c.answer)
				read := make(chan error, 1)
				closed := make(chan bool, 1)
				s.recorder.OnDone = func(delivered bool) {
					// While the request is being closed the client can read its answer
					// to its very end: nothing of it is still in the program.
					closed <- delivered && <-read == nil
				}
				conn := s.dial(t, protocol)
				var body string
				var err error
				if protocol == "h2" {
					body, err = askRaw(conn, s.key)
				} else {
					fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: %s\r\nX-API-Key: %s\r\n\r\n", secureHost, s.key)
					body, err = readOne(conn)
				}
				read <- err
				if !<-closed {
					t.Errorf("the request was closed before its answer was out: %v", err)
				}
				if body != c.body {
					t.Errorf("the body is %d bytes, want %d", len(body), len(c.body))
				}
			})
		}
	}
}

// askRaw makes one HTTP/2 request and reads frames until its stream ends.
func askRaw(conn io.ReadWriter, key string) (string, error) {
	f, err := begin(conn)
	if err != nil {
		return "", err
	}
	if err := ask(f, 1, key); err != nil {
		return "", err
	}
	var body bytes.Buffer
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return body.String(), err
		}
		if d, ok := frame.(*http2.DataFrame); ok {
			body.Write(d.Data())
		}
		switch frame := frame.(type) {
		case *http2.DataFrame:
			if frame.StreamEnded() {
				return body.String(), nil
			}
		case *http2.HeadersFrame:
			if frame.StreamEnded() {
				return body.String(), nil
			}
		case *http2.RSTStreamFrame:
			return body.String(), fmt.Errorf("reset: %v", frame.ErrCode)
		}
	}
}

// begin opens an HTTP/2 connection.
func begin(conn io.ReadWriter) (*http2.Framer, error) {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return nil, err
	}
	f := http2.NewFramer(conn, conn)
	return f, f.WriteSettings()
}

// ask writes the head of a request.
func ask(f *http2.Framer, stream uint32, key string, more ...string) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	fields := append([]string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/", "x-api-key", key}, more...)
	for i := 0; i < len(fields); i += 2 {
		if err := e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	return f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
}

// readOne reads one HTTP/1.1 answer.
func readOne(conn io.Reader) (string, error) {
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	all, err := io.ReadAll(response.Body)
	return string(all), err
}

func TestEachOfManyStreamsEndsByItself(t *testing.T) {
	t.Parallel()
	s := openSecure(t, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.Header.Get("X-Size"))
		for range 3 {
			fmt.Fprint(w, strings.Repeat("x", size))
			w.(http.Flusher).Flush()
		}
	}, func(service *toll.Service) { service.Access = toll.AccessPublic })
	const calls = 90
	done := make(chan bool, calls)
	s.recorder.OnDone = func(delivered bool) { done <- delivered }
	client := &http.Client{Transport: &http.Transport{
		ForceAttemptHTTP2: true, MaxConnsPerHost: 2, TLSClientConfig: &tls.Config{RootCAs: s.roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, s.address)
		},
	}}
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range calls {
		all.Go(func() {
			request, err := http.NewRequest("GET", s.url+"/v1/ner/", nil)
			if err != nil {
				t.Error(err)
				return
			}
			request.Header.Set("X-Size", strconv.Itoa(i*200))
			response, err := client.Do(request)
			if err != nil {
				t.Error(err)
				return
			}
			defer response.Body.Close()
			if n, err := io.Copy(io.Discard, response.Body); err != nil || n != int64(i*600) || response.ProtoMajor != 2 {
				t.Errorf("call %d: %s, %d bytes, %v", i, response.Proto, n, err)
			}
		})
	}
	all.Wait()
	for i := range calls {
		if !<-done {
			t.Errorf("answer %d was read whole and is told not to be", i+1)
		}
	}
}

func TestAnAnswerThatTheClientGivesUpIsNotDelivered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		giveUp func(conn net.Conn, f *http2.Framer) error
	}{
		{"by a reset", func(_ net.Conn, f *http2.Framer) error { return f.WriteRSTStream(1, http2.ErrCodeCancel) }},
		{"by leaving", func(conn net.Conn, _ *http2.Framer) error { return conn.Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			gone := make(chan struct{})
			s := openSecure(t, func(w http.ResponseWriter, r *http.Request) {
				fmt.Fprint(w, "part")
				w.(http.Flusher).Flush()
				<-gone
				for r.Context().Err() == nil { // until the gateway has noticed
					fmt.Fprint(w, strings.Repeat("x", 1000))
					w.(http.Flusher).Flush()
				}
			})
			done := make(chan bool, 1)
			s.recorder.OnDone = func(delivered bool) { done <- delivered }
			conn := s.dial(t, "h2")
			f, err := begin(conn)
			if err == nil {
				err = ask(f, 1, s.key)
			}
			for err == nil {
				var frame http2.Frame
				if frame, err = f.ReadFrame(); err == nil && frame.Header().Type == http2.FrameData {
					break
				}
			}
			if err == nil {
				err = c.giveUp(conn, f)
			}
			if err != nil {
				t.Fatal(err)
			}
			close(gone)
			if <-done {
				t.Error("an answer that the client gave up is told to be delivered")
			}
		})
	}
}

// The end of an answer waits for the client's window, and is given up with its
// stream: nothing may wait for it until the connection ends.
func TestAStreamThatIsResetWhileItsEndWaitsIsOver(t *testing.T) {
	t.Parallel()
	s := openSecure(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 200_000)) })
	done := make(chan bool, 2)
	s.recorder.OnDone = func(delivered bool) { done <- delivered }
	conn := s.dial(t, "h2")
	f, err := begin(conn)
	if err == nil {
		err = ask(f, 1, s.key)
	}
	received := 0
	for err == nil && received < 65_535 { // the window that there is at first
		var frame http2.Frame
		if frame, err = f.ReadFrame(); err == nil && frame.Header().Type == http2.FrameData {
			received += int(frame.Header().Length)
		}
	}
	if err == nil {
		err = f.WriteRSTStream(1, http2.ErrCodeCancel)
	}
	if err != nil {
		t.Fatal(err)
	}
	if <-done {
		t.Error("a third of an answer is told to be delivered")
	}
}

func TestAClientThatReadsNothingOfAStreamHoldsNothing(t *testing.T) {
	t.Parallel()
	s := openSecure(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Repeat("x", 200_000)) },
		func(service *toll.Service) { service.Timeouts.Idle = 200 * time.Millisecond })
	done := make(chan bool, 1)
	s.recorder.OnDone = func(delivered bool) { done <- delivered }
	conn := s.dial(t, "h2")
	f, err := begin(conn)
	if err == nil {
		err = ask(f, 1, s.key)
	}
	for err == nil { // everything is read but no window is given, until the gateway gives up
		var frame http2.Frame
		if frame, err = f.ReadFrame(); err == nil && frame.Header().Type == http2.FrameRSTStream {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if <-done {
		t.Error("a third of an answer is told to be delivered")
	}
	// The connection and its other streams go on.
	if err := f.WriteWindowUpdate(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := ask(f, 3, "none"); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if h := frame.Header(); h.StreamID == 3 && h.Flags.Has(http2.FlagDataEndStream) {
			return
		}
	}
}
