// Package httpcache is a shared HTTP cache (RFC 9111) in memory, one for each
// service that asks for one. It stands between the limits and the upstream and
// knows no HTTP library:
//
//	limit ─► Cache.Serve ─┬─ a stored answer that may be used ─────────────► Response
//	                      └─ flight: one request for many ─► upstream ─► store
//
// The way in is New, then Serve for each request. What a request finds is
// decided in reuse.go, what may be kept in storable.go, for how long in
// freshness.go; flight.go asks the upstream once for many, validate.go asks
// whether a stored answer still holds, purge.go forgets.
//
// A hit takes no lock but those of the store itself (otter's: striped reads,
// no lock shared by all), and looks at no clock: the request brings its own
// reading.
package httpcache
