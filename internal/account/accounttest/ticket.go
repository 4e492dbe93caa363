package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// TakeMails returns what was written into the outbox since it was last asked.
func (s *Store) TakeMails() []toll.Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.mails
	s.mails = nil
	return out
}

// EnqueueMail implements account.Outbox.
func (s *Store) EnqueueMail(ctx context.Context, mails ...toll.Mail) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	s.mails = append(s.mails, mails...)
	return nil
}

// AnswerMail implements account.Outbox. Every question is taken to be claimed.
func (s *Store) AnswerMail(ctx context.Context, _ toll.MailClaim, tickets []toll.Ticket, mails []toll.Mail) error {
	for _, t := range tickets {
		if err := s.issueTicket(ctx, t); err != nil {
			return err
		}
	}
	return s.EnqueueMail(ctx, mails...)
}

// Mail implements account.Outbox: every mail is kept.
func (s *Store) Mail(ctx context.Context, id string) (toll.PostedMail, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.PostedMail{}, err
	}
	defer leave()
	for _, m := range s.mails {
		if m.ID == id {
			return toll.PostedMail{Mail: m, Status: toll.MailKept, Tries: 1, DoneAt: m.CreatedAt}, nil
		}
	}
	return toll.PostedMail{}, missing("mail")
}

// Mails implements account.Outbox: one page has them all.
func (s *Store) Mails(ctx context.Context, _ toll.MailQuery) (toll.MailPage, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.MailPage{}, err
	}
	defer leave()
	var page toll.MailPage
	for _, m := range slices.Backward(s.mails) {
		page.Mails = append(page.Mails, toll.PostedMail{Mail: m, Status: toll.MailKept, Tries: 1, DoneAt: m.CreatedAt})
	}
	return page, nil
}

func copyTicket(t toll.Ticket) toll.Ticket {
	t.CreatedAt, t.ExpiresAt = micro(t.CreatedAt), micro(t.ExpiresAt)
	return t
}

// IssueTicket implements account.TicketStore.
func (s *Store) IssueTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error {
	return s.withinFor(ctx, &e, func() error { return s.putTicket(t, mails...) })
}

func (s *Store) issueTicket(ctx context.Context, t toll.Ticket) error {
	return s.within(ctx, func() error { return s.putTicket(t) })
}

func (s *Store) putTicket(t toll.Ticket, mails ...toll.Mail) error {
	if err := s.refuseClosed(t.CustomerID); err != nil {
		return err
	}
	_, member := s.members[t.PersonID]
	_, operator := s.operators[t.PersonID]
	if _, ok := s.customers[t.CustomerID]; t.CustomerID != "" && !ok || t.PersonID != "" && !member && !operator {
		return missing("person or customer")
	}
	for _, other := range s.tickets {
		if other.ID == t.ID || other.Hash == t.Hash {
			return taken("ticket")
		}
	}
	s.tickets[t.ID] = copyTicket(t)
	s.mails = append(s.mails, mails...)
	return nil
}

// RenewTicket implements account.TicketStore.
func (s *Store) RenewTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	row, ok := s.tickets[t.ID]
	if !ok {
		return missing("ticket")
	}
	row.Hash, row.Language, row.ExpiresAt = t.Hash, t.Language, micro(t.ExpiresAt)
	s.tickets[t.ID] = row
	s.mails = append(s.mails, mails...)
	s.record(e)
	return nil
}

// Ticket implements account.TicketStore.
func (s *Store) Ticket(ctx context.Context, id string) (toll.Ticket, error) {
	return read(ctx, s, s.tickets, "ticket", id, same)
}

// TicketByHash implements account.TicketStore.
func (s *Store) TicketByHash(ctx context.Context, hash [32]byte) (toll.Ticket, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.Ticket{}, err
	}
	defer leave()
	for _, t := range s.tickets {
		if t.Hash == hash {
			return t, nil
		}
	}
	return toll.Ticket{}, missing("ticket")
}

// Invitations implements account.TicketStore.
func (s *Store) Invitations(ctx context.Context, customerID string) ([]toll.Ticket, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.Ticket
	for _, t := range s.tickets {
		if t.Kind == toll.TicketInvitation && t.CustomerID == customerID {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b toll.Ticket) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// RevokeTicket implements account.TicketStore.
func (s *Store) RevokeTicket(ctx context.Context, id string, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.tickets[id]; !ok {
		return missing("ticket")
	}
	delete(s.tickets, id)
	s.record(e)
	return nil
}

// UseTicket implements account.TicketStore.
func (s *Store) UseTicket(ctx context.Context, t toll.Ticket, use toll.TicketUse, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if row, ok := s.tickets[t.ID]; !ok || row.Hash != t.Hash {
		return missing("ticket")
	}
	joins := use.Member != nil || use.Operator != nil
	if use.Member != nil && s.emailTaken(use.Member.Email) || use.Operator != nil && s.emailTaken(use.Operator.Email) {
		return taken("person")
	}
	if m := use.Member; m != nil && use.Customer == nil {
		if _, ok := s.customers[m.CustomerID]; !ok {
			return missing("customer")
		}
	}
	if c := use.Customer; c != nil {
		s.customers[c.ID] = copyCustomer(*c)
	}
	if m := use.Member; m != nil {
		row := *m
		row.CreatedAt = micro(row.CreatedAt)
		s.members[m.ID] = row
	}
	if o := use.Operator; o != nil {
		row := *o
		row.CreatedAt = micro(row.CreatedAt)
		s.operators[o.ID] = row
	}
	if r := use.Reset; r != nil {
		m, isMember := s.members[r.PersonID]
		o, isOperator := s.operators[r.PersonID]
		switch {
		case isMember && r.Kind == toll.KindMember:
			m.PasswordHash = r.Hash
			s.members[m.ID] = m
		case isOperator && r.Kind == toll.KindOperator:
			o.PasswordHash = r.Hash
			s.operators[o.ID] = o
		default:
			return missing("person")
		}
		s.endSessions(r.PersonID, r.At)
	}
	for id, other := range s.tickets {
		switch {
		case id == t.ID,
			joins && other.Email == t.Email && other.Kind != toll.TicketReset,
			use.Reset != nil && other.PersonID == use.Reset.PersonID && other.Kind == toll.TicketReset:
			delete(s.tickets, id)
		}
	}
	s.mails = append(s.mails, use.Mails...)
	s.record(e)
	return nil
}
