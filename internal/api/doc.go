// Package api is the JSON management API: what a person does in the console, a
// program does here, at /api/v1 on the console's host.
//
//	front ─► API.ServeHTTP ─► gate: token ─► scope ─► role and customer ─► operation ─► account, meter
//	                            └──────── problem (RFC 9457) ◄──────────────────┘
//
// The way in is New. An operation is one file: its input and output, its place
// in OpenAPI, its rule (who may call it) and what it does; operations.go lists
// them. The gate before all of them is gate.go, and nothing is registered
// without a rule. The contract is made from the same code, and served at
// /api/v1/openapi.json and .yaml.
//
// Nothing here knows SQL or the gateway's request path: the interfaces that
// operations need are declared in Options.
package api
