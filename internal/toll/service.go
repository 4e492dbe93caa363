package toll

import (
	"net/netip"
	"time"
)

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

// Coding is a content coding, by its name in HTTP (RFC 9110 §8.4.1).
type Coding string

// The codings that answers can be compressed with.
const (
	Zstd   Coding = "zstd" // RFC 8878
	Brotli Coding = "br"   // RFC 7932
	Gzip   Coding = "gzip" // RFC 1952
)

// Service is what stands behind the gateway: a name, where its requests come
// in, its upstreams. A Service is not changed after it was made.
type Service struct {
	Name        string
	Host        string   // exact, or "*.example.com"; "" for any
	Path        string   // prefix, "/v1/ner"; "" for any
	StripPath   bool     // take Path off before forwarding; the upstream learns it as X-Forwarded-Prefix
	Upstreams   []string // none where Files has a root
	Weights     []int    // of the upstreams, in their order, 0 to 1000; nil: each the same. 0: no new clients
	Balance     Balance
	Access      Access
	Health      Health
	Timeouts    Timeouts
	Retry       Retry
	Breaker     Breaker
	SlowStart   time.Duration // how long an upstream that comes back takes to its whole share; 0: at once
	MaxInFlight int           // per upstream; 0: no cap
	MaxBody     int64         // bytes; 0: the default of 10 MB
	MaxURL      int           // bytes of path and query; 0: what the listener takes
	Units       []string
	Endpoints   []string // "POST /extractions"; what matches none is counted as "other"
	Policies    []Policy
	Compress    []Coding       // what answers may be compressed with, the most liked first; none: they are not
	Allow       []netip.Prefix // the only clients that get in; none: all
	Deny        []netip.Prefix // clients that do not get in, even where Allow has them
	CORS        CORS
	// SecurityHeaders gives answers the fields that browsers protect pages by,
	// where the service has not set its own.
	SecurityHeaders bool
	XRateLimit      bool    // X-RateLimit-* beside RateLimit
	Bill            [6]bool // by status/100: which classes of answer count for quota and bill (default 2, 3 and 4)
	Cache           Cache
	// Costs are what calls take of the policies, by endpoint; those of "" hold for
	// every endpoint that is not in it. nil: each call takes what any does.
	Costs       map[string]Cost
	Delegated   Delegated
	ForwardAuth ForwardAuth // of AccessForwardAuth
	Files       Files       // what it is served from in the place of upstreams
	Models      ModelUploads
}

// Delegated says that a foreign proxy forwards a service's requests and asks
// Tollhouse about each (LIFECYCLE.md, Delegated decisions). The zero value: the
// gateway forwards them itself.
type Delegated struct {
	On     bool
	Settle bool          // how a request ended is told afterwards; false: it is recorded when it is decided
	Within time.Duration // how long a decision waits to be settled
}

// ForwardAuth is the outside address that decides about a service's requests.
type ForwardAuth struct {
	URL     string        // http:// or https://, with a path
	Timeout time.Duration // for the whole answer; 0: five seconds
	Headers []string      // the fields of its answer that the service gets, as written
	MaxBody int64         // bytes of its answer; 0: 64 KiB
}

// Files is a directory whose files answer a service's requests. The zero value
// is none.
type Files struct {
	Root      string        // the directory; "" for none
	Index     string        // the file that a directory is shown by
	Fallback  string        // what is given for a page that is not there, below Root; "": nothing
	NotFound  string        // the page that says so, with 404, below Root; "": a problem document
	MaxAge    time.Duration // how long what is no page and has no hash in its name may be kept unasked; 0: not
	Immutable []string      // folders below Root whose files never change, whatever their names
}

// Cache says how a service's answers are kept (RFC 9111). The zero value keeps none.
type Cache struct {
	MaxSize    int64         // bytes of memory for all answers; 0: no cache
	MaxObject  int64         // bytes of the largest body that is kept
	DefaultTTL time.Duration // of answers that do not say how long they may be kept; 0: they are not
	Counts     bool          // an answer from the cache counts for quotas and bill, as one of the service does
	Hooks      []PurgeHook   // whom to tell of a purge
}

// PurgeHook is a request that tells an outside CDN of a purge. In its URL, Body
// and header values {tag}, {url}, {host}, {path} and {prefix} stand for what was
// purged.
type PurgeHook struct {
	On      []string // of which purges: url, prefix, tag, all
	Method  string
	URL     string
	Body    string
	Headers []HookHeader
}

// HookHeader is a header field of a hook; its value may be a credential.
type HookHeader struct {
	Name  string
	Value Secret
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
	Body     time.Duration // the client may be waited for in all while its body comes, and a second more for each 1,000 bytes
	Stream   time.Duration // a whole WebSocket, SSE or upload
}

// Retry says which requests are tried again on another upstream. The zero value
// stands for connect and lost, three tries and a budget of 20 percent. What may
// have been processed is repeated only where the method is idempotent (RFC 9110
// §9.2.2), whatever is said here.
type Retry struct {
	Connect  bool  // there was no connection: nothing was sent
	Lost     bool  // the connection ended before an answer
	Statuses []int // of answers: 502, 503, 504
	Tries    int   // of one request in all; 1: never again; 0: the zero value's rules
	Budget   int   // tries beyond the first, in percent of the requests; 0: none
}

// Breaker says when an upstream that fails requests is left alone, and for how
// long. A zero field stands for the value in brackets.
type Breaker struct {
	Failures int           // in a row (5)
	Ratio    int           // failures in percent of the requests within Window, when those are 20 or more (50)
	Window   time.Duration // (10s)
	Open     time.Duration // the first time; twice as long each further time (1s)
	Longest  time.Duration // what that grows to (30s)
}
