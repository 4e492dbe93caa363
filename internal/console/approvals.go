package console

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// approvalRow is an approval as its line in a table shows it.
type approvalRow struct {
	toll.Approval
	Customer  string // the name
	What      string // in words: "Plan Free to Pro"
	Decides   bool   // offer to approve and reject
	Withdraws bool
}

// approvalsView is the operators' table of approvals with the state of its URL.
type approvalsView struct {
	Query toll.ApprovalQuery
	State string // as the URL has it; "" is pending
	Rows  []approvalRow
	Pager piece.Pager
}

const approvalsOnPage = 50

// anyState in the URL leaves the state open: what waits is the default.
const anyState = "all"

func readApprovalQuery(q url.Values) (toll.ApprovalQuery, string) {
	out := toll.ApprovalQuery{State: toll.ApprovalPending, Limit: approvalsOnPage, Before: q.Get("before")}
	if k := toll.ApprovalKind(q.Get("kind")); slices.Contains(toll.ApprovalKinds(), k) {
		out.Kind = k
	}
	state := q.Get("state")
	switch {
	case state == anyState:
		out.State = ""
	case slices.Contains(toll.ApprovalStates(), toll.ApprovalState(state)):
		out.State = toll.ApprovalState(state)
	default:
		state = ""
	}
	return out, state
}

func (t *approvalsView) url(before string) string {
	q := url.Values{}
	for name, value := range map[string]string{"kind": string(t.Query.Kind), "state": t.State, "before": before} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return withQuery("/approvals", q)
}

func (c *Console) approvals(v *visit) (*answer, error) {
	var t approvalsView
	t.Query, t.State = readApprovalQuery(v.r.URL.Query())
	page, err := c.o.Office.Approvals(v.r.Context(), v.person, t.Query)
	if err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, a := range page.Approvals {
		row := c.approvalRow(v, a)
		name, known := names[a.CustomerID]
		if !known {
			name = a.CustomerID
			if customer, err := c.o.Office.Customer(v.r.Context(), v.person, a.CustomerID); err == nil { // the name is a courtesy
				name = customer.Name
			}
			names[a.CustomerID] = name
		}
		row.Customer = name
		t.Rows = append(t.Rows, row)
	}
	t.Pager = piece.Pager{
		Label: v.T("pager.label"), Count: v.words.N("approvals.count", int64(len(t.Rows))), Part: "#results",
		Words: piece.PagerWords{First: v.T("pager.first"), Next: v.T("pager.next")},
	}
	if t.Query.Before != "" {
		t.Pager.First = t.url("")
	}
	if page.Next != "" {
		t.Pager.Next = t.url(page.Next)
	}
	return &answer{title: v.T("approvals.title"), menu: "approvals", body: approvalsPage(v, t), parts: parts{"results": approvalsResults(v, t)}}, nil
}

func (c *Console) approvalRow(v *visit, a toll.Approval) approvalRow {
	pending := a.State == toll.ApprovalPending
	return approvalRow{
		Approval: a, What: c.asked(v, &a), Decides: pending && v.can(account.DecideApproval, a.CustomerID),
		Withdraws: pending && v.person.IsMember() && v.can(account.WithdrawApproval, a.CustomerID),
	}
}

// asked says in words what an approval is about.
func (c *Console) asked(v *visit, a *toll.Approval) string {
	switch a.Kind {
	case toll.ApprovePlan:
		var p toll.PlanAsked
		if json.Unmarshal([]byte(a.Payload), &p) == nil {
			return v.T("approval.plan", c.planTitle(p.From), c.planTitle(p.Plan))
		}
	case toll.ApproveLimit:
		var l toll.LimitAsked
		if json.Unmarshal([]byte(a.Payload), &l) == nil {
			return v.T("approval.limit", l.Limit, v.words.Number(l.From), v.words.Number(l.Count))
		}
	}
	return v.T("approval.kind."+string(a.Kind)) + " " + a.Subject
}

func (c *Console) planTitle(name string) string {
	if plan, _, ok := c.o.Plans.Plan(name); ok && plan.Title != "" {
		return plan.Title
	}
	return name
}

