package toll

import "time"

// TicketKind says what a ticket gives the right to.
type TicketKind string

// The kinds of ticket.
const (
	TicketSignUp     TicketKind = "sign_up"    // to make a customer, as its owner
	TicketReset      TicketKind = "reset"      // to give a person a new password
	TicketInvitation TicketKind = "invitation" // to become a member of a customer, or an operator
)

// Ticket is what a link in a mail gives the right to, once: whoever has the
// link's text proves to read the mail of the address. The text itself is kept
// nowhere.
type Ticket struct {
	ID         string // tic_…
	Kind       TicketKind
	Hash       [32]byte // SHA-256 of the text in the link
	Email      string   // lower case: who it was sent to
	PersonID   string   // whose password, of a reset; else ""
	CustomerID string   // where to, of a member's invitation; "" for an operator's
	Role       string   // a MemberRole or OperatorRole, of an invitation
	Language   string   // BCP 47, of the mail
	InvitedBy  string   // the name of who invited
	CreatedAt  time.Time
	ExpiresAt  time.Time
}

// TicketUse is what a ticket is used for: exactly one of its people is set, and
// Customer beside Member where that is the first of a new customer.
type TicketUse struct {
	Customer *Customer
	Member   *Member
	Operator *Operator
	Reset    *PasswordReset
	Mails    []Mail
}

// PasswordReset gives a person a new password and ends all of their sessions.
type PasswordReset struct {
	Kind     PersonKind
	PersonID string
	Hash     Secret
	At       time.Time
}
