package console

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// People is the part of the office that is about people: who comes in by a link,
// the members of a customer, the operators, and mail.
type People interface {
	SigningUp() bool
	AskSignUp(ctx context.Context, email, language string, from netip.Addr) error
	AskReset(ctx context.Context, email, language string, from netip.Addr) error
	OpenTicket(ctx context.Context, text string) (toll.Ticket, error)
	SignUp(ctx context.Context, text string, in account.NewAccount) (toll.Member, error)
	Accept(ctx context.Context, text string, in account.NewAccount) (email string, err error)
	Reset(ctx context.Context, text string, password toll.Secret) error

	Members(ctx context.Context, p account.Person, customerID string) ([]toll.Member, error)
	Member(ctx context.Context, p account.Person, id string) (toll.Member, error)
	SetMemberRole(ctx context.Context, p account.Person, id string, role toll.MemberRole) (toll.Member, error)
	DisableMember(ctx context.Context, p account.Person, id string) (toll.Member, error)
	EnableMember(ctx context.Context, p account.Person, id string) (toll.Member, error)
	RemoveMember(ctx context.Context, p account.Person, id string) (toll.Member, error)

	Operators(ctx context.Context, p account.Person) ([]toll.Operator, error)
	Operator(ctx context.Context, p account.Person, id string) (toll.Operator, error)
	SetOperatorRole(ctx context.Context, p account.Person, id string, role toll.OperatorRole) (toll.Operator, error)
	DisableOperator(ctx context.Context, p account.Person, id string) (toll.Operator, error)
	EnableOperator(ctx context.Context, p account.Person, id string) (toll.Operator, error)
	RemoveOperator(ctx context.Context, p account.Person, id string) (toll.Operator, error)

	Invitations(ctx context.Context, p account.Person, customerID string) ([]toll.Ticket, error)
	Invite(ctx context.Context, p account.Person, in account.Invitation) (toll.Ticket, error)
	Reinvite(ctx context.Context, p account.Person, id string) (toll.Ticket, error)
	RevokeInvitation(ctx context.Context, p account.Person, id string) (toll.Ticket, error)

	Mails(ctx context.Context, p account.Person, q toll.MailQuery) (toll.MailPage, error)
	Mail(ctx context.Context, p account.Person, id string) (toll.PostedMail, error)
}

// teamRoutes are the pages of a team below a path: a customer's own, that of a
// customer as operators see it, or the operators themselves.
func teamRoutes(base string, who audience, list, invite, change, remove account.Action) []route {
	return []route{
		{"GET", base, who, list, (*Console).team, false},
		{"GET", base + "/invitations/new", who, invite, (*Console).inviteForm, false},
		{"POST", base + "/invitations/new", who, invite, (*Console).invite, true},
		{"POST", base + "/invitations/{invitation}/resend", who, invite, (*Console).resendInvitation, true},
		{"POST", base + "/invitations/{invitation}/revoke", who, invite, (*Console).revokeInvitation, false},
		{"GET", base + "/{person}", who, change, (*Console).colleague, false},
		{"POST", base + "/{person}/role", who, change, (*Console).setRole, false},
		{"POST", base + "/{person}/disable", who, change, (*Console).disablePerson, false},
		{"POST", base + "/{person}/enable", who, change, (*Console).enablePerson, false},
		{"GET", base + "/{person}/remove", who, remove, (*Console).confirmRemove, false},
		{"POST", base + "/{person}/remove", who, remove, (*Console).removePerson, false},
	}
}

// team is whose page a visit is at.
type team struct {
	base      string // the path
	operators bool
	customer  toll.Customer // of members, where an operator looks at them
}

// colleague is a member or an operator as their line shows them.
type colleague struct {
	ID, Name, Email, Role string
	Disabled              bool
	You                   bool
	Since                 time.Time
	customer              string
}

func ofMember(v *visit, m toll.Member) colleague {
	return colleague{ID: m.ID, Name: m.Name, Email: m.Email, Role: string(m.Role), Disabled: !m.DisabledAt.IsZero(), You: m.ID == v.person.ID, Since: m.CreatedAt, customer: m.CustomerID}
}

func ofOperator(v *visit, o toll.Operator) colleague {
	return colleague{ID: o.ID, Name: o.Name, Email: o.Email, Role: string(o.Role), Disabled: !o.DisabledAt.IsZero(), You: o.ID == v.person.ID, Since: o.CreatedAt}
}

