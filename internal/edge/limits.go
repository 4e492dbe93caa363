package edge

import (
	"time"
)

// What every listener holds clients to, before any service's own limits.
const (
	headTimeout = 10 * time.Second
	idleTimeout = 2 * time.Minute
	maxHeader   = 64 << 10
)
