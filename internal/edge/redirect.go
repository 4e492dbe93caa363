package edge

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Redirect sends requests that came over plain HTTP to HTTPS (308: the method
// and the body stay), where HTTPS answers for their host. Others, such as a
// health check of an address, go to Next.
type Redirect struct {
	Answers func(host string) bool // tells whether HTTPS answers for a host
	Proxies func() Proxies         // whose word counts that a request came over HTTPS already; nil: nobody's
	HTTP    string                 // the port of the plain listener
	HTTPS   string                 // the port of the TLS listener
	Next    http.Handler
}

var _ http.Handler = Redirect{}

// ServeHTTP redirects or goes on.
func (d Redirect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host := hostOf(r.Host)
	behind := d.Proxies != nil && d.Proxies().Trusts(peerOf(r.RemoteAddr)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	if host == "" || behind || !d.Answers(host) {
		d.Next.ServeHTTP(w, r)
		return
	}
	path, query := splitTarget(r)
	if !strings.HasPrefix(path, "/") { // "OPTIONS *"
		path = "/"
	}
	if query != "" {
		path += "?" + query
	}
	w.Header().Set("Location", "https://"+host+d.port(r.Host)+path)
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusPermanentRedirect)
}

// port is what the address of HTTPS ends with. Who came without a port, though
// ours is not 80, came through something that moves ports, and 443 leads back
// through it.
func (d Redirect) port(hostPort string) string {
	_, came, _ := net.SplitHostPort(hostPort)
	if d.HTTPS == "443" || came == "" && d.HTTP != "80" {
		return ""
	}
	return ":" + d.HTTPS
}

// StrictTransport tells browsers to come over HTTPS from now on, for so long
// (RFC 6797), with every answer of next. A service that says so itself is not
// overruled, and local names are left alone: a browser would lock itself out of
// what is developed there.
func StrictTransport(lasts time.Duration, next http.Handler) http.Handler {
	value := fmt.Sprintf("max-age=%d", int64(lasts/time.Second))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r.Host); host != "localhost" && !strings.HasSuffix(host, ".localhost") {
			w.Header().Set("Strict-Transport-Security", value)
		}
		next.ServeHTTP(w, r)
	})
}
