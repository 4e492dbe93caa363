package edge_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAClientThatReadsNothingHoldsNothing(t *testing.T) {
	t.Parallel()
	endless := func(w io.Writer) {
		for part := make([]byte, 64<<10); ; {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
	}
	for _, c := range []struct {
		name, fields string
		answer       http.HandlerFunc
	}{
		{"an answer", "", func(w http.ResponseWriter, _ *http.Request) { endless(w) }},
		{"an upgrade", "Connection: Upgrade\r\nUpgrade: echo\r\n", func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			endless(conn)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, c.answer, func(s *toll.Service) { s.Timeouts.Idle = 200 * time.Millisecond })
			conn := h.dial(t)
			fmt.Fprintf(conn, "GET /v1/ner/ HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n%s\r\n", h.key, c.fields)
			select {
			case seen := <-h.seen:
				if seen.BytesOut == 0 {
					t.Error("nothing was answered at all")
				}
			case <-time.After(20 * time.Second): // only a failing test waits for it
				t.Error("the request is still under way, and holds its lease")
			}
		})
	}
}
