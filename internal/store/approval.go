package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const approvalColumns = `id, kind, customer_id, subject, asked_by, asked_at, payload, note, state, decided_by, decided_at, reason, version`

// approvalEffects is what deciding does to other rows than the customer's, by
// kind, in the transaction of the decision: a file of its own adds one here. It
// gets the approval as it was decided, whatever the decision.
var approvalEffects = map[toll.ApprovalKind]func(ctx context.Context, tx transaction, a *toll.Approval) error{}

func scanApproval(r row) (toll.Approval, error) {
	var a toll.Approval
	err := r.Scan(&a.ID, &a.Kind, &a.CustomerID, &a.Subject, &a.AskedBy, (*stamp)(&a.AskedAt), &a.Payload, &a.Note, &a.State,
		&a.DecidedBy, (*instant)(&a.DecidedAt), &a.Reason, &a.Version)
	return a, err
}

func approvalFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "There is no such approval.",
		exists:  "This was asked for already, and waits for an answer. Withdraw it first to ask for something else.",
		orphan:  "The customer does not exist.",
		rule:    "An approval needs a known kind and state, and at most 1000 characters of note and reason.",
	}
}

// CreateApproval keeps what a customer asks for. Conflict: the same is pending
// already. NotFound: the customer does not exist.
func (s *Store) CreateApproval(ctx context.Context, a toll.Approval, e toll.Entry) error {
	return s.record(ctx, approvalFault("asking for an approval"), &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, a.CustomerID); err != nil {
			return err
		}
		return insertApproval(ctx, tx, &a)
	})
}

func insertApproval(ctx context.Context, tx transaction, a *toll.Approval) error {
	if err := refuseUnstorable(field{"id", a.ID}, field{"customer", a.CustomerID}, field{"subject", a.Subject}, field{"asked_by", a.AskedBy},
		field{"payload", a.Payload}, field{"note", a.Note}, field{"reason", a.Reason}); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `insert into approval (`+approvalColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		a.ID, string(a.Kind), a.CustomerID, a.Subject, a.AskedBy, stamp(a.AskedAt), a.Payload, a.Note, string(a.State), a.DecidedBy, instant(a.DecidedAt), a.Reason, a.Version)
	return err
}

// Approval returns an approval. NotFound: there is none with this ID.
func (s *Store) Approval(ctx context.Context, id string) (toll.Approval, error) {
	f := approvalFault("reading an approval")
	if !storable(id) {
		return toll.Approval{}, s.fail(sql.ErrNoRows, f)
	}
	a, err := scanApproval(s.reader.QueryRowContext(ctx, `select `+approvalColumns+` from approval where id = $1`, id))
	return a, s.fail(err, f)
}

// Approvals returns a page of approvals, the newest first. Invalid: a Limit
// outside of 0 to 500.
func (s *Store) Approvals(ctx context.Context, q toll.ApprovalQuery) (toll.ApprovalPage, error) {
	var page toll.ApprovalPage
	if q.Limit == 0 {
		q.Limit = defaultPage
	}
	if q.Limit < 0 || q.Limit > largestPage {
		return page, toll.FieldError("limit", "A page holds 1 to %d approvals.", largestPage)
	}
	if err := refuseUnstorable(field{"customer", q.Customer}, field{"kind", string(q.Kind)}, field{"state", string(q.State)}, field{"before", q.Before}); err != nil {
		return page, err
	}
	var c conditions
	for _, is := range []struct{ column, value string }{{"customer_id", q.Customer}, {"kind", string(q.Kind)}, {"state", string(q.State)}} {
		if is.value != "" {
			c.add(is.column + ` = ` + c.arg(is.value))
		}
	}
	if q.Before != "" {
		c.add(`id < ` + c.arg(q.Before))
	}
	query := `select ` + approvalColumns + ` from approval` + c.where() + ` order by id desc limit ` + c.arg(q.Limit+1)
	found, err := collect(ctx, s.reader, scanApproval, query, c.args...)
	if err != nil {
		return page, s.fail(err, approvalFault("listing approvals"))
	}
	page.Approvals = found
	if len(found) > q.Limit { // the one too many only tells that there is more
		page.Approvals = found[:q.Limit]
		page.Next = found[q.Limit-1].ID
	}
	return page, nil
}

// DecideApproval ends a pending approval and does what follows: the customer's
// change, the effect of its kind, the mails and the entries, all or nothing.
// Conflict: somebody decided it before, or changed the customer meanwhile; of
// many at once, one decides. It returns the approval and the customer, if one
// was given, as they are now.
func (s *Store) DecideApproval(ctx context.Context, d toll.Decision, e toll.Entry, more ...toll.Entry) (a toll.Approval, c *toll.Customer, err error) {
	f := approvalFault("deciding an approval")
	if err := refuseUnstorable(field{"id", d.Approval.ID}, field{"reason", d.Approval.Reason}, field{"decided_by", d.Approval.DecidedBy}); err != nil {
		return toll.Approval{}, nil, err
	}
	err = s.record(ctx, f, &e, func(tx transaction) error {
		c = nil
		var err error
		a, err = scanApproval(tx.QueryRowContext(ctx, `update approval
			set state = $3, decided_by = $4, decided_at = $5, reason = $6, version = version + 1
			where id = $1 and version = $2 and state = 'pending' returning `+approvalColumns,
			d.Approval.ID, d.Approval.Version, string(d.Approval.State), d.Approval.DecidedBy, instant(d.Approval.DecidedAt), d.Approval.Reason))
		if errors.Is(err, sql.ErrNoRows) {
			return s.missingOrStale(ctx, tx, "approval", d.Approval.ID, f)
		}
		if err != nil {
			return err
		}
		if d.Customer != nil {
			changed, err := s.updateCustomer(ctx, tx, d.Customer, customerFault("changing a customer"))
			if err != nil {
				return err
			}
			c = &changed
		}
		if effect := approvalEffects[a.Kind]; effect != nil {
			if err := effect(ctx, tx, &a); err != nil {
				return err
			}
		}
		if err := enqueueMail(ctx, tx, d.Mails...); err != nil {
			return err
		}
		for _, one := range more {
			if err := s.enter(ctx, tx, one); err != nil {
				return fmt.Errorf("entry of what follows: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return toll.Approval{}, nil, err
	}
	return a, c, nil
}
