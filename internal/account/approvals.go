package account

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// ApprovalStore keeps what customers ask for.
type ApprovalStore interface {
	// CreateApproval refuses with Conflict when the same is pending already.
	CreateApproval(ctx context.Context, a toll.Approval, e toll.Entry) error
	Approval(ctx context.Context, id string) (toll.Approval, error)
	// Approvals returns a page, the newest first.
	Approvals(ctx context.Context, q toll.ApprovalQuery) (toll.ApprovalPage, error)
	// DecideApproval ends a pending approval whose Version is the decision's, with
	// all that follows and an entry for each: all or nothing. Conflict: it is
	// decided already, or the customer has another Version by now.
	DecideApproval(ctx context.Context, d toll.Decision, e toll.Entry, more ...toll.Entry) (toll.Approval, *toll.Customer, error)
}

// Approvable is one kind of what can be asked for.
type Approvable interface {
	// Asks is the action of whoever asks for it.
	Asks() Action
	// Check reads what a member asks of a customer, and says what is kept of it,
	// and what it is about (toll.Approval.Subject). Invalid names the field.
	Check(ctx context.Context, c *toll.Customer, payload json.RawMessage) (kept, subject string, err error)
	// Apply changes the customer as it was approved, and names the action that an
	// operator would do it by. A kind whose effect is on other rows (the store
	// knows it) changes nothing and returns "". Conflict: it cannot be done any more.
	Apply(c *toll.Customer, a *toll.Approval) (Action, error)
}

// maxReason bounds a note or reason, in characters.
const maxReason = 1000

// Ask asks for something in the name of a member's own customer. Action: the
// kind's. Invalid names a field of the payload, or note; Conflict: the same is
// pending already. Where the configuration lets members change plans by
// themselves, a plan change is approved at once.
func (o *Office) Ask(ctx context.Context, p Person, customerID string, kind toll.ApprovalKind, payload json.RawMessage, note string) (toll.Approval, error) {
	of, ok := o.approvables[kind]
	if !ok {
		return toll.Approval{}, toll.FieldError("kind", "Nobody can ask for %q.", shorten(string(kind)))
	}
	c, err := o.customer(ctx, p, of.Asks(), customerID)
	if err != nil {
		return toll.Approval{}, err
	}
	if note, err = cleanNote("note", note, maxReason); err != nil {
		return toll.Approval{}, err
	}
	kept, subject, err := of.Check(ctx, &c, payload)
	if err != nil {
		return toll.Approval{}, err
	}
	now := o.now()
	a := toll.Approval{
		ID: o.ids.NewID("apr", now), Kind: kind, CustomerID: c.ID, Subject: subject, AskedBy: p.ID, AskedAt: now,
		Payload: kept, Note: note, State: toll.ApprovalPending, Version: 1,
	}
	if err := o.store.CreateApproval(ctx, a, NewEntry(ctx, p, of.Asks(), c.ID, a.ID, now, nil, approvalFacts(&a))); err != nil {
		return toll.Approval{}, fmt.Errorf("ask for an approval: %w", err)
	}
	if kind == toll.ApprovePlan && o.selfService() {
		return o.decide(ctx, System, a.ID, toll.ApprovalApproved, "")
	}
	return a, nil
}

// Approve does what was asked for, from the next request on. Action:
// DecideApproval. Conflict says what became of it when somebody was quicker.
func (o *Office) Approve(ctx context.Context, p Person, id string) (toll.Approval, error) {
	return o.decide(ctx, p, id, toll.ApprovalApproved, "")
}

// Reject says no, and why: the member reads the reason. Action: DecideApproval.
// Invalid names the field reason; Conflict as in Approve.
func (o *Office) Reject(ctx context.Context, p Person, id, reason string) (toll.Approval, error) {
	if _, err := o.approval(ctx, p, DecideApproval, id); err != nil { // before it is told what is wrong with the reason
		return toll.Approval{}, err
	}
	reason, err := cleanNote("reason", reason, maxReason)
	if err != nil {
		return toll.Approval{}, err
	}
	if reason == "" {
		return toll.Approval{}, toll.FieldError("reason", "Say why, for whoever asked.")
	}
	return o.decide(ctx, p, id, toll.ApprovalRejected, reason)
}

