package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/hx/hxtest"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/mail"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// people are the things of a world that its pages about people name.
type people struct {
	developer string // a member of the customer
	operator  string
	invited   string // an invitation to the customer
	invitedOp string // and one of an operator
	mail      string // that is kept
}

func (w *world) openPeople() {
	ctx := w.t.Context()
	developer, err := w.store.MemberByEmail(ctx, "developer@acme.example")
	w.ok(err)
	viewer, err := w.store.OperatorByEmail(ctx, "viewer@house.example")
	w.ok(err)
	w.developer, w.operator = developer.ID, viewer.ID
	w.invited = w.ticket(toll.Ticket{Kind: toll.TicketInvitation, Email: "grace@acme.example", CustomerID: w.customer.ID, Role: "developer", InvitedBy: "Ada Owner"}).ID
	w.invitedOp = w.ticket(toll.Ticket{Kind: toll.TicketInvitation, Email: "otto@house.example", Role: "support", InvitedBy: "Olga Admin"}).ID
	w.mail = "mail_1"
	w.ok(w.store.EnqueueMail(ctx, toll.Mail{ID: w.mail, To: "grace@acme.example", Language: "en", Kind: "invitation", CreatedAt: w.clock().Add(-time.Hour),
		Values: map[string]string{"by": "Ada Owner", "customer": "Acme Robotics", "role": "developer", "days": "7", "link": "http://localhost:8080/link?ticket=x"}}))
}

// issued is a ticket with the text of its link.
type issued struct {
	toll.Ticket
	text string
}

func (w *world) ticket(t toll.Ticket) issued {
	var b [32]byte
	_, _ = rand.Read(b[:])
	text := base64.RawURLEncoding.EncodeToString(b[:])
	t.ID, t.Hash, t.CreatedAt, t.ExpiresAt = "tic_"+rand.Text(), sha256.Sum256([]byte(text)), w.clock(), w.clock().Add(7*24*time.Hour)
	w.ok(w.store.IssueTicket(w.t.Context(), t, tolltest.Entry()))
	return issued{t, text}
}

// standing is the text of a link that is the same in every world.
func (w *world) standing() string {
	text := strings.Repeat("A", 43)
	if _, err := w.office.OpenTicket(w.t.Context(), text); err != nil {
		w.ok(w.store.IssueTicket(w.t.Context(), toll.Ticket{
			ID: "tic_standing", Kind: toll.TicketSignUp, Hash: sha256.Sum256([]byte(text)), Email: "standing@new.example",
			CreatedAt: w.clock(), ExpiresAt: w.clock().Add(time.Hour),
		}, tolltest.Entry()))
	}
	return text
}

// newcomer is the text of a link to sign up with.
func (w *world) newcomer() string {
	return w.ticket(toll.Ticket{Kind: toll.TicketSignUp, Email: strings.ToLower(rand.Text()) + "@new.example"}).text
}

func letters() Letters {
	l, err := mail.NewLetters("Acme", nil)
	if err != nil {
		panic(err)
	}
	return l
}

// peoplePath fills a pattern with people.
func (w *world) peoplePath(pattern string) string {
	person, invited := w.developer, w.invited
	if strings.HasPrefix(pattern, "/operators") {
		person, invited = w.operator, w.invitedOp
	}
	if pattern == "/link" {
		return "/link?ticket=" + w.newcomer()
	}
	return strings.NewReplacer("{person}", person, "{invitation}", invited, "{mail}", w.mail).Replace(pattern)
}

// peopleForm is a valid form for a route about people, nil for another.
func (w *world) peopleForm(pattern, token string) url.Values {
	values := form("email", strings.ToLower(rand.Text())+"@new.example", "role", "viewer")()
	values.Set("hx-once", token)
	switch {
	case pattern == "/link":
		return url.Values{"ticket": {w.newcomer()}, "organisation": {"New"}, "name": {"Nora"}, "password": {"correct horse battery"}}
	case pattern == "/password":
		return url.Values{"password": {"short"}}
	case pattern == "/sign-up", pattern == "/reset", strings.HasSuffix(pattern, "/invitations/new"), strings.HasSuffix(pattern, "/role"), strings.HasSuffix(pattern, "/resend"):
		return values
	}
	return nil
}

