// Package hx is htmx for net/http: it decides whether a request gets a whole
// page or a part of it, and keeps the promises that follow from that decision,
// so that Back, reload, a cache on the way, a second click and a browser
// without JavaScript all see what they should. It speaks htmx 2.0 and 4.0,
// whose headers and habits differ; what is said here was read in the sources of
// 2.0.11 and 4.0.1.
//
// The way in is a Site. Its Handler takes a function that returns an Answer or
// an error; everything else hangs on these two:
//
//	request ─► Guard ─► Handler ─► your function ─┬─► Answer ─► Send ─► page, fragment or part
//	           panics   Read: form                └─► error  ─► Fail ─► the same, with its status
//
//	site, err := hx.New(hx.Options{Layout: layout})
//	mux.Handle("GET /notes", site.Handler(func(w http.ResponseWriter, r *http.Request) (hx.Answer, error) {
//		notes, err := store.Notes(r.Context(), r.FormValue("q"))
//		return hx.Answer{Title: "Notes", Fragment: notesTable(notes)}, err
//	}))
//
// What is rendered is anything with Render(ctx, w) error: a templ component as
// it is, an html/template through Template, a function through RenderFunc.
//
// Around it stand pieces that work alone, each in a file of its own name:
// Assets (files under hashed names), Once (a form sent twice does one thing),
// Hub (server-sent events with replay), Flash (a message that survives one
// redirect), FragmentCache, CacheRule, Policy (the Content-Security-Policy),
// Release (an open page learns of a new version) and Reload (development).
//
// The headers of htmx come from the client and may be forged. Nothing here
// widens what a request may see by them: they choose a form of the answer that
// the same handler, behind the same gates, has given.
//
// There is no global state; a value is set up once and is then safe for
// concurrent use unless it says otherwise.
package hx
