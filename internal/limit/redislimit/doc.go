// Package redislimit keeps the counters that replicas share in a Redis or
// Valkey server: it is a limit.Ledger.
//
//	limit.Pool ─► Ledger.Exchange ─► counter.lua ─► one hash per counter; all asks in one pipeline
//	           ─► Ledger.Present  ─► present.lua ─► one sorted set of replicas
//
//	ledger, err := redislimit.Open("redis://127.0.0.1:6379")
//	pool := limit.NewPool(ledger, limit.PoolOptions{Replica: id})
//
// # What is promised
//
//   - Time is the server's: replicas whose clocks differ share one limit.
//   - Every script touches one key, and the keys of one customer bear one hash
//     tag, tollhouse:{WHO}:…, so that a cluster keeps them together.
//   - Nothing here is the only copy. A server that was emptied, or started
//     without a disk, is told by the replicas and the store what was used; see
//     limit.Ledger.
//   - Counts are exact to 2^53.
//
// A quota's key lives for forty days after it was last touched, a rate's until
// it is whole and a minute, places for an hour. A server that evicts keys
// (maxmemory-policy allkeys-…) gives nobody a fresh quota, for what is missing
// is made again, but a fresh burst now and then: noeviction is the better policy.
package redislimit
