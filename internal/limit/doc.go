// Package limit decides how fast, how much and how many at the same time: rate
// limits (GCRA), quotas by calendar period, and concurrency limits.
//
//	          Set (a plan's)  Set (a service's)  Set (what is counted only)
//	               └───────────────┼───────────────┘
//	gate ─► Admission.Admit ─► every policy is judged, then all is taken or nothing
//	                              │
//	           State of the customer, of the key, of the address
//
//	gate ─► Settle (keep or give back, add reported units) ─► Release (frees the concurrency limits)
//
// # The way in
//
// Compile turns a plan's policies into a Set, CompileService a service's own.
// A State holds the counters of one partition (one customer, one key, one
// address); it lives in the record of what it counts for. What quotas per IP
// count lies apart from an address's other limits, in AddressQuotas. An Admission is one
// request's way through: Admit, then Settle when the outcome is known, then
// Release when the request is over.
//
//	var a limit.Admission // kept and used again: its buffers are
//	if !a.Admit(now, limit.Partitions{Customer: &c.State}, "ner", "POST /extractions", plan, service) {
//		wait := limit.RetryAfter(a.Results())
//	}
//	a.Settle(true, units)
//	a.Release()
//
// AdmitCost is Admit for calls that take more than one of a rate limit, or that
// reserve units which Settle replaces by what was used.
//
// # What is promised
//
//   - Decisions on one partition are one sequence, and the result equals that of
//     a sequential model fed with the same times (the tests hold it to one).
//   - All or nothing, over every partition and Set: a refused request takes nothing.
//   - RetryAfter is never early: it is the first nanosecond at which this
//     policy, left alone, admits one.
//   - No allocation once a partition has met its policies, no lock that all
//     requests share, no clock reading: the request's own comes in.
//
// # What survives a change of plan
//
// A counter belongs to what it counts, not to the plan that asked for it. A
// quota counts (unit, period) within its scope, a concurrency limit the calls
// in flight within its scope; names and limits do not matter. A rate limit's
// counter is found again by policy name and scope, and when the rate itself
// has changed, the requests that were used stay used. Use Counting so that what
// a customer uses is counted also while no plan of theirs has a quota on it.
//
// # When the clock is stepped
//
// Forward: rate limits are whole again, as the time says. Back: a rate limit
// that would refuse for longer than its window counts as used up at the new
// time, so it passes one after its interval; nothing is admitted on top for the
// step. (A request whose time is older by more than a window than what has been
// decided since looks the same.) Quotas keep the two calendar periods that were last used, so a step
// over the end of a period and back loses nothing.
//
// # Shared between replicas
//
// A Pool shares the counters of customers and keys with other replicas through a
// Ledger (redislimit keeps one in Redis, limittest one in memory):
//
//	Admission.Admit ─► Shared ─► lease ── room left: takes of it, no round trip
//	                               └───── none: Pool ─► Ledger.Exchange, and judged anew
//	Pool.Run ─► every quarter of a second: tells what was used, renews, hands back
//
// The State beside a Shared then holds what is known of all replicas together.
// What is leased counts as used, so that nothing is admitted on top while the
// ledger answers; what a lease strands is back after LeaseLife. While it is away
// each policy goes by its WhenSharedAway. Without a Pool nothing of this is on
// the way: one node pays one comparison for it.
//
// # Not yet there
//
// Limits and quotas per address that replicas share.
package limit
