// Package upstream forwards a request to one of a service's upstreams and
// brings back the answer. A Pool is one service's upstreams with their
// connections, their health and their places in flight.
//
//	… limit ─► httpcache ─► Pool.Forward ─► pick an upstream ─► send ─► head ─► Response ─► meter …
//	                             │               ▲              │
//	                             │     probes, circuits, weights │ lost, and safe to repeat:
//	                             └─ wait for a place             └─► pick another
//	                                (MaxInFlight)
//
// The way in is NewPool and Pool.Forward. Messages are exchange.Request and
// exchange.Response; net/http's client is used inside and is seen by nobody.
//
// # What is passed on
//
// The request line is the method, RawPath and RawQuery as they are, behind the
// path of the upstream's address where it has one; Host is what the client
// sent. Hop-by-hop fields (RFC 9110 §7.6.1) are taken off both ways, with
// those that Connection names; only a field by which the gateway tells the
// service who calls (Tollhouse-*, X-Forwarded-*, X-Request-ID …) cannot be named
// away by a client. "TE: trailers" is kept. Trailers of an answer come in
// Response.Trailer; trailers of a request are dropped, for exchange.Request has
// no place for them. Interim answers (1xx, also 103 Early Hints) are dropped;
// 100 (Continue) is honoured: a body that was announced with Expect is sent
// only when the upstream asks for it, or after one second. Bodies stream both
// ways and are never gathered. The answer's content coding is left as it is
// and redirects are the client's to follow.
//
// An h2c upstream is spoken to in HTTP/2 without TLS, but for upgrades, which are
// a thing of HTTP/1.1.
//
// # Who is chosen
//
// Upstreams that fail their probes, and those whose circuit is open, are left
// out while there are others; of the rest, balance and weight choose. When none
// is left, all are tried: a request that may go well is better than a 503. See
// circuit.go for how a circuit opens and closes, and weight.go for the shares.
//
// A sticky client goes to the upstream that its cookie names while that is in,
// also when it is drained; when it is full the request goes elsewhere and the
// cookie stays; when it is out the client moves. The cookie is ours: it is not
// forwarded.
//
// # What is tried again
//
// Service.Retry says after what; each further try is on an upstream that was not
// tried yet, and all tries have one Timeouts.Stream together. A request that was
// never sent goes on whatever its method is. One that may have reached its
// upstream goes on only when its method is idempotent (RFC 9110 §9.2.2), which
// no POST or PATCH is, with an Idempotency-Key or without. A body goes along
// when nothing was asked of it, or when it is at most 64 KiB and the method is
// idempotent. A budget bounds the tries beyond the first.
//
// Outside of that rule and that budget, a GET, HEAD, OPTIONS or TRACE without a
// body is sent once more to the same upstream when a kept connection turns out to
// have been closed.
//
// # What can go wrong
//
// Forward's error is always an *exchange.Failure. Its types are those of RFC
// 9209 §2.3, and one of our own for a client that left:
//
//	502 connection_refused            nobody listens there
//	502 dns_error, 504 dns_timeout    the upstream's name gives no address
//	502 destination_ip_unroutable     there is no way to that address
//	504 connection_timeout            no connection within Timeouts.Connect
//	502 tls_protocol_error, tls_certificate_error
//	502 connection_terminated         closed before a byte of an answer came
//	502 http_protocol_error           what came is no HTTP answer, or not its whole head
//	502 http_response_header_section_size
//	502 http_upgrade_failed           a 101 to something that was not asked for
//	504 http_response_timeout         no head within Timeouts.Response, or not done within Timeouts.Stream
//	504 connection_write_timeout      the upstream took no byte of the body for Timeouts.Idle
//	503 destination_unavailable       no upstream takes new requests
//	503 connection_limit_reached      every upstream has MaxInFlight requests and the queue is full or too slow;
//	                                  or there is no place in Options.Sockets within Timeouts.Connect
//	413 http_request_error            the body is longer than the service allows: errors.Is(err, exchange.ErrBodyTooLarge)
//	408 http_request_error            the client sent no byte of its body for Timeouts.Idle, or was waited for longer than
//	                                  Timeouts.Body and a second for each 1,000 bytes that came
//	400 http_request_error            the client's body or target is malformed
//	501 http_request_error            CONNECT: a gateway is no tunnel
//	499 client_gone                   the client left (the context was cancelled, or its body broke off)
//
// Once a Response is there, reading its body can still fail, also with an
// *exchange.Failure: 502 http_response_incomplete or
// http_response_transfer_coding, 504 connection_read_timeout (no byte for
// Timeouts.Idle) or http_response_timeout (Timeouts.Stream), 499. The head has
// been sent by then, so the front breaks the client's connection, for the
// client must not take half an answer for a whole one.
package upstream
