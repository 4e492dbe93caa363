package edge_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestStreamsAreRecordedWhenTheProgramEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields string
		status       int
		answer       http.HandlerFunc
	}{
		{"an upgrade", "Connection: Upgrade\r\nUpgrade: echo\r\n", 101, func(w http.ResponseWriter, _ *http.Request) {
			conn, buffered, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = buffered.ReadByte() // until it is closed
		}},
		{"an event stream before its first event", "", 200, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, c.answer)
			conn := h.dial(t)
			fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n%s\r\n", h.key, c.fields)
			response, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil || response.StatusCode != c.status {
				t.Fatalf("answer %v %v, want %d", response, err, c.status)
			}
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second) // only a failing test waits for it
			defer cancel()
			if err := h.chain.EndStreams(ctx); err != nil {
				t.Fatal(err)
			}
			events := h.recorder.Events()
			if len(events) != 1 || events[0].Status != c.status || events[0].Class != toll.Chargeable {
				t.Errorf("recorded %+v, want one with status %d", events, c.status)
			}
		})
	}
}
