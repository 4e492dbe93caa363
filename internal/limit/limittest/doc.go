// Package limittest holds what tests of shared counters need: Run, the
// conformance suite that every limit.Ledger passes, and Memory, a ledger in one
// process that says in plain Go what the scripts of redislimit do.
//
//	limittest.Run(t, func(t *testing.T) limittest.Subject { … })
package limittest
