package edge_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// compressing is a public service that offers all codings.
func compressing(s *toll.Service) {
	s.Access = toll.AccessPublic
	s.Compress = []toll.Coding{toll.Zstd, toll.Brotli, toll.Gzip}
}

// page is 20 KiB of text that is neither random nor one line repeated.
var page = func() string {
	var b strings.Builder
	for i := 0; b.Len() < 20<<10; i++ {
		fmt.Fprintf(&b, "<li id=\"item-%d\"><a href=\"/items/%x\">Item number %d of %d</a> costs %d.%02d</li>\n", i, i*i*7919, i, i+i/3, i%89, i*31%100)
	}
	return b.String()[:20<<10]
}()

// decoded undoes a coding with a decoder that is not the encoder's own (gzip)
// or is its format's other half.
func decoded(t testing.TB, coding string, from io.Reader) string {
	t.Helper()
	var to io.Reader
	switch coding {
	case "":
		to = from
	case "gzip":
		r, err := gzip.NewReader(from)
		if err != nil {
			t.Fatal(err)
		}
		to = r
	case "br":
		to = brotli.NewReader(from)
	case "zstd":
		r, err := zstd.NewReader(from, zstd.WithDecoderMaxWindow(8<<20))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		to = r
	default:
		t.Fatalf("unknown coding %q", coding)
	}
	all, err := io.ReadAll(to)
	if err != nil {
		t.Fatalf("decoding %s: %v", coding, err)
	}
	return string(all)
}

func TestAnswersAreCompressedAndDecodeToTheServicesOwn(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Etag", `"v1"`)
		w.Header().Set("Accept-Ranges", "bytes")
		w.Header().Set("Vary", "Cookie")
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		}
		for part := page; part != ""; part = part[len(part)/2+len(part)%2:] {
			fmt.Fprint(w, part[:len(part)/2+len(part)%2])
			if r.URL.Path == "/chunked" {
				w.(http.Flusher).Flush()
			}
		}
	}, compressing)
	for range 3 { // the second time with used encoders
		for _, coding := range []string{"gzip", "br", "zstd"} {
			for _, path := range []string{"/known", "/chunked"} {
				response, body := h.call(t, "GET", "/v1/ner"+path, "", "Accept-Encoding", coding)
				if got := decoded(t, response.Header.Get("Content-Encoding"), strings.NewReader(body)); got != page {
					t.Errorf("%s %s: %d bytes that are not the service's", coding, path, len(got))
				}
				if len(body) > len(page)/2 {
					t.Errorf("%s %s: %d bytes of %d", coding, path, len(body), len(page))
				}
				for name, want := range map[string]string{
					"Content-Encoding": coding, "Vary": "Cookie, Accept-Encoding", "Etag": `W/"v1"`,
					"Accept-Ranges": "", "Content-Length": "", "Content-Type": "text/html",
				} {
					if got := response.Header.Get(name); got != want {
						t.Errorf("%s %s: %s %q, want %q", coding, path, name, got, want)
					}
				}
				head, nothing := h.call(t, "HEAD", "/v1/ner"+path, "", "Accept-Encoding", coding)
				for _, name := range []string{"Content-Encoding", "Vary", "Etag", "Content-Length", "Content-Type"} {
					if got, want := head.Header.Get(name), response.Header.Get(name); got != want || nothing != "" {
						t.Errorf("HEAD %s: %s %q, with GET %q", path, name, got, want)
					}
				}
			}
		}
	}
	for _, e := range h.recorder.Events() {
		if want := int64(len(page)); e.Method == "GET" && e.BytesOut != want {
			t.Errorf("an event says %d bytes; the service made %d", e.BytesOut, want)
		}
	}
}

