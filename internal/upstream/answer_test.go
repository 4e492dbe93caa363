package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAnswersWithoutABodySayWhatTheyWouldHold(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/unknown":
		case "/304":
			w.Header().Set("ETag", `"1"`)
			w.WriteHeader(http.StatusNotModified)
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Length", "1234")
		}
	}))
	for _, test := range []struct {
		method, target string
		status         int
		length         int64
	}{
		{"HEAD", "/", 200, 1234},
		{"GET", "/304", 304, -1},
		{"GET", "/204", 204, 0},
		{"DELETE", "/204", 204, 0},
	} {
		resp, body := answer(t, p, request(test.method, test.target, ""))
		if resp.Status != test.status || resp.Length != test.length || body != "" {
			t.Errorf("%s %s: %d of length %d with %q", test.method, test.target, resp.Status, resp.Length, body)
		}
		idleAgain(t, p)
	}
	resp, err := p.Forward(t.Context(), request("GET", "/204", ""))
	if err != nil {
		t.Fatal(err)
	}
	idleAgain(t, p) // an answer without a body gives its place back before it is closed
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	broken := poolTo(t, toll.Service{}, Options{}, says(t, "HTTP/1.1 304 Not Modified\r\nContent-Length: 77\r\n\r\n"),
		says(t, "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"))
	for range 2 {
		resp, _ := answer(t, broken, request("GET", "/", ""))
		switch {
		case resp.Status == 304 && resp.Length == 77:
		case resp.Status == 204 && resp.Length == 0 && resp.Header.Get("Content-Length") == "":
		default:
			t.Errorf("%d of length %d with %v", resp.Status, resp.Length, resp.Header)
		}
	}
}

func TestTrailersComeWithTheEndOfTheBody(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, says(t, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Tollhouse-Usage\r\n\r\n"+
		"5\r\nhello\r\n0\r\nTollhouse-Usage: words=1\r\nX-More: 2\r\nConnection: close\r\n\r\n"))
	resp, err := p.Forward(t.Context(), request("GET", "/", ""))
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Trailer") != "Tollhouse-Usage" || resp.Trailer.Get("Tollhouse-Usage") != "" {
		t.Errorf("before the end: %v, %v", resp.Header, resp.Trailer)
	}
	trailer := resp.Trailer // a stage may have copied it
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "hello" {
		t.Fatalf("%q, %v", body, err)
	}
	if trailer.Get("Tollhouse-Usage") != "words=1" || trailer.Get("X-More") != "2" || trailer.Get("Connection") != "" {
		t.Errorf("after the end: %v", trailer)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

func TestDropsInterimAnswers(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Header().Set("X-Final", "1")
		w.WriteHeader(http.StatusAccepted)
	}))
	if resp, _ := answer(t, p, request("GET", "/", "")); resp.Status != 202 || resp.Header.Get("X-Final") != "1" {
		t.Errorf("the answer is %d with %v", resp.Status, resp.Header)
	}
}

func TestABodyAnnouncedWithExpectIsSentWhenAskedFor(t *testing.T) {
	t.Parallel()
	var reads atomic.Int64
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	}))
	upload := func(target string) *exchange.Request {
		req := request("PUT", target, "payload")
		req.Header.Set("Expect", "100-continue")
		req.Body = io.NopCloser(io.TeeReader(req.Body, counter{&reads}))
		return req
	}
	if resp, _ := answer(t, p, upload("/refuse")); resp.Status != 417 || reads.Load() != 0 {
		t.Errorf("refused with %d, but %d bytes were read", resp.Status, reads.Load())
	}
	if _, body := answer(t, p, upload("/take")); body != "payload" {
		t.Errorf("took %q", body)
	}
}

type counter struct{ n *atomic.Int64 }

func (c counter) Write(p []byte) (int, error) { c.n.Add(int64(len(p))); return len(p), nil }

func TestABodyBeyondItsLimitIsTheClientsFault(t *testing.T) {
	t.Parallel()
	whole := make(chan error, 2)
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(_ http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		whole <- err
	}))
	for _, length := range []int64{-1, 1 << 20} {
		req := request("POST", "/", "")
		req.Length = length
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader(strings.Repeat("x", 100_000)), failing{exchange.ErrBodyTooLarge}))
		f := theFailure(t, p, req, 413, "http_request_error")
		if !errors.Is(f, exchange.ErrBodyTooLarge) {
			t.Errorf("the cause is %v", f.Cause)
		}
		if err := <-whole; err == nil {
			t.Error("the upstream took half a body for a whole one")
		}
		if s := p.Status()[0]; s.Failed != 0 {
			t.Error("the upstream is blamed")
		}
	}
	idleAgain(t, p)
}

func TestABodyThatBreaksOffIsTheClientsFault(t *testing.T) {
	t.Parallel()
	p := poolTo(t, toll.Service{}, Options{}, server(t, func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	for err, want := range map[error]int{
		io.ErrUnexpectedEOF:                           StatusClientGone,
		context.Canceled:                              StatusClientGone,
		os.ErrDeadlineExceeded:                        408,
		errors.New("malformed chunk from the client"): 400,
	} {
		req := request("POST", "/", "")
		req.Length = -1
		req.Body = io.NopCloser(io.MultiReader(strings.NewReader("x"), failing{err}))
		_, got := p.Forward(t.Context(), req)
		f, ok := errors.AsType[*exchange.Failure](got)
		if !ok || f.Status != want {
			t.Errorf("%v became %v, want %d", err, got, want)
		}
	}
	idleAgain(t, p)
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestStreamsAHugeBodyBothWaysWithoutGatheringIt(t *testing.T) {
	t.Parallel()
	const (
		size = 32 << 20
		held = 256 << 10 // buffers on the way: both connections', the copies'
	)
	net := newMemory()
	net.serve(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_ = rc.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = rc.Flush()
		_, _ = io.Copy(w, r.Body)
	})
	p := poolTo(t, toll.Service{}, Options{dial: net.dial}, "http://127.0.0.1:9001")
	source := &pattern{left: size}
	req := request("POST", "/", "")
	req.Body, req.Length = io.NopCloser(source), -1
	resp, err := p.Forward(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var got int64
	buf := make([]byte, 16<<10)
	for {
		n, err := resp.Body.Read(buf)
		for i, b := range buf[:n] {
			if b != byte((got+int64(i))%251) {
				t.Fatalf("byte %d is wrong", got+int64(i))
			}
		}
		got += int64(n)
		if ahead := source.given.Load() - got; ahead > held {
			t.Fatalf("%d bytes are held on the way, more than %d", ahead, held)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got != size {
		t.Errorf("%d bytes came back of %d", got, size)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
}

// pattern is a body that can be checked without keeping it.
type pattern struct {
	left  int64
	given atomic.Int64
}

func (p *pattern) Read(b []byte) (int, error) {
	if p.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), p.left)
	at := p.given.Load()
	for i := range b[:n] {
		b[i] = byte((at + int64(i)) % 251)
	}
	p.left -= n
	p.given.Add(n)
	return int(n), nil
}
