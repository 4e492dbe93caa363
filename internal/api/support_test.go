package api

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestKeepsConversations(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "member/owner")
	token, admin := w.token(t, toll.KindMember, "member_owner", toll.TokenScopes()...), w.admin(t)
	const at = "/api/v1/customers/cus_own/threads"
	one := answered[thread](t, w.ask(t, "POST", at, token, `{"subject":"Help","text":"It does not work."}`), 201)
	wantProblem(t, "opened by an operator", w.ask(t, "POST", at, admin, `{"subject":"Help","text":"It works."}`), 403, "api-forbidden")
	if r := answered[thread](t, w.ask(t, "POST", at+"/"+one.ID+"/messages", admin, `{"text":"It does now."}`), 201); r.State != "waiting" || r.Messages != 2 {
		t.Errorf("answered: %+v", r)
	}
	shown := answered[struct {
		Thread   thread
		Messages []message
	}](t, w.ask(t, "GET", at+"/"+one.ID, token, ""), 200)
	if len(shown.Messages) != 2 || shown.Messages[1].Author != "operator" || shown.Messages[1].Text != "It does now." {
		t.Errorf("shown: %+v", shown)
	}
	if r := answered[thread](t, w.ask(t, "POST", at+"/"+one.ID+"/close", token, ""), 200); r.State != "closed" {
		t.Errorf("closed: %+v", r)
	}
	if all := answered[struct{ Threads []thread }](t, w.ask(t, "GET", "/api/v1/threads?state=closed", token, ""), 200); len(all.Threads) != 1 {
		t.Errorf("listed: %+v", all)
	}
	for _, door := range []string{"GET", "POST"} {
		path, body := "/api/v1/customers/cus_foreign/threads/"+one.ID, ""
		if door == "POST" {
			path, body = path+"/messages", `{"text":"x"}`
		}
		wantProblem(t, door+" by another path", w.ask(t, door, path, admin, body), 404, "api-not-found")
	}
}
