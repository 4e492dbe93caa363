package edge

import (
	"time"
)

// What every listener holds clients to, before any service's own limits.
const (
	maxHeader = 64 << 10

	clientPatience = time.Minute // for a client that takes nothing of an answer, where no service says
)

// Times are how long a listener waits for its clients. A zero field stands for
// the value in brackets.
type Times struct {
	Head time.Duration // for a request's head, and for a TLS handshake (10s)
	Idle time.Duration // for the next request on a connection (2m)
}

func (t Times) withDefaults() Times {
	if t.Head <= 0 {
		t.Head = 10 * time.Second
	}
	if t.Idle <= 0 {
		t.Idle = 2 * time.Minute
	}
	return t
}

// How long a body is waited for that no service waits for. Tests shorten them.
var (
	formTimeout   = 30 * time.Second // one for the console
	lingerTimeout = 5 * time.Second  // the rest of one whose answer is out
)
