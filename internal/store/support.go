package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	threadColumns     = `id, customer_id, subject, state, opened_by, created_at, updated_at, messages, version`
	messageColumns    = `id, thread_id, author, author_id, author_name, body, created_at`
	attachmentColumns = `id, thread_id, message_id, name, media_type, size, sha256`
)

func scanThread(r row) (toll.Thread, error) {
	var t toll.Thread
	err := r.Scan(&t.ID, &t.CustomerID, &t.Subject, &t.State, &t.OpenedBy, (*stamp)(&t.CreatedAt), (*stamp)(&t.UpdatedAt), &t.Messages, &t.Version)
	return t, err
}

func scanMessage(r row) (toll.Message, error) {
	var m toll.Message
	err := r.Scan(&m.ID, &m.ThreadID, &m.Author, &m.AuthorID, &m.AuthorName, &m.Text, (*stamp)(&m.CreatedAt))
	return m, err
}

func scanAttachment(r row) (toll.Attachment, error) {
	var a toll.Attachment
	var sum []byte
	err := r.Scan(&a.ID, &a.ThreadID, &a.MessageID, &a.Name, &a.MediaType, &a.Size, &sum)
	if err == nil && copy(a.SHA256[:], sum) != len(a.SHA256) {
		err = fmt.Errorf("the hash of attachment %s has %d bytes", a.ID, len(sum))
	}
	return a, err
}

func threadFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This conversation does not exist.",
		exists:  "It exists already.",
		orphan:  "The conversation or its customer does not exist.",
		rule:    "A conversation needs a subject of 1 to 200 characters, and messages of 1 to 10,000.",
	}
}

// CreateThread adds a thread with its first message, and mails about it. NotFound: its customer
// does not exist. Invalid: it has mostOpen threads that are not closed. contents
// are those of the message's attachments, in their order; mostBytes is how much
// all attachments of a customer may have.
func (s *Store) CreateThread(ctx context.Context, t toll.Thread, first toll.Message, contents []io.ReaderAt, mostOpen int, mostBytes int64, e toll.Entry, mails ...toll.Mail) error {
	if err := refuseUnstorable(field{"id", t.ID}, field{"customer", t.CustomerID}, field{"subject", t.Subject}, field{"opened_by", t.OpenedBy}); err != nil {
		return err
	}
	if err := checkMessage(&first); err != nil {
		return err
	}
	f := threadFault("opening a conversation")
	return s.record(ctx, f, &e, func(tx transaction) error {
		if err := s.holdCustomerOf(ctx, tx, t.CustomerID, f); err != nil {
			return err
		}
		if err := s.refuseClosed(ctx, tx, t.CustomerID); err != nil {
			return err
		}
		var open int
		if err := tx.QueryRowContext(ctx, `select count(*) from support_thread where customer_id = $1 and state <> 'closed'`, t.CustomerID).Scan(&open); err != nil {
			return err
		}
		if open >= mostOpen {
			return toll.FieldError("subject", "There are %d conversations that are not closed. Close one, or go on in one of them.", open)
		}
		if _, err := tx.ExecContext(ctx, `insert into support_thread (`+threadColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
			t.ID, t.CustomerID, t.Subject, string(t.State), t.OpenedBy, stamp(t.CreatedAt), stamp(t.UpdatedAt), t.Messages, t.Version); err != nil {
			return err
		}
		if err := insertMessage(ctx, tx, t.CustomerID, &first, contents, mostBytes); err != nil {
			return err
		}
		return enqueueMail(ctx, tx, mails...)
	})
}

// AddMessage writes the thread whose Version is t.Version, and adds a message
// to it and mails about it: all or nothing. It returns the thread with its Version raised by one.
// Conflict: the Version is not the one that is stored. mostBytes is as in CreateThread.
func (s *Store) AddMessage(ctx context.Context, t toll.Thread, m toll.Message, contents []io.ReaderAt, mostBytes int64, e toll.Entry, mails ...toll.Mail) (toll.Thread, error) {
	if err := checkMessage(&m); err != nil {
		return toll.Thread{}, err
	}
	f := threadFault("answering a conversation")
	var changed toll.Thread
	err := s.record(ctx, f, &e, func(tx transaction) (err error) {
		if err := s.holdCustomerOf(ctx, tx, t.CustomerID, f); err != nil {
			return err
		}
		if changed, err = s.updateThread(ctx, tx, &t, f); err != nil {
			return err
		}
		if err := insertMessage(ctx, tx, t.CustomerID, &m, contents, mostBytes); err != nil {
			return err
		}
		return enqueueMail(ctx, tx, mails...)
	})
	return changed, err
}

// UpdateThread changes state, time of change and number of messages of the
// thread whose Version is t.Version, and returns it with its Version raised by
// one. Conflict: the Version is not the one that is stored.
func (s *Store) UpdateThread(ctx context.Context, t toll.Thread, e toll.Entry) (toll.Thread, error) {
	f := threadFault("changing a conversation")
	var changed toll.Thread
	err := s.record(ctx, f, &e, func(tx transaction) (err error) {
		changed, err = s.updateThread(ctx, tx, &t, f)
		return err
	})
	return changed, err
}

