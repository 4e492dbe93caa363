package app

import (
	"net/http"

	"github.com/tollhouse/tollhouse/examples/internal/rootpath"
	"github.com/tollhouse/tollhouse/hx"
)

// maxForm is the largest form that is read, in bytes: above the longest note,
// so that a note that is somewhat too long comes back to its author.
const maxForm = 2 << 20

// secured puts the rules of every answer around the routes.
func (a *App) secured(next http.Handler) (http.Handler, error) {
	// What this server itself gives and nothing else: no inline script or style.
	policy, err := hx.NewPolicy(nil, assets)
	if err != nil {
		return nil, err
	}
	// Forms of other sites are refused by what the browser says of a request's
	// origin (Sec-Fetch-Site, else Origin); no token in the page is needed.
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.site.Fail(w, r, hx.Errorf(http.StatusForbidden, "This form was sent from another site."))
	}))
	checked := policy.Handler(protection.Handler(next))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "same-origin")
		w.Header().Set("Cross-Origin-Opener-Policy", "same-origin")
		// A gateway may say under which host the browser knows this app; origins
		// are compared with that one. A page of another site cannot send this
		// header with a form.
		if host := r.Header.Get("X-Forwarded-Host"); host != "" {
			r.Host = host
		}
		checked.ServeHTTP(w, r)
	}), nil
}

// root is the path under which the browser knows this app: what the gateway
// took off.
func root(r *http.Request) string { return rootpath.Of(r) }

// https says whether the browser speaks HTTPS, to us or to the gateway.
func https(r *http.Request) bool {
	return r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https"
}
