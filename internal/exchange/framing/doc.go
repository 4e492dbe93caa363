// Package framing reads along a connection that speaks HTTP/1.1 and tells where
// each message ends, by the strict reading of RFC 9112. It stands between a
// connection and net/http, which parses the same bytes: where the two could
// disagree, or where another reader on the way could disagree with both, it
// breaks the connection instead.
//
//	client ─► Requests ─► net/http ─► … ─► net/http ─► Responses ─► upstream
//
// Requests refuses heads that net/http would take and others read in another
// way. Responses notices bytes that belong to no request, so that they are
// never taken for the next request's answer.
//
// The package imports no HTTP library, and allocates nothing but one short
// buffer for a line that comes in portions.
package framing
