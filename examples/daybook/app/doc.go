// Package app is the daybook's web side, made with package hx: pages, forms,
// sessions, languages.
//
//	request ─► secured ─► meet ─────► signedIn ─► handler ─► user, day ─► hx.Answer ─► page, fragment or part
//	           policy,    who is it,  gate of     what to                          └─► or an error, in the same forms
//	           origin     language    a page      show
//
// A handler says what to show, once. hx chooses the form: a whole page for a
// browser, Back and reload; the content for htmx, or the one line that it asks
// for. So everything works without JavaScript, and better with it.
//
// It may stand at the root of a host or under a path that a gateway takes off;
// see X-Forwarded-Prefix in package rootpath.
package app
