package account

import (
	"context"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Invitation asks somebody to become a member of a customer, or an operator.
type Invitation struct {
	CustomerID string // "": an operator
	Email      string
	Role       string // a toll.MemberRole, or a toll.OperatorRole
	Language   string // BCP 47, of the mail; "": the inviter's
}

// Invite sends an invitation by mail. Action: CreateMember, CreateOwner for an
// owner, CreateOperator for an operator. Invalid names the field: email or role.
// Conflict: the address is invited here already, or works here. Whether it has an
// account elsewhere is not to be learned: only who accepts is told.
func (o *Office) Invite(ctx context.Context, p Person, in Invitation) (toll.Ticket, error) {
	customer, err := o.mayInvite(ctx, p, in.CustomerID, in.Role)
	if err != nil {
		return toll.Ticket{}, err
	}
	email, err := CleanEmail(in.Email)
	if err != nil {
		return toll.Ticket{}, err
	}
	if err := o.notYetHere(ctx, in.CustomerID, email); err != nil {
		return toll.Ticket{}, err
	}
	if in.Language == "" {
		in.Language = p.Language
	}
	now := o.now()
	t, text, err := o.newTicket(toll.TicketInvitation, email, in.Language, now, invitationHolds)
	if err != nil {
		return toll.Ticket{}, err
	}
	t.CustomerID, t.Role, t.InvitedBy = in.CustomerID, in.Role, inviter(p)
	if err := o.store.IssueTicket(ctx, t, NewEntry(ctx, p, SentInvitation, t.CustomerID, t.ID, now, nil, ticketFacts(&t)), o.invitationMail(t, customer, text)); err != nil {
		return toll.Ticket{}, fmt.Errorf("invite somebody: %w", err)
	}
	o.mailed()
	return t, nil
}

// Invitations lists who is invited to a customer, or to be an operator for "",
// the oldest first. Action: ListMembers or ListOperators.
func (o *Office) Invitations(ctx context.Context, p Person, customerID string) ([]toll.Ticket, error) {
	if customerID == "" {
		if err := Can(p, ListOperators, ""); err != nil {
			return nil, err
		}
	} else if _, err := o.customer(ctx, p, ListMembers, customerID); err != nil {
		return nil, err
	}
	all, err := o.store.Invitations(ctx, customerID)
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return all, nil
}

// Reinvite sends an invitation again, with another link that holds from now on;
// the one before opens nothing any more. Actions are those of Invite. NotFound:
// it was accepted or revoked.
func (o *Office) Reinvite(ctx context.Context, p Person, id string) (toll.Ticket, error) {
	t, customer, err := o.invitation(ctx, p, id)
	if err != nil {
		return toll.Ticket{}, err
	}
	now := o.now()
	var text string
	if text, t.Hash, err = o.ticketText(); err != nil {
		return toll.Ticket{}, err
	}
	was := t
	t.ExpiresAt = now.Add(invitationHolds)
	mail := o.invitationMail(t, customer, text)
	mail.CreatedAt = now
	switch err := o.store.RenewTicket(ctx, t, NewEntry(ctx, p, RenewedInvitation, t.CustomerID, t.ID, now, ticketFacts(&was), ticketFacts(&t)), mail); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Ticket{}, errNoInvitation()
	case err != nil:
		return toll.Ticket{}, fmt.Errorf("send an invitation again: %w", err)
	}
	o.mailed()
	return t, nil
}

// RevokeInvitation makes an invitation's link worthless. Actions are those of
// Invite. NotFound: it was accepted or revoked already.
func (o *Office) RevokeInvitation(ctx context.Context, p Person, id string) (toll.Ticket, error) {
	t, _, err := o.invitation(ctx, p, id)
	if err != nil {
		return toll.Ticket{}, err
	}
	switch err := o.store.RevokeTicket(ctx, id, NewEntry(ctx, p, WithdrewInvitation, t.CustomerID, t.ID, o.now(), ticketFacts(&t), nil)); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Ticket{}, errNoInvitation()
	case err != nil:
		return toll.Ticket{}, fmt.Errorf("revoke an invitation: %w", err)
	}
	return t, nil
}

