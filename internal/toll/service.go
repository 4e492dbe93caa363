package toll

import "time"

// Access is how a service lets requests in.
type Access string

// The ways in.
const (
	AccessKey         Access = "key"          // an API key with a plan that includes the service
	AccessPublic      Access = "public"       // everybody; limits per IP still hold
	AccessForwardAuth Access = "forward_auth" // an outside address decides
)

// Balance is how a service's requests are spread over its upstreams.
type Balance string

// The ways to balance.
const (
	RoundRobin    Balance = "round_robin"
	LeastRequests Balance = "least_requests"
	EWMA          Balance = "ewma"
	Sticky        Balance = "sticky"
)

// Service is what stands behind the gateway: a name, where its requests come
// in, its upstreams. A Service is not changed after it was made.
type Service struct {
	Name        string
	Host        string // exact, or "*.example.com"; "" for any
	Path        string // prefix, "/v1/ner"; "" for any
	StripPath   bool   // take Path off before forwarding; the upstream learns it as X-Forwarded-Prefix
	Upstreams   []string
	Balance     Balance
	Access      Access
	Health      Health
	Timeouts    Timeouts
	MaxInFlight int   // per upstream; 0: no cap
	MaxBody     int64 // bytes; 0: the default of 10 MB
	Units       []string
	Endpoints   []string // "POST /extractions"; what matches none is counted as "other"
	Policies    []Policy
	Bill        [6]bool // by status/100: which classes of answer count for quota and bill (default 2, 3 and 4)
	Cache       Cache
}

// Cache says how a service's answers are kept (RFC 9111). The zero value keeps none.
type Cache struct {
	MaxSize    int64         // bytes of memory for all answers; 0: no cache
	MaxObject  int64         // bytes of the largest body that is kept
	DefaultTTL time.Duration // of answers that do not say how long they may be kept; 0: they are not
	Counts     bool          // an answer from the cache counts for quotas and bill, as one of the service does
}

// Health is how a service's upstreams are probed.
type Health struct {
	Path      string // "" : no active probes
	Every     time.Duration
	Timeout   time.Duration
	Healthy   int // good probes in a row that bring an upstream back
	Unhealthy int // bad probes in a row that take it out
}

// Timeouts bound each part of a forwarded request. Zero is no limit.
type Timeouts struct {
	Connect  time.Duration // to reach the upstream
	Response time.Duration // to the head of its answer
	Idle     time.Duration // between two bytes of a body
	Stream   time.Duration // a whole WebSocket, SSE or upload
}
