package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// approval is what a customer asks for, as the API shows it.
type approval struct {
	ID        string          `json:"id"`
	Kind      string          `json:"kind"`
	Customer  string          `json:"customer"`
	Subject   string          `json:"subject,omitempty" doc:"A limit's name"`
	Asked     json.RawMessage `json:"asked" doc:"By kind: the plan, or the limit and how much of it"`
	Note      string          `json:"note,omitempty"`
	State     string          `json:"state" doc:"pending, approved, rejected or withdrawn"`
	AskedBy   string          `json:"asked_by"`
	AskedAt   time.Time       `json:"asked_at"`
	DecidedBy string          `json:"decided_by,omitempty"`
	DecidedAt *time.Time      `json:"decided_at,omitempty"`
	Reason    string          `json:"reason,omitempty" doc:"Why it was rejected"`
	Version   int64           `json:"version"`
}

func showApproval(a *toll.Approval) approval {
	return approval{
		a.ID, string(a.Kind), a.CustomerID, a.Subject, json.RawMessage(a.Payload), a.Note, string(a.State), a.AskedBy, a.AskedAt,
		a.DecidedBy, maybe(a.DecidedAt), a.Reason, a.Version,
	}
}

type approvalAnswer struct {
	Versioned
	Body approval
}

func answerApproval(one toll.Approval, err error) (*approvalAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &approvalAnswer{version(one.Version), showApproval(&one)}, nil
}

// OfApproval is the path of an operation about one approval.
type OfApproval struct {
	OfCustomer
	Approval string `path:"approval" maxLength:"100"`
}

