package console

import (
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/words"
)

// visit is one request as a handler and its template see it.
type visit struct {
	c      *Console
	w      http.ResponseWriter
	r      *http.Request
	route  *route
	now    time.Time
	id     string // the request's ID
	words  *words.Words
	person account.Person // the zero Person when nobody is signed in

	fragment bool   // htmx asks for a part of the page
	part     string // the id of the element that it will put it into
}

// T returns a message in the person's language.
func (v *visit) T(key string, args ...any) string { return v.words.T(key, args...) }

func (v *visit) signedIn() bool { return v.person.Kind != "" }

// can tells whether to offer an action on a customer. The gate itself stands
// before the handler: this only leaves out buttons that it would refuse.
func (v *visit) can(a account.Action, customerID string) bool {
	return account.Can(v.person, a, customerID) == nil
}

// readHTMX takes from the request what htmx 4 says of itself. A restore from
// the history gets the whole page, as a reload would.
func (v *visit) readHTMX() {
	h := v.r.Header
	v.fragment = h.Get("HX-Request") == "true" && h.Get("HX-Request-Type") == "partial" && h.Get("HX-History-Restore-Request") != "true"
	if v.fragment {
		_, v.part, _ = strings.Cut(h.Get("HX-Target"), "#")
	}
}

// byHTMX tells whether a script made the request, so that a redirect out of
// the page must be asked of it.
func (v *visit) byHTMX() bool { return v.r.Header.Get("HX-Request") == "true" }

func (c *Console) clientAddr(r *http.Request) netip.Addr {
	if c.o.ClientAddr != nil {
		return c.o.ClientAddr(r)
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}
