package account_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// asking is an office with two customers, a member of each role and two operators.
type asking struct {
	office   *account.Office
	store    *accounttest.Store
	changes  *accounttest.Changes
	own, foe toll.Customer
	member   func(role toll.MemberRole) account.Person
	stranger account.Person
	ada, bob account.Person // operators
}

func newAsking(t *testing.T, selfService bool) *asking {
	t.Helper()
	plans := accounttest.Plans{
		{Name: "free", Policies: []toll.Policy{{Name: "per-minute", Kind: toll.RateLimit, Count: 60, Burst: 10, Window: time.Minute}}},
		{Name: "pro", Policies: []toll.Policy{{Name: "per-minute", Kind: toll.RateLimit, Count: 600, Window: time.Minute}}},
	}
	a := &asking{store: accounttest.NewStore(), changes: new(accounttest.Changes)}
	var err error
	a.office, err = account.NewOffice(a.store, account.OfficeOptions{
		Plans: plans, Mint: accounttest.Mint, Passwords: accounttest.QuickPasswords(t), Changed: a.changes, SelfService: func() bool { return selfService },
	})
	must(t, err)
	a.own, err = a.office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: "Own", Plan: "free"})
	must(t, err)
	a.foe, err = a.office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: "Foe", Plan: "free"})
	must(t, err)
	asker, err := a.office.CreateMember(t.Context(), account.System, account.NewMember{CustomerID: a.own.ID, Email: "asker@own.example", Name: "Ask", Role: toll.MemberOwner, Language: "fr"})
	must(t, err)
	op, err := a.office.CreateOperator(t.Context(), account.System, account.NewOperator{Email: "ada@ops.example", Name: "Ada", Role: toll.OperatorSupport})
	must(t, err)
	a.ada = account.Person{Kind: toll.KindOperator, ID: op.ID, Role: "support"}
	a.bob = account.Person{Kind: toll.KindOperator, ID: "op_bob", Role: "admin"}
	a.member = func(role toll.MemberRole) account.Person {
		return account.Person{Kind: toll.KindMember, ID: asker.ID, Role: string(role), CustomerID: a.own.ID}
	}
	a.stranger = account.Person{Kind: toll.KindMember, ID: "mem_foe", Role: "owner", CustomerID: a.foe.ID}
	a.changes.Take()
	return a
}

func (a *asking) ask(t *testing.T, kind toll.ApprovalKind, payload json.RawMessage) toll.Approval {
	t.Helper()
	got, err := a.office.Ask(t.Context(), a.member(toll.MemberOwner), a.own.ID, kind, payload, " We grow.\r\n")
	must(t, err)
	return got
}

func TestAnApprovedPlanChangeHoldsAtOnce(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	asked := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
	if asked.State != toll.ApprovalPending || asked.Note != "We grow." || asked.Payload != `{"plan":"pro","from":"free"}` {
		t.Errorf("asked %+v", asked)
	}
	if customers, _ := a.changes.Take(); len(customers) != 0 {
		t.Error("asking changed the customer")
	}
	got, err := a.office.Approve(t.Context(), a.ada, asked.ID)
	must(t, err)
	if got.State != toll.ApprovalApproved || got.DecidedBy != a.ada.ID {
		t.Errorf("approved %+v", got)
	}
	customers, _ := a.changes.Take()
	if len(customers) != 1 || customers[0].Subscription.Plan != "pro" || customers[0].Subscription.PlanVersion != "pro@1" {
		t.Errorf("the gate was told %+v", customers)
	}
	mails := a.store.TakeMails()
	if len(mails) != 1 || mails[0].To != "asker@own.example" || mails[0].Language != "fr" || mails[0].Kind != "approval.approved" || mails[0].Values["subject"] != "pro" {
		t.Errorf("mailed %+v", mails)
	}
	log := entries(t, a.store)
	if log[0].Action != "approval.approve" || log[1].Action != "customer.plan" || log[1].Who != a.ada.ID || log[2].Action != "approval.ask_plan" {
		t.Errorf("the log says %s, %s, %s", log[0].Action, log[1].Action, log[2].Action)
	}
}

