package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The outbox. Whatever writes a mail does it in the transaction that makes what
// the mail tells of:
//
//	s.write(ctx, f, func(tx transaction) error {
//		… the change …
//		return enqueueMail(ctx, tx, mails...)
//	})
//
// A sender claims what is due, which is a lease: until it is over nobody else
// gets the mail, and what a sender says after somebody else has claimed it again
// is refused. So each mail is sent once as long as senders live, and once more at
// most for each that dies between the server's yes and MailSent.

const (
	mailColumns  = `id, recipient, language, kind, content, created_at`
	postedFields = mailColumns + `, status, tries, next_try_at, done_at, last_error`
	maxMailError = 500 // bytes
)

func scanMail(r row, more ...any) (toll.Mail, error) {
	var m toll.Mail
	err := r.Scan(append([]any{&m.ID, &m.To, &m.Language, &m.Kind, (*dictionary)(&m.Values), (*stamp)(&m.CreatedAt)}, more...)...)
	return m, err
}

func scanPosted(r row) (p toll.PostedMail, err error) {
	p.Mail, err = scanMail(r, &p.Status, &p.Tries, (*instant)(&p.NextTryAt), (*instant)(&p.DoneAt), &p.LastError)
	return p, err
}

func scanClaim(r row) (c toll.MailClaim, err error) {
	c.Mail, err = scanMail(r, &c.Try)
	return c, err
}

func mailFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This mail is not waiting to be sent by you.",
		exists:  "A mail with this ID exists already.",
		rule:    "A mail needs a recipient and a kind.",
	}
}

// enqueueMail writes mails into the outbox as part of a transaction. They are
// due at once. An address or a kind that could break out of its line is refused
// with Invalid, and so the transaction is.
func enqueueMail(ctx context.Context, tx execer, mails ...toll.Mail) error {
	for i := range mails {
		m := &mails[i]
		if strings.ContainsFunc(m.To+m.Kind+m.Language+m.ID, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return toll.FieldError("email", "The address, language or kind of a mail holds a control character.")
		}
		if err := refuseUnstorable(field{"id", m.ID}, field{"email", m.To}, field{"language", m.Language}, field{"kind", m.Kind}); err != nil {
			return err
		}
		for name, value := range m.Values {
			if err := refuseUnstorable(field{name, name}, field{name, value}); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `insert into mail (`+mailColumns+`, status, next_try_at, tries, last_error)
			values ($1, $2, $3, $4, $5, $6, 'waiting', $6, 0, '')`,
			m.ID, m.To, m.Language, m.Kind, dictionary(m.Values), stamp(m.CreatedAt)); err != nil {
			return fmt.Errorf("writing a mail into the outbox: %w", err)
		}
	}
	return nil
}

// EnqueueMail writes mails into the outbox that belong to no other change: all
// of them or none. Conflict: an ID is taken.
func (s *Store) EnqueueMail(ctx context.Context, mails ...toll.Mail) error {
	return s.write(ctx, mailFault("writing a mail"), func(tx transaction) error { return enqueueMail(ctx, tx, mails...) })
}

// ClaimMail takes up to limit mails that are due, those first that wait for the
// longest time. Until the lease is over nobody else gets them; then whoever asks.
func (s *Store) ClaimMail(ctx context.Context, now time.Time, lease time.Duration, limit int) ([]toll.MailClaim, error) {
	var claims []toll.MailClaim
	err := s.write(ctx, mailFault("claiming mail"), func(tx transaction) (err error) {
		// The outer condition is asked again after waiting for who claims at the same time.
		claims, err = collect(ctx, tx, scanClaim, `update mail set next_try_at = $2, tries = tries + 1
			where next_try_at <= $1 and id in (select id from mail where next_try_at <= $1 order by next_try_at, id limit $3)
			returning `+mailColumns+`, tries`, instant(now), instant(now.Add(lease)), limit)
		return err
	})
	return claims, err
}

// MailSent says that a server has taken a mail; its values are forgotten.
// NotFound: somebody else has claimed it since, or it is done already.
func (s *Store) MailSent(ctx context.Context, c toll.MailClaim, at time.Time) error {
	return s.endMail(ctx, c, toll.MailSent, at, "")
}

// MailKept says that there is no server to send a mail through. Its values
// stay, for operators to read. Errors are those of MailSent.
func (s *Store) MailKept(ctx context.Context, c toll.MailClaim, at time.Time) error {
	return s.endMail(ctx, c, toll.MailKept, at, "")
}

