// Package apikey says who is calling: the format of API keys, where a request
// carries one, and a ring of all keys that is asked for each request.
//
//	Authorization, X-API-Key ─► Credential ─► text ─► Ring.Lookup ─► Entry: the key, and its owner
//	                               │                      │
//	                          missing, malformed      unknown: Check(text) tells a key that was
//	                                                  mistyped (malformed) from one that is not ours
//
// Keys come into being in New; their text is shown once and never kept. The
// ring is filled at the start and then follows key by key (Put, Remove).
package apikey
