// Package rehearsal replays recorded usage against a plan that nobody has yet:
// who would have been refused, by which policy, and what they would have paid.
//
//	events of a customer, oldest first ─► Replay ─► limit (the same code that decides) ─► Outcome
//	                                                                       └► billing.Rate on what was let in
//
// It knows what was recorded, and says no more: requests that were refused back
// then left no event, so that a wider plan's new calls are not in it; addresses
// are not recorded by any event, so that policies per address are left out; and a caller who
// is refused may come again, or not. Rehearsing changes nothing.
package rehearsal
