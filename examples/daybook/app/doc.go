// Package app is the daybook's web side: pages, forms, sessions.
//
//	request ─► security headers ─► same origin? ─► which page ─► who is it (session) ─► user and day modules ─► HTML, or 303
//
// It works without a line of JavaScript: links, forms, redirects. It may stand
// at the root of a host or under a path that a gateway takes off; see
// X-Forwarded-Prefix in package rootpath.
package app
