package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// ApprovalList asks for approvals, the newest first.
type ApprovalList struct {
	Customer string `json:"customer,omitempty"`
	Kind     string `json:"kind,omitempty"`
	State    string `json:"state,omitempty"`
	Before   string `json:"before,omitempty"`
	Limit    int    `json:"limit,omitempty"`
}

// ApprovalShown is an approval as commands show it.
type ApprovalShown struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	Customer  string          `json:"customer"`
	Subject   string          `json:"subject,omitempty"`
	AskedBy   string          `json:"asked_by"`
	AskedAt   time.Time       `json:"asked_at"`
	Asked     json.RawMessage `json:"asked"`
	Note      string          `json:"note,omitempty"`
	State     string          `json:"state"`
	DecidedBy string          `json:"decided_by,omitempty"`
	DecidedAt time.Time       `json:"decided_at,omitzero"`
	Reason    string          `json:"reason,omitempty"`
}

func showApproval(a toll.Approval) ApprovalShown {
	return ApprovalShown{
		ID: a.ID, Kind: string(a.Kind), Customer: a.CustomerID, Subject: a.Subject, AskedBy: a.AskedBy, AskedAt: a.AskedAt, Asked: json.RawMessage(a.Payload),
		Note: a.Note, State: string(a.State), DecidedBy: a.DecidedBy, DecidedAt: a.DecidedAt, Reason: a.Reason,
	}
}

// ApprovalListed is a page of approvals.
type ApprovalListed struct {
	Approvals []ApprovalShown `json:"approvals"`
	Next      string          `json:"next,omitempty"` // ApprovalList.Before of the page after
}

func listApprovals(ctx context.Context, r *rooms, in ApprovalList) (ApprovalListed, error) {
	out := ApprovalListed{Approvals: []ApprovalShown{}}
	page, err := r.office.Approvals(ctx, account.System, toll.ApprovalQuery{
		Customer: in.Customer, Kind: toll.ApprovalKind(in.Kind), State: toll.ApprovalState(in.State), Before: in.Before, Limit: in.Limit,
	})
	if err != nil {
		return out, err
	}
	for _, a := range page.Approvals {
		out.Approvals = append(out.Approvals, showApproval(a))
	}
	out.Next = page.Next
	return out, nil
}

// ApprovalDecide decides an approval.
type ApprovalDecide struct {
	ID     string `json:"id"`
	Reason string `json:"reason,omitempty"` // of a rejection
}

func approve(ctx context.Context, r *rooms, in ApprovalDecide) (ApprovalShown, error) {
	a, err := r.office.Approve(ctx, account.System, in.ID)
	return showApproval(a), err
}

func reject(ctx context.Context, r *rooms, in ApprovalDecide) (ApprovalShown, error) {
	a, err := r.office.Reject(ctx, account.System, in.ID, in.Reason)
	return showApproval(a), err
}
