package console

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/a-h/templ"

	"github.com/tollhouse/tollhouse/internal/account"
)

// answer is what a handler gives back: a page with its parts, a redirect, or
// something that is no page.
type answer struct {
	status int    // 0: 200
	to     string // a path of the console: 303 (RFC 9110 section 15.4.4)
	leave  bool   // the redirect changes who is signed in: htmx loads a whole page
	said   *flash // what the next page says

	title string
	menu  string // the menu item that is current
	body  templ.Component
	parts parts // smaller parts of the page
	bare  bool  // without the menu: sign-in, and errors when nobody is signed in

	secret bool // holds a key's text
	raw    func(http.ResponseWriter)
}

// parts are the smaller parts of a page by the id of the element that htmx
// puts them into.
type parts map[string]templ.Component

// send puts an answer out: as the whole page, as its content, or as the part
// that htmx asked for.
func (v *visit) send(a *answer) {
	switch {
	case a.raw != nil:
		a.raw(v.w)
		return
	case a.to != "":
		v.redirect(a)
		return
	}
	if a.status == 0 {
		a.status = http.StatusOK
	}
	var said string
	if a.status == http.StatusOK && v.part != "dialog" {
		said = v.c.takeFlash(v)
	}
	if v.fragment && a.status >= 400 {
		// The address stays: it is the page's that the form is on.
		v.w.Header().Set("HX-Push-Url", "false")
	}
	var out templ.Component
	switch part := a.parts[v.part]; {
	case v.fragment && part != nil:
		out = part
	case v.fragment && a.bare:
		out = loneContent(v, a)
	case v.fragment:
		out = content(v, a, said)
	default:
		out = page(v, a, said)
	}
	var b bytes.Buffer
	if err := out.Render(context.WithoutCancel(v.r.Context()), &b); err != nil {
		v.c.o.Logger.ErrorContext(v.r.Context(), "a console page could not be rendered", "request_id", v.id, "route", v.route.pattern, "error", err)
		http.Error(v.w, "The page could not be shown. Request ID "+v.id, http.StatusInternalServerError)
		return
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.write(a.status, b.Bytes(), a.secret)
}

func (v *visit) redirect(a *answer) {
	if a.said != nil {
		v.c.setFlash(v.w, *a.said)
	}
	if a.leave && v.byHTMX() {
		v.w.Header().Set("HX-Redirect", a.to)
		v.w.WriteHeader(http.StatusOK)
		return
	}
	http.Redirect(v.w, v.r, a.to, http.StatusSeeOther)
}

// version tells which program and which assets are served, so that an open page
// can learn of a new one.
func (c *Console) version(v *visit) (*answer, error) {
	return &answer{raw: func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"version": c.o.Version, "assets": c.assets.Version()})
	}}, nil
}

// item is one line of the menu.
type item struct {
	id, href, icon string
}

// menu lists the pages that a person can go to from anywhere.
func (v *visit) menu() []item {
	all := []struct {
		item
		for_   audience
		action account.Action
	}{
		{item{"overview", "/overview", "gauge"}, member, account.ReadUsage},
		{item{"keys", "/keys", "key-round"}, member, account.ListKeys},
		{item{"usage", "/usage", "chart-column"}, member, account.ReadUsage},
		{item{"plan", "/plan", "credit-card"}, member, account.ReadUsage},
		{item{"customers", "/customers", "users"}, operator, account.ListCustomers},
	}
	var out []item
	for _, m := range all {
		if (m.for_ == member) == v.person.IsMember() && v.can(m.action, v.person.CustomerID) {
			out = append(out, m.item)
		}
	}
	return out
}
