package console

import "net/http"

// The names of the console's cookies. A front that also serves other programs
// on the same host must keep them from those programs.
const (
	SecureCookie = "__Host-tollhouse" // over HTTPS
	PlainCookie  = "tollhouse"        // over plain HTTP: browsers refuse __Host- there
)

// cookie makes a cookie with the console's attributes. The __Host- prefix
// (RFC 6265bis section 4.1.3.2) ties it to this host, HTTPS and the path "/".
func (c *Console) cookie(name, value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: c.o.Secure, SameSite: http.SameSiteLaxMode,
	}
}
