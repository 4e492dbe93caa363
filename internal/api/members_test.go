package api

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestKeepsMembersAndInvitations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "member/owner")
	w.person(t, "member/viewer")
	token := w.token(t, toll.KindMember, "member_owner", toll.TokenScopes()...)
	const at = "/api/v1/customers/cus_own"
	made := answered[invitation](t, w.ask(t, "POST", at+"/invitations", token, `{"email":"new@example.com","role":"developer"}`), 201)
	wantProblem(t, "twice", w.ask(t, "POST", at+"/invitations", token, `{"email":"new@example.com","role":"viewer"}`), 409, "api-conflict")
	answered[invitation](t, w.ask(t, "POST", at+"/invitations/"+made.ID+"/renew", token, ""), 200)
	list := answered[struct{ Invitations []invitation }](t, w.ask(t, "GET", at+"/invitations", token, ""), 200)
	if len(list.Invitations) != 1 || list.Invitations[0].Email != "new@example.com" {
		t.Errorf("invited: %+v", list)
	}
	answered[invitation](t, w.ask(t, "DELETE", at+"/invitations/"+made.ID, token, ""), 200)
	wantProblem(t, "revoked twice", w.ask(t, "DELETE", at+"/invitations/"+made.ID, token, ""), 404, "api-not-found")

	viewer := at + "/members/member_viewer"
	if m := answered[member](t, w.ask(t, "PUT", viewer+"/role", token, `{"role":"admin"}`), 200); m.Role != "admin" {
		t.Errorf("promoted: %+v", m)
	}
	wantProblem(t, "the last owner", w.ask(t, "PUT", at+"/members/member_owner/role", token, `{"role":"admin"}`), 409, "api-conflict")
	if m := answered[member](t, w.ask(t, "POST", viewer+"/disable", token, ""), 200); m.DisabledAt == nil {
		t.Errorf("disabled: %+v", m)
	}
	if m := answered[member](t, w.ask(t, "POST", viewer+"/enable", token, ""), 200); m.DisabledAt != nil {
		t.Errorf("enabled: %+v", m)
	}
	answered[member](t, w.ask(t, "DELETE", viewer, token, ""), 200)
	out := w.ask(t, "GET", at+"/members", token, "")
	if all := answered[struct{ Members []member }](t, out, 200); len(all.Members) != 1 || strings.Contains(out.Body.String(), "assword") {
		t.Errorf("listed: %s", out.Body)
	}

	// A customer's member by another customer's path, or by another customer's member.
	admin := w.admin(t)
	theirs := answered[invitation](t, w.ask(t, "POST", "/api/v1/customers/cus_foreign/invitations", admin, `{"email":"them@example.com","role":"owner"}`), 201)
	for _, who := range []string{token, admin} {
		wantProblem(t, "their invitation", w.ask(t, "DELETE", at+"/invitations/"+theirs.ID, who, ""), 404, "api-not-found")
	}
	wantProblem(t, "a member by another path", w.ask(t, "DELETE", "/api/v1/customers/cus_foreign/members/member_owner", admin, ""), 404, "api-not-found")
}

func TestAsksApprovesAndRecords(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "member/owner")
	token, admin := w.token(t, toll.KindMember, "member_owner", toll.TokenScopes()...), w.admin(t)
	const at = "/api/v1/customers/cus_own"
	one := answered[approval](t, w.ask(t, "POST", at+"/asks/limit", token, `{"limit":"monthly-calls","count":500,"note":"growth"}`), 201)
	if one.State != "pending" || !strings.Contains(string(one.Asked), `"count":500`) {
		t.Errorf("asked: %+v", one)
	}
	wantProblem(t, "asked twice", w.ask(t, "POST", at+"/asks/limit", token, `{"limit":"monthly-calls","count":600}`), 409, "api-conflict")
	wantProblem(t, "by oneself", w.ask(t, "POST", at+"/approvals/"+one.ID+"/approve", token, ""), 403, "api-forbidden")
	wantProblem(t, "by another path", w.ask(t, "POST", "/api/v1/customers/cus_foreign/approvals/"+one.ID+"/approve", admin, ""), 404, "api-not-found")
	if a := answered[approval](t, w.ask(t, "POST", at+"/approvals/"+one.ID+"/approve", admin, ""), 200); a.State != "approved" || a.DecidedBy != "operator_admin" {
		t.Errorf("approved: %+v", a)
	}
	wantProblem(t, "too late", w.ask(t, "POST", at+"/approvals/"+one.ID+"/withdraw", token, ""), 409, "api-conflict")
	if c := answered[customer](t, w.ask(t, "GET", at, token, ""), 200); len(c.Overrides) != 1 || c.Overrides[0].Count != 500 {
		t.Errorf("it does not hold: %+v", c)
	}
	plan := answered[approval](t, w.ask(t, "POST", at+"/asks/plan", token, `{"plan":"payg"}`), 201)
	wantProblem(t, "no reason", w.ask(t, "POST", at+"/approvals/"+plan.ID+"/reject", admin, `{"reason":""}`), 422, "api-invalid")
	if a := answered[approval](t, w.ask(t, "POST", at+"/approvals/"+plan.ID+"/reject", admin, `{"reason":"not yet"}`), 200); a.Reason != "not yet" {
		t.Errorf("rejected: %+v", a)
	}
	for _, who := range []string{token, admin} {
		if all := answered[struct{ Approvals []approval }](t, w.ask(t, "GET", "/api/v1/approvals", who, ""), 200); len(all.Approvals) != 2 {
			t.Errorf("listed: %+v", all)
		}
	}

	log := answered[struct{ Entries []entry }](t, w.ask(t, "GET", "/api/v1/audit?action=approval.", token, ""), 200)
	if len(log.Entries) != 4 || log.Entries[0].Action != "approval.reject" || log.Entries[0].Who != "operator_admin" || log.Entries[0].Through != "" || log.Entries[0].Way != "api" {
		t.Errorf("recorded: %+v", log)
	}
	wantProblem(t, "another's log", w.ask(t, "GET", "/api/v1/audit?customer=cus_foreign", token, ""), 404, "api-not-found")
}
