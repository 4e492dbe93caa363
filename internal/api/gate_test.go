package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// registered calls visit for every operation of the contract.
func registered(a *API, visit func(method, path string, op *huma.Operation)) {
	for path, item := range a.huma.OpenAPI().Paths {
		for method, op := range map[string]*huma.Operation{
			"GET": item.Get, "POST": item.Post, "PUT": item.Put, "PATCH": item.Patch, "DELETE": item.Delete, "HEAD": item.Head, "OPTIONS": item.Options,
		} {
			if op != nil {
				visit(method, Prefix+path, op)
			}
		}
	}
}

func TestEveryOperationHasARuleThatHolds(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	seen := 0
	registered(w.api, func(method, path string, op *huma.Operation) {
		seen++
		r, ok := w.api.rules[op.OperationID]
		if !ok || op.OperationID == "" {
			t.Fatalf("%s %s (%q) has no rule: add it with register", method, path, op.OperationID)
		}
		if r.action != "" && r.scope == "" {
			t.Errorf("%s %s does something and needs no scope", method, path)
		}
		if len(op.Security) != 1 || op.Summary == "" || len(op.Tags) == 0 {
			t.Errorf("%s %s says too little in the contract", method, path)
		}
	})
	if seen == 0 || seen != len(w.api.rules) {
		t.Errorf("%d operations in the contract, %d rules", seen, len(w.api.rules))
	}
}

// TestTheGateHoldsForEveryOperationAndRole is the matrix: each operation, by
// each kind of person and role, with and without its scope, about the own
// customer, another one and nobody in particular.
func TestTheGateHoldsForEveryOperationAndRole(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.api.End() // streams end by themselves
	tokens := map[account.Subject][2]string{}
	for _, s := range account.Subjects() {
		w.person(t, s)
		kind, role, _ := strings.Cut(string(s), "/")
		id := kind + "_" + role
		tokens[s] = [2]string{w.token(t, toll.PersonKind(kind), id, toll.TokenScopes()...), w.token(t, toll.PersonKind(kind), id)}
	}
	registered(w.api, func(method, path string, op *huma.Operation) {
		r := w.api.rules[op.OperationID]
		for _, s := range account.Subjects() {
			p := account.Person{Kind: toll.PersonKind(strings.Split(string(s), "/")[0]), Role: strings.Split(string(s), "/")[1]}
			if p.IsMember() {
				p.CustomerID = "cus_own"
			}
			for _, about := range []string{"", "cus_own", "cus_foreign"} {
				at, named := strings.ReplaceAll(path, "{customer}", about), about
				if strings.Contains(path, "{customer}") && about == "" {
					continue
				}
				if takesCustomer(op) && about != "" {
					at += "?customer=" + about
				} else if !strings.Contains(path, "{customer}") && about != "" {
					continue
				}
				name := fmt.Sprintf("%s %s as %s", method, at, s)
				for i, scoped := range []bool{true, false} {
					want := 0 // passes
					if r.scope != "" && !scoped {
						want = http.StatusForbidden
					} else if r.action != "" {
						want = expected(p, r, named)
					}
					out := w.ask(t, method, at, tokens[s][i], "")
					got := out.Code
					if refusal := out.Header().Get("Content-Type") == "application/problem+json"; !refusal || got != 401 && got != 403 && !(got == 404 && aboutCustomer(out)) && !(want == 422 && got == 422) {
						got = 0
					}
					if got != want {
						t.Errorf("%s, with scope %v: got %d, want %d: %s", name, scoped, got, want, out.Body)
					}
				}
			}
		}
		for _, nobody := range []string{"", "th_api_nonsense", "th_live_0000000000000000000000000000000jOwsV"} {
			wantProblem(t, method+" "+path+" by nobody", w.ask(t, method, strings.ReplaceAll(path, "{customer}", "cus_own"), nobody, ""), 401, "api-token")
		}
	})
}

// aboutCustomer tells the gate's 404 from an operation's: of a key, say, that
// this matrix names and nobody has.
func aboutCustomer(out *httptest.ResponseRecorder) bool {
	return strings.Contains(out.Body.String(), "There is no such customer.")
}

// expected says by the law itself, and not by the gate's code, what a call gets.
func expected(p account.Person, r rule, named string) int {
	about, action := named, r.action
	if account.ScopeOf(action) == account.OnInstallation {
		about = ""
	} else if about == "" && p.IsMember() {
		about = p.CustomerID
	} else if about == "" {
		if action = r.everyone; action == "" {
			return 422
		}
	}
	switch toll.CodeOf(account.Can(p, action, about)) {
	case "":
		return 0
	case toll.NotFound:
		return 404
	}
	return 403
}

