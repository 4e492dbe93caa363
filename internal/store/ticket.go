package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const ticketColumns = `id, kind, hash, email, person_id, customer_id, role, language, invited_by, created_at, expires_at`

// ticketsKept is how long tickets that nobody used are still there after their
// end: so that an invitation can be sent again.
const ticketsKept = 30 * 24 * time.Hour

func scanTicket(r row) (toll.Ticket, error) {
	var t toll.Ticket
	var hash []byte
	var person, customer sql.NullString
	err := r.Scan(&t.ID, &t.Kind, &hash, &t.Email, &person, &customer, &t.Role, &t.Language, &t.InvitedBy, (*stamp)(&t.CreatedAt), (*stamp)(&t.ExpiresAt))
	t.PersonID, t.CustomerID = person.String, customer.String
	if err == nil && copy(t.Hash[:], hash) != len(t.Hash) {
		err = fmt.Errorf("the hash of ticket %s has %d bytes", t.ID, len(hash))
	}
	return t, err
}

func ticketFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This link does not work: it was used already, was withdrawn, or is too old.",
		exists:  "A ticket with this ID or text exists already.",
		orphan:  "The person or customer does not exist.",
	}
}

// orNull is NULL for "".
func orNull(id string) sql.NullString { return sql.NullString{String: id, Valid: id != ""} }

func insertTicket(ctx context.Context, tx execer, t *toll.Ticket) error {
	if err := refuseUnstorable(field{"id", t.ID}, field{"email", t.Email}, field{"person", t.PersonID}, field{"customer", t.CustomerID},
		field{"role", t.Role}, field{"language", t.Language}, field{"name", t.InvitedBy}); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `delete from ticket where expires_at < $1`, stamp(t.CreatedAt.Add(-ticketsKept))); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `insert into ticket (`+ticketColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		t.ID, string(t.Kind), t.Hash[:], address(t.Email), orNull(t.PersonID), orNull(t.CustomerID), t.Role, t.Language, t.InvitedBy, stamp(t.CreatedAt), stamp(t.ExpiresAt))
	return err
}

// IssueTicket writes a ticket and the mails that bring it, in one transaction.
// Conflict: the ID or the hash is taken. NotFound: its person or customer does
// not exist.
func (s *Store) IssueTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error {
	return s.record(ctx, ticketFault("issuing a ticket"), &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, t.CustomerID); err != nil {
			return err
		}
		if err := insertTicket(ctx, tx, &t); err != nil {
			return err
		}
		return enqueueMail(ctx, tx, mails...)
	})
}

// AnswerMail takes a question out of the outbox and writes what answers it, in
// one transaction. NotFound: somebody else has claimed the question since.
func (s *Store) AnswerMail(ctx context.Context, ask toll.MailClaim, tickets []toll.Ticket, mails []toll.Mail) error {
	return s.write(ctx, mailFault("answering a question in the outbox"), func(tx transaction) error {
		if err := change(ctx, tx, `delete from mail where id = $1 and tries = $2 and status = 'waiting'`, ask.ID, ask.Try); err != nil {
			return err
		}
		for i := range tickets {
			if err := insertTicket(ctx, tx, &tickets[i]); err != nil {
				return err
			}
		}
		return enqueueMail(ctx, tx, mails...)
	})
}

// RenewTicket gives a ticket another text, language and end: the text that it had
// opens nothing any more. NotFound: it was used or revoked meanwhile.
func (s *Store) RenewTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error {
	return s.record(ctx, ticketFault("renewing a ticket"), &e, func(tx transaction) error {
		if err := change(ctx, tx, `update ticket set hash = $2, language = $3, expires_at = $4 where id = $1`, t.ID, t.Hash[:], t.Language, stamp(t.ExpiresAt)); err != nil {
			return err
		}
		return enqueueMail(ctx, tx, mails...)
	})
}

// Ticket returns a ticket, also one that has ended. NotFound: there is none with
// this ID.
func (s *Store) Ticket(ctx context.Context, id string) (toll.Ticket, error) {
	f := ticketFault("reading a ticket")
	if !storable(id) {
		return toll.Ticket{}, s.fail(sql.ErrNoRows, f)
	}
	t, err := scanTicket(s.reader.QueryRowContext(ctx, `select `+ticketColumns+` from ticket where id = $1`, id))
	return t, s.fail(err, f)
}

