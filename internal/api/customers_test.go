package api

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// answered reads an answer with a status into a document.
func answered[T any](t testing.TB, out *httptest.ResponseRecorder, status int) (doc T) {
	t.Helper()
	if out.Code != status {
		t.Fatalf("got %d, want %d: %s", out.Code, status, out.Body)
	}
	must(t, json.Unmarshal(out.Body.Bytes(), &doc))
	return doc
}

func TestKeepsCustomers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	made := answered[customer](t, w.ask(t, "POST", "/api/v1/customers", token, `{"name":"Acme","plan":"free"}`), 201)
	at := "/api/v1/customers/" + made.ID
	out := w.ask(t, "PATCH", at, token, `{"name":"Acme Two"}`, `If-Match: "1"`)
	if c := answered[customer](t, out, 200); c.Name != "Acme Two" || out.Header().Get("ETag") != `"2"` {
		t.Errorf("renamed: %s, ETag %s", out.Body, out.Header().Get("ETag"))
	}
	out = w.ask(t, "PUT", at+"/plan", token, `{"plan":"pro"}`, `If-Match: "1"`)
	wantProblem(t, "an old version", out, 409, "api-conflict")
	if out.Header().Get("ETag") != `"2"` || !strings.Contains(out.Body.String(), `"current":{`) || !strings.Contains(out.Body.String(), `"name":"Acme Two"`) {
		t.Errorf("it does not say what changed: %s", out.Body)
	}
	wantProblem(t, "no ETag", w.ask(t, "PUT", at+"/plan", token, `{"plan":"pro"}`, `If-Match: 2`), 422, "api-invalid")
	if c := answered[customer](t, w.ask(t, "PUT", at+"/plan", token, `{"plan":"pro"}`, `If-Match: "2"`), 200); c.Plan != "pro" {
		t.Errorf("moved: %+v", c)
	}
	if c := answered[customer](t, w.ask(t, "POST", at+"/suspend", token, ""), 200); c.Status != "suspended" {
		t.Errorf("suspended: %+v", c)
	}
	if c := answered[customer](t, w.ask(t, "POST", at+"/resume", token, ""), 200); c.Status != "active" {
		t.Errorf("resumed: %+v", c)
	}
	if c := answered[customer](t, w.ask(t, "PUT", at+"/overrides/monthly-calls", token, `{"quota":500}`), 200); len(c.Overrides) != 1 || c.Overrides[0].Count != 500 {
		t.Errorf("overridden: %+v", c)
	}
	wantProblem(t, "two kinds", w.ask(t, "PUT", at+"/overrides/x", token, `{"quota":500,"concurrency":3}`), 422, "api-invalid")
	if c := answered[customer](t, w.ask(t, "DELETE", at+"/overrides/monthly-calls", token, ""), 200); len(c.Overrides) != 0 {
		t.Errorf("no override: %+v", c)
	}
	type list struct {
		Customers []customer
		Next      string
	}
	first := answered[list](t, w.ask(t, "GET", "/api/v1/customers?limit=2", token, ""), 200)
	if len(first.Customers) != 2 || first.Next == "" {
		t.Fatalf("a page: %+v", first)
	}
	if rest := answered[list](t, w.ask(t, "GET", "/api/v1/customers?limit=2&cursor="+first.Next, token, ""), 200); len(rest.Customers) != 1 || rest.Next != "" {
		t.Errorf("the page after: %+v", rest)
	}
}

// Nothing that a body does not offer can be set by it.
func TestTakesNothingThatABodyDoesNotOffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	for path, body := range map[string]string{
		"POST /customers":              `{"name":"Acme","plan":"free","status":"suspended"}`,
		"PATCH /customers/cus_own":     `{"name":"Acme","plan":"payg"}`,
		"PUT /customers/cus_own/plan":  `{"plan":"free","plan_version":"free@0"}`,
		"POST /customers/cus_own/keys": `{"name":"k","customer":"cus_foreign"}`,
	} {
		method, at, _ := strings.Cut(path, " ")
		p := wantProblem(t, path, w.ask(t, method, Prefix+at, token, body), 422, "api-invalid")
		if len(p.Errors) == 0 {
			t.Errorf("%s: it does not say what is too much", path)
		}
	}
	c, err := w.store.Customer(t.Context(), "cus_own")
	must(t, err)
	if c.Version != 1 || c.Name != "cus_own" {
		t.Errorf("something of it was done: %+v", c)
	}
}

func TestKeepsKeys(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(t, "member/developer")
	token := w.token(t, toll.KindMember, "member_developer", toll.TokenScopes()...)
	out := w.ask(t, "POST", "/api/v1/customers/cus_own/keys", token, `{"name":"production","methods":["post"],"origins":["10.0.0.0/8"]}`)
	made := answered[madeKey](t, out, 201)
	if !strings.HasPrefix(made.Text, "th_live_") || made.State != "valid" || len(made.Origins) != 1 {
		t.Errorf("made: %s", out.Body)
	}
	at := "/api/v1/customers/cus_own/keys/" + made.ID
	out = w.ask(t, "GET", at, token, "")
	if answered[CustomerKey](t, out, 200).ID != made.ID || strings.Contains(out.Body.String(), made.Text) {
		t.Errorf("shown: %s", out.Body)
	}
	next := answered[madeKey](t, w.ask(t, "POST", at+"/roll", token, `{"overlap_seconds":3600}`), 201)
	if next.Text == made.Text || next.Name != "production" {
		t.Errorf("rolled: %+v", next)
	}
	if k := answered[CustomerKey](t, w.ask(t, "DELETE", at, token, ""), 200); k.State != "revoked" || k.ReplacedBy != next.ID {
		t.Errorf("revoked: %+v", k)
	}
	wantProblem(t, "rolled again", w.ask(t, "POST", at+"/roll", token, `{"overlap_seconds":0}`), 409, "api-conflict")
	if list := answered[struct{ Keys []CustomerKey }](t, w.ask(t, "GET", "/api/v1/customers/cus_own/keys", token, ""), 200); len(list.Keys) != 2 {
		t.Errorf("listed: %+v", list)
	}

	// Another tenant's, by every door there is.
	admin := w.admin(t)
	foreign := answered[madeKey](t, w.ask(t, "POST", "/api/v1/customers/cus_foreign/keys", admin, `{"name":"theirs"}`), 201)
	for _, who := range []string{token, admin} { // of an operator the path must be right too
		for _, door := range []string{"GET ", "DELETE ", "POST /roll"} {
			method, rest, _ := strings.Cut(door, " ")
			body := map[bool]string{true: `{"overlap_seconds":0}`}[rest != ""]
			wantProblem(t, door, w.ask(t, method, "/api/v1/customers/cus_own/keys/"+foreign.ID+rest, who, body), 404, "api-not-found")
		}
	}
	wantProblem(t, "their list", w.ask(t, "GET", "/api/v1/customers/cus_foreign/keys", token, ""), 404, "api-not-found")
	if k, err := w.store.Key(t.Context(), foreign.ID); err != nil || !k.RevokedAt.IsZero() || k.ReplacedBy != "" {
		t.Errorf("it was touched: %+v %v", k, err)
	}
}
