package account

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// SupportStore keeps support threads. Errors are as in Store.
type SupportStore interface {
	Customer(ctx context.Context, id string) (toll.Customer, error)
	// CreateThread adds a thread with its first message and the contents of its
	// attachments, in their order. It refuses (Invalid, field subject) more threads that are not closed
	// than mostOpen, and (field file) more bytes of attachments of the customer than mostBytes.
	CreateThread(ctx context.Context, t toll.Thread, first toll.Message, contents []io.ReaderAt, mostOpen int, mostBytes int64, e toll.Entry, mails ...toll.Mail) error
	// AddMessage writes the thread whose Version is t.Version and adds a message,
	// and mails about it: all or nothing. So does CreateThread.
	AddMessage(ctx context.Context, t toll.Thread, m toll.Message, contents []io.ReaderAt, mostBytes int64, e toll.Entry, mails ...toll.Mail) (toll.Thread, error)
	UpdateThread(ctx context.Context, t toll.Thread, e toll.Entry) (toll.Thread, error)
	Thread(ctx context.Context, id string) (toll.Thread, error)
	// Threads lists a page, the thread that changed last first.
	Threads(ctx context.Context, q toll.ThreadQuery) ([]toll.Thread, error)
	// Messages lists a thread's messages with their attachments, the oldest first.
	Messages(ctx context.Context, threadID string) ([]toll.Message, error)
	Attachment(ctx context.Context, id string) (toll.Attachment, error)
	ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error
	Member(ctx context.Context, id string) (toll.Member, error)
	Operators(ctx context.Context) ([]toll.Operator, error)
}

// What support takes.
const (
	MaxAttachment       = 5_000_000   // bytes of a file
	MaxAttachments      = 5           // of a message
	maxAttachedBytes    = 200_000_000 // of a customer
	maxMessage          = 10_000      // characters
	maxMessagesOfThread = 500
	maxThreadsNotClosed = 50
	mostThreadsOnPage   = 200
	usualThreadsOnPage  = 50
	maxSubject          = 200
)

// Support keeps the conversations of customers with operators. Members open
// threads of their own customer; both sides write and close; whoever writes to a closed one
// opens it again. It asks Can before it reads or writes anything. Safe for concurrent use.
type Support struct {
	store   SupportStore
	uploads *Uploads
	site    func() string
	clock   toll.Clock
	ids     *toll.IDs
}

// SupportOptions are what Support needs besides its store.
type SupportOptions struct {
	Uploads *Uploads      // nil: files come into the system's directory
	Site    func() string // where the console is, with a slash at the end, for links in mail; nil: no mail is written
	Clock   toll.Clock    // nil: toll.SystemClock
	Random  io.Reader     // for identifiers; nil: crypto/rand
}

