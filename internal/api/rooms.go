package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Office keeps customers, keys, people, approvals and the audit log;
// *account.Office does. Each method asks account.Can again: the gate of this
// package is the first door, and not the only one.
type Office interface {
	CreateCustomer(ctx context.Context, p account.Person, in account.NewCustomer) (toll.Customer, error)
	Customer(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	Customers(ctx context.Context, p account.Person, q toll.CustomerQuery) (toll.CustomerPage, error)
	RenameCustomer(ctx context.Context, p account.Person, id, name string, seen int64) (toll.Customer, error)
	SetPlan(ctx context.Context, p account.Person, id, plan string, seen int64) (toll.Customer, error)
	Suspend(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	Resume(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	ExportCustomer(ctx context.Context, p account.Person, id string) (toll.CustomerRecord, error)
	DeleteCustomer(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	SetOverride(ctx context.Context, p account.Person, id string, policy toll.Policy) (toll.Customer, error)
	RemoveOverride(ctx context.Context, p account.Person, id, name string) (toll.Customer, error)

	CreateKey(ctx context.Context, p account.Person, in account.NewKey) (account.MadeKey, error)
	Keys(ctx context.Context, p account.Person, customerID string) ([]toll.Key, error)
	Key(ctx context.Context, p account.Person, id string) (toll.Key, error)
	RollKey(ctx context.Context, p account.Person, id string, overlap time.Duration) (account.MadeKey, toll.Key, error)
	RevokeKey(ctx context.Context, p account.Person, id string) (toll.Key, error)

	Members(ctx context.Context, p account.Person, customerID string) ([]toll.Member, error)
	Member(ctx context.Context, p account.Person, id string) (toll.Member, error)
	SetMemberRole(ctx context.Context, p account.Person, id string, role toll.MemberRole) (toll.Member, error)
	DisableMember(ctx context.Context, p account.Person, id string) (toll.Member, error)
	EnableMember(ctx context.Context, p account.Person, id string) (toll.Member, error)
	RemoveMember(ctx context.Context, p account.Person, id string) (toll.Member, error)
	Invite(ctx context.Context, p account.Person, in account.Invitation) (toll.Ticket, error)
	Invitations(ctx context.Context, p account.Person, customerID string) ([]toll.Ticket, error)
	Reinvite(ctx context.Context, p account.Person, id string) (toll.Ticket, error)
	RevokeInvitation(ctx context.Context, p account.Person, id string) (toll.Ticket, error)

	Ask(ctx context.Context, p account.Person, customerID string, kind toll.ApprovalKind, payload json.RawMessage, note string) (toll.Approval, error)
	Approve(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Reject(ctx context.Context, p account.Person, id, reason string) (toll.Approval, error)
	Withdraw(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Approval(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Approvals(ctx context.Context, p account.Person, q toll.ApprovalQuery) (toll.ApprovalPage, error)

	Entries(ctx context.Context, p account.Person, q toll.EntryQuery) (toll.EntryPage, error)
}

// Models keeps what customers upload; *account.Models does.
type Models interface {
	List(ctx context.Context, p account.Person, customerID string) ([]toll.Model, error)
	In(ctx context.Context, p account.Person, state toll.ModelState) ([]toll.Model, error)
	Model(ctx context.Context, p account.Person, id string) (toll.Model, error)
	Approve(ctx context.Context, p account.Person, id string) (toll.Model, error)
	Reject(ctx context.Context, p account.Person, id, reason string) (toll.Model, error)
	Delete(ctx context.Context, p account.Person, id string) (toll.Model, error)
}

// Support keeps conversations; *account.Support does.
type Support interface {
	Open(ctx context.Context, p account.Person, customerID, subject string, in account.NewMessage) (toll.Thread, error)
	Reply(ctx context.Context, p account.Person, id string, in account.NewMessage) (toll.Thread, error)
	Close(ctx context.Context, p account.Person, id string) (toll.Thread, error)
	Threads(ctx context.Context, p account.Person, q toll.ThreadQuery) ([]toll.Thread, error)
	Thread(ctx context.Context, p account.Person, id string) (toll.Thread, []toll.Message, error)
}

// of keeps an operation to the customer in its path: what belongs to another
// one is told as what is not there.
func of[T any](c *call, thing T, customer string, err error, what string) (T, error) {
	if err == nil && customer != c.customer {
		var none T
		return none, toll.Errorf(toll.NotFound, "There is no such %s.", what)
	}
	return thing, err
}

// maybe is a time that an answer leaves out when it is zero.
func maybe(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
