package console

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/tollhouse/tollhouse/hx"
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

	menu   string // the menu item that is current
	bare   bool   // the page is without the menu
	saying string // what the page says once

	passkeys bool // the page asks for a passkey, and loads what that takes
}

type visitKey struct{}

// visitOf is the visit that the gate has begun.
func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// begin puts the visit into the request's context.
func (v *visit) begin(r *http.Request) *http.Request {
	v.r = r.WithContext(context.WithValue(r.Context(), visitKey{}, v))
	return v.r
}

// T returns a message in the person's language.
func (v *visit) T(key string, args ...any) string { return v.words.T(key, args...) }

func (v *visit) signedIn() bool { return v.person.Kind != "" }

// can tells whether to offer an action on a customer. The gate itself stands
// before the handler: this only leaves out buttons that it would refuse.
func (v *visit) can(a account.Action, customerID string) bool {
	return account.Can(v.person, a, customerID) == nil
}

// part is the id of the element that htmx will put a part of the page into,
// "" when the whole page is wanted.
func (v *visit) part() string {
	if q := v.c.site.Read(v.r); q.Form() == hx.FragmentForm {
		return q.Target.ID
	}
	return ""
}

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