func (c *Console) teamOf(v *visit) (team, error) {
	switch {
	case strings.HasPrefix(v.route.pattern, "/operators"):
		return team{base: "/operators", operators: true}, nil
	case v.person.IsMember():
		return team{base: "/team"}, nil
	}
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	return team{base: "/customers/" + customer.ID + "/team", customer: customer}, err
}

func (t team) menu() string {
	switch {
	case t.operators:
		return "operators"
	case t.customer.ID != "":
		return "customers"
	}
	return "team"
}

func (t team) customerID(v *visit) string {
	if t.operators {
		return ""
	}
	return v.customerID()
}

func (t team) title(v *visit) string {
	switch {
	case t.operators:
		return v.T("operators.title")
	case t.customer.ID != "":
		return v.T("team.of", t.customer.Name)
	}
	return v.T("team.title")
}

// roleName is a role in words.
func (t team) roleName(v *visit, role string) string {
	kind := toll.KindMember
	if t.operators {
		kind = toll.KindOperator
	}
	return v.T("role." + string(kind) + "." + role)
}

// roles are those that the visitor may give here.
func (t team) roles(v *visit) (out []piece.Option) {
	names := []string{"developer", "admin", "billing", "viewer"}
	switch {
	case t.operators:
		names = []string{"support", "admin", "viewer"}
	case v.can(account.CreateOwner, t.customerID(v)):
		names = append(names, "owner")
	}
	for _, name := range names {
		out = append(out, piece.Option{Value: name, Label: t.roleName(v, name)})
	}
	return out
}

// changes tells whether to offer a change of somebody.
func (t team) changes(v *visit, who colleague) bool {
	if t.operators {
		return v.can(account.ChangeOperator, "")
	}
	return v.can(account.ChangeMember, t.customerID(v)) && (who.Role != string(toll.MemberOwner) || v.can(account.CreateOwner, t.customerID(v)))
}

func (t team) invites(v *visit) bool {
	if t.operators {
		return v.can(account.CreateOperator, "")
	}
	return v.can(account.CreateMember, t.customerID(v))
}

// teamView is the page of a team.
type teamView struct {
	team
	People  []colleague
	Invited []toll.Ticket
}

func (c *Console) team(v *visit) (*answer, error) {
	t, err := c.teamOf(v)
	if err != nil {
		return nil, err
	}
	ctx, view := v.r.Context(), teamView{team: t}
	if t.operators {
		all, err := c.o.Office.Operators(ctx, v.person)
		if err != nil {
			return nil, err
		}
		for _, o := range all {
			view.People = append(view.People, ofOperator(v, o))
		}
	} else {
		all, err := c.o.Office.Members(ctx, v.person, v.customerID())
		if err != nil {
			return nil, err
		}
		for _, m := range all {
			view.People = append(view.People, ofMember(v, m))
		}
	}
	if view.Invited, err = c.o.Office.Invitations(ctx, v.person, t.customerID(v)); err != nil {
		return nil, err
	}
	return &answer{title: t.title(v), menu: t.menu(), body: teamPage(v, view)}, nil
}

// inviteView is the form of an invitation.
type inviteView struct {
	team
	Email, Role string
	Errors      map[string]string
}

func inviteAnswer(v *visit, status int, view inviteView) *answer {
	return &answer{status: status, title: v.T("invite.title"), menu: view.menu(), body: invitePage(v, view)}
}

func (c *Console) inviteForm(v *visit) (*answer, error) {
	t, err := c.teamOf(v)
	if err != nil {
		return nil, err
	}
	return inviteAnswer(v, http.StatusOK, inviteView{team: t}), nil
}

func (c *Console) invite(v *visit) (*answer, error) {
	t, err := c.teamOf(v)
	if err != nil {
		return nil, err
	}
	view := inviteView{team: t, Email: v.r.PostForm.Get("email"), Role: v.r.PostForm.Get("role"), Errors: map[string]string{}}
	ticket, err := c.o.Office.Invite(v.r.Context(), v.person, account.Invitation{
		CustomerID: t.customerID(v), Email: view.Email, Role: view.Role, Language: v.words.Lang(),
	})
	if e := inputFault(err); e != nil {
		view.Errors[e.Field] = v.T("fault." + e.Field)
		if e.Code == toll.Conflict {
			view.Errors[e.Field] = v.T("invite.here")
		}
		return inviteAnswer(v, http.StatusUnprocessableEntity, view), nil
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: t.base, said: v.said("invited", ticket.Email)}, nil
}

// inputFault is an error about one field: what is wrong, or taken.
func inputFault(err error) *toll.Error {
	if e := invalidField(err); e != nil {
		return e
	}
	var e *toll.Error
	if errors.As(err, &e) && e.Code == toll.Conflict && e.Field != "" {
		return e
	}
	return nil
}

