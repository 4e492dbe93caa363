// Package edge is the house's front: listeners, the parsing of requests by
// net/http, the order of a request (chain.go), answers that the gateway makes
// itself, and the last byte.
//
//	client ─► nethttp.go ─► chain.go: gate.Admit ─► identity ─► upstream ─► relay.go: gate.Record ─► last byte ─► gate.Done
//
// chain.go and relay.go know no HTTP library: another front that fills an
// exchange.Request and offers an exchange.Writer walks the same way.
//
// authorize.go stands before the same gate for foreign proxies, which forward
// by themselves: GET /authorize asks, POST /settle tells how it ended.
package edge
