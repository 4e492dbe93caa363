package edge_test

import (
	"fmt"
	"strings"
	"testing"
)

// FuzzNoBytesDesync sends any bytes to the house, and then an honest request on
// a fresh connection: whatever came, the service sees only requests that are
// read in one way, and the honest one gets its own answer.
func FuzzNoBytesDesync(f *testing.F) {
	for _, c := range framings {
		if len(c.send) < 4<<10 {
			f.Add([]byte(c.send))
		}
	}
	service := newStrict(f, nil)
	h := openBefore(f, service.address, public)
	go func() {
		for range h.seen { // so that nobody waits for it
		}
	}()
	n := 0
	f.Fuzz(func(t *testing.T, send []byte) {
		conn := h.dial(t)
		_, _ = conn.Write(send)
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		buf := make([]byte, 32<<10)
		for {
			if _, err := conn.Read(buf); err != nil {
				break
			}
		}
		_ = conn.Close()
		n++
		honest(t, h, fmt.Sprint("after-", n))
		service.clean(t)
		service.mu.Lock()
		defer service.mu.Unlock()
		for _, a := range service.asked {
			if strings.ContainsAny(a.target, "\r\n ") {
				t.Fatalf("the service saw %q", a.target)
			}
		}
		service.asked, service.raw = nil, nil
	})
}
