// Package account is the office of the house: customers and their keys,
// members and operators, passwords and sessions, and the one place that says
// who may do what.
//
//	console ─► Sessions.Authenticate(token) ─► Person ─┐
//	CLI     ─► System ─────────────────────────────────┴─► Office.Method(ctx, person, …)
//	                                                          │ Can(person, action, customer)
//	                                                          │ Store: one change, committed
//	                                                          └ Changed: the gate knows at once
//
// The way in is NewOffice for what is changed and read, NewSessions for who is
// asking, and Can for what they may. Nothing here knows HTTP or SQL: the
// console makes cookies from a Token, and the store implements Store.
//
// Whatever changes something writes who did it into the audit log, in the same
// transaction: each such method of Store takes the entry as an argument, which
// one line makes of the context, the person and the facts before and after.
//
//	e := NewEntry(ctx, p, RevokeKey, k.CustomerID, k.ID, now, before, after)
//	k, err = o.store.UpdateKey(ctx, k, e)
//
// In the store, record runs the change and appends the entry. The context holds
// the Origin (way, address, request ID), which surfaces put there at their door.
// A new thing to do gets an Action in rules.go, or in entry.go when it needs no
// rule. Facts never hold secrets, names or e-mail addresses. What is refused is
// counted (Refusals) and written once a minute.
//
// Not yet there: changing one's own e-mail address.
package account