func addListApprovals(a *API) {
	type question struct {
		Customer string `query:"customer" maxLength:"100" doc:"Only of this customer. A member's token means its own"`
		Kind     string `query:"kind" maxLength:"100"`
		State    string `query:"state" enum:"pending,approved,rejected,withdrawn"`
		Limit    int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
		Cursor   string `query:"cursor" maxLength:"100" doc:"next of the page before"`
	}
	type listApprovalsAnswer struct {
		Body struct {
			Approvals []approval `json:"approvals" doc:"The newest first"`
			Next      string     `json:"next,omitempty"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-approvals", Method: http.MethodGet, Path: "/approvals", Tags: []string{"Approvals"}, Summary: "List what customers ask for",
	}, rule{scope: toll.ScopeReadApprovals, action: account.ReadApprovals, everyone: account.ReadAllApprovals}, func(ctx context.Context, c *call, in *question) (*listApprovalsAnswer, error) {
		page, err := a.o.Office.Approvals(ctx, c.person, toll.ApprovalQuery{
			Customer: c.customer, Kind: toll.ApprovalKind(in.Kind), State: toll.ApprovalState(in.State), Before: in.Cursor, Limit: in.Limit,
		})
		if err != nil {
			return nil, err
		}
		out := &listApprovalsAnswer{}
		out.Body.Approvals, out.Body.Next = []approval{}, page.Next
		for i := range page.Approvals {
			out.Body.Approvals = append(out.Body.Approvals, showApproval(&page.Approvals[i]))
		}
		return out, nil
	})
}

func addAskPlan(a *API) {
	type askPlanRequest struct {
		OfCustomer
		Body struct {
			Plan string `json:"plan" maxLength:"100"`
			Note string `json:"note,omitempty" maxLength:"1000" doc:"Why"`
		}
	}
	register(a, huma.Operation{
		OperationID: "ask-plan", Method: http.MethodPost, Path: "/customers/{customer}/asks/plan", Tags: []string{"Approvals"}, Summary: "Ask for another plan", DefaultStatus: http.StatusCreated,
	}, rule{scope: toll.ScopeWriteApprovals, action: account.AskPlan}, func(ctx context.Context, c *call, in *askPlanRequest) (*approvalAnswer, error) {
		return answerApproval(a.o.Office.Ask(ctx, c.person, c.customer, toll.ApprovePlan, account.PlanPayload(in.Body.Plan), in.Body.Note))
	})
}

func addAskLimit(a *API) {
	type askLimitRequest struct {
		OfCustomer
		Body struct {
			Limit string `json:"limit" maxLength:"100" doc:"The name of a limit that holds"`
			Count int64  `json:"count" minimum:"1" maximum:"1000000000000"`
			Note  string `json:"note,omitempty" maxLength:"1000" doc:"Why"`
		}
	}
	register(a, huma.Operation{
		OperationID: "ask-limit", Method: http.MethodPost, Path: "/customers/{customer}/asks/limit", Tags: []string{"Approvals"}, Summary: "Ask for more of a limit", DefaultStatus: http.StatusCreated,
	}, rule{scope: toll.ScopeWriteApprovals, action: account.AskLimit}, func(ctx context.Context, c *call, in *askLimitRequest) (*approvalAnswer, error) {
		return answerApproval(a.o.Office.Ask(ctx, c.person, c.customer, toll.ApproveLimit, account.LimitPayload(in.Body.Limit, in.Body.Count), in.Body.Note))
	})
}

// changeApproval does something to the approval in the path.
func (a *API) changeApproval(ctx context.Context, c *call, id string, change func() (toll.Approval, error)) (*approvalAnswer, error) {
	one, err := a.o.Office.Approval(ctx, c.person, id)
	if one, err = of(c, one, one.CustomerID, err, "approval"); err == nil && change != nil {
		one, err = change()
	}
	return answerApproval(one, err)
}

func addShowApproval(a *API) {
	register(a, huma.Operation{
		OperationID: "show-approval", Method: http.MethodGet, Path: "/customers/{customer}/approvals/{approval}", Tags: []string{"Approvals"}, Summary: "Show what was asked for, and what came of it",
	}, rule{scope: toll.ScopeReadApprovals, action: account.ReadApprovals}, func(ctx context.Context, c *call, in *OfApproval) (*approvalAnswer, error) {
		return a.changeApproval(ctx, c, in.Approval, nil)
	})
}

func addApprove(a *API) {
	register(a, huma.Operation{
		OperationID: "approve", Method: http.MethodPost, Path: "/customers/{customer}/approvals/{approval}/approve", Tags: []string{"Approvals"}, Summary: "Do what was asked for, from the next request on",
		Description: "A 409 says what became of it when somebody was quicker.",
	}, rule{scope: toll.ScopeWriteApprovals, action: account.DecideApproval}, func(ctx context.Context, c *call, in *OfApproval) (*approvalAnswer, error) {
		return a.changeApproval(ctx, c, in.Approval, func() (toll.Approval, error) { return a.o.Office.Approve(ctx, c.person, in.Approval) })
	})
}

func addReject(a *API) {
	type rejectRequest struct {
		OfApproval
		Body struct {
			Reason string `json:"reason" maxLength:"1000" doc:"For whoever asked"`
		}
	}
	register(a, huma.Operation{
		OperationID: "reject", Method: http.MethodPost, Path: "/customers/{customer}/approvals/{approval}/reject", Tags: []string{"Approvals"}, Summary: "Say no, and why",
	}, rule{scope: toll.ScopeWriteApprovals, action: account.DecideApproval}, func(ctx context.Context, c *call, in *rejectRequest) (*approvalAnswer, error) {
		return a.changeApproval(ctx, c, in.Approval, func() (toll.Approval, error) {
			return a.o.Office.Reject(ctx, c.person, in.Approval, in.Body.Reason)
		})
	})
}

func addWithdraw(a *API) {
	register(a, huma.Operation{
		OperationID: "withdraw", Method: http.MethodPost, Path: "/customers/{customer}/approvals/{approval}/withdraw", Tags: []string{"Approvals"}, Summary: "Take back what was asked for",
		Description: "Who asked may, and owners and admins of the customer.",
	}, rule{scope: toll.ScopeWriteApprovals, action: account.ReadApprovals}, func(ctx context.Context, c *call, in *OfApproval) (*approvalAnswer, error) {
		return a.changeApproval(ctx, c, in.Approval, func() (toll.Approval, error) { return a.o.Office.Withdraw(ctx, c.person, in.Approval) })
	})
}
