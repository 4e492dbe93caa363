package upstream

import (
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Options is what a Pool may be given beside its service. The zero value is
// ready for use.
type Options struct {
	// Clock is read for circuits, slow start, EWMA balancing and Status; nil is
	// toll.SystemClock. Timeouts run on the time package's timers.
	Clock toll.Clock

	// Changed is told when an upstream becomes healthy or unhealthy by its
	// probes, and when its circuit opens or closes. It is called from a probe's
	// or a request's goroutine, so it must be quick, safe for concurrent use, and
	// must not call Close. May be nil.
	Changed func(Status)

	// StickyKey makes the cookies of sticky balancing, so that they say nothing
	// about addresses. Replicas that share clients must share it, and it must
	// outlive a restart for clients to stay where they were. nil: a random one.
	StickyKey []byte

	// QueueLength is how many requests may wait while every upstream has
	// MaxInFlight of them; further ones fail at once. 0 is the service's whole
	// capacity (MaxInFlight times the number of upstreams), below 0 is no queue.
	QueueLength int

	// QueueWait is how long a request waits there at most; 0 is one second.
	QueueWait time.Duration

	// Sockets bounds the connections of this pool and of others that are given the
	// same; nil: no bound.
	Sockets *Sockets

	// TLS is used towards https upstreams; nil verifies against the system's
	// roots. It is cloned.
	TLS *tls.Config

	// dial replaces the network in tests.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

const (
	// idleConnection is how long an unused connection is kept. It is below the
	// five seconds after which the usual servers of APIs (Node, uvicorn) close
	// one: so it is nearly always we who close, and no request is sent into a
	// connection that the upstream is about to close.
	idleConnection = 4 * time.Second

	// maxHead bounds an answer's status line and fields, in bytes.
	maxHead = 256 << 10

	defaultQueueWait   = time.Second
	defaultProbeEvery  = 2 * time.Second
	defaultProbeWait   = time.Second
	defaultProbeCount  = 2
	continueWait       = time.Second
	connectionBuffer   = 8 << 10
	idlePerUpstream    = 1024
	tcpKeepAlivePeriod = 30 * time.Second
	pingAfter          = 15 * time.Second
	pingWait           = 5 * time.Second
)
