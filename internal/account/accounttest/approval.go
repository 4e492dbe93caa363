package accounttest

import (
	"context"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// CreateApproval implements account.ApprovalStore.
func (s *Store) CreateApproval(ctx context.Context, a toll.Approval, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.customers[a.CustomerID]; !ok {
		return missing("customer")
	}
	if err := s.refuseClosed(a.CustomerID); err != nil {
		return err
	}
	for _, other := range s.approvals {
		if other.ID == a.ID || other.State == toll.ApprovalPending && a.State == toll.ApprovalPending &&
			other.CustomerID == a.CustomerID && other.Kind == a.Kind && other.Subject == a.Subject {
			return taken("approval")
		}
	}
	a.AskedAt, a.DecidedAt = micro(a.AskedAt), micro(a.DecidedAt)
	s.approvals = append(s.approvals, a)
	s.record(e)
	return nil
}

// Approval implements account.ApprovalStore.
func (s *Store) Approval(ctx context.Context, id string) (toll.Approval, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.Approval{}, err
	}
	defer leave()
	if i := slices.IndexFunc(s.approvals, func(a toll.Approval) bool { return a.ID == id }); i >= 0 {
		return s.approvals[i], nil
	}
	return toll.Approval{}, missing("approval")
}

// Approvals implements account.ApprovalStore.
func (s *Store) Approvals(ctx context.Context, q toll.ApprovalQuery) (toll.ApprovalPage, error) {
	if q.Limit < 0 || q.Limit > 500 {
		return toll.ApprovalPage{}, toll.FieldError("limit", "A page has 1 to 500 approvals.")
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.ApprovalPage{}, err
	}
	defer leave()
	var page toll.ApprovalPage
	for _, a := range slices.Backward(s.approvals) {
		if q.Customer != "" && a.CustomerID != q.Customer || q.Kind != "" && a.Kind != q.Kind || q.State != "" && a.State != q.State || q.Before != "" && a.ID >= q.Before {
			continue
		}
		if len(page.Approvals) == q.Limit {
			page.Next = page.Approvals[q.Limit-1].ID
			break
		}
		page.Approvals = append(page.Approvals, a)
	}
	return page, nil
}

// DecideApproval implements account.ApprovalStore.
func (s *Store) DecideApproval(ctx context.Context, d toll.Decision, e toll.Entry, more ...toll.Entry) (toll.Approval, *toll.Customer, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Approval{}, nil, err
	}
	defer leave()
	i := slices.IndexFunc(s.approvals, func(a toll.Approval) bool { return a.ID == d.Approval.ID })
	if i < 0 {
		return toll.Approval{}, nil, missing("approval")
	}
	if s.approvals[i].Version != d.Approval.Version || s.approvals[i].State != toll.ApprovalPending {
		return toll.Approval{}, nil, stale("approval")
	}
	var changed *toll.Customer
	if d.Customer != nil {
		if s.customers[d.Customer.ID].Version != d.Customer.Version {
			return toll.Approval{}, nil, stale("customer")
		}
		c := copyCustomer(*d.Customer)
		c.Version++
		s.customers[c.ID] = c
		c = copyCustomer(c)
		changed = &c
	}
	a := &s.approvals[i]
	a.State, a.DecidedBy, a.DecidedAt, a.Reason = d.Approval.State, d.Approval.DecidedBy, micro(d.Approval.DecidedAt), d.Approval.Reason
	a.Version++
	s.mails = append(s.mails, d.Mails...)
	for _, one := range more {
		s.record(one)
	}
	s.record(e)
	return *a, changed, nil
}
