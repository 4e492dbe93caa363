package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// frame is a WebSocket frame without a mask (RFC 6455 §5.2).
func frame(opcode byte, payload string) []byte {
	b := []byte{0x80 | opcode}
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// nextFrame reads a frame without a mask.
func nextFrame(in *bufio.Reader) (opcode byte, payload string, err error) {
	head := make([]byte, 2, 10)
	if _, err := io.ReadFull(in, head); err != nil {
		return 0, "", err
	}
	n := uint64(head[1] & 0x7f)
	if n >= 126 {
		size := map[uint64]int{126: 2, 127: 8}[n]
		var wide [8]byte
		if _, err := io.ReadFull(in, wide[8-size:]); err != nil {
			return 0, "", err
		}
		n = binary.BigEndian.Uint64(wide[:])
	}
	all := make([]byte, n)
	_, err = io.ReadFull(in, all)
	return head[0] & 0x0f, string(all), err
}

// endStreams ends them as the program's end does.
func (h *house) endStreams(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second) // only a failing test waits for it
	defer cancel()
	if err := h.chain.EndStreams(ctx); err != nil {
		t.Error(err)
	}
}

// upgraded is a service that switches to WebSocket and hands the connection over.
func upgraded(t *testing.T, speak func(conn io.ReadWriter)) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		speak(struct {
			io.Reader
			io.Writer
		}{buffered.Reader, conn})
	}
}

// socket opens a WebSocket through the house.
func (h *house) socket(t *testing.T) (io.Writer, *bufio.Reader) {
	t.Helper()
	conn := h.dial(t)
	fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", h.key)
	in := bufio.NewReader(conn)
	response, err := http.ReadResponse(in, nil)
	if err != nil || response.StatusCode != 101 {
		t.Fatalf("answer %v %v, want 101", response, err)
	}
	return conn, in
}

func TestAWebSocketIsToldToComeAgainBetweenTwoFrames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70_000)
	sent, goOn, heard := make(chan struct{}), make(chan struct{}), make(chan []byte, 1)
	h := open(t, upgraded(t, func(conn io.ReadWriter) {
		whole := append(frame(1, "hello"), frame(2, long)...)
		_, _ = conn.Write(whole[:len(whole)-30_000]) // the end comes in the middle of a frame
		close(sent)
		<-goOn
		_, _ = conn.Write(append(whole[len(whole)-30_000:], frame(1, "too late")...))
		all, _ := io.ReadAll(conn)
		heard <- all
	}))
	out, in := h.socket(t)
	<-sent
	if op, text, err := nextFrame(in); op != 1 || text != "hello" || err != nil {
		t.Fatalf("first frame: %d %q %v", op, text, err)
	}
	ended := make(chan struct{})
	go func() { h.endStreams(t); close(ended) }()
	go func() {
		// The house ends it while the long frame is under way; it goes on when that
		// is certain.
		for !h.chain.Ending() {
			time.Sleep(time.Millisecond)
		}
		close(goOn)
	}()
	if op, text, err := nextFrame(in); op != 2 || text != long || err != nil {
		t.Fatalf("second frame: %d, %d bytes, %v", op, len(text), err)
	}
	op, code, err := nextFrame(in)
	if op != 8 || code != "\x03\xf4" || err != nil {
		t.Fatalf("the end: opcode %d, %q, %v; want a close frame with 1012", op, code, err)
	}
	reply := append([]byte{0x88, 0x82, 0, 0, 0, 0}, code...)
	if _, err := out.Write(reply); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(in); len(rest) != 0 {
		t.Errorf("after the close frame: %q, %v", rest, err)
	}
	if got := <-heard; !bytes.Equal(got, reply) {
		t.Errorf("the service heard %x, want the client's close frame %x", got, reply)
	}
	<-ended
	events := h.recorder.Events()
	if len(events) != 1 || events[0].Status != 101 || events[0].Class != toll.Chargeable {
		t.Errorf("recorded %+v, want one with status 101", events)
	}
}

func TestAnUpgradeToSomethingElseIsNotWrittenInto(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
		_, _ = buffered.ReadByte()
	})
	conn := h.dial(t)
	fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", h.key)
	in := bufio.NewReader(conn)
	if _, err := http.ReadResponse(in, nil); err != nil {
		t.Fatal(err)
	}
	h.endStreams(t)
	if rest, _ := io.ReadAll(in); len(rest) != 0 {
		t.Errorf("%x was written into it", rest)
	}
}

var again = regexp.MustCompile(`^retry: [12]\d{3}\n$`)

func TestAnEventStreamEndsWithARetryOverBothVersions(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, c := range []struct{ name, said, coding, before string }{
			{"between two events", "id: 7\ndata: a\n\n", "", ""},
			{"before its first event", "", "", ""},
			{"within an event", "id: 7\ndata: a\n\ndata: par", "", "\n"},
			{"compressed by its service", "\x1f\x8b", "gzip", "cut"},
		} {
			t.Run(protocol+" "+c.name, func(t *testing.T) {
				t.Parallel()
				s := openSecure(t, func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					if c.coding != "" {
						w.Header().Set("Content-Encoding", c.coding)
					}
					fmt.Fprint(w, c.said)
					w.(http.Flusher).Flush()
					<-r.Context().Done()
				})
				request, err := http.NewRequest("GET", s.url+"/v1/ner/", nil)
				if err != nil {
					t.Fatal(err)
				}
				request.Header.Set("X-API-Key", s.key)
				response, err := s.client(t, protocol).RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				defer response.Body.Close()
				begin := make([]byte, len(c.said))
				if _, err := io.ReadFull(response.Body, begin); err != nil || string(begin) != c.said {
					t.Fatalf("%q, %v", begin, err)
				}
				go s.endStreams(t)
				rest, err := io.ReadAll(response.Body)
				if c.before == "cut" {
					if len(rest) != 0 || err == nil || errors.Is(err, io.EOF) {
						t.Errorf("%q, %v; want nothing, and no end", rest, err)
					}
					return
				}
				after, ok := strings.CutPrefix(string(rest), c.before)
				if !ok || !again.MatchString(after) || err != nil {
					t.Errorf("the end is %q, %v; want a retry, and the end of the answer", rest, err)
				}
				if seen := <-s.seen; !seen.Delivered || seen.Status != 200 {
					t.Errorf("seen %+v", seen)
				}
			})
		}
	}
}
