package console

import (
	"crypto/rand"
	"encoding/csv"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func TestAMemberAsksAnOperatorRejectsWithAReasonAndThenApproves(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	member, operator := w.as("owner@acme.example"), w.as("support@house.example")
	ask := func() *toll.Approval {
		t.Helper()
		form := url.Values{hx.OnceField: {rand.Text()}, "for": {"hour"}, "count": {"9000"}, "note": {"We grow."}, "state": {"approved"}, "customer": {w.other.ID}}
		if r := member.post("/plan/limit", form); r.Code != http.StatusSeeOther {
			t.Fatalf("asking is %d: %s", r.Code, r.Body)
		}
		page, err := w.store.Approvals(t.Context(), toll.ApprovalQuery{Customer: w.customer.ID})
		w.ok(err)
		return &page.Approvals[0]
	}
	first := ask()
	if first.State != toll.ApprovalPending || first.CustomerID != w.customer.ID || first.Subject != "hour" {
		t.Fatalf("the form made %+v", first)
	}
	if body := operator.get("/approvals").Body.String(); !strings.Contains(body, "Limit hour: 6,000 to 9,000") || !strings.Contains(body, "We grow.") || !strings.Contains(body, "Acme Robotics") {
		t.Error("the operators' page does not show what was asked")
	}
	path := "/approvals/" + first.ID
	if r := operator.get(path + "/reject"); r.Code != 200 || !strings.Contains(r.Body.String(), `name="reason"`) {
		t.Errorf("the form of a rejection is %d", r.Code)
	}
	for _, reason := range []string{"", "  ", strings.Repeat("x", 1001)} {
		if r := operator.post(path+"/reject", url.Values{"reason": {reason}}); r.Code != http.StatusUnprocessableEntity || !strings.Contains(r.Body.String(), "reason-error") {
			t.Errorf("a rejection for %.5q is %d", reason, r.Code)
		}
	}
	if r := operator.post(path+"/reject", url.Values{"reason": {"Pay <first>."}}); r.Code != http.StatusSeeOther {
		t.Fatalf("the rejection is %d", r.Code)
	}
	if body := member.get("/plan").Body.String(); !strings.Contains(body, "Rejected") || !strings.Contains(body, "Pay &lt;first&gt;.") {
		t.Error("the member does not read the rejection and its reason")
	}
	if r := operator.post(path+"/approve", nil); r.Code != http.StatusConflict || !strings.Contains(r.Body.String(), "rejected already, by Olga Support") {
		t.Errorf("approving what was rejected is %d: %s", r.Code, r.Body)
	}
	second := ask()
	if r := operator.post("/approvals/"+second.ID+"/approve", nil); r.Code != http.StatusSeeOther {
		t.Fatalf("approving is %d", r.Code)
	}
	c, err := w.store.Customer(t.Context(), w.customer.ID)
	w.ok(err)
	if len(c.Subscription.Overrides) != 1 || c.Subscription.Overrides[0].Name != "hour" || c.Subscription.Overrides[0].Count != 9000 {
		t.Errorf("the customer has %+v", c.Subscription.Overrides)
	}
}

func TestRefusesAFormThatAsksForNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.as("owner@acme.example")
	for name, c := range map[string]struct {
		path string
		form url.Values
	}{
		"no such plan":  {"/plan/change", url.Values{"for": {"gold"}}},
		"one's own":     {"/plan/change", url.Values{"for": {"pro"}}},
		"no number":     {"/plan/limit", url.Values{"for": {"hour"}, "count": {"many"}}},
		"less":          {"/plan/limit", url.Values{"for": {"hour"}, "count": {"5"}}},
		"no such limit": {"/plan/limit", url.Values{"for": {"year"}, "count": {"9000"}}},
		"a long note":   {"/plan/change", url.Values{"for": {"free"}, "note": {strings.Repeat("x", 1001)}}},
	} {
		c.form.Set(hx.OnceField, rand.Text())
		if r := b.post(c.path, c.form); r.Code != http.StatusUnprocessableEntity {
			t.Errorf("%s is %d", name, r.Code)
		}
	}
}

func TestNobodyWithdrawsAnotherTenantsApproval(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	theirs := w.as("owner@globex.example").post("/plan/approvals/"+w.approval.ID+"/withdraw", nil)
	none := w.as("owner@globex.example").post("/plan/approvals/apr_none/withdraw", nil)
	if theirs.Code != 404 || none.Code != 404 || strip(theirs) != strip(none) {
		t.Errorf("another tenant's approval is %d, and none is %d", theirs.Code, none.Code)
	}
	if body := w.as("owner@globex.example").get("/plan").Body.String(); strings.Contains(body, w.approval.ID) {
		t.Error("another tenant's page has the approval")
	}
}

func TestTheAuditLogIsFilteredPagedAndSafeInASpreadsheet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 60 {
		e := tolltest.Entry()
		e.Action, e.Object, e.Customer = "key.revoke", `=HYPERLINK("http://evil.example")`, w.customer.ID
		w.ok(w.store.AppendEntry(t.Context(), e))
	}
	b := w.as("viewer@house.example")
	body := b.get("/audit?action=key.&customer=" + w.customer.ID).Body.String()
	if !strings.Contains(body, "key.revoke") || strings.Contains(body, "member.create") {
		t.Error("the page is not what the filter asks for")
	}
	if !strings.Contains(body, "before=") || !strings.Contains(body, "/audit.csv?action=key.") {
		t.Error("the page lacks its next page or its CSV by the same filter")
	}
	if body := b.get("/audit?who=nobody-like-this").Body.String(); !strings.Contains(body, "No entries") {
		t.Error("a filter that fits nothing finds something")
	}
	for _, odd := range []string{"before=-1", "before=x", "since=yesterday", "outcome=maybe", "who=" + strings.Repeat("x", 5000), "who=%00"} {
		if r := b.get("/audit?" + odd); r.Code != 200 && r.Code != 422 {
			t.Errorf("/audit?%.20s is %d", odd, r.Code)
		}
	}
	rows, err := csv.NewReader(b.get("/audit.csv?action=key.revoke").Body).ReadAll()
	w.ok(err)
	if len(rows) != 61 || !strings.HasPrefix(rows[1][11], "'=HYPERLINK") {
		t.Errorf("%d rows, an object as %q", len(rows), rows[1][11])
	}
}

func TestWhatTheGateRefusesIsCountedForTheAuditLog(t *testing.T) {
	t.Parallel()
	refusals := new(account.Refusals)
	w := newWorld(t, func(o *Options) { o.Refusals = refusals })
	for range 3 {
		w.as("viewer@house.example").post("/approvals/"+w.approval.ID+"/approve", nil)
	}
	w.ok(refusals.Flush(t.Context(), w.store, w.now))
	page, err := w.store.Entries(t.Context(), toll.EntryQuery{Outcome: toll.Refused})
	w.ok(err)
	if len(page.Entries) != 1 || page.Entries[0].Action != "approval.decide" || page.Entries[0].Role != "viewer" || page.Entries[0].IP == "" || page.Entries[0].RequestID == "" || page.Entries[0].After != `{"times":3}` {
		t.Errorf("counted %+v", page.Entries)
	}
}