func TestAnApprovedLimitBecomesTheCustomersOwn(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	asked := a.ask(t, toll.ApproveLimit, account.LimitPayload("per-minute", 120))
	_, err := a.office.Approve(t.Context(), a.ada, asked.ID)
	must(t, err)
	customers, _ := a.changes.Take()
	want := toll.Policy{Name: "per-minute", Kind: toll.RateLimit, Count: 120, Burst: 20, Window: time.Minute}
	if len(customers) != 1 || len(customers[0].Subscription.Overrides) != 1 || customers[0].Subscription.Overrides[0] != want {
		t.Errorf("the gate was told %+v", customers)
	}
}

func TestARejectionSaysWhyAndChangesNothing(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	asked := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
	for _, reason := range []string{"", " \n ", strings.Repeat("x", 1001)} {
		if _, err := a.office.Reject(t.Context(), a.ada, asked.ID, reason); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("rejected for %q: %v", reason, err)
		}
	}
	got, err := a.office.Reject(t.Context(), a.ada, asked.ID, "Pay first.")
	must(t, err)
	if got.State != toll.ApprovalRejected || got.Reason != "Pay first." {
		t.Errorf("rejected %+v", got)
	}
	if customers, _ := a.changes.Take(); len(customers) != 0 {
		t.Error("rejecting changed the customer")
	}
	if mails := a.store.TakeMails(); len(mails) != 1 || mails[0].Kind != "approval.rejected" || mails[0].Values["reason"] != "Pay first." {
		t.Errorf("mailed %+v", mails)
	}
	a.ask(t, toll.ApprovePlan, account.PlanPayload("pro")) // it may be asked again
}

func TestOneOfTwoWhoDecideAtOnceWinsAndTheOtherLearnsHow(t *testing.T) {
	t.Parallel()
	for range 20 {
		a := newAsking(t, false)
		asked := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
		var errs [2]error
		var both sync.WaitGroup
		both.Go(func() { _, errs[0] = a.office.Approve(t.Context(), a.ada, asked.ID) })
		both.Go(func() { _, errs[1] = a.office.Reject(t.Context(), a.bob, asked.ID, "No.") })
		both.Wait()
		lost := errs[0]
		if lost == nil {
			lost = errs[1]
		} else if errs[1] != nil {
			t.Fatalf("nobody decided: %v, %v", errs[0], errs[1])
		}
		if toll.CodeOf(lost) != toll.Conflict || !strings.Contains(toll.SafeMessage(lost), "already, by ") {
			t.Errorf("the other one learns %v", lost)
		}
		if n := len(a.store.TakeMails()); n != 1 {
			t.Errorf("%d mails were written", n)
		}
	}
}

func TestAnApprovalIsTriedAgainWhenTheCustomerWasChangedMeanwhile(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	asked := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
	var all sync.WaitGroup
	all.Go(func() {
		for i := range 3 {
			_, _ = a.office.RenameCustomer(t.Context(), account.System, a.own.ID, strings.Repeat("n", i+1), 0)
		}
	})
	_, err := a.office.Approve(t.Context(), a.ada, asked.ID)
	all.Wait()
	must(t, err)
	c, err := a.store.Customer(t.Context(), a.own.ID)
	must(t, err)
	if c.Subscription.Plan != "pro" || c.Name != "nnn" {
		t.Errorf("the customer is %s on %s", c.Name, c.Subscription.Plan)
	}
}

func TestSelfServiceChangesThePlanAtOnce(t *testing.T) {
	t.Parallel()
	a := newAsking(t, true)
	if got := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro")); got.State != toll.ApprovalApproved || got.DecidedBy != "system" {
		t.Errorf("asked %+v", got)
	}
	if got := a.ask(t, toll.ApproveLimit, account.LimitPayload("per-minute", 700)); got.State != toll.ApprovalPending {
		t.Errorf("a limit was raised without an operator: %+v", got)
	}
}

