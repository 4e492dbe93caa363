// Package console is the pages that customers and operators see: server-rendered
// HTML that htmx makes quicker and that works without it.
//
//	request ─► one table of routes ─► gates: same origin, session, audience, account.Can
//	        ─► the route's handler: reads the office, the meter, the limits ─► answer
//	        ─► the whole page, or the part of it that htmx asked for
//
// The way in is New; what it needs is in Options. Every route stands in one
// table (routes.go) with its audience and its action, and every answer passes
// the same gates whether it goes out as a page or as a part of one.
//
// The console keeps no state of its own but two things that may be lost: the
// tokens of forms sent in the last minutes, so that a double click does a thing
// once, and nothing else. The server is the truth; a page holds what its URL says.
package console