func (c *Console) resendInvitation(v *visit) (*answer, error) {
	return c.changeInvitation(v, "reinvited", c.o.Office.Reinvite)
}

func (c *Console) revokeInvitation(v *visit) (*answer, error) {
	return c.changeInvitation(v, "uninvited", c.o.Office.RevokeInvitation)
}

func (c *Console) changeInvitation(v *visit, done string, change func(context.Context, account.Person, string) (toll.Ticket, error)) (*answer, error) {
	t, err := c.teamOf(v)
	if err != nil {
		return nil, err
	}
	ticket, err := change(v.r.Context(), v.person, v.r.PathValue("invitation"))
	if err != nil {
		return nil, err
	}
	return &answer{to: t.base, said: v.said(done, ticket.Email)}, nil
}

// findColleague reads who the path names; whoever is of another team is not there.
func (c *Console) findColleague(v *visit) (team, colleague, error) {
	t, err := c.teamOf(v)
	if err != nil {
		return t, colleague{}, err
	}
	id := v.r.PathValue("person")
	if t.operators {
		o, err := c.o.Office.Operator(v.r.Context(), v.person, id)
		return t, ofOperator(v, o), err
	}
	m, err := c.o.Office.Member(v.r.Context(), v.person, id)
	if err == nil && m.CustomerID != v.customerID() {
		err = toll.Errorf(toll.NotFound, "There is no such person.")
	}
	return t, ofMember(v, m), err
}

func (c *Console) colleague(v *visit) (*answer, error) {
	t, who, err := c.findColleague(v)
	if err != nil {
		return nil, err
	}
	if !t.changes(v, who) {
		return nil, toll.Errorf(toll.Forbidden, "Only an owner may change an owner.")
	}
	return &answer{title: who.Name, menu: t.menu(), body: colleaguePage(v, t, who)}, nil
}

func (c *Console) setRole(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	role := v.r.PostForm.Get("role")
	return c.changePerson(v, "role", func(ctx context.Context, t team, who colleague) error {
		if t.operators {
			_, err := c.o.Office.SetOperatorRole(ctx, v.person, who.ID, toll.OperatorRole(role))
			return err
		}
		_, err := c.o.Office.SetMemberRole(ctx, v.person, who.ID, toll.MemberRole(role))
		return err
	})
}

func (c *Console) disablePerson(v *visit) (*answer, error) {
	return c.changePerson(v, "disabled", func(ctx context.Context, t team, who colleague) error {
		if t.operators {
			_, err := c.o.Office.DisableOperator(ctx, v.person, who.ID)
			return err
		}
		_, err := c.o.Office.DisableMember(ctx, v.person, who.ID)
		return err
	})
}

func (c *Console) enablePerson(v *visit) (*answer, error) {
	return c.changePerson(v, "enabled", func(ctx context.Context, t team, who colleague) error {
		if t.operators {
			_, err := c.o.Office.EnableOperator(ctx, v.person, who.ID)
			return err
		}
		_, err := c.o.Office.EnableMember(ctx, v.person, who.ID)
		return err
	})
}

func (c *Console) removePerson(v *visit) (*answer, error) {
	return c.changePerson(v, "removed", func(ctx context.Context, t team, who colleague) error {
		if t.operators {
			_, err := c.o.Office.RemoveOperator(ctx, v.person, who.ID)
			return err
		}
		_, err := c.o.Office.RemoveMember(ctx, v.person, who.ID)
		return err
	})
}

// changePerson changes who the path names and leads back to the team. Whoever
// is not allowed to see it any more, because it was themselves, goes home.
func (c *Console) changePerson(v *visit, done string, change func(context.Context, team, colleague) error) (*answer, error) {
	t, who, err := c.findColleague(v)
	if err != nil {
		return nil, err
	}
	if err := change(v.r.Context(), t, who); err != nil {
		return nil, err
	}
	to := &answer{to: t.base, said: v.said("person."+done, who.Name)}
	if who.You {
		to.to, to.leave = "/", true
	}
	return to, nil
}

func (c *Console) confirmRemove(v *visit) (*answer, error) {
	t, who, err := c.findColleague(v)
	if err != nil {
		return nil, err
	}
	return confirmAnswer(v, t.menu(), t.base, v.T("remove.title", who.Name), v.T("remove.text"),
		piece.Button{Kind: "danger", Label: v.T("remove.do"), Busy: v.T("remove.busy")}, false, nil), nil
}