func errNoInvitation() error { return toll.Errorf(toll.NotFound, "There is no such invitation.") }

// invitation reads one that p may deal with. To everybody else it is not there.
func (o *Office) invitation(ctx context.Context, p Person, id string) (toll.Ticket, toll.Customer, error) {
	if p.Kind == "" {
		return toll.Ticket{}, toll.Customer{}, Can(p, CreateMember, "")
	}
	t, err := o.store.Ticket(ctx, id)
	if toll.CodeOf(err) == toll.NotFound || err == nil && t.Kind != toll.TicketInvitation {
		return toll.Ticket{}, toll.Customer{}, errNoInvitation()
	}
	if err != nil {
		return toll.Ticket{}, toll.Customer{}, fmt.Errorf("read invitation %s: %w", id, err)
	}
	if t.CustomerID == "" && p.IsMember() {
		return toll.Ticket{}, toll.Customer{}, errNoInvitation()
	}
	c, err := o.mayInvite(ctx, p, t.CustomerID, t.Role)
	if toll.CodeOf(err) == toll.NotFound {
		err = errNoInvitation()
	}
	return t, c, err
}

// mayInvite passes the gate for an invitation, and returns its customer.
func (o *Office) mayInvite(ctx context.Context, p Person, customerID, role string) (toll.Customer, error) {
	if customerID == "" {
		if err := Can(p, CreateOperator, ""); err != nil {
			return toll.Customer{}, err
		}
		return toll.Customer{}, checkOperatorRole(toll.OperatorRole(role))
	}
	action := CreateMember
	if toll.MemberRole(role) == toll.MemberOwner {
		action = CreateOwner
	}
	c, err := o.customer(ctx, p, action, customerID)
	if err != nil {
		return toll.Customer{}, err
	}
	return c, checkMemberRole(toll.MemberRole(role))
}

// notYetHere refuses whom the inviter sees in the list already.
func (o *Office) notYetHere(ctx context.Context, customerID, email string) error {
	here := &toll.Error{Code: toll.Conflict, Field: "email", Message: "This address is in the list already."}
	if customerID == "" {
		switch _, err := o.store.OperatorByEmail(ctx, email); {
		case err == nil:
			return here
		case toll.CodeOf(err) != toll.NotFound:
			return fmt.Errorf("look for an operator: %w", err)
		}
	} else {
		m, err := o.store.MemberByEmail(ctx, email)
		switch {
		case err == nil && m.CustomerID == customerID:
			return here
		case err != nil && toll.CodeOf(err) != toll.NotFound:
			return fmt.Errorf("look for a member: %w", err)
		}
	}
	all, err := o.store.Invitations(ctx, customerID)
	if err != nil {
		return fmt.Errorf("look for an invitation: %w", err)
	}
	if len(all) >= mostInvitations {
		return toll.Errorf(toll.Conflict, "There are %d invitations that nobody has accepted yet. Revoke some first.", len(all))
	}
	for _, t := range all {
		if t.Email == email {
			return here
		}
	}
	return nil
}

// mostInvitations of one customer may wait to be accepted: an account must not
// be a way to mail the world.
const mostInvitations = 50

func (o *Office) invitationMail(t toll.Ticket, c toll.Customer, text string) toll.Mail {
	values := map[string]string{"by": t.InvitedBy, "role": t.Role, "link": o.link(LinkPath, text), "days": days(invitationHolds)}
	kind := "operator_invitation"
	if t.CustomerID != "" {
		kind, values["customer"] = "invitation", c.Name
	}
	return o.mail(t.Email, t.Language, kind, t.CreatedAt, values)
}

func inviter(p Person) string {
	if p.Name != "" {
		return p.Name
	}
	return p.Email
}
