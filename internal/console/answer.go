package console

import (
	"github.com/a-h/templ"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
)

// answer is what a handler gives back: a page with its parts, or a redirect.
type answer struct {
	status int         // 0: 200
	to     string      // a path of the console, which htmx puts into the page that stands
	leave  bool        // the redirect changes who is signed in: htmx loads a whole page
	said   *hx.Message // what the next page says

	title string
	menu  string // the menu item that is current
	body  templ.Component
	parts parts // smaller parts of the page
	bare  bool  // without the menu: sign-in

	secret bool // holds a key's text
}

// parts are the smaller parts of a page by the id of the element that htmx
// puts them into.
type parts map[string]hx.Renderer

// send gives hx the forms of an answer. The menu, with its new current item,
// and what there is to say stand beside the content; a smaller part comes alone.
func (v *visit) send(a *answer) (hx.Answer, error) {
	if a.to != "" {
		if a.said != nil {
			if err := v.c.flash.Put(v.w, v.r, *a.said); err != nil {
				return hx.Answer{}, err
			}
		}
		if a.leave {
			return hx.Redirect(a.to), nil
		}
		return hx.Follow(a.to), nil
	}
	v.menu, v.bare = a.menu, a.bare
	out := hx.Answer{Status: a.status, Title: pageTitle(a.title), Fragment: content(v, a.body), Parts: a.parts}
	if a.secret {
		out.Cache = hx.Secret
	}
	if a.bare || v.part() != "" && a.parts[v.part()] != nil {
		return out, nil
	}
	if a.status < 400 {
		messages, err := v.c.flash.Take(v.w, v.r)
		if err != nil {
			return hx.Answer{}, err
		}
		for _, m := range messages {
			v.saying = m.Text // one form, one message
		}
	}
	out.Beside = []hx.Partial{
		{Target: "#menu", Content: menu(v)},
		{Target: "#toasts", Swap: hx.InnerHTML, Content: toasts(v)},
	}
	return out, nil
}

// item is one line of the menu.
type item struct {
	id, href, icon string
}

// items lists the pages that a person can go to from anywhere.
func (v *visit) items() []item {
	all := []struct {
		item
		for_   audience
		action account.Action
	}{
		{item{"overview", "/overview", "gauge"}, member, account.ReadUsage},
		{item{"keys", "/keys", "key-round"}, member, account.ListKeys},
		{item{"usage", "/usage", "chart-column"}, member, account.ReadUsage},
		{item{"plan", "/plan", "credit-card"}, member, account.ReadUsage},
		{item{"requests", "/requests", "search"}, member, account.ReadRequests},
		{item{"team", "/team", "users"}, member, account.ListMembers},
		{item{"models", "/models", "boxes"}, member, account.ListModels},
		{item{"support", "/support", "message-square"}, member, account.ReadSupport},
		{item{"customers", "/customers", "users"}, operator, account.ListCustomers},
		{item{"approvals", "/approvals", "check"}, operator, account.ReadAllApprovals},
		{item{"audit", "/audit", "clock"}, operator, account.ReadAllAudit},
		{item{"usage", "/usage/customers", "chart-column"}, operator, account.ReadAllUsage},
		{item{"requests", "/requests", "search"}, operator, account.ReadRequests},
		{item{"operators", "/operators", "shield"}, operator, account.ListOperators},
		{item{"mail", "/mail", "mail"}, operator, account.ReadMail},
		{item{"models", "/models", "boxes"}, operator, account.ListAllModels},
		{item{"support", "/support", "message-square"}, operator, account.ReadAllSupport},
		{item{"import", "/import", "file-up"}, operator, account.Import},
	}
	var out []item
	for _, m := range all {
		if m.id == "models" && v.c.o.Models == nil || m.id == "support" && v.c.o.Support == nil || m.id == "import" && v.c.o.Imports == nil {
			continue // an installation without
		}
		if (m.for_ == member) == v.person.IsMember() && v.can(m.action, v.person.CustomerID) {
			out = append(out, m.item)
		}
	}
	return out
}
