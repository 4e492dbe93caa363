package edge_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/tollhouse/tollhouse/internal/edge"
	"github.com/tollhouse/tollhouse/internal/edge/edgetest"
)

// leaving is a server that can say farewell.
type leaving struct {
	farewell edge.Farewell
	address  string
	tls      *tls.Config // of clients, nil without TLS
	entered  chan struct{}
	goOn     chan struct{} // what /wait waits for
}

func (l *leaving) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/wait" {
		l.entered <- struct{}{}
		<-l.goOn
	}
	fmt.Fprint(w, "fine")
}

func openLeaving(t *testing.T, secure bool) *leaving {
	t.Helper()
	l := &leaving{entered: make(chan struct{}), goOn: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.address = listener.Addr().String()
	doors, handler := edge.Listen(listener), l.farewell.Handler(l)
	server := edge.NewServer(handler, slog.New(slog.DiscardHandler))
	if secure {
		ca := edgetest.NewAuthority(t)
		files := ca.Files(t, t.TempDir(), secureHost)
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			t.Fatal(err)
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"h2"}}
		if server, err = l.farewell.NewTLSServer(handler, config, slog.New(slog.DiscardHandler)); err != nil {
			t.Fatal(err)
		}
		doors = edge.ListenTLS(doors, config, edge.Times{})
		l.tls = &tls.Config{ServerName: secureHost, RootCAs: ca.Roots(), NextProtos: []string{"h2"}}
	}
	go func() { _ = server.Serve(doors) }()
	t.Cleanup(func() { _ = server.Close() })
	return l
}

func TestAfterAFarewellTheNextAnswerClosesItsConnectionAndIdleOnesStay(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, false)
	conn, err := net.Dial("tcp", l.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	ask := func() *http.Response {
		t.Helper()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(response.Body); string(body) != "fine" || err != nil {
			t.Fatalf("%q %v", body, err)
		}
		return response
	}
	if ask().Close {
		t.Fatal("closed before the farewell")
	}
	l.farewell.Say()
	if !ask().Close { // it was idle, and its client had not been told
		t.Error("the answer does not say Connection: close")
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on: %v", err)
	}
}

// framer is an HTTP/2 client that sees every frame.
func (l *leaving) framer(t *testing.T) *http2.Framer {
	t.Helper()
	conn, err := tls.Dial("tcp", l.address, l.tls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // only a failing test waits for it
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	f := http2.NewFramer(conn, conn)
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

// get opens a stream: GET path (RFC 7541 §C.3, without Huffman coding).
func get(t *testing.T, f *http2.Framer, stream uint32, path string) {
	t.Helper()
	block := append([]byte{0x82, 0x87, 0x04, byte(len(path))}, path...)
	block = append(append(block, 0x01, byte(len(secureHost))), secureHost...)
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndStream: true, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

// next reads up to a frame that wanted takes.
func next[F http2.Frame](t *testing.T, f *http2.Framer, wanted func(F) bool) F {
	t.Helper()
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if is, ok := frame.(F); ok && wanted(is) {
			return is
		}
	}
}

func ends(stream uint32) func(*http2.DataFrame) bool {
	return func(f *http2.DataFrame) bool { return f.StreamID == stream && f.StreamEnded() }
}

func anyFrame[F http2.Frame](F) bool { return true }

const highest = 1<<31 - 1

func TestAfterAFarewellHTTP2ClientsAreToldAndWhatTheyHaveSentIsAnswered(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, true)
	f := l.framer(t)
	get(t, f, 1, "/wait")
	<-l.entered
	get(t, f, 3, "/")
	next(t, f, ends(3))
	l.farewell.Say()
	told := next(t, f, anyFrame[*http2.GoAwayFrame])
	if told.LastStreamID != highest || told.ErrCode != http2.ErrCodeNo {
		t.Errorf("GOAWAY %d %v, want the highest number and no error", told.LastStreamID, told.ErrCode)
	}
	get(t, f, 5, "/") // it was on its way
	next(t, f, ends(5))
	close(l.goOn)
	next(t, f, ends(1))
}

func TestAConnectionThatComesAfterTheFarewellIsToldAfterItsSettings(t *testing.T) {
	t.Parallel()
	l := openLeaving(t, true)
	l.farewell.Say()
	f := l.framer(t)
	first, err := f.ReadFrame()
	if err != nil {
		t.Fatal(err)
	}
	if _, is := first.(*http2.SettingsFrame); !is {
		t.Fatalf("the first frame is %v", first)
	}
	if told := next(t, f, anyFrame[*http2.GoAwayFrame]); told.LastStreamID != highest {
		t.Errorf("GOAWAY %d", told.LastStreamID)
	}
	get(t, f, 1, "/")
	next(t, f, ends(1))
}