// Withdraw takes back what was asked for. Action: WithdrawApproval; who asked
// may too. Conflict as in Approve.
func (o *Office) Withdraw(ctx context.Context, p Person, id string) (toll.Approval, error) {
	return o.decide(ctx, p, id, toll.ApprovalWithdrawn, "")
}

// Approval returns one approval. One of another tenant is NotFound. Action:
// ReadApprovals.
func (o *Office) Approval(ctx context.Context, p Person, id string) (toll.Approval, error) {
	return o.approval(ctx, p, ReadApprovals, id)
}

// Approvals returns a page of approvals: of one customer (action ReadApprovals),
// or of all (ReadAllApprovals).
func (o *Office) Approvals(ctx context.Context, p Person, q toll.ApprovalQuery) (toll.ApprovalPage, error) {
	action := ReadApprovals
	if q.Customer == "" {
		action = ReadAllApprovals
	}
	if err := o.may(ctx, p, action, q.Customer, ""); err != nil {
		return toll.ApprovalPage{}, err
	}
	page, err := o.store.Approvals(ctx, q)
	if err != nil {
		return page, fmt.Errorf("list approvals: %w", err)
	}
	return page, nil
}

// Entries returns a page of the audit log: of one customer (action ReadAudit),
// or of all (ReadAllAudit).
func (o *Office) Entries(ctx context.Context, p Person, q toll.EntryQuery) (toll.EntryPage, error) {
	action := ReadAudit
	if q.Customer == "" || !p.IsMember() {
		action = ReadAllAudit
	}
	if err := Can(p, action, q.Customer); err != nil {
		return toll.EntryPage{}, err
	}
	page, err := o.store.Entries(ctx, q)
	if err != nil {
		return page, fmt.Errorf("read the audit log: %w", err)
	}
	return page, nil
}

func (o *Office) decide(ctx context.Context, p Person, id string, state toll.ApprovalState, reason string) (toll.Approval, error) {
	action := DecideApproval
	if state == toll.ApprovalWithdrawn {
		action = WithdrawApproval
	}
	for try := 1; ; try++ {
		a, err := o.approval(ctx, p, action, id)
		if err != nil {
			return toll.Approval{}, err
		}
		if a.State != toll.ApprovalPending {
			return toll.Approval{}, o.decidedBefore(ctx, &a)
		}
		was, now := approvalFacts(&a), o.now()
		a.State, a.DecidedBy, a.DecidedAt, a.Reason = state, p.ID, now, reason
		d := toll.Decision{Approval: a}
		verb := map[toll.ApprovalState]Action{toll.ApprovalApproved: ApprovedApproval, toll.ApprovalRejected: RejectedApproval, toll.ApprovalWithdrawn: WithdrawApproval}[state]
		e := NewEntry(ctx, p, verb, a.CustomerID, a.ID, now, was, approvalFacts(&a))
		var more []toll.Entry
		if state == toll.ApprovalApproved {
			c, did, err := o.approved(ctx, &a)
			if err != nil {
				return toll.Approval{}, err
			}
			if did != nil {
				d.Customer = c
				more = append(more, NewEntry(ctx, p, did.action, c.ID, c.ID, now, did.was, customerFacts(c)))
			}
		}
		if d.Mails, err = o.approvalMail(ctx, &a, now); err != nil {
			return toll.Approval{}, err
		}
		a, c, err := o.store.DecideApproval(ctx, d, e, more...)
		if err == nil {
			if c != nil {
				o.changed.CustomerChanged(*c)
			}
			return a, nil
		}
		if toll.CodeOf(err) != toll.Conflict || try == changes {
			return toll.Approval{}, fmt.Errorf("decide approval %s: %w", id, err)
		} // else it is looked at again: who was quicker is told
	}
}