// MailFailed says why a try failed, and when the next one is due; a zero next
// gives the mail up, and its values are forgotten. Errors are those of MailSent.
func (s *Store) MailFailed(ctx context.Context, c toll.MailClaim, at, next time.Time, reason string) error {
	if next.IsZero() {
		return s.endMail(ctx, c, toll.MailFailed, at, reason)
	}
	return s.fail(change(ctx, s.writer, `update mail set next_try_at = $3, last_error = $4 where id = $1 and tries = $2 and status = 'waiting'`,
		c.ID, c.Try, instant(next), cutMailError(reason)), mailFault("putting a mail off"))
}

func (s *Store) endMail(ctx context.Context, c toll.MailClaim, status toll.MailStatus, at time.Time, reason string) error {
	return s.fail(change(ctx, s.writer, `update mail set status = $3, next_try_at = null, done_at = $4, last_error = $5,
		content = case when $3 = 'kept' then content else '{}' end where id = $1 and tries = $2 and status = 'waiting'`,
		c.ID, c.Try, string(status), instant(at), cutMailError(reason)), mailFault("ending a mail"))
}

func cutMailError(reason string) string {
	reason = mend(reason)
	if len(reason) > maxMailError {
		reason = strings.ToValidUTF8(reason[:maxMailError], "")
	}
	return reason
}

// RetryMail makes a mail that failed due now: one that waits loses the rest of
// its pause. NotFound: there is none, or it is done; one that was given up has
// lost its values and cannot be sent any more.
func (s *Store) RetryMail(ctx context.Context, id string, now time.Time, e toll.Entry) error {
	if !storable(id) {
		return s.fail(sql.ErrNoRows, mailFault("trying a mail again"))
	}
	return s.record(ctx, mailFault("trying a mail again"), &e, func(tx transaction) error {
		return change(ctx, tx, `update mail set next_try_at = $2 where id = $1 and status = 'waiting'`, id, instant(now))
	})
}

// Mail returns a mail of the outbox. NotFound: there is none with this ID.
func (s *Store) Mail(ctx context.Context, id string) (toll.PostedMail, error) {
	f := fault{doing: "reading a mail", missing: "This mail does not exist."}
	if !storable(id) {
		return toll.PostedMail{}, s.fail(sql.ErrNoRows, f)
	}
	m, err := scanPosted(s.reader.QueryRowContext(ctx, `select `+postedFields+` from mail where id = $1`, id))
	return m, s.fail(err, f)
}

// Mails lists a page of the outbox, the newest first. Invalid: the cursor is
// none, or the limit is out of its range.
func (s *Store) Mails(ctx context.Context, q toll.MailQuery) (toll.MailPage, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 50
	}
	if limit < 1 || limit > 500 {
		return toll.MailPage{}, toll.FieldError("limit", "A page has 1 to 500 mails.")
	}
	var c conditions
	if q.Status != "" {
		c.add(`status = ` + c.arg(string(q.Status)))
	}
	if q.Before != "" {
		micros, id, ok := strings.Cut(q.Before, ".")
		at, err := strconv.ParseInt(micros, 10, 64)
		if !ok || err != nil || !storable(id) {
			return toll.MailPage{}, toll.FieldError("before", "This is no place in the list of mails.")
		}
		c.add(`(created_at, id) < (` + c.arg(at) + `, ` + c.arg(id) + `)`)
	}
	mails, err := collect(ctx, s.reader, scanPosted, `select `+postedFields+` from mail`+c.where()+
		` order by created_at desc, id desc limit `+strconv.Itoa(limit+1), c.args...)
	if err != nil {
		return toll.MailPage{}, s.fail(err, mailFault("listing mails"))
	}
	page := toll.MailPage{Mails: mails}
	if len(mails) > limit {
		last := mails[limit-1]
		page.Mails, page.Next = mails[:limit], strconv.FormatInt(last.CreatedAt.UnixMicro(), 10)+"."+last.ID
	}
	return page, nil
}

// MailQueue counts what waits and what was given up.
func (s *Store) MailQueue(ctx context.Context) (toll.MailQueue, error) {
	var q toll.MailQueue
	err := s.reader.QueryRowContext(ctx, `select (select count(*) from mail where next_try_at is not null),
		(select count(*) from mail where status = 'failed'), (select min(created_at) from mail where next_try_at is not null)`).
		Scan(&q.Waiting, &q.Failed, (*instant)(&q.Oldest))
	return q, s.fail(err, mailFault("counting mails"))
}

// ForgetMail removes what was done with before a moment, and returns how much.
// What waits stays.
func (s *Store) ForgetMail(ctx context.Context, before time.Time) (int64, error) {
	result, err := s.writer.ExecContext(ctx, `delete from mail where status <> 'waiting' and created_at < $1 and done_at < $1`, stamp(before))
	if err != nil {
		return 0, s.fail(err, mailFault("forgetting mails"))
	}
	n, err := result.RowsAffected()
	return n, s.fail(err, mailFault("forgetting mails"))
}
