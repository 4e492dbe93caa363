// Package nerapi is the HTTP API over package extract.
//
//	POST /extractions   {"text": "…"} ─► {"extractions": [{"start", "end", "type", "text"}, …]}
//	GET  /openapi.json  the contract (OpenAPI 3.1)
//	GET  /docs          the same for people
//	GET  /healthz       whether it can answer
//
// A request for extractions walks through it like this:
//
//	body read (413) ─► well-formed JSON in UTF-8 (422 with line and column) ─► schema (422 with the field)
//	  ─► business rule (400) ─► extract ─► the answer checked against its own schema (500) ─► Tollhouse-Usage
//
// Errors are application/problem+json (RFC 9457). The API knows no keys, plans
// or limits: those are the gateway's, which stands before it and reads what
// each answer says in Tollhouse-Usage.
package nerapi
