package framing

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestAnAnswerBelongsToItsRequestAndNothingBehindItDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, asked, answer string }{
		{"counted", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"},
		{"nothing", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
		{"chunked", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"},
		{"204", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"304 with a length", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
		{"HEAD", "HEAD / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
		{"after interim ones", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na"},
		{"LF alone", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 3\n\nabc"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for size := 1; size <= len(c.answer)+3; size++ {
				var r Responses
				for range 3 {
					if err := r.Asked([]byte(c.asked)); err != nil {
						t.Fatal(err)
					}
					for rest := []byte(c.answer); len(rest) > 0; {
						part := rest[:min(size, len(rest))]
						if n, err := r.Walk(part); n != len(part) || err != nil || r.Err() != nil {
							t.Fatalf("in portions of %d: %d of %q: %v", size, n, part, r.Err())
						}
						rest = rest[len(part):]
					}
				}
			}
			var r Responses
			if err := r.Asked([]byte(c.asked)); err != nil {
				t.Fatal(err)
			}
			if n, _ := r.Walk([]byte(c.answer + "HTTP/1.1 200 OK\r\n")); n != len(c.answer) || !errors.Is(r.Err(), ErrUnasked) {
				t.Errorf("of a second answer %d bytes passed: %v", n-len(c.answer), r.Err())
			}
			if err := r.Asked([]byte(c.asked)); !errors.Is(err, ErrUnasked) {
				t.Errorf("another request may be sent: %v", err)
			}
		})
	}
}

func TestAnAnswerWithTwoLengthsIsNone(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
	} {
		var r Responses
		_ = r.Asked([]byte("GET / HTTP/1.1\r\n\r\n"))
		if n, _ := r.Walk([]byte(answer)); n == len(answer) || !errors.Is(r.Err(), ErrLengths) {
			t.Errorf("%q: %v", answer, r.Err())
		}
	}
}

func TestATunnelIsNobodysBusiness(t *testing.T) {
	t.Parallel()
	var r Responses
	_ = r.Asked([]byte("GET / HTTP/1.1\r\nUpgrade: x\r\n\r\n"))
	for _, part := range []string{"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n\x81\x05he", "llo"} {
		if n, err := r.Walk([]byte(part)); n != len(part) || err != nil {
			t.Fatalf("%d of %q: %v", n, part, err)
		}
		if err := r.Asked([]byte("\x81\x80")); err != nil {
			t.Fatal(err)
		}
	}
}

// FuzzResponsesEndWhereNetHTTPEndsThem is the same as for requests.
func FuzzResponsesEndWhereNetHTTPEndsThem(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end", "HTTP/1.1 204 X\nA:\n b\n\n", "HTTP/1.1 304 X\r\nContent-Length: 7\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, text []byte, head bool) {
		raw := bytes.NewReader(text)
		in := bufio.NewReader(raw)
		asked := "GET"
		if head {
			asked = "HEAD"
		}
		response, err := http.ReadResponse(in, &http.Request{Method: asked})
		if err != nil || response.StatusCode < 200 {
			return
		}
		if _, err := io.Copy(io.Discard, response.Body); err != nil {
			return
		}
		end := len(text) - raw.Len() - in.Buffered()
		var r Responses
		_ = r.Asked([]byte(asked + " / HTTP/1.1\r\n"))
		_, _ = r.Walk(text[:end])
		if r.Err() != nil || r.walker.state == atClose {
			return
		}
		if r.waits || r.off {
			t.Fatalf("net/http ends an answer after %q; the walk is at %d, off %t", text[:end], r.walker.state, r.off)
		}
	})
}