// NewSupport opens the support threads in a store.
func NewSupport(store SupportStore, o SupportOptions) (*Support, error) {
	if store == nil {
		return nil, errors.New("open support: a store is needed")
	}
	s := &Support{store: store, uploads: o.Uploads, site: o.Site, clock: o.Clock}
	if s.uploads == nil {
		s.uploads = new(Uploads)
	}
	if s.clock == nil {
		s.clock = toll.SystemClock
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	s.ids = toll.NewIDs(o.Random)
	return s, nil
}

// NewMessage is what a person writes.
type NewMessage struct {
	Text string // 1 to 10,000 characters
	// Files gives one attached file after the other, and io.EOF after the last;
	// an error of it or of a reader means that the form was cut. nil: none.
	Files func() (name string, content io.Reader, err error)
}

// Open begins a thread of a customer with its first message. Action:
// WriteSupport; only members open threads. Invalid names the field: subject,
// text or file. After an error nothing is kept.
func (s *Support) Open(ctx context.Context, p Person, customerID, subject string, in NewMessage) (toll.Thread, error) {
	if _, err := readCustomer(ctx, s.store, p, WriteSupport, customerID); err != nil {
		return toll.Thread{}, err
	}
	if !p.IsMember() {
		return toll.Thread{}, toll.Errorf(toll.Forbidden, "A conversation is opened by a member of the customer.")
	}
	subject, err := cleanName("subject", subject, maxSubject)
	if err != nil {
		return toll.Thread{}, err
	}
	now := stored(s.clock())
	t := toll.Thread{
		ID: s.ids.NewID("thr", now), CustomerID: customerID, Subject: subject, State: toll.ThreadOpen, OpenedBy: p.ID,
		CreatedAt: now, UpdatedAt: now, Messages: 1, Version: 1,
	}
	err = s.write(ctx, p, &t, in, func(m toll.Message, contents []io.ReaderAt, mails []toll.Mail) error {
		return s.store.CreateThread(ctx, t, m, contents, maxThreadsNotClosed, maxAttachedBytes,
			NewEntry(ctx, p, OpenedThread, customerID, t.ID, now, nil, threadFacts(&t, &m)), mails...)
	})
	return t, err
}

// Reply adds a message to a thread: a member's makes it wait for the operators,
// an operator's for the customer. Action: WriteSupport. Invalid names the field:
// text or file. Conflict: it has as many messages as one may have. After an error nothing is kept.
func (s *Support) Reply(ctx context.Context, p Person, id string, in NewMessage) (toll.Thread, error) {
	t, err := s.thread(ctx, p, WriteSupport, id)
	if err != nil {
		return toll.Thread{}, err
	}
	err = s.write(ctx, p, &t, in, func(m toll.Message, contents []io.ReaderAt, mails []toll.Mail) error {
		for try := 1; ; try++ {
			if t.Messages >= maxMessagesOfThread {
				return toll.Errorf(toll.Conflict, "This conversation has %d messages. Open another one.", t.Messages)
			}
			next := t
			next.Messages++
			next.UpdatedAt = m.CreatedAt
			if next.State = toll.ThreadOpen; !p.IsMember() {
				next.State = toll.ThreadWaiting
			}
			changed, err := s.store.AddMessage(ctx, next, m, contents, maxAttachedBytes,
				NewEntry(ctx, p, AnsweredThread, t.CustomerID, id, m.CreatedAt, threadFacts(&t, nil), threadFacts(&next, &m)), mails...)
			if err == nil {
				t = changed
				return nil
			}
			if toll.CodeOf(err) != toll.Conflict || try == changes {
				return err
			}
			if t, err = s.store.Thread(ctx, id); err != nil { // somebody else wrote meanwhile
				return err
			}
		}
	})
	return t, err
}

// write takes what a person wrote in, keeps it, and tells of it.
func (s *Support) write(ctx context.Context, p Person, t *toll.Thread, in NewMessage, keep func(toll.Message, []io.ReaderAt, []toll.Mail) error) (err error) {
	text, err := cleanText("text", in.Text, maxMessage)
	if err != nil {
		return err
	}
	now := stored(s.clock())
	m := toll.Message{ID: s.ids.NewID("msg", now), ThreadID: t.ID, Author: p.Kind, AuthorID: p.ID, AuthorName: p.Name, Text: text, CreatedAt: now}
	var contents []io.ReaderAt
	if in.Files != nil {
		end, err := s.uploads.begin(t.CustomerID)
		if err != nil {
			return err
		}
		defer end()
	}
	for in.Files != nil {
		name, content, e := in.Files()
		if errors.Is(e, io.EOF) {
			break
		}
		if e != nil {
			return cutOff(e)
		}
		if len(contents) == MaxAttachments {
			return toll.FieldError("file", "A message may have %d files. Send the others with another one.", MaxAttachments)
		}
		name = CleanFileName(name)
		check := &attachmentType{name: name}
		up, e := s.uploads.take(ctx, content, MaxAttachment, check)
		if e != nil {
			return e
		}
		defer func() { err = errors.Join(err, up.Close()) }()
		contents = append(contents, up)
		m.Attachments = append(m.Attachments, toll.Attachment{
			ID: s.ids.NewID("att", now), ThreadID: t.ID, MessageID: m.ID, Name: name, MediaType: check.kind.mediaType, Size: up.size, SHA256: up.sha256,
		})
	}
	mails, err := s.mails(ctx, p, t, now)
	if err != nil {
		return err
	}
	if err := keep(m, contents, mails); err != nil {
		return fmt.Errorf("keep a message of thread %s: %w", t.ID, err)
	}
	return nil
}

// mails tell the other side that somebody wrote: of the customer the member who
// opened the thread, or all operators who may answer it. What was written is not in them.
func (s *Support) mails(ctx context.Context, p Person, t *toll.Thread, now time.Time) ([]toll.Mail, error) {
	if s.site == nil {
		return nil, nil
	}
	var out []toll.Mail
	tell := func(email, language, kind string) {
		out = append(out, toll.Mail{
			ID: s.ids.NewID("mail", now), To: email, Language: language, Kind: kind, CreatedAt: now,
			Values: map[string]string{"subject": t.Subject, "link": s.site() + "support/threads/" + t.ID},
		})
	}
	if !p.IsMember() {
		m, err := s.store.Member(ctx, t.OpenedBy)
		switch {
		case toll.CodeOf(err) == toll.NotFound: // has left
		case err != nil:
			return nil, fmt.Errorf("read who opened thread %s: %w", t.ID, err)
		case m.CustomerID == t.CustomerID:
			tell(m.Email, m.Language, "support.answered")
		}
		return out, nil
	}
	all, err := s.store.Operators(ctx)
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	for _, o := range all {
		if Can(operatorPerson(o, ""), WriteSupport, t.CustomerID) == nil {
			tell(o.Email, o.Language, "support.asked")
		}
	}
	return out, nil
}

// Close ends a thread; a closed one stays as it is. Action: WriteSupport.
func (s *Support) Close(ctx context.Context, p Person, id string) (toll.Thread, error) {
	for try := 1; ; try++ {
		t, err := s.thread(ctx, p, WriteSupport, id)
		if err != nil || t.State == toll.ThreadClosed {
			return t, err
		}
		was := threadFacts(&t, nil)
		t.State, t.UpdatedAt = toll.ThreadClosed, stored(s.clock())
		t, err = s.store.UpdateThread(ctx, t, NewEntry(ctx, p, ClosedThread, t.CustomerID, id, t.UpdatedAt, was, threadFacts(&t, nil)))
		if err == nil {
			return t, nil
		}
		if toll.CodeOf(err) != toll.Conflict || try == changes {
			return toll.Thread{}, fmt.Errorf("close thread %s: %w", id, err)
		}
	}
}

// Threads lists a page of threads, the one that changed last first: of one
// customer (action ReadSupport), or of all where q names none (ReadAllSupport).
func (s *Support) Threads(ctx context.Context, p Person, q toll.ThreadQuery) ([]toll.Thread, error) {
	action := ReadSupport
	if q.Customer == "" {
		action = ReadAllSupport
	}
	if err := Can(p, action, q.Customer); err != nil {
		return nil, err
	}
	if q.Limit == 0 {
		q.Limit = usualThreadsOnPage
	}
	if q.Limit < 0 || q.Limit > mostThreadsOnPage {
		return nil, toll.FieldError("limit", "A page has 1 to %d conversations.", mostThreadsOnPage)
	}
	threads, err := s.store.Threads(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("list threads: %w", err)
	}
	return threads, nil
}

// Thread returns a thread with its messages, the oldest first; another tenant's
// is NotFound. Action: ReadSupport.
func (s *Support) Thread(ctx context.Context, p Person, id string) (toll.Thread, []toll.Message, error) {
	t, err := s.thread(ctx, p, ReadSupport, id)
	if err != nil {
		return toll.Thread{}, nil, err
	}
	messages, err := s.store.Messages(ctx, id)
	if err != nil {
		return toll.Thread{}, nil, fmt.Errorf("read thread %s: %w", id, err)
	}
	return t, messages, nil
}

// Attachment returns a file of a thread; NotFound for one that is another
// thread's, or another tenant's. Action: ReadSupport.
func (s *Support) Attachment(ctx context.Context, p Person, threadID, id string) (toll.Attachment, error) {
	if _, err := s.thread(ctx, p, ReadSupport, threadID); err != nil {
		return toll.Attachment{}, err
	}
	a, err := s.store.Attachment(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound || err == nil && a.ThreadID != threadID:
		return toll.Attachment{}, toll.Errorf(toll.NotFound, "There is no such file.")
	case err != nil:
		return toll.Attachment{}, fmt.Errorf("read attachment %s: %w", id, err)
	}
	return a, nil
}

// ReadAttachment writes the content of a file that Attachment returned to w.
func (s *Support) ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error {
	return s.store.ReadAttachment(ctx, a, w)
}

// thread reads a thread and passes the gate for its customer.
func (s *Support) thread(ctx context.Context, p Person, action Action, id string) (toll.Thread, error) {
	if p.Kind == "" {
		return toll.Thread{}, Can(p, action, "")
	}
	none := toll.Errorf(toll.NotFound, "There is no such conversation.")
	t, err := s.store.Thread(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Thread{}, none
	case err != nil:
		return toll.Thread{}, fmt.Errorf("read thread %s: %w", id, err)
	}
	switch err := Can(p, action, t.CustomerID); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Thread{}, none
	case err != nil:
		return toll.Thread{}, err
	}
	return t, nil
}