func (c *Console) approve(v *visit) (*answer, error) {
	a, err := c.o.Office.Approve(v.r.Context(), v.person, v.r.PathValue("approval"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/approvals", said: v.said("approval.approved", c.asked(v, &a))}, nil
}

func (c *Console) confirmReject(v *visit) (*answer, error) {
	return c.rejection(v, http.StatusOK, "", "")
}

// rejection asks for the reason: on a page of its own, or in the dialog.
func (c *Console) rejection(v *visit, status int, reason, wrong string) (*answer, error) {
	a, err := c.o.Office.Approval(v.r.Context(), v.person, v.r.PathValue("approval"))
	if err != nil {
		return nil, err
	}
	out := confirmAnswer(v, "approvals", "/approvals", v.T("reject.title"), c.asked(v, &a),
		piece.Button{Kind: "danger", Label: v.T("reject.do"), Busy: v.T("reject.busy")}, false, piece.Field{
			ID: "reason", Name: "reason", Label: v.T("reject.reason"), Hint: v.T("reject.hint"), Value: reason, Error: wrong, Required: true,
			Attrs: map[string]any{"maxlength": "1000", "autocomplete": "off"},
		}.View())
	out.status = status
	return out, nil
}

func (c *Console) reject(v *visit) (*answer, error) {
	if err := v.parseForm(); err != nil {
		return nil, err
	}
	reason := v.r.PostForm.Get("reason")
	a, err := c.o.Office.Reject(v.r.Context(), v.person, v.r.PathValue("approval"), reason)
	if e := invalidField(err); e != nil && e.Field == "reason" {
		key := "reject.reason.missing"
		if strings.TrimSpace(reason) != "" {
			key = "note.long"
		}
		return c.rejection(v, http.StatusUnprocessableEntity, reason, v.T(key))
	}
	if err != nil {
		return nil, err
	}
	return &answer{to: "/approvals", said: v.said("approval.rejected", c.asked(v, &a))}, nil
}

func (c *Console) withdraw(v *visit) (*answer, error) {
	a, err := c.o.Office.Withdraw(v.r.Context(), v.person, v.r.PathValue("approval"))
	if err != nil {
		return nil, err
	}
	return &answer{to: "/plan", said: v.said("approval.withdrawn", c.asked(v, &a))}, nil
}

// askView is the form that asks for another plan or for more of a limit.
type askView struct {
	Kind    toll.ApprovalKind
	Options []piece.Option
	Chosen  string
	Count   string
	Note    string
	Errors  map[string]string
}

func (c *Console) askPlan(v *visit) (*answer, error)  { return c.askForm(v, toll.ApprovePlan) }
func (c *Console) askLimit(v *visit) (*answer, error) { return c.askForm(v, toll.ApproveLimit) }

func (c *Console) askForm(v *visit, kind toll.ApprovalKind) (*answer, error) {
	return c.askAnswer(v, http.StatusOK, askView{Kind: kind, Chosen: v.r.URL.Query().Get("for")})
}

func (c *Console) askAnswer(v *visit, status int, f askView) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	if f.Kind == toll.ApprovePlan {
		for _, name := range c.o.Plans.Names() {
			if name != customer.Subscription.Plan {
				f.Options = append(f.Options, piece.Option{Value: name, Label: c.planTitle(name)})
			}
		}
	} else {
		plan, _, _ := c.o.Plans.Plan(customer.Subscription.Plan)
		for _, p := range customer.Subscription.Policies(&plan) {
			f.Options = append(f.Options, piece.Option{Value: p.Name, Label: p.Name + " (" + v.words.Number(p.Count) + ")"})
		}
	}
	return &answer{status: status, title: v.T("ask." + string(f.Kind)), menu: "plan", body: askPage(v, f)}, nil
}

func (c *Console) sendPlan(v *visit) (*answer, error)  { return c.send(v, toll.ApprovePlan) }
func (c *Console) sendLimit(v *visit) (*answer, error) { return c.send(v, toll.ApproveLimit) }

// send asks. Of the form nothing but these fields is read.
func (c *Console) send(v *visit, kind toll.ApprovalKind) (*answer, error) {
	f := askView{Kind: kind, Chosen: v.r.PostForm.Get("for"), Count: strings.TrimSpace(v.r.PostForm.Get("count")), Note: v.r.PostForm.Get("note"), Errors: map[string]string{}}
	payload := account.PlanPayload(f.Chosen)
	if kind == toll.ApproveLimit {
		n, err := strconv.ParseInt(f.Count, 10, 64)
		if err != nil {
			f.Errors["count"] = v.T("ask.count.wrong")
			return c.askAnswer(v, http.StatusUnprocessableEntity, f)
		}
		payload = account.LimitPayload(f.Chosen, n)
	}
	a, err := c.o.Office.Ask(v.r.Context(), v.person, v.customerID(), kind, payload, f.Note)
	if e := invalidField(err); e != nil {
		switch e.Field {
		case "count":
			f.Errors["count"] = v.T("ask.count.wrong")
		case "note":
			f.Errors["note"] = v.T("note.long")
		default:
			f.Errors["for"] = v.T("ask.for.wrong")
		}
		return c.askAnswer(v, http.StatusUnprocessableEntity, f)
	}
	if err != nil {
		return nil, err
	}
	key := "approval.asked"
	if a.State == toll.ApprovalApproved {
		key = "approval.approved"
	}
	return &answer{to: "/plan", said: v.said(key, c.asked(v, &a))}, nil
}

// ownApprovals are the newest of what a customer asked for.
func (c *Console) ownApprovals(v *visit, customerID string) ([]approvalRow, error) {
	page, err := c.o.Office.Approvals(v.r.Context(), v.person, toll.ApprovalQuery{Customer: customerID, Limit: 5})
	if err != nil {
		return nil, err
	}
	rows := make([]approvalRow, len(page.Approvals))
	for i, a := range page.Approvals {
		rows[i] = c.approvalRow(v, a)
	}
	return rows, nil
}
