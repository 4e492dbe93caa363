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
// Not yet there: changing a member's role or removing a person, invitations, a
// list of common passwords to refuse.
package account
