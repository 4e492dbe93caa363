package edge_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// socketService greets over a WebSocket with frames of three sizes, and says
// nothing more.
func socketService(t *testing.T, ended chan struct{}, rest []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = conn.Write(greetings)
		_, _ = conn.Write(rest)
		_, _ = io.Copy(io.Discard, buffered)
		close(ended)
	}
}

var greetings = bytes.Join([][]byte{
	{0x81, 2, 'h', 'i'},
	append([]byte{0x82, 126, 1, 0}, make([]byte, 256)...),
	append([]byte{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}, make([]byte, 1<<16)...),
}, nil)

func TestAWebSocketAtItsLimitIsToldToComeAgain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		rest []byte // a frame that is not whole
		want []byte
	}{
		{name: "between frames", want: []byte{0x88, 2, 3, 0xf4}},
		{name: "within a frame", rest: []byte{0x82, 5, 'a'}, want: []byte{0x82, 5, 'a'}}, // nothing may stand there
		{name: "within a frame's head", rest: []byte{0x82}, want: []byte{0x82}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ended := make(chan struct{})
			h := open(t, socketService(t, ended, c.rest), func(s *toll.Service) { s.Timeouts.Stream = time.Second })
			conn := h.dial(t)
			fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", h.key)
			reader := bufio.NewReader(conn)
			response, err := http.ReadResponse(reader, nil)
			if err != nil || response.StatusCode != 101 {
				t.Fatalf("answer %v %v", response, err)
			}
			got := make([]byte, len(greetings)+len(c.rest))
			if _, err := io.ReadFull(reader, got); err != nil || !bytes.HasPrefix(got, greetings) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
			last := make([]byte, 4)
			if c.rest == nil {
				if _, err := io.ReadFull(reader, last); err != nil || !bytes.Equal(last, c.want) {
					t.Fatalf("the last frame is %x %v, want %x", last, err, c.want)
				}
				if _, err := conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 3, 0xf4}); err != nil { // the client's answer
					t.Fatal(err)
				}
			}
			if rest, err := io.ReadAll(reader); len(rest) > 0 || err != nil {
				t.Errorf("%x follows (%v)", rest, err)
			}
			<-ended
			<-h.seen
			if events := h.recorder.Events(); len(events) != 1 || events[0].Status != 101 || events[0].Class != toll.Chargeable {
				t.Errorf("recorded %+v", events)
			}
		})
	}
}

func TestAnEventStreamAtItsLimitIsWholeAndBilled(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "id: 1\ndata: a\n\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, func(s *toll.Service) { s.Timeouts.Stream = time.Second })
	conn := h.dial(t)
	fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", h.key)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != 200 {
		t.Fatalf("answer %v %v", response, err)
	}
	all, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(all), "id: 1\ndata: a\n\nretry: ") {
		t.Errorf("%q %v, want the event, a retry and a whole end", all, err)
	}
	<-h.seen
	if events := h.recorder.Events(); len(events) != 1 || events[0].Class != toll.Chargeable {
		t.Errorf("recorded %+v", events)
	}
}

func TestAnEventStreamThatItsServiceBreaksIsNotWhole(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: a\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	conn := h.dial(t)
	fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n\r\n", h.key)
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(response.Body); err == nil || strings.Contains(string(all), "retry") {
		t.Errorf("%q %v, want an error", all, err)
	}
}
