// Package store is the database: what must outlive a restart, over SQLite
// (embedded, the default) or PostgreSQL.
//
//	console, account, api ─► customers, keys, people, sessions, plans ─┐
//	meter.Drainer ─► Drain: rows, rollups and cursor, one transaction ─┼─► Store ─► SQLite | PostgreSQL
//	console, billing, limit ─► Series, UsedBetween, Audit… (rollups) ◄─┘
//
// The way in is Open. A file holds one aggregate (customer.go, key.go, …) with
// one SQL text for both engines; where they differ stands in sqlite.go and
// postgres.go, behind the interface engine.
//
// Both engines are spoken to through database/sql, PostgreSQL through pgx's
// driver for it, and not through pgxpool: $1 is a placeholder to both, so one
// SQL text, one transaction helper and one Scan serve both, and what pgx alone
// can do quickly (arrays for unnest) its driver passes through as well.
//
// SQLite runs in WAL mode with synchronous=FULL, because the journal's segments
// are deleted once their events are here. One connection writes; a pool of
// others reads and is never blocked by it.
//
// Times are stored as Unix microseconds. An error that a caller can act on is a
// *toll.Error: NotFound for a missing row, Conflict for a row that exists
// already or whose Version is not the one named, Invalid for text that no
// database keeps (NUL, broken UTF-8) or that breaks a rule of the schema,
// Unavailable when the database cannot be reached, is full or is damaged.
//
// Every method of a Store is safe for concurrent use.
package store
