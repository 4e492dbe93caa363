// Package lifecycle is the law of a request, of a counter and of an amount as
// code: a small, slow, obviously right model that every engine, store and crash
// test is compared with. It does no I/O and is used by tests and by whoever has
// to decide what counts.
//
//	            refused: not journalled one by one
//	              ▲
//	arrived ─► Admit ─► [Open] ─► Record ─► LastByte ─► Done
//	                                           └ acknowledged: the client has the whole answer
//
// Counts and Rows say what is counted. Model plays requests, kills and
// counters.
package lifecycle
