package framing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// whole are requests that are read in one way, one behind the other.
const whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n" +
	"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde" +
	"POST /b HTTP/1.1\r\nHost: x\r\ntransfer-ENCODING: \t Chunked \r\n\r\n3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n" +
	"GET /c HTTP/1.0\r\n\r\n"

func TestRequestsThatAreReadInOneWayPassWhateverThePortions(t *testing.T) {
	t.Parallel()
	for size := 1; size <= len(whole); size++ {
		var r Requests
		for rest := []byte(whole); len(rest) > 0; {
			part := rest[:min(size, len(rest))]
			if n, err := r.Walk(part); n != len(part) || err != nil {
				t.Fatalf("in portions of %d: %d of %q passed: %v, %v", size, n, part, err, r.Err())
			}
			rest = rest[len(part):]
		}
		if r.Err() != nil || r.walker.state != atStart || len(r.walker.line) > 0 {
			t.Fatalf("in portions of %d: ends at %d, %v", size, r.walker.state, r.Err())
		}
	}
}

func TestRequestsThatOthersReadInAnotherWayDoNot(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		why  error
		text string
	}{
		{ErrLine, "GET / HTTP/1.1\nHost: x\r\n\r\n"},
		{ErrLine, "\r\nGET / HTTP/1.1\r\n"},
		{ErrLine, "GET / HTTP/1.1\r\nHost: x\n\r\n"},
		{ErrLine, "GET / HTTP/1.1\r\nHost: x\r\n\n"},
		{ErrFold, "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"},
		{ErrFold, "GET / HTTP/1.1\r\nHost: x\r\n\ty\r\n\r\n"},
		{ErrLengths, "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{ErrLengths, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n"},
		{ErrLengths, "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\n"},
		{ErrLengths, "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n"},
		{ErrLength, "POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n"},
		{ErrLength, "POST / HTTP/1.1\r\nContent-Length: 3,3\r\n\r\n"},
		{ErrLength, "POST / HTTP/1.1\r\nContent-Length: \r\n\r\n"},
		{ErrLength, "POST / HTTP/1.1\r\nContent-Length: " + strings.Repeat(" ", 300) + "3\r\n\r\n"},
		{ErrVersion, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{ErrChunk, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"},
		{ErrChunk, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n"},
		{ErrChunk, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n"},
		{ErrLine, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n"},
		{ErrLine, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\n\r\n"},
		{ErrFold, "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n z\r\n\r\n"},
	} {
		for _, before := range []string{"", whole} {
			for _, size := range []int{1, 7, 1 << 10} {
				var r Requests
				var passed int
				for rest := []byte(before + c.text); len(rest) > 0; {
					part := rest[:min(size, len(rest))]
					n, _ := r.Walk(part)
					passed += n
					rest = rest[len(part):]
				}
				if !errors.Is(r.Err(), c.why) {
					t.Errorf("%q: %v, want %v", c.text, r.Err(), c.why)
				}
				if end := len(before) + strings.LastIndex(c.text, "\n"); passed > end && !errors.Is(c.why, ErrChunk) && r.walker.state != atSize {
					t.Errorf("%q: %d bytes passed, the end of the line among them", c.text, passed-len(before))
				}
				if n, err := r.Walk([]byte("GET")); n != 0 || err == nil {
					t.Errorf("%q: it goes on behind it", c.text)
				}
			}
		}
	}
}

func TestReadingAlongAllocatesNothing(t *testing.T) {
	var r Requests
	text := []byte(whole)
	if n := testing.AllocsPerRun(100, func() { _, _ = r.Walk(text) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRequestsEndWhereNetHTTPEndsThem compares two readers: where the walk has
// refused nothing, each message ends where net/http says that it ends.
func FuzzRequestsEndWhereNetHTTPEndsThem(f *testing.F) {
	f.Add([]byte(whole))
	for _, s := range []string{
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3 \t;a\r\nabc\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nA: b\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
		"POST / HTTP/1.0\r\nContent-Length: 0003\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: y\r\n\r\nany\nthing",
		"POST / HTTP/1.10\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		raw := bytes.NewReader(text)
		in := bufio.NewReader(raw)
		for range 8 {
			request, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				return
			}
			end := len(text) - raw.Len() - in.Buffered()
			var r Requests
			_, _ = r.Walk(text[:end])
			upgrade := len(request.Header["Upgrade"]) > 0
			if r.Err() != nil || r.off && upgrade {
				return // refused, or nobody's business any more
			}
			if r.off || r.walker.state != atStart || len(r.walker.line) > 0 {
				t.Fatalf("net/http ends a message after %q; the walk is at %d, off %t", text[:end], r.walker.state, r.off)
			}
		}
	})
}

// FuzzRequestsInAnyPortions holds that portions change nothing.
func FuzzRequestsInAnyPortions(f *testing.F) {
	f.Add([]byte(whole), 3)
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		var once, often Requests
		_, _ = once.Walk(text)
		for rest := text; len(rest) > 0; {
			part := rest[:min(max(size%64, 1), len(rest))]
			_, _ = often.Walk(part)
			rest = rest[len(part):]
		}
		if !errors.Is(once.Err(), often.Err()) || once.off != often.off || once.err == nil && once.walker.state != often.walker.state {
			t.Fatalf("at once: %v at %d; in portions of %d: %v at %d", once.Err(), once.walker.state, size, often.Err(), often.walker.state)
		}
	})
}

func BenchmarkRequestsWalkAHead(b *testing.B) {
	head := []byte("POST /v1/ner/extractions HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: bench/1.0\r\nAuthorization: Bearer th_live_abcdefghijklmnopqrstuvwxyz0123456789\r\nContent-Type: application/json\r\nAccept: application/json\r\nContent-Length: 20\r\n\r\n01234567890123456789")
	var r Requests
	b.SetBytes(int64(len(head)))
	b.ReportAllocs()
	for b.Loop() {
		if n, err := r.Walk(head); n != len(head) || err != nil {
			b.Fatal(n, err)
		}
	}
}
