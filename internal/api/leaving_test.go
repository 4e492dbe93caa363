package api

import (
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestExportsACustomerAndDeletesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	admin := w.admin(t)
	owner := w.person(t, account.Subject("member/owner"))
	at := "/api/v1/customers/cus_own"
	type export struct {
		ExportedAt string              `json:"exported_at"`
		Record     toll.CustomerRecord `json:"record"`
	}
	out := w.ask(t, "GET", at+"/export", admin, "")
	if doc := answered[export](t, out, 200); doc.ExportedAt == "" || len(doc.Record["members"]) != 1 || doc.Record["members"][0]["email"] != owner {
		t.Errorf("exported: %s", out.Body)
	}
	token := w.token(t, toll.KindMember, "member_owner", toll.TokenScopes()...)
	answered[export](t, w.ask(t, "GET", at+"/export", token, ""), 200)
	wantProblem(t, "another customer's", w.ask(t, "GET", "/api/v1/customers/cus_foreign/export", token, ""), 404, "api-not-found")
	wantProblem(t, "a member deletes", w.ask(t, "POST", at+"/delete", token, `{"customer":"cus_own"}`), 403, "api-forbidden")
	wantProblem(t, "another ID", w.ask(t, "POST", at+"/delete", admin, `{"customer":"cus_foreign"}`), 422, "api-invalid")
	if c, err := w.store.Customer(t.Context(), "cus_own"); err != nil || c.Status != toll.CustomerActive {
		t.Fatalf("it was deleted: %+v %v", c, err)
	}

	out = w.ask(t, "POST", at+"/delete", admin, `{"customer":"cus_own"}`)
	if c := answered[customer](t, out, 200); c.Status != "closed" || c.Name != "Deleted customer us_own" || c.ClosedAt == nil {
		t.Errorf("deleted: %s", out.Body)
	}
	if out := w.ask(t, "GET", at+"/export", admin, ""); out.Code != 200 || strings.Contains(out.Body.String(), owner) {
		t.Errorf("what is left: %d %s", out.Code, out.Body)
	}
	if out := w.ask(t, "GET", at, token, ""); out.Code != 401 {
		t.Errorf("its member's token still opens: %d", out.Code)
	}
	for path, body := range map[string]string{
		"POST /resume":      "",
		"POST /delete":      `{"customer":"cus_own"}`,
		"POST /keys":        `{"name":"again"}`,
		"PATCH ":            `{"name":"Back"}`,
		"PUT /plan":         `{"plan":"free"}`,
		"POST /invitations": `{"email":"new@example.com","role":"viewer"}`,
	} {
		method, rest, _ := strings.Cut(path, " ")
		p := wantProblem(t, path, w.ask(t, method, at+rest, admin, body), 409, "api-conflict")
		if !strings.Contains(p.Detail, "closed") {
			t.Errorf("%s does not say why: %+v", path, p)
		}
	}
	type list struct{ Customers []customer }
	if l := answered[list](t, w.ask(t, "GET", "/api/v1/customers?status=closed", admin, ""), 200); len(l.Customers) != 1 {
		t.Errorf("the closed ones: %+v", l)
	}
}
