package upstream

import "time"

// Health is what the probes say of an upstream.
type Health string

// The three healths. Requests go to all but unhealthy ones.
const (
	Unknown   Health = "unknown"   // not proven yet, or not probed at all
	Healthy   Health = "healthy"   // Health.Healthy good probes in a row
	Unhealthy Health = "unhealthy" // Health.Unhealthy bad probes in a row
)

// Circuit is what the requests say of an upstream.
type Circuit string

// The three states of a circuit.
const (
	Closed   Circuit = "closed"    // requests go there
	Open     Circuit = "open"      // they do not, while there is another upstream
	HalfOpen Circuit = "half_open" // one goes there, and decides
)

// Status is how one upstream stands, for pages, metrics and logs.
type Status struct {
	Service  string
	Upstream string // host:port, with the path where the address has one
	Health   Health
	// Reason is why the last probe failed, "" when it was good. It may hold
	// addresses: for operators only.
	Reason string
	// Since is when Health became what it is.
	Since time.Time
	// Circuit says whether requests failed so that the upstream is left out while
	// there is another.
	Circuit Circuit
	// Trouble is what the request met that opened the circuit: a type of
	// RFC 9209 §2.3, or "answered 502" (503, 504). "" while it is closed.
	Trouble string
	// Weight is the upstream's share of new requests now, in thousandths of a
	// weight of 1: slow start is in it. 0 is drained.
	Weight int
	// InFlight is the number of requests that hold a place now.
	InFlight int
	// Answered counts answers' heads since the pool was made, Failed the tries
	// that failed by the upstream's doing (not by the client's).
	Answered, Failed uint64
}
