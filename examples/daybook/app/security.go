package app

import (
	"net/http"
)

// maxForm is the largest form that is read, in bytes: above the longest note,
// so that a note that is somewhat too long comes back to its author.
const maxForm = 2 << 20

// secured puts the rules of every answer around the routes.
func (a *App) secured(next http.Handler) http.Handler {
	// Forms of other sites are refused by what the browser says of a request's
	// origin (Sec-Fetch-Site, else Origin); no token in the page is needed.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.problem(w, r, http.StatusForbidden, "This form was sent from another site", "Nothing was changed. Open the page here and send it again.")
	}))
	checked := protection.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		// Pages are for one person: no cache keeps them, and Back after signing
		// out shows none of them.
		h.Set("Cache-Control", "no-store")
		// A gateway may say under which host the browser knows this app; the
		// origin is compared with that one. A page of another site cannot send
		// this header with a form.
		if host := r.Header.Get("X-Forwarded-Host"); host != "" {
			r.Host = host
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		checked.ServeHTTP(w, r)
	})
}

// https says whether the browser speaks HTTPS, to us or to the gateway.
func https(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
