package account

import (
	"context"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// NewAccount is what somebody says who signs up or accepts an invitation.
type NewAccount struct {
	Organisation string // the customer's name, where one is made
	Name         string // the person's
	Password     toll.Secret
	Language     string // BCP 47; "": that of the mail
}

// SignUp makes a customer, and its owner out of whoever has the link of a
// sign-up: the link proves the address. Invalid names the field: organisation,
// name, password. NotFound: the link does not hold. Conflict: the address has an
// account by now. Forbidden: nobody signs up by themselves any more.
func (o *Office) SignUp(ctx context.Context, text string, in NewAccount) (toll.Member, error) {
	t, err := o.ticketFor(ctx, text, toll.TicketSignUp)
	if err != nil {
		return toll.Member{}, err
	}
	plan := o.signUp()
	if plan == "" {
		return toll.Member{}, toll.Errorf(toll.Forbidden, "Nobody can sign up here by themselves any more.")
	}
	version, err := findPlan(o.plans, plan)
	if err != nil {
		return toll.Member{}, fmt.Errorf("sign somebody up to the plan %s: %w", plan, err)
	}
	organisation, err := cleanName("organisation", in.Organisation, maxName)
	if err != nil {
		return toll.Member{}, err
	}
	who, err := o.newcomer(ctx, t, in)
	if err != nil {
		return toll.Member{}, err
	}
	now := o.now()
	c := toll.Customer{
		ID: o.ids.NewID("cus", now), Name: organisation, Status: toll.CustomerActive, CreatedAt: now, Version: 1,
		Subscription: toll.Subscription{Plan: plan, PlanVersion: version, Since: now},
	}
	m := toll.Member{
		ID: o.ids.NewID("mem", now), CustomerID: c.ID, Email: t.Email, Name: who.name, Role: toll.MemberOwner,
		PasswordHash: who.hash, Language: who.language, CreatedAt: now,
	}
	made := customerFacts(&c)
	made["owner"] = m.ID
	e := NewEntry(ctx, memberPerson(m, ""), CreateCustomer, c.ID, c.ID, now, nil, made)
	if err := o.use(ctx, t, toll.TicketUse{Customer: &c, Member: &m}, e); err != nil {
		return toll.Member{}, err
	}
	o.changed.CustomerChanged(c)
	m.PasswordHash = ""
	return m, nil
}

// Accept makes a member or an operator of whoever has the link of an invitation,
// with the role that it says. It returns the person's e-mail address. Errors are
// those of SignUp.
func (o *Office) Accept(ctx context.Context, text string, in NewAccount) (email string, err error) {
	t, err := o.ticketFor(ctx, text, toll.TicketInvitation)
	if err != nil {
		return "", err
	}
	who, err := o.newcomer(ctx, t, in)
	if err != nil {
		return "", err
	}
	now := o.now()
	var use toll.TicketUse
	var e toll.Entry
	if t.CustomerID != "" {
		use.Member = &toll.Member{
			ID: o.ids.NewID("mem", now), CustomerID: t.CustomerID, Email: t.Email, Name: who.name, Role: toll.MemberRole(t.Role),
			PasswordHash: who.hash, Language: who.language, CreatedAt: now,
		}
		e = NewEntry(ctx, memberPerson(*use.Member, ""), CreateMember, t.CustomerID, use.Member.ID, now, nil, Facts{"role": t.Role, "invitation": t.ID})
	} else {
		use.Operator = &toll.Operator{
			ID: o.ids.NewID("op", now), Email: t.Email, Name: who.name, Role: toll.OperatorRole(t.Role),
			PasswordHash: who.hash, Language: who.language, CreatedAt: now,
		}
		e = NewEntry(ctx, operatorPerson(*use.Operator, ""), CreateOperator, "", use.Operator.ID, now, nil, Facts{"role": t.Role, "invitation": t.ID})
	}
	return t.Email, o.use(ctx, t, use, e)
}

// Reset gives whoever has the link of a reset a new password, ends all of their
// sessions and tells them by mail. Invalid: the password. NotFound: the link
// does not hold.
func (o *Office) Reset(ctx context.Context, text string, password toll.Secret) error {
	t, err := o.ticketFor(ctx, text, toll.TicketReset)
	if err != nil {
		return err
	}
	p, _, err := personByEmail(ctx, o.store, t.Email)
	if err != nil {
		return err
	}
	if p.ID != t.PersonID || p.Disabled { // another address by now, or not allowed in any more
		return errTicket
	}
	hash, err := o.newPassword(ctx, password, p.Email, p.Name)
	if err != nil {
		return err
	}
	now := o.now()
	err = o.use(ctx, t, toll.TicketUse{
		Reset: &toll.PasswordReset{Kind: p.Kind, PersonID: p.ID, Hash: hash, At: now},
		Mails: []toll.Mail{o.mail(p.Email, languageOf(p, t), "password", now, map[string]string{"link": o.link("sign-in", "")})},
	}, NewEntry(ctx, p, ChangedPassword, p.CustomerID, p.ID, now, nil, Facts{"reset": t.ID}))
	if err == nil {
		o.personChanged(p.ID)
	}
	return err
}

func languageOf(p Person, t toll.Ticket) string {
	if p.Language != "" {
		return p.Language
	}
	return t.Language
}

func (o *Office) ticketFor(ctx context.Context, text string, kind toll.TicketKind) (toll.Ticket, error) {
	t, err := o.OpenTicket(ctx, text)
	if err == nil && t.Kind != kind {
		return toll.Ticket{}, errTicket
	}
	return t, err
}

// newcomer checks what somebody says of themselves, and hashes their password
// last: it is the work.
func (o *Office) newcomer(ctx context.Context, t toll.Ticket, in NewAccount) (typed, error) {
	if in.Language == "" {
		in.Language = t.Language
	}
	who, err := o.newPerson(ctx, t.Email, in.Name, in.Language, "")
	if err != nil {
		return typed{}, err
	}
	who.hash, err = o.newPassword(ctx, in.Password, who.email, who.name, in.Organisation)
	return who, err
}
