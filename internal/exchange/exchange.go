// Package exchange is the neutral view of one request and its answer that the
// fronts and the stages share: a head, a body, and nothing of any HTTP
// library. A front (today net/http, later an HTTP/1.1 engine of our own)
// fills a Request; a stage answers with a Response; the front writes it.
//
//	front ─► Request ─► stages ─► Response ─► front
package exchange

import (
	"io"
	"iter"
	"net/netip"
	"time"
)

// Header is a view of a message's fields. Names are compared without regard to
// case (RFC 9110 §5.1). A Header belongs to one message and is not safe for
// concurrent use.
type Header interface {
	// Get returns the first value of a field, "" when there is none.
	Get(name string) string
	// Values returns all values of a field in order. It must not be changed.
	Values(name string) []string
	// Set replaces all values of a field by one.
	Set(name, value string)
	// Add appends a value to a field.
	Add(name, value string)
	// Del removes a field.
	Del(name string)
	// All walks over the fields, one value at a time. Values of one field come
	// in order; fields come in any order. The header must not change meanwhile.
	All() iter.Seq2[string, string]
}

// Request is what came in, after the front parsed it.
type Request struct {
	ID       string    // the request ID, chosen by the front (ULID, or a trusted caller's)
	Arrived  time.Time // the one clock reading of the request
	Method   string
	Scheme   string     // "http" or "https", as the client sees it
	Host     string     // without port, lower case
	HostPort string     // as the client sent it
	Path     string     // canonical and decoded once: what policy sees is what the upstream gets
	RawPath  string     // the encoded form of Path, as it is forwarded
	RawQuery string     // without '?'
	Client   netip.Addr // whom limits and logs mean: the peer, or whom a trusted proxy names
	Peer     netip.Addr // the other end of the connection
	Secure   bool       // the client's connection to us, or to a trusted proxy, is TLS
	Header   Header
	Body     io.ReadCloser // never nil; reading past its limit gives ErrBodyTooLarge
	Length   int64         // of the body in bytes; -1 when unknown
	Protocol string        // of the client's connection: "HTTP/1.1", "HTTP/2.0"
	TLS      string        // its version: "TLS 1.3"; "" without
	Upgrade  string        // the protocol asked for ("websocket"), "" when none

	// Interim passes an interim answer on to the client (RFC 9110 §15.2): a
	// status of 102 to 199 with its fields, which it does not keep. It is called
	// by one goroutine at a time, and only before there is a Response; nil when
	// the client takes none.
	Interim func(status int, h Header)
}

// Response is what a service, or the gateway in its place, answers.
type Response struct {
	Status int
	Header Header
	Body   io.ReadCloser // never nil; the front closes it
	Length int64         // of the body in bytes; -1 when unknown
	// Trailer holds the trailer fields once Body was read to its end; it may be
	// nil when there are none.
	Trailer Header
	// Upgraded is the connection to the upstream after a 101, nil otherwise.
	// The front copies both ways and closes it; Body is then empty.
	Upgraded io.ReadWriteCloser
	// Upstream names the address that answered, "" for the gateway's own answers.
	Upstream string
	// Tries is how many upstreams were asked for it, 0 when none was.
	Tries int
}
