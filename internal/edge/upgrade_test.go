package edge_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestUpgradesArePassedThroughBothWays(t *testing.T) {
	t.Parallel()
	h := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			t.Errorf("the service saw Upgrade %q", r.Header.Get("Upgrade"))
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nTollhouse-Usage: words=7\r\n\r\n")
		line, err := buffered.ReadString('\n')
		if err != nil {
			t.Error(err)
		}
		fmt.Fprint(conn, "echo "+line)
	})
	closed := make(chan bool, 1)
	h.recorder.OnDone = func(delivered bool) { closed <- delivered }
	conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET /v1/ner/socket HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n", h.key)
	reader := bufio.NewReader(conn)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != 101 || response.Header.Get("Upgrade") != "echo" {
		t.Fatalf("answer %v %v", response, err)
	}
	if got := response.Header.Get("Tollhouse-Usage"); got != "" {
		t.Errorf("the client saw Tollhouse-Usage: %s", got)
	}
	fmt.Fprint(conn, "hello\n")
	if line, err := reader.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q (%v)", line, err)
	}
	conn.Close()
	<-h.seen
	opened, events := h.recorder.Opened(), h.recorder.Events()
	if len(opened) != 1 || len(events) != 1 || events[0].Status != 101 {
		t.Fatalf("opened %+v, recorded %+v", opened, events)
	}
	if want := []toll.Amount{{Unit: "words", Count: 7}}; !slices.Equal(events[0].Units, want) {
		t.Errorf("units %+v, want %+v", events[0].Units, want)
	}
	// Otherwise it stays in doubt, and its part of the journal is never deleted.
	select {
	case delivered := <-closed:
		if !delivered {
			t.Error("it was closed as not delivered")
		}
	case <-time.After(5 * time.Second): // only a failing test waits for it
		t.Error("the request was never closed in the journal")
	}
}