func (s *Store) updateThread(ctx context.Context, db execer, t *toll.Thread, f fault) (toll.Thread, error) {
	changed, err := scanThread(db.QueryRowContext(ctx, `update support_thread set state = $3, updated_at = $4, messages = $5, version = version + 1
		where id = $1 and version = $2 returning `+threadColumns, t.ID, t.Version, string(t.State), stamp(t.UpdatedAt), t.Messages))
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Thread{}, s.missingOrStale(ctx, db, "support_thread", t.ID, f)
	}
	return changed, err
}

func (s *Store) holdCustomerOf(ctx context.Context, tx transaction, customerID string, f fault) error {
	err := holdCustomer(ctx, tx, customerID)
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Errorf(toll.NotFound, "%s", f.orphan)
	}
	return err
}

func checkMessage(m *toll.Message) error {
	fields := []field{{"id", m.ID}, {"author", m.AuthorID}, {"name", m.AuthorName}, {"text", m.Text}}
	for i := range m.Attachments {
		fields = append(fields, field{"file", m.Attachments[i].Name}, field{"file", m.Attachments[i].MediaType})
	}
	return refuseUnstorable(fields...)
}

func insertMessage(ctx context.Context, tx transaction, customerID string, m *toll.Message, contents []io.ReaderAt, mostBytes int64) error {
	if _, err := tx.ExecContext(ctx, `insert into support_message (`+messageColumns+`) values ($1, $2, $3, $4, $5, $6, $7)`,
		m.ID, m.ThreadID, string(m.Author), m.AuthorID, m.AuthorName, m.Text, stamp(m.CreatedAt)); err != nil {
		return err
	}
	if len(m.Attachments) == 0 {
		return nil
	}
	var total int64
	if err := tx.QueryRowContext(ctx, `select cast(coalesce(sum(a.size), 0) as bigint) from support_attachment a join support_thread t on t.id = a.thread_id where t.customer_id = $1`, customerID).Scan(&total); err != nil {
		return err
	}
	for i := range m.Attachments {
		a := &m.Attachments[i]
		if total += a.Size; total > mostBytes {
			return toll.FieldError("file", "With these files all attachments of this customer would have more than %d bytes. Send them in another way.", mostBytes)
		}
		if _, err := tx.ExecContext(ctx, `insert into support_attachment (`+attachmentColumns+`, place) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			a.ID, m.ThreadID, m.ID, a.Name, a.MediaType, a.Size, a.SHA256[:], i); err != nil {
			return err
		}
		if err := insertParts(ctx, tx, "support_part", a.ID, contents[i], a.Size); err != nil {
			return err
		}
	}
	return nil
}

// Thread returns a thread. NotFound: there is none with this ID.
func (s *Store) Thread(ctx context.Context, id string) (toll.Thread, error) {
	f := threadFault("reading a conversation")
	if !storable(id) {
		return toll.Thread{}, s.fail(sql.ErrNoRows, f)
	}
	t, err := scanThread(s.reader.QueryRowContext(ctx, `select `+threadColumns+` from support_thread where id = $1`, id))
	return t, s.fail(err, f)
}

// Threads returns a page of threads, the one that changed last first.
func (s *Store) Threads(ctx context.Context, q toll.ThreadQuery) ([]toll.Thread, error) {
	if !storable(q.Customer) {
		return nil, nil
	}
	var c conditions
	if q.Customer != "" {
		c.add(`customer_id = ` + c.arg(q.Customer))
	}
	if q.State != "" {
		c.add(`state = ` + c.arg(string(q.State)))
	}
	if !q.Before.IsZero() {
		c.add(`updated_at < ` + c.arg(stamp(q.Before)))
	}
	where := c.where()
	threads, err := collect(ctx, s.reader, scanThread, `select `+threadColumns+` from support_thread`+where+` order by updated_at desc, id desc limit `+c.arg(q.Limit), c.args...)
	return threads, s.fail(err, threadFault("listing conversations"))
}

// Messages returns the messages of a thread with their attachments, the oldest first.
func (s *Store) Messages(ctx context.Context, threadID string) ([]toll.Message, error) {
	if !storable(threadID) {
		return nil, nil
	}
	f := threadFault("reading a conversation")
	messages, err := collect(ctx, s.reader, scanMessage, `select `+messageColumns+` from support_message where thread_id = $1 order by created_at, id`, threadID)
	if err != nil {
		return nil, s.fail(err, f)
	}
	attachments, err := collect(ctx, s.reader, scanAttachment, `select `+attachmentColumns+` from support_attachment where thread_id = $1 order by message_id, place`, threadID)
	if err != nil {
		return nil, s.fail(err, f)
	}
	for i := range messages {
		for _, a := range attachments {
			if a.MessageID == messages[i].ID {
				messages[i].Attachments = append(messages[i].Attachments, a)
			}
		}
	}
	return messages, nil
}

// Attachment returns an attachment. NotFound: there is none with this ID.
func (s *Store) Attachment(ctx context.Context, id string) (toll.Attachment, error) {
	f := fault{doing: "reading an attachment", missing: "This file does not exist."}
	if !storable(id) {
		return toll.Attachment{}, s.fail(sql.ErrNoRows, f)
	}
	a, err := scanAttachment(s.reader.QueryRowContext(ctx, `select `+attachmentColumns+` from support_attachment where id = $1`, id))
	return a, s.fail(err, f)
}

// ReadAttachment writes the content of an attachment to w.
func (s *Store) ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error {
	return s.readParts(ctx, "support_part", a.ID, a.Size, w, fault{doing: "reading an attachment", missing: "This file does not exist."})
}
