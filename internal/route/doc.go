// Package route finds the service and the endpoint of a request.
//
//	raw path ─► Canonical ─► decoded, encoded     one reading of the path for everyone, or a refusal
//	host, decoded ─► Table.Match ─► Route         whose Service it is
//	                                  ├─ Strip    what the upstream is sent
//	                                  └─ Endpoint "POST /extractions", or "other"
//
// A Table is immutable: a new configuration is a new Table, switched whole.
package route
