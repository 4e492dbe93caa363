package console

import "net/http"

// policy allows what this program itself serves and nothing else: no inline
// script or style, no eval, no frame around it (Content Security Policy Level 3).
const policy = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"

func guardHeaders(h http.Header, secure bool) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY") // for browsers that do not know frame-ancestors
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	if secure {
		h.Set("Strict-Transport-Security", "max-age=31536000")
	}
}

// vary names what an answer of one URL depends on, so that no cache gives a
// fragment to whoever asks for the page.
const vary = "Cookie, Accept-Language, Accept-Encoding, HX-Request, HX-Request-Type, HX-Target, HX-History-Restore-Request"