func TestNobodyReachesAnotherTenantsApproval(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	asked := a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
	ctx := t.Context()
	for what, try := range map[string]func(p account.Person) error{
		"read":     func(p account.Person) error { _, err := a.office.Approval(ctx, p, asked.ID); return err },
		"withdraw": func(p account.Person) error { _, err := a.office.Withdraw(ctx, p, asked.ID); return err },
		"approve":  func(p account.Person) error { _, err := a.office.Approve(ctx, p, asked.ID); return err },
		"reject":   func(p account.Person) error { _, err := a.office.Reject(ctx, p, asked.ID, ""); return err },
		"list": func(p account.Person) error {
			_, err := a.office.Approvals(ctx, p, toll.ApprovalQuery{Customer: a.own.ID})
			return err
		},
		"ask": func(p account.Person) error {
			_, err := a.office.Ask(ctx, p, a.own.ID, toll.ApprovePlan, account.PlanPayload("pro"), "")
			return err
		},
	} {
		if err := try(a.stranger); toll.CodeOf(err) != toll.NotFound {
			t.Errorf("another tenant's owner may %s: %v", what, err)
		}
		if err := try(account.Person{}); toll.CodeOf(err) != toll.Unauthorized {
			t.Errorf("nobody may %s: %v", what, err)
		}
	}
	for _, p := range []account.Person{a.member(toll.MemberOwner), {Kind: toll.KindOperator, ID: "op_v", Role: "viewer"}} {
		if _, err := a.office.Approve(ctx, p, asked.ID); toll.CodeOf(err) != toll.Forbidden {
			t.Errorf("%s may approve: %v", p.Subject(), err)
		}
		if _, err := a.office.Reject(ctx, p, asked.ID, ""); toll.CodeOf(err) != toll.Forbidden {
			t.Errorf("%s may reject: %v", p.Subject(), err)
		}
	}
}

func TestRefusesAnAskThatIsNone(t *testing.T) {
	t.Parallel()
	a := newAsking(t, false)
	owner := a.member(toll.MemberOwner)
	for name, c := range map[string]struct {
		kind    toll.ApprovalKind
		payload string
	}{
		"no such plan":                        {toll.ApprovePlan, `{"plan":"gold"}`},
		"the same plan":                       {toll.ApprovePlan, `{"plan":"free"}`},
		"a price beside it":                   {toll.ApprovePlan, `{"plan":"pro","price":"0"}`},
		"a customer beside":                   {toll.ApprovePlan, `{"plan":"pro","customer":"` + a.foe.ID + `"}`},
		"a state beside":                      {toll.ApprovePlan, `{"plan":"pro","state":"approved"}`},
		"no such limit":                       {toll.ApproveLimit, `{"limit":"per-year","count":1000}`},
		"less than now":                       {toll.ApproveLimit, `{"limit":"per-minute","count":60}`},
		"negative":                            {toll.ApproveLimit, `{"limit":"per-minute","count":-1}`},
		"beyond reason":                       {toll.ApproveLimit, `{"limit":"per-minute","count":9000000000000000000}`},
		"a policy beside it":                  {toll.ApproveLimit, `{"limit":"per-minute","count":100,"window":1}`},
		"no JSON":                             {toll.ApproveLimit, `{`},
		"nothing":                             {toll.ApprovePlan, ``},
		"a model, where no service takes one": {toll.ApproveModel, `{}`},
		"a kind of their own":                 {"discount", `{}`},
	} {
		if _, err := a.office.Ask(t.Context(), owner, a.own.ID, c.kind, json.RawMessage(c.payload), ""); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	a.ask(t, toll.ApprovePlan, account.PlanPayload("pro"))
	if _, err := a.office.Ask(t.Context(), owner, a.own.ID, toll.ApprovePlan, account.PlanPayload("pro"), ""); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("asked twice: %v", err)
	}
	for _, role := range []toll.MemberRole{toll.MemberViewer, toll.MemberDeveloper} {
		if _, err := a.office.Ask(t.Context(), a.member(role), a.own.ID, toll.ApprovePlan, account.PlanPayload("pro"), ""); toll.CodeOf(err) != toll.Forbidden {
			t.Errorf("a %s asks for a plan: %v", role, err)
		}
	}
}
