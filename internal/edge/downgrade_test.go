package edge_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// downgrades are HTTP/2 requests that would be two, or others, in HTTP/1.1. As
// pairs of name and value; body is sent behind them.
var downgrades = []struct {
	name      string
	fields    []string
	body      string
	forwarded string // what the service sees, "" for nothing
}{
	{"Transfer-Encoding", post("transfer-encoding", "chunked"), "0\r\n\r\n" + smuggled, ""},
	{"a length that is too short", post("content-length", "3"), "abc" + smuggled, ""},
	{"a length that is too long", post("content-length", "100"), "abc", ""},
	{"two lengths", post("content-length", "3", "content-length", "4"), "abc", ""},
	{"a length that is no number", post("content-length", "+3"), "abc", ""},
	{"CRLF in a value", post("x", "a\r\nTransfer-Encoding: chunked"), "abc", ""},
	{"LF in a value", post("x", "a\ny: b"), "abc", ""},
	{"NUL in a value", post("x", "a\x00b"), "abc", ""},
	{"CRLF in a name", post("x\r\ny", "a"), "abc", ""},
	{"a colon in a name", post("transfer-encoding: chunked\r\nx", "a"), "abc", ""},
	{"a space in a name", post("transfer-encoding ", "chunked"), "abc", ""},
	{"capitals in a name", post("Transfer-Encoding", "chunked"), "abc", ""},
	{"Connection", post("connection", "content-length"), "abc", ""},
	{"Upgrade", post("upgrade", "websocket"), "abc", ""},
	{"TE other than trailers", post("te", "gzip"), "abc", ""},
	{"CRLF in the path", []string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/ner/smuggled"}, "", ""},
	{"a space in the path", []string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd x"}, "", `GET /odd%20x ""`},
	{"CRLF in the method", []string{":method", "GET /v1/ner/smuggled HTTP/1.1\r\nHost: x\r\n\r\nGET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd"}, "", ""},
	{"CRLF in the authority", []string{":method", "GET", ":scheme", "https", ":authority", secureHost + "\r\nX: y", ":path", "/v1/ner/odd"}, "", ""},
	{"a user in the authority", []string{":method", "GET", ":scheme", "https", ":authority", "a@" + secureHost, ":path", "/v1/ner/odd"}, "", ""},
	{"two paths", []string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd", ":path", "/v1/ner/smuggled"}, "", ""},
	{"no path", []string{":method", "GET", ":scheme", "https", ":authority", secureHost}, "", ""},
	{"a pseudo-field behind a field", []string{":method", "GET", ":scheme", "https", ":authority", secureHost, "x", "y", ":path", "/v1/ner/odd"}, "", ""},
	{"an unknown pseudo-field", []string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd", ":x", "y"}, "", ""},
	{"CONNECT", []string{":method", "CONNECT", ":authority", secureHost + ":443"}, "", ""},
	{"extended CONNECT", []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd"}, "", ""},
	{"an honest one", post("content-length", "3"), "abc", `POST /odd "abc"`},
}

func post(more ...string) []string {
	return append([]string{":method", "POST", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/odd"}, more...)
}

func TestAnOddStreamIsRefusedAndItsConnectionGoesOnOrEnds(t *testing.T) {
	t.Parallel()
	for _, d := range downgrades {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			service := newStrict(t, nil)
			s := secure(t, openBefore(t, service.address, public))
			conn := s.dial(t, "h2")
			f, err := begin(conn)
			if err != nil {
				t.Fatal(err)
			}
			if err := stream(f, 1, d.body, d.fields...); err != nil {
				t.Fatal(err)
			}
			next := []string{":method", "GET", ":scheme", "https", ":authority", secureHost, ":path", "/v1/ner/next"}
			_ = stream(f, 3, "", next...) // the connection may have ended
			bodies := map[uint32]*bytes.Buffer{1: {}, 3: {}}
			for ended := 0; ended < 2; {
				frame, err := f.ReadFrame()
				if err != nil {
					break
				}
				h := frame.Header()
				if data, ok := frame.(*http2.DataFrame); ok {
					bodies[h.StreamID].Write(data.Data())
				}
				if h.Type == http2.FrameRSTStream || (h.Type == http2.FrameData || h.Type == http2.FrameHeaders) && h.Flags.Has(http2.FlagDataEndStream) {
					ended++
				}
			}
			if got := bodies[1].String(); d.forwarded != "" && got != d.forwarded {
				t.Errorf("it was answered %q, want %q", got, d.forwarded)
			}
			if got := bodies[3].String(); got != "" && got != `GET /next ""` {
				t.Errorf("the next stream was answered %q", got)
			}
			again := s.dial(t, "h2")
			g, err := begin(again)
			if err == nil {
				err = stream(g, 1, "", next...)
			}
			var fresh bytes.Buffer
			for err == nil {
				var frame http2.Frame
				if frame, err = g.ReadFrame(); err != nil {
					break
				}
				if data, ok := frame.(*http2.DataFrame); ok {
					fresh.Write(data.Data())
					if data.StreamEnded() {
						break
					}
				}
			}
			if err != nil || fresh.String() != `GET /next ""` {
				t.Errorf("a fresh connection was answered %q: %v", fresh.String(), err)
			}
			service.clean(t)
			for _, line := range service.requests() {
				if strings.Contains(line, "smuggled") || strings.Contains(line, "odd") && d.forwarded == "" && d.body == "" {
					t.Errorf("the service saw %s", line)
				}
			}
			for _, a := range service.to("/odd") {
				if d.forwarded != a.says() {
					t.Errorf("the service took %s for a whole request", a.says())
				}
			}
		})
	}
}

// stream writes a whole request.
func stream(f *http2.Framer, id uint32, body string, fields ...string) error {
	var block bytes.Buffer
	e := hpack.NewEncoder(&block)
	for i := 0; i < len(fields); i += 2 {
		if err := e.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]}); err != nil {
			return err
		}
	}
	if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: body == ""}); err != nil || body == "" {
		return err
	}
	return f.WriteData(id, true, []byte(body))
}

// TestOverTLSAnOddRequestHasNoOtherReading is the table of framings again: it
// is another way into net/http.
func TestOverTLSAnOddRequestHasNoOtherReading(t *testing.T) {
	t.Parallel()
	service := newStrict(t, nil)
	s := secure(t, openBefore(t, service.address, public))
	go func() {
		for range s.seen { // so that nobody waits for it
		}
	}()
	for _, f := range framings {
		var said []string
		for _, a := range answersTo(t, s.dial(t, "http/1.1"), f.send+"GET /v1/ner/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") {
			said = append(said, a.name())
		}
		if got := strings.Join(said, " "); got != f.answers {
			t.Errorf("%s: answers %q, want %q", f.name, got, f.answers)
		}
	}
	service.clean(t)
	for _, line := range service.requests() {
		if strings.Contains(line, "smuggled") {
			t.Errorf("the service saw %s", line)
		}
	}
	if got := fmt.Sprint(service.requests()); !strings.Contains(got, "/odd") {
		t.Errorf("the service saw only %s", got)
	}
}
