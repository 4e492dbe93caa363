package account

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Store is the database as the office sees it. Every call is safe for
// concurrent use and is one transaction: after an error nothing of it is there.
//
// A method that changes something takes the audit entry of the change (NewEntry)
// and appends it to the audit log in the same transaction; the store gives its
// place in the chain. A test holds every method to that: what takes no entry
// must be in its list of those that change nothing for anybody.
//
// Errors are *toll.Error: NotFound for a missing row, Conflict for what must be
// unique and is there already, and for an update whose Version is not the
// row's. Times are kept to the microsecond and come back in UTC; a zero time
// comes back zero.
type Store interface {
	CustomerStore
	KeyStore
	PeopleStore
	SessionStore
	TokenStore
	TicketStore
	TeamStore
	Outbox
	SignInStore
	AuditStore
	ApprovalStore
}

// CustomerStore keeps customers.
type CustomerStore interface {
	CreateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) error
	Customer(ctx context.Context, id string) (toll.Customer, error)
	// UpdateCustomer writes the row whose Version is c.Version and returns it
	// with its Version raised by one.
	UpdateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) (toll.Customer, error)
	// Customers lists one page; see toll.CustomerQuery.
	Customers(ctx context.Context, q toll.CustomerQuery) (toll.CustomerPage, error)
	// CustomerRecord reads all that is kept of a customer, as it is at one moment.
	CustomerRecord(ctx context.Context, id string) (toll.CustomerRecord, error)
	// CloseCustomer closes a customer under another name: its keys are revoked and
	// renamed; its people with all that is theirs, tickets, mails, conversations
	// and models are deleted; of approvals the words are, and what was pending is
	// withdrawn. It returns the customer and all its keys as they are now.
	// Conflict: it is closed already. Of a closed one nothing can be created or
	// updated any more (Conflict).
	CloseCustomer(ctx context.Context, id, name string, at time.Time, e toll.Entry) (toll.Customer, []toll.Key, error)
}

// KeyStore keeps keys. Key.LastUsedAt belongs to the drainer: an update may
// leave it as it is stored.
type KeyStore interface {
	// CreateKey refuses a customer that is not there with NotFound.
	CreateKey(ctx context.Context, k toll.Key, e toll.Entry) error
	Key(ctx context.Context, id string) (toll.Key, error)
	// KeysOf lists a customer's keys, the newest first.
	KeysOf(ctx context.Context, customerID string) ([]toll.Key, error)
	// UpdateKey writes the row whose Version is k.Version and returns it with
	// its Version raised by one.
	UpdateKey(ctx context.Context, k toll.Key, e toll.Entry) (toll.Key, error)
	// ReplaceKey updates old (as UpdateKey does) and creates next: both or neither.
	ReplaceKey(ctx context.Context, old, next toll.Key, e toll.Entry) error
}

// PeopleStore keeps members and operators. E-mail addresses come in lower case
// and are unique over both.
type PeopleStore interface {
	// CreateMember refuses a customer that is not there with NotFound.
	CreateMember(ctx context.Context, m toll.Member, e toll.Entry) error
	Member(ctx context.Context, id string) (toll.Member, error)
	MemberByEmail(ctx context.Context, email string) (toll.Member, error)
	// MembersOf lists a customer's members, the oldest first.
	MembersOf(ctx context.Context, customerID string) ([]toll.Member, error)
	SetMemberPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error

	CreateOperator(ctx context.Context, o toll.Operator, e toll.Entry) error
	Operator(ctx context.Context, id string) (toll.Operator, error)
	OperatorByEmail(ctx context.Context, email string) (toll.Operator, error)
	// Operators lists all operators, the oldest first.
	Operators(ctx context.Context) ([]toll.Operator, error)
	SetOperatorPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error
}

// TeamStore changes who may do what. A customer keeps an owner, and the
// installation an admin, who can sign in: what would take the last one away is a
// Conflict, also when several do it at once.
type TeamStore interface {
	SetMemberRole(ctx context.Context, id string, role toll.MemberRole, e toll.Entry) error
	SetOperatorRole(ctx context.Context, id string, role toll.OperatorRole, e toll.Entry) error
	// DisablePerson sets DisabledAt, unless it is set (no entry then), and ends all sessions.
	DisablePerson(ctx context.Context, kind toll.PersonKind, id string, at time.Time, e toll.Entry) error
	EnablePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error
	// RemovePerson removes a person with their sessions, tokens and tickets.
	RemovePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error
}

// TicketStore keeps tickets.
type TicketStore interface {
	// IssueTicket writes a ticket and its mails: all or nothing.
	IssueTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error
	// RenewTicket gives a ticket the hash, language and end of t: all with its mails, or nothing.
	RenewTicket(ctx context.Context, t toll.Ticket, e toll.Entry, mails ...toll.Mail) error
	// Ticket and TicketByHash return also what has ended.
	Ticket(ctx context.Context, id string) (toll.Ticket, error)
	TicketByHash(ctx context.Context, hash [32]byte) (toll.Ticket, error)
	// Invitations lists those of a customer, or of operators for "", the oldest first.
	Invitations(ctx context.Context, customerID string) ([]toll.Ticket, error)
	RevokeTicket(ctx context.Context, id string, e toll.Entry) error
	// UseTicket removes the ticket whose ID and Hash are t's and does what it is
	// for: of many at once, one gets no NotFound. Conflict: the e-mail address is
	// taken by now, and the ticket stays. Who joins loses every other sign-up and
	// invitation to the address; a reset ends the person's sessions and takes every
	// other reset of theirs.
	UseTicket(ctx context.Context, t toll.Ticket, use toll.TicketUse, e toll.Entry) error
}

// Outbox takes mail.
type Outbox interface {
	EnqueueMail(ctx context.Context, mails ...toll.Mail) error
	// AnswerMail removes a question that was claimed and writes what answers it:
	// all or nothing. NotFound: somebody else has claimed it since.
	AnswerMail(ctx context.Context, ask toll.MailClaim, tickets []toll.Ticket, mails []toll.Mail) error
	Mail(ctx context.Context, id string) (toll.PostedMail, error)
	Mails(ctx context.Context, q toll.MailQuery) (toll.MailPage, error)
}

// SessionStore keeps sessions.
type SessionStore interface {
	CreateSession(ctx context.Context, s toll.Session, e toll.Entry) error
	Session(ctx context.Context, id string) (toll.Session, error)
	// TouchSession sets SeenAt.
	TouchSession(ctx context.Context, id string, seenAt time.Time) error
	// RevokeSession sets RevokedAt; a session that is revoked already keeps its
	// moment, and no entry is written.
	RevokeSession(ctx context.Context, id string, at time.Time, e toll.Entry) error
	// SessionsOf lists a person's sessions, the newest first.
	SessionsOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Session, error)
}

// TokenStore keeps API tokens.
type TokenStore interface {
	// CreateToken refuses a person that is not there with NotFound.
	CreateToken(ctx context.Context, t toll.APIToken, e toll.Entry) error
	Token(ctx context.Context, id string) (toll.APIToken, error)
	TokenByHash(ctx context.Context, hash [32]byte) (toll.APIToken, error)
	// TokensOf lists a person's tokens, the newest first.
	TokensOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.APIToken, error)
	// RevokeToken sets RevokedAt and returns the token; one that is revoked
	// already keeps its moment, and no entry is written.
	RevokeToken(ctx context.Context, id string, at time.Time, e toll.Entry) (toll.APIToken, error)
	// TouchToken raises LastUsedAt; an earlier time changes nothing.
	TouchToken(ctx context.Context, id string, at time.Time) error
}