// peopleExaminations are the cases of the routes about people.
func (w *world) peopleExaminations() map[string]examined {
	all := map[string]examined{
		"GET /sign-up":     {route: hxtest.Route{Path: "/sign-up"}},
		"POST /sign-up":    {route: hxtest.Route{Path: "/sign-up", Form: w.asking(), Redirects: true, Followed: true}, wrong: url.Values{"email": {"x"}}},
		"GET /reset":       {route: hxtest.Route{Path: "/reset"}},
		"POST /reset":      {route: hxtest.Route{Path: "/reset", Form: w.asking(), Redirects: true, Followed: true}, wrong: url.Values{"email": {"x"}}},
		"GET /sent":        {route: hxtest.Route{Path: "/sent"}},
		"GET /link":        {none: "/link?ticket=x", route: hxtest.Route{Path: "/link?ticket=" + w.newcomer()}},
		"POST /link":       {route: hxtest.Route{Path: "/link", Form: func() url.Values { return w.peopleForm("/link", "") }, Redirects: true}, wrong: url.Values{"ticket": {w.standing()}}},
		"POST /password":   {route: hxtest.Route{Path: "/password", Form: form("password", "short"), Target: "password-live"}},
		"GET /mail":        {as: "admin@house.example", fails: true, route: hxtest.Route{Path: "/mail", Target: "content"}},
		"GET /mail/{mail}": {as: "admin@house.example", fails: true, none: "/mail/none", route: hxtest.Route{Path: "/mail/" + w.mail, Target: "content"}},
	}
	for base, at := range map[string]struct{ as, path, person, invited, customer string }{
		"/team":                      {asOwner, "/team", w.developer, w.invited, w.customer.ID},
		"/customers/{customer}/team": {"admin@house.example", "/customers/" + w.customer.ID + "/team", w.developer, w.invited, w.customer.ID},
		"/operators":                 {"admin@house.example", "/operators", w.operator, w.invitedOp, ""},
	} {
		to := func(path string, f func() url.Values) examined {
			none := strings.NewReplacer("FRESH", "none", at.person, "none").Replace(path)
			return examined{as: at.as, fails: true, none: at.path + none, route: hxtest.Route{Path: at.path + path, Form: f, Redirects: true, Followed: true}}
		}
		look := func(path string) examined {
			x := examined{as: at.as, fails: true, route: hxtest.Route{Path: at.path + path, Target: "content"}}
			if none := strings.Replace(path, at.person, "none", 1); none != path {
				x.none = at.path + none
			}
			return x
		}
		all["GET "+base] = look("")
		invite := look("/invitations/new")
		invite.fails = base != "/team" && base != "/operators" // these read nothing
		all["GET "+base+"/invitations/new"] = invite
		all["POST "+base+"/invitations/new"] = examined{as: at.as, fails: true, wrong: form("email", "x")(), route: hxtest.Route{
			Path: at.path + "/invitations/new", Redirects: true, Followed: true, Once: true, Effects: w.invitedTo(at.customer),
			Form: func() url.Values { return w.peopleForm("/invitations/new", rand.Text()) }}}
		resend := to("/invitations/FRESH/resend", w.freshInvitation(at.customer))
		resend.route.Once, resend.route.Effects = true, w.resent(at.customer)
		all["POST "+base+"/invitations/{invitation}/resend"] = resend
		all["POST "+base+"/invitations/{invitation}/revoke"] = to("/invitations/FRESH/revoke", w.freshInvitation(at.customer))
		all["GET "+base+"/{person}"] = look("/" + at.person)
		role := to("/"+at.person+"/role", form("role", "viewer"))
		role.wrong = form("role", "god")()
		all["POST "+base+"/{person}/role"] = role
		all["POST "+base+"/{person}/disable"] = to("/"+at.person+"/disable", form())
		all["POST "+base+"/{person}/enable"] = to("/"+at.person+"/enable", form())
		remove := look("/" + at.person + "/remove")
		remove.route.Target = "dialog"
		all["GET "+base+"/{person}/remove"] = remove
		all["POST "+base+"/{person}/remove"] = to("/FRESH/remove", w.freshPerson(at.customer))
	}
	return all
}

func (w *world) asking() func() url.Values {
	return func() url.Values { return form("email", strings.ToLower(rand.Text())+"@new.example")() }
}

// freshInvitation makes a form for an invitation of its own.
func (w *world) freshInvitation(customer string) func() url.Values {
	return func() url.Values {
		role := "viewer"
		w.fresh = w.ticket(toll.Ticket{Kind: toll.TicketInvitation, Email: strings.ToLower(rand.Text()) + "@new.example", CustomerID: customer, Role: role, InvitedBy: "Ada"}).ID
		return form()()
	}
}

// freshPerson makes a form for somebody of its own.
func (w *world) freshPerson(customer string) func() url.Values {
	return func() url.Values {
		email := strings.ToLower(rand.Text()) + "@new.example"
		if customer == "" {
			o, err := w.office.CreateOperator(w.t.Context(), account.System, account.NewOperator{Email: email, Name: "Fresh", Role: toll.OperatorViewer})
			w.ok(err)
			w.fresh = o.ID
		} else {
			m, err := w.office.CreateMember(w.t.Context(), account.System, account.NewMember{CustomerID: customer, Email: email, Name: "Fresh", Role: toll.MemberViewer})
			w.ok(err)
			w.fresh = m.ID
		}
		return form()()
	}
}

func (w *world) invitedTo(customer string) func() int {
	return func() int {
		all, err := w.office.Invitations(w.t.Context(), account.System, customer)
		w.ok(err)
		return len(all)
	}
}

// resent counts the mails of invitations.
func (w *world) resent(string) func() int {
	return func() int {
		page, err := w.store.Mails(w.t.Context(), toll.MailQuery{})
		w.ok(err)
		return len(page.Mails)
	}
}

var errInside = errors.New(inside)

func (failingOffice) SigningUp() bool { return true }

func (failingOffice) AskReset(context.Context, string, string, netip.Addr) error { return errInside }

func (failingOffice) Members(context.Context, account.Person, string) ([]toll.Member, error) {
	return nil, errInside
}

func (failingOffice) Member(context.Context, account.Person, string) (toll.Member, error) {
	return toll.Member{}, errInside
}

func (failingOffice) Operators(context.Context, account.Person) ([]toll.Operator, error) {
	return nil, errInside
}

func (failingOffice) Operator(context.Context, account.Person, string) (toll.Operator, error) {
	return toll.Operator{}, errInside
}

func (failingOffice) Invite(context.Context, account.Person, account.Invitation) (toll.Ticket, error) {
	return toll.Ticket{}, errInside
}

func (failingOffice) Reinvite(context.Context, account.Person, string) (toll.Ticket, error) {
	return toll.Ticket{}, errInside
}

func (failingOffice) RevokeInvitation(context.Context, account.Person, string) (toll.Ticket, error) {
	return toll.Ticket{}, errInside
}

func (failingOffice) Mails(context.Context, account.Person, toll.MailQuery) (toll.MailPage, error) {
	return toll.MailPage{}, errInside
}

func (failingOffice) Mail(context.Context, account.Person, string) (toll.PostedMail, error) {
	return toll.PostedMail{}, errInside
}