func takesCustomer(op *huma.Operation) bool {
	for _, p := range op.Parameters {
		if p.In == "query" && p.Name == "customer" {
			return true
		}
	}
	return false
}

func TestSaysWhatIsWrongWithAToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.admin(t)
	if out := w.ask(t, "GET", "/api/v1/token", good, ""); out.Code != 200 || !strings.Contains(out.Body.String(), `"role":"admin"`) {
		t.Fatalf("a good token: %d %s", out.Code, out.Body)
	}
	for what, header := range map[string]string{
		"none": "", "another scheme": "Basic " + good, "a wrong checksum": "Bearer " + good[:42] + "_", "empty": "Bearer ", "twice in one": "Bearer " + good + " " + good,
	} {
		out := w.ask(t, "GET", "/api/v1/token", "", "", "Authorization: "+header)
		wantProblem(t, what, out, 401, "api-token")
		if !strings.HasPrefix(out.Header().Get("WWW-Authenticate"), `Bearer realm="tollhouse-api"`) {
			t.Errorf("%s: no challenge", what)
		}
	}
	made, err := w.tokens.Create(t.Context(), account.System, account.NewToken{Email: "operator_admin@example.com", Name: "n", Scopes: []toll.TokenScope{toll.ScopeReadUsage}, ExpiresAt: noon.Add(time.Second)})
	must(t, err)
	if out := w.ask(t, "GET", "/api/v1/token", made.Text.Reveal(), ""); out.Code != 200 {
		t.Fatalf("a fresh token: %d %s", out.Code, out.Body)
	}
	_, err = w.tokens.Revoke(t.Context(), account.System, made.Token.ID)
	must(t, err)
	wantProblem(t, "revoked", w.ask(t, "GET", "/api/v1/token", made.Text.Reveal(), ""), 401, "api-token")
	if strings.Contains(w.logged.String(), good[7:]) {
		t.Error("a token is in the log")
	}
}

func TestSaysThatTheStoreIsAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	w.store.Break(toll.Errorf(toll.Unavailable, "The database does not answer."))
	out := w.ask(t, "GET", "/api/v1/token", token, "")
	wantProblem(t, "away", out, 503, "api-unavailable")
	if out.Header().Get("Retry-After") == "" {
		t.Error("it does not say when to try again")
	}
	w.store.Break(errors.New("secret inside"))
	out = w.ask(t, "GET", "/api/v1/token", token, "")
	wantProblem(t, "broken", out, 500, "api-internal")
	if strings.Contains(out.Body.String(), "secret inside") || !strings.Contains(w.logged.String(), "secret inside") {
		t.Errorf("the inside is told outside, or not logged: %s / %s", out.Body, w.logged)
	}
}

func TestAnswersWrongPathsMethodsAndParametersWithProblems(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token := w.admin(t)
	wantProblem(t, "no path", w.ask(t, "GET", "/api/v1/nothing", token, ""), 404, "api-path")
	wantProblem(t, "no version", w.ask(t, "GET", "/api/", "", ""), 404, "api-path")
	out := w.ask(t, "DELETE", "/api/v1/token", token, "")
	wantProblem(t, "no method", out, 405, "api-method")
	if out.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("Allow: %q", out.Header().Get("Allow"))
	}
	p := wantProblem(t, "an unknown parameter", w.ask(t, "GET", "/api/v1/token?x=1", token, ""), 422, "api-invalid")
	if len(p.Errors) != 1 || p.Errors[0].Field != "x" {
		t.Errorf("it does not name the parameter: %+v", p)
	}
}

func TestServesItsContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.ask(t, "GET", "/api/v1/openapi.json", "", "")
	body := out.Body.String()
	if out.Code != 200 || !strings.Contains(body, `"openapi":"3.1.0"`) || !strings.Contains(body, `"url":"http://console.test/api/v1"`) || strings.Contains(body, "ErrorModel") || !strings.Contains(body, "Problem") {
		t.Errorf("%d %s", out.Code, body)
	}
	out = w.ask(t, "GET", "/api/v1/openapi.yaml", "", "")
	if out.Code != 200 || !strings.Contains(out.Body.String(), "openapi: 3.1.0") {
		t.Errorf("%d %s", out.Code, out.Body)
	}
}

// A problem's type leads to docs/problems.md: each must have its part there.
func TestEachProblemIsExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/problems.md")
	must(t, err)
	kinds := []string{"api-token", "api-scope", "api-path", "api-method", "api-too-large"}
	for _, p := range codes {
		kinds = append(kinds, p.kind)
	}
	for _, kind := range kinds {
		if !strings.Contains(string(page), "\n## "+kind+"\n") {
			t.Errorf("docs/problems.md does not explain %s", kind)
		}
	}
}
