package edge

import (
	"net/http"
	"sync"
	"time"
)

// stall ends a stream whose client takes nothing of it: over HTTP/2 a write
// waits for the client's window (RFC 9113 §5.2), which the connection's own
// deadline knows nothing of.
type stall struct {
	patience time.Duration // 0: the front's own

	mu      sync.Mutex
	waiting bool
}

// begin watches a write to w, until what it returns is called.
func (s *stall) begin(w http.ResponseWriter) (end func()) {
	patience := s.patience
	if patience <= 0 {
		patience = clientPatience
	}
	s.mu.Lock()
	s.waiting = true
	s.mu.Unlock()
	timer := time.AfterFunc(patience, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.waiting { // else the handler may be gone, and w with it
			_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) // resets the stream at once
		}
	})
	return func() {
		timer.Stop()
		s.mu.Lock()
		s.waiting = false
		s.mu.Unlock()
	}
}
