// Package hxtest checks that an http.Handler keeps the rules of a site that
// uses htmx: a whole page for Back and reload, a fragment for a fragment, and
// the right headers for every cache on the way. The handler need not use
// package hx.
//
//	func TestKeepsTheRules(t *testing.T) {
//		hxtest.Check(t, hxtest.App{Handler: site, SignIn: signIn, SignInPath: "/sign-in"},
//			hxtest.Route{Path: "/notes", Target: "notes"},
//			hxtest.Route{Path: "/notes/none", Status: 404},
//			hxtest.Route{Path: "/notes", Form: fresh, Once: true, Effects: count, Redirects: true})
//	}
//
// Each route is asked for as a browser, htmx 2 and htmx 4 would: plain, partial,
// boosted, restored from history; signed in, with a session that has expired
// and without one, with forged headers. What is wrong is told as the rule that
// is broken, the route, the way of asking and what was seen.
//
//	App, Routes ─► asks (one request per way of asking) ─► rules ─► Findings
package hxtest
