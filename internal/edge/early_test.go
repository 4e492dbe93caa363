package edge_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// dial connects to the house by hand; only a failing test waits for its deadline.
func (h *house) dial(t testing.TB) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// rawService answers every connection with the same bytes once it has read the
// request's head, as no HTTP library would: the body is not waited for.
func rawService(t *testing.T, answer string) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				reader := bufio.NewReader(conn)
				if _, err := http.ReadRequest(reader); err != nil {
					return
				}
				_, _ = io.WriteString(conn, answer)
				_, _ = io.Copy(io.Discard, reader)
			}()
		}
	}()
	return "http://" + listener.Addr().String()
}

func TestAnAnswerDoesNotWaitForABodyThatNeverComes(t *testing.T) {
	t.Parallel()
	h := openBefore(t, rawService(t, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly"))
	conn := h.dial(t)
	fmt.Fprintf(conn, "POST /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 100000\r\n\r\nabc", h.key)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != 200 || string(body) != "early" || err != nil {
		t.Errorf("%s %q %v", response.Status, body, err)
	}
	if !response.Close {
		t.Error("the connection is kept, and the rest of the body would be read as a request")
	}
	<-h.seen
	if _, err := conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the connection goes on (%v)", err)
	}
}

func TestAClientThatStopsSendingIsToldAndHoldsNothing(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}, func(s *toll.Service) { s.Timeouts.Idle = 100 * time.Millisecond })
	conn := h.dial(t)
	fmt.Fprintf(conn, "POST /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nContent-Length: 100000\r\n\r\nabc", h.key)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if response.StatusCode != http.StatusRequestTimeout || err != nil || !strings.Contains(string(body), "#body-too-slow") {
		t.Errorf("%s %s %v, want 408 that says whose fault it was", response.Status, body, err)
	}
	<-h.seen // the request is over: its lease is free
}

func TestABodyAndItsAnswerMayBeOnTheWayAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.WriteHeader(200)
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			fmt.Fprintf(w, "got %s\n", lines.Text())
			w.(http.Flusher).Flush()
		}
	})
	conn := h.dial(t)
	fmt.Fprintf(conn, "POST /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nTransfer-Encoding: chunked\r\n\r\n", h.key)
	var lines *bufio.Reader
	for i := range 3 {
		fmt.Fprintf(conn, "2\r\n%d\n\r\n", i)
		if lines == nil {
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			lines = bufio.NewReader(response.Body)
		}
		if line, err := lines.ReadString('\n'); line != fmt.Sprintf("got %d\n", i) {
			t.Fatalf("line %d: %q %v", i, line, err)
		}
	}
	fmt.Fprint(conn, "0\r\n\r\n")
	if rest, err := io.ReadAll(lines); len(rest) > 0 || err != nil {
		t.Errorf("behind the last line: %q %v", rest, err)
	}
}

func TestABodyThatNobodyWantsIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") })
	for path, status := range map[string]int{"/v1/ner/": 401, "/keys": 200, "/v1/ner/%2e%2e/": 400} {
		conn := h.dial(t)
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc", path)
		reader := bufio.NewReader(conn)
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != status {
			t.Fatalf("%s: %v %v, want %d", path, response, err, status)
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := reader.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection goes on (%v)", path, err)
		}
	}
}

func TestARefusalOfAShortBodyKeepsTheConnection(t *testing.T) {
	t.Parallel()
	h := open(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") })
	conn := h.dial(t)
	reader := bufio.NewReader(conn)
	for range 2 {
		fmt.Fprint(conn, "POST /v1/ner/ HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, response.Body); response.StatusCode != 401 || response.Close || err != nil {
			t.Errorf("%s, closes %t, %v", response.Status, response.Close, err)
		}
	}
}

func TestAFormThatNeverComesOnAStreamIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	s := openSecure(t, func(http.ResponseWriter, *http.Request) { t.Error("forwarded") })
	f, err := begin(s.dial(t, "h2"))
	if err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", "POST"}, {":scheme", "https"}, {":authority", secureHost}, {":path", "/keys"}, {"content-length", "100"},
	} {
		if err := e.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("no answer: %v", err)
		}
		if frame.Header().StreamID == 1 {
			return
		}
	}
}
