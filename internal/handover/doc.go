// Package handover moves a running house into another process: `tollhouse
// upgrade`. The running process starts the new program with one end of a
// socket pair and gives it, in this order, each confirmed before the next
// (LIFECYCLE, docs/adr/0005):
//
//	running process                      new process
//	    start ──────────────────────────►  Begin: here I am
//	    1 Listeners (SCM_RIGHTS) ────────►  taken
//	    2 Lock of the data directory ────►  taken
//	                                        … opens its rooms; this may take long, and the running one serves …
//	                                     ◄  Prepared
//	    3 Drainer: its batch is ended ───►  taken: drains
//	    4 Counters: requests wait ───────►  taken
//	    Go ──────────────────────────────►  accepts
//	                                     ◄  Serving
//	    requests go on, and ask over there; it leaves
//
// Give is the left side, Heir the right one. Until Serving has come, whatever
// happens to the new process changes nothing but that it is ended: the
// caller of Give takes back what it gave.
//
// The package moves descriptors and values, and knows nothing of what they
// mean. It runs on Unix.
package handover