// applied is what approving does to a customer.
type applied struct {
	action Action
	was    Facts
}

// approved is the customer as it is when an approval is approved; nil for a
// kind whose effect is not on the customer.
func (o *Office) approved(ctx context.Context, a *toll.Approval) (*toll.Customer, *applied, error) {
	of, ok := o.approvables[a.Kind]
	if !ok {
		return nil, nil, toll.Errorf(toll.Conflict, "This installation cannot do any more what is asked here (%s). Reject it.", a.Kind)
	}
	c, err := o.store.Customer(ctx, a.CustomerID)
	if err != nil {
		return nil, nil, fmt.Errorf("read customer %s: %w", a.CustomerID, err)
	}
	was := customerFacts(&c)
	action, err := of.Apply(&c, a)
	if err != nil || action == "" {
		return nil, nil, err
	}
	return &c, &applied{action, was}, nil
}

// decidedBefore says what became of an approval.
func (o *Office) decidedBefore(ctx context.Context, a *toll.Approval) error {
	by := a.DecidedBy
	if op, err := o.store.Operator(ctx, by); err == nil {
		by = op.Name
	} else if m, err := o.store.Member(ctx, by); err == nil {
		by = m.Name
	}
	reason := ""
	if a.Reason != "" {
		reason = ": " + a.Reason
	}
	return toll.Errorf(toll.Conflict, "This was %s already, by %s at %s%s", a.State, by, a.DecidedAt.UTC().Format("2006-01-02 15:04 UTC"), strings.TrimSuffix(reason, ".")+".")
}

// approval reads an approval and passes the gate for its customer.
func (o *Office) approval(ctx context.Context, p Person, action Action, id string) (toll.Approval, error) {
	if p.Kind == "" {
		return toll.Approval{}, Can(p, action, "")
	}
	a, err := o.store.Approval(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Approval{}, errNoApproval()
	case err != nil:
		return toll.Approval{}, fmt.Errorf("read approval %s: %w", id, err)
	}
	if action == WithdrawApproval && p.IsMember() && p.ID == a.AskedBy && p.CustomerID == a.CustomerID {
		return a, nil
	}
	switch err := o.may(ctx, p, action, a.CustomerID, a.ID); {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Approval{}, errNoApproval()
	case err != nil:
		return toll.Approval{}, err
	}
	return a, nil
}

func errNoApproval() *toll.Error { return toll.Errorf(toll.NotFound, "There is no such approval.") }

// approvalMail tells whoever asked, in their language; nobody where they are gone
// or took it back themselves.
func (o *Office) approvalMail(ctx context.Context, a *toll.Approval, now time.Time) ([]toll.Mail, error) {
	if a.State == toll.ApprovalWithdrawn {
		return nil, nil
	}
	m, err := o.store.Member(ctx, a.AskedBy)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read who asked for approval %s: %w", a.ID, err)
	}
	values := map[string]string{"what": string(a.Kind), "subject": a.Subject}
	if a.Kind == toll.ApprovePlan {
		var asked toll.PlanAsked
		if err := json.Unmarshal([]byte(a.Payload), &asked); err == nil {
			values["subject"] = asked.Plan
		}
	}
	if a.Reason != "" {
		values["reason"] = a.Reason
	}
	return []toll.Mail{{ID: o.ids.NewID("mail", now), To: m.Email, Language: m.Language, Kind: "approval." + string(a.State), Values: values, CreatedAt: now}}, nil
}

func approvalFacts(a *toll.Approval) Facts {
	f := Facts{"kind": string(a.Kind), "state": string(a.State), "reason": a.Reason}
	if json.Valid([]byte(a.Payload)) {
		f["asked"] = json.RawMessage(a.Payload)
	}
	return f
}
