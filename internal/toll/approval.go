package toll

import "time"

// ApprovalKind is what a customer can ask for.
type ApprovalKind string

// The kinds of approval.
const (
	ApprovePlan  ApprovalKind = "plan"  // another plan
	ApproveLimit ApprovalKind = "limit" // more of a limit of its plan
	ApproveModel ApprovalKind = "model" // that a service takes an uploaded model
)

// ApprovalKinds lists them.
func ApprovalKinds() []ApprovalKind { return []ApprovalKind{ApprovePlan, ApproveLimit, ApproveModel} }

// ApprovalState is what became of an approval.
type ApprovalState string

// The states. All but the first are for good.
const (
	ApprovalPending   ApprovalState = "pending"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalWithdrawn ApprovalState = "withdrawn" // by the customer
)

// ApprovalStates lists them.
func ApprovalStates() []ApprovalState {
	return []ApprovalState{ApprovalPending, ApprovalApproved, ApprovalRejected, ApprovalWithdrawn}
}

// Approval is what a customer asks for and an operator decides.
type Approval struct {
	ID         string // apr_…; ascends with time
	Kind       ApprovalKind
	CustomerID string
	Subject    string // what it is about: a limit's name, a model's ID, "" for the plan; one is pending at a time
	AskedBy    string // the member's ID
	AskedAt    time.Time
	Payload    string // a JSON object, by kind: PlanAsked, LimitAsked
	Note       string // why, in the member's words; at most 1000 characters
	State      ApprovalState
	DecidedBy  string // who approved, rejected or withdrew it: a person's ID, "system" where the configuration does; "" while pending
	DecidedAt  time.Time
	Reason     string // why it was rejected, for the member to read; at most 1000 characters
	Version    int64
}

// PlanAsked is the payload of ApprovePlan.
type PlanAsked struct {
	Plan string `json:"plan"`
	From string `json:"from"` // the plan when it was asked
}

// LimitAsked is the payload of ApproveLimit.
type LimitAsked struct {
	Limit string `json:"limit"` // the policy's name
	Count int64  `json:"count"` // as Policy.Count
	From  int64  `json:"from"`  // when it was asked
}

// Decision ends an approval, with what follows from it: all in one transaction.
type Decision struct {
	Approval Approval // as it is from now on, with the Version that was seen
	// Customer is the customer as it is from now on, with the Version that was
	// seen; nil where nothing of it changes.
	Customer *Customer
	Mails    []Mail
}

// ApprovalQuery asks for a page of approvals, the newest first. Empty fields do
// not narrow.
type ApprovalQuery struct {
	Customer string
	Kind     ApprovalKind
	State    ApprovalState
	Before   string // ApprovalPage.Next of the page before; "" for the first
	Limit    int    // 1 to 500; 0 is 50
}

// ApprovalPage is one page of approvals.
type ApprovalPage struct {
	Approvals []Approval
	Next      string // ApprovalQuery.Before of the page after, "" when this is the last
}
