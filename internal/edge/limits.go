package edge

import (
	"time"
)

// What every listener holds clients to, before any service's own limits.
const (
	headTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
	maxHeader   = 64 << 10

	clientPatience = time.Minute // for a client that takes nothing of an answer, where no service says
)

// How long a body is waited for that no service waits for. Tests shorten them.
var (
	formTimeout   = 30 * time.Second // one for the console
	lingerTimeout = 5 * time.Second  // the rest of one whose answer is out
)