// TicketByHash returns the ticket whose text has this SHA-256, also one that has
// ended. NotFound: there is none.
func (s *Store) TicketByHash(ctx context.Context, hash [32]byte) (toll.Ticket, error) {
	t, err := scanTicket(s.reader.QueryRowContext(ctx, `select `+ticketColumns+` from ticket where hash = $1`, hash[:]))
	return t, s.fail(err, ticketFault("looking a ticket up"))
}

// Invitations returns the invitations of a customer, or those of operators for
// "", the oldest first, also those that have ended.
func (s *Store) Invitations(ctx context.Context, customerID string) ([]toll.Ticket, error) {
	if !storable(customerID) {
		return nil, nil
	}
	query, args := `select `+ticketColumns+` from ticket where kind = 'invitation' and customer_id is null`, []any(nil)
	if customerID != "" {
		query, args = `select `+ticketColumns+` from ticket where kind = 'invitation' and customer_id = $1`, []any{customerID}
	}
	all, err := collect(ctx, s.reader, scanTicket, query+` order by created_at, id`, args...)
	return all, s.fail(err, ticketFault("listing invitations"))
}

// RevokeTicket removes a ticket. NotFound: it was used or revoked already.
func (s *Store) RevokeTicket(ctx context.Context, id string, e toll.Entry) error {
	f := ticketFault("revoking a ticket")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error { return change(ctx, tx, `delete from ticket where id = $1`, id) })
}

// UseTicket takes a ticket and does what it gives the right to, in one
// transaction: of many who try at once, one succeeds. NotFound: it was used,
// renewed or revoked meanwhile. Conflict: the e-mail address is in use by now;
// then the ticket stays.
func (s *Store) UseTicket(ctx context.Context, t toll.Ticket, use toll.TicketUse, e toll.Entry) error {
	f := ticketFault("using a ticket")
	f.exists, f.field = "Somebody with this e-mail address exists already.", "email"
	return s.record(ctx, f, &e, func(tx transaction) error {
		if err := change(ctx, tx, `delete from ticket where id = $1 and hash = $2`, t.ID, t.Hash[:]); err != nil {
			return err
		}
		if c := use.Customer; c != nil {
			if err := checkCustomer(c); err != nil {
				return err
			}
			if err := insertCustomer(ctx, tx, c); err != nil {
				return err
			}
		}
		if m := use.Member; m != nil {
			if err := checkMember(m); err != nil {
				return err
			}
			if err := insertMember(ctx, tx, m); err != nil {
				return err
			}
		}
		if o := use.Operator; o != nil {
			if err := checkOperator(o); err != nil {
				return err
			}
			if err := insertOperator(ctx, tx, o); err != nil {
				return err
			}
		}
		if use.Member != nil || use.Operator != nil { // other links to the same address are of no use any more
			if _, err := tx.ExecContext(ctx, `delete from ticket where email = $1 and kind in ('sign_up', 'invitation')`, address(t.Email)); err != nil {
				return err
			}
		}
		if r := use.Reset; r != nil {
			if err := resetPassword(ctx, tx, r); err != nil {
				return err
			}
		}
		return enqueueMail(ctx, tx, use.Mails...)
	})
}

// resetPassword sets a password, ends the person's sessions and takes all other
// links that could set one.
func resetPassword(ctx context.Context, tx execer, r *toll.PasswordReset) error {
	if err := refuseUnstorable(field{"password_hash", r.Hash.Reveal()}); err != nil {
		return err
	}
	if err := change(ctx, tx, `update person set password_hash = $3 where id = $1 and kind = $2`, r.PersonID, string(r.Kind), r.Hash.Reveal()); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, `delete from ticket where person_id = $1 and kind = 'reset'`, r.PersonID); err != nil {
		return err
	}
	return endSessions(ctx, tx, r.PersonID, r.At)
}

func endSessions(ctx context.Context, tx execer, personID string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `update session set revoked_at = $2 where person_id = $1 and revoked_at is null`, personID, instant(at))
	return err
}