func TestWhatMustNotBeCompressedPassesByteForByte(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		request []string // fields beside Accept-Encoding: gzip
		answer  []string
		status  int
		length  int
		vary    string
	}{
		{"another type", nil, []string{"Content-Type", "image/png"}, 200, 5000, ""},
		{"no type", nil, []string{"Content-Type", ""}, 200, 5000, ""},
		{"small", nil, []string{"Content-Type", "text/plain"}, 200, 1023, ""},
		{"compressed already", nil, []string{"Content-Type", "text/plain", "Content-Encoding", "br"}, 200, 5000, ""},
		{"no-transform", nil, []string{"Content-Type", "text/plain", "Cache-Control", "no-transform"}, 200, 5000, ""},
		{"a range", []string{"Range", "bytes=0-4999"}, []string{"Content-Type", "text/plain", "Content-Range", "bytes 0-4999/9000"}, 206, 5000, ""},
		{"a digest", nil, []string{"Content-Type", "text/plain", "Repr-Digest", "sha-256=:AA=:"}, 200, 5000, ""},
		{"the client wants no transformation", []string{"Cache-Control", "no-transform"}, []string{"Content-Type", "text/plain"}, 200, 5000, "Accept-Encoding"},
		{"the client wants it as it is", []string{"Accept-Encoding", "identity"}, []string{"Content-Type", "text/plain"}, 200, 5000, "Accept-Encoding"},
		{"the client's coding is another", []string{"Accept-Encoding", "deflate, gzip;q=0"}, []string{"Content-Type", "text/plain"}, 200, 5000, "Accept-Encoding"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := strings.Repeat("x", c.length)
			h := open(t, func(w http.ResponseWriter, _ *http.Request) {
				for i := 0; i < len(c.answer); i += 2 {
					w.Header().Set(c.answer[i], c.answer[i+1])
				}
				w.Header().Set("Etag", `"v1"`)
				w.Header().Set("Content-Length", strconv.Itoa(c.length))
				w.WriteHeader(c.status)
				fmt.Fprint(w, want)
			}, compressing)
			response, body := h.call(t, "GET", "/v1/ner/", "", append([]string{"Accept-Encoding", "gzip"}, c.request...)...)
			if response.StatusCode != c.status || body != want || response.ContentLength != int64(c.length) || response.Header.Get("Etag") != `"v1"` {
				t.Errorf("%s, %d bytes, Etag %s", response.Status, len(body), response.Header.Get("Etag"))
			}
			if got := response.Header.Get("Vary"); got != c.vary {
				t.Errorf("Vary %q, want %q", got, c.vary)
			}
			for i := 0; i < len(c.answer); i += 2 {
				if got := response.Header.Get(c.answer[i]); got != c.answer[i+1] {
					t.Errorf("%s %q, want %q", c.answer[i], got, c.answer[i+1])
				}
			}
			if !slices.Contains(c.answer, "Content-Encoding") && response.Header.Get("Content-Encoding") != "" {
				t.Errorf("Content-Encoding %q", response.Header.Get("Content-Encoding"))
			}
		})
	}
}

func TestEachPartOfAStreamCanBeReadWhenItComes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, coding string }{
		{"application/x-ndjson", "gzip"}, {"application/x-ndjson", "br"}, {"application/x-ndjson", "zstd"},
		{"text/event-stream", ""}, // passes through, whatever the client takes
	} {
		t.Run(c.kind+" "+c.coding, func(t *testing.T) {
			t.Parallel()
			read := make(chan struct{})
			h := open(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.kind)
				for i := range 3 {
					fmt.Fprintf(w, "part %d\n", i)
					w.(http.Flusher).Flush()
					<-read // the next one is made when this one was read
				}
			}, compressing)
			accept := c.coding
			if accept == "" {
				accept = "gzip, br, zstd"
			}
			request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept-Encoding", accept)
			response, err := http.DefaultTransport.RoundTrip(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if got := response.Header.Get("Content-Encoding"); got != c.coding {
				t.Fatalf("Content-Encoding %q, want %q", got, c.coding)
			}
			var plain io.Reader = response.Body
			switch c.coding {
			case "gzip":
				plain, err = gzip.NewReader(response.Body)
			case "br":
				plain = brotli.NewReader(response.Body)
			case "zstd":
				var z *zstd.Decoder
				z, err = zstd.NewReader(response.Body, zstd.WithDecoderConcurrency(1))
				defer z.Close()
				plain = z
			}
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewReader(plain)
			for i := range 3 {
				if line, err := lines.ReadString('\n'); err != nil || line != fmt.Sprintf("part %d\n", i) {
					t.Fatalf("got %q: %v", line, err)
				}
				read <- struct{}{}
			}
			if rest, err := io.ReadAll(lines); err != nil || len(rest) > 0 {
				t.Errorf("at the end %q: %v", rest, err)
			}
		})
	}
}

func TestTheEndOfACompressedAnswerWaitsForItsEvent(t *testing.T) {
	t.Parallel()
	for _, coding := range []string{"gzip", "br", "zstd"} {
		for _, length := range []string{"", strconv.Itoa(len(page))} {
			t.Run(coding+" "+length, func(t *testing.T) {
				t.Parallel()
				h := open(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header().Set("Content-Type", "text/html")
					if length != "" {
						w.Header().Set("Content-Length", length)
					}
					fmt.Fprint(w, page)
				}, compressing)
				reached, proceed := make(chan struct{}), make(chan struct{})
				h.recorder.BeforeRecord = func() { close(reached); <-proceed }
				conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %s\r\n\r\n", coding)
				var got bytes.Buffer // what has come of the body
				whole := make(chan error, 1)
				go func() {
					response, err := http.ReadResponse(bufio.NewReader(conn), nil)
					if err == nil {
						_, err = io.Copy(&got, response.Body)
					}
					whole <- err
				}()
				<-reached
				select {
				case <-whole:
					t.Fatal("the client had the whole answer before it was recorded")
				case <-time.After(20 * time.Millisecond): // it is held back, however long
				}
				close(proceed)
				if err := <-whole; err != nil {
					t.Fatal(err)
				}
				if decoded(t, coding, &got) != page {
					t.Error("the answer is not the service's")
				}
			})
		}
	}
}

func TestACompressedAnswerIsOutOfDoubtOnlyWhenItsLastByteIsOut(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		fmt.Fprint(w, page)
	}, compressing)
	read := make(chan error, 1)
	closed := make(chan bool, 1)
	h.recorder.OnDone = func(delivered bool) {
		closed <- delivered && <-read == nil // all of it can be read by now
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil { // only a failing test waits for it
		t.Fatal(err)
	}
	fmt.Fprint(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
	var got bytes.Buffer
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil {
		_, err = io.Copy(&got, response.Body)
	}
	read <- err
	if !<-closed {
		t.Errorf("the request was closed before its answer was out: %v", err)
	}
	if decoded(t, "gzip", &got) != page {
		t.Error("the answer is not the service's")
	}
}

func TestAnUnrecordedCompressedAnswerDoesNotLookWhole(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, page)
		w.(http.Flusher).Flush()
		fmt.Fprint(w, page)
	}, compressing)
	h.recorder.BeforeRecord = func() { h.recorder.Fail(toll.Errorf(toll.Unavailable, "the disk is full")) }
	for _, coding := range []string{"gzip", "br", "zstd"} {
		h.recorder.Fail(nil)
		request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept-Encoding", coding)
		response, err := http.DefaultTransport.RoundTrip(request)
		if err != nil {
			continue // cut before its head was read
		}
		if _, err := io.Copy(io.Discard, response.Body); err == nil && response.StatusCode == 200 {
			t.Errorf("%s: the client took an answer for whole that was not recorded", coding)
		}
		response.Body.Close()
	}
}

func TestACompressedAnswersTrailerIsKept(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Trailer", "Tollhouse-Usage, X-Kept")
		fmt.Fprint(w, page)
		w.(http.Flusher).Flush()
		w.Header().Set("Tollhouse-Usage", "words=2")
		w.Header().Set("X-Kept", "yes")
	}, compressing)
	response, body := h.call(t, "GET", "/v1/ner/", "", "Accept-Encoding", "zstd")
	if decoded(t, "zstd", strings.NewReader(body)) != page || response.Trailer.Get("X-Kept") != "yes" || response.Trailer.Get("Tollhouse-Usage") != "" {
		t.Errorf("the trailer is %v", response.Trailer)
	}
	if events := h.recorder.Events(); len(events) != 1 || len(events[0].Units) != 1 || events[0].Units[0].Count != 2 {
		t.Errorf("the events are %+v", events)
	}
}

func TestCompressedAnswersAreWholeOverHTTP2(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/known" {
			w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		} else {
			w.Header().Set("Trailer", "X-Kept")
			w.(http.Flusher).Flush()
			w.Header().Set("X-Kept", "yes")
		}
		fmt.Fprint(w, page)
	}, compressing)
	server := httptest.NewUnstartedServer(h.front)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	for _, coding := range []string{"gzip", "br", "zstd"} {
		for _, path := range []string{"/known", "/chunked"} {
			request, err := http.NewRequest("GET", server.URL+"/v1/ner"+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Accept-Encoding", coding)
			response, err := server.Client().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			got := decoded(t, coding, response.Body)
			if _, err := io.Copy(io.Discard, response.Body); err != nil || response.ProtoMajor != 2 || got != page {
				t.Errorf("%s %s over %s: %d bytes, %v", coding, path, response.Proto, len(got), err)
			}
			if kept := response.Trailer.Get("X-Kept"); path == "/chunked" && kept != "yes" {
				t.Errorf("%s: the trailer is %v", coding, response.Trailer)
			}
			response.Body.Close()
		}
	}
}

func TestA304SpeaksOfTheTagThatItsClientKeeps(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"v1"`)
		w.WriteHeader(http.StatusNotModified)
	}, compressing)
	for asked, want := range map[string]string{
		`W/"v1"`: `W/"v1"`, `"v0", W/"v1"`: `W/"v1"`, `"v1"`: `"v1"`, `W/"v2"`: `"v1"`, `*`: `"v1"`,
	} {
		response, _ := h.call(t, "GET", "/v1/ner/", "", "If-None-Match", asked, "Accept-Encoding", "gzip")
		if got := response.Header.Get("Etag"); response.StatusCode != 304 || got != want {
			t.Errorf("asked for %s: %s %s, want %s", asked, response.Status, got, want)
		}
	}
}

// BenchmarkCompression is a 20 KiB page through the whole server and back. The
// processor's time is that of service, gateway and client together: what a
// coding costs is the difference from identity.
func BenchmarkCompression(b *testing.B) {
	behind := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		_, _ = io.WriteString(w, page)
	})
	h := open(b, behind, compressing)
	for _, coding := range []string{"identity", "zstd", "gzip", "br"} {
		b.Run(coding, func(b *testing.B) {
			request, err := http.NewRequest("GET", h.url+"/v1/ner/", nil)
			if err != nil {
				b.Fatal(err)
			}
			request.Header.Set("Accept-Encoding", coding)
			var size int64
			b.ReportAllocs()
			before := processorTime(b)
			for b.Loop() {
				response, err := http.DefaultTransport.RoundTrip(request)
				if err != nil {
					b.Fatal(err)
				}
				size, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				select {
				case <-h.seen:
				default:
				}
			}
			b.ReportMetric(float64((processorTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(size), "bytes/answer")
		})
	}
}

// processorTime is what this process has taken of the processors so far.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
