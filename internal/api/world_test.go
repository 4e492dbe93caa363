package api

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/meter/metertest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// noon is now, for the tests of this package.
var noon = time.Date(2026, 11, 20, 12, 0, 0, 123456000, time.UTC)

// plans are those of the tests: each has a quota to ask more of.
var plans = func() (out accounttest.Plans) {
	for _, p := range accounttest.ThreePlans {
		p.Policies = []toll.Policy{{Name: "monthly-calls", Kind: toll.Quota, Count: 100, Unit: toll.UnitRequests, Every: toll.Monthly}}
		out = append(out, p)
	}
	return out
}()

// world is an API over an office in memory.
type world struct {
	api    *API
	store  *accounttest.Store
	tokens *account.Tokens
	office *account.Office
	logged *bytes.Buffer
	intake *intake
	memory *metertest.Memory
}

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{store: accounttest.NewStore(), logged: new(bytes.Buffer), intake: &intake{}, memory: &metertest.Memory{}}
	clock := func() time.Time { return noon }
	var err error
	w.tokens, err = account.NewTokens(w.store, account.TokenOptions{
		Mint:  func() (toll.Secret, [32]byte, string, error) { return apikey.NewToken(nil) },
		Check: apikey.CheckToken, Clock: clock,
	})
	must(t, err)
	for _, id := range []string{"cus_own", "cus_foreign"} {
		must(t, w.store.CreateCustomer(t.Context(), toll.Customer{
			ID: id, Name: id, Status: toll.CustomerActive, CreatedAt: noon, Version: 1,
			Subscription: toll.Subscription{Plan: "pro", PlanVersion: "pro@1", Since: noon},
		}, tolltest.Entry()))
	}
	events := meter.NewDoor(meter.OutsideOptions{Intake: w.intake, Counters: w.intake, Units: func() []string { return []string{"words", "pages"} }, Clock: clock})
	o := Options{Tokens: w.tokens, Events: events, Usage: w.memory, Version: "1", URL: "http://console.test/", Clock: clock, Logger: slog.New(slog.NewTextHandler(w.logged, nil))}
	w.office, err = account.NewOffice(w.store, account.OfficeOptions{Plans: plans, Mint: accounttest.Mint, Passwords: accounttest.QuickPasswords(t), Clock: clock})
	must(t, err)
	models, err := account.NewModels(w.store, account.ModelOptions{Plans: plans, Services: func() []toll.Service { return nil }, Clock: clock})
	must(t, err)
	support, err := account.NewSupport(w.store, account.SupportOptions{Clock: clock})
	must(t, err)
	o.Office, o.Models, o.Support = w.office, models, support
	o.Policy = func(_ toll.Customer, name string, in Override) (toll.Policy, error) {
		if in.Quota == nil {
			return toll.Policy{}, toll.FieldError("rate", "Quotas only, here.")
		}
		return toll.Policy{Name: name, Kind: toll.Quota, Count: *in.Quota, Unit: toll.UnitRequests, Every: toll.Monthly}, nil
	}
	for _, c := range change {
		c(&o)
	}
	w.api, err = New(o)
	must(t, err)
	t.Cleanup(w.api.End)
	return w
}

// person makes somebody for a column of the rules; members belong to cus_own.
func (w *world) person(t testing.TB, s account.Subject) (email string) {
	t.Helper()
	kind, role, _ := strings.Cut(string(s), "/")
	id := kind + "_" + role
	email = id + "@example.com"
	if kind == "member" {
		must(t, w.store.CreateMember(t.Context(), toll.Member{ID: id, CustomerID: "cus_own", Email: email, Name: id, Role: toll.MemberRole(role), CreatedAt: noon}, tolltest.Entry()))
	} else {
		must(t, w.store.CreateOperator(t.Context(), toll.Operator{ID: id, Email: email, Name: id, Role: toll.OperatorRole(role), CreatedAt: noon}, tolltest.Entry()))
	}
	return email
}

// token makes a token past the check of what its owner could use.
func (w *world) token(t testing.TB, kind toll.PersonKind, personID string, scopes ...toll.TokenScope) string {
	t.Helper()
	text, hash, hint, err := apikey.NewToken(nil)
	must(t, err)
	must(t, w.store.CreateToken(t.Context(), toll.APIToken{
		ID: "tok_" + text.Reveal()[10:20], Kind: kind, PersonID: personID, Name: "test", Hash: hash, Hint: hint, Scopes: scopes, CreatedAt: noon,
	}, tolltest.Entry()))
	return text.Reveal()
}

// admin returns a token of an operator who may do everything.
func (w *world) admin(t testing.TB) string {
	t.Helper()
	if _, err := w.store.Operator(t.Context(), "operator_admin"); err != nil {
		w.person(t, "operator/admin")
	}
	return w.token(t, toll.KindOperator, "operator_admin", toll.TokenScopes()...)
}

// ask makes one request; headers are "Name: value".
func (w *world) ask(t testing.TB, method, path, token, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, from)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	w.api.ServeHTTP(out, r)
	return out
}

// problemIn reads a problem, and holds it to the house's form.
func problemIn(t testing.TB, out *httptest.ResponseRecorder) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(out.Body.Bytes(), &p); err != nil {
		t.Fatalf("no problem: %d %s", out.Code, out.Body)
	}
	if ct := out.Header().Get("Content-Type"); ct != "application/problem+json" || p.Status != out.Code || p.Title == "" || p.Detail == "" ||
		p.RequestID == "" || p.RequestID != out.Header().Get("X-Request-ID") || !strings.HasPrefix(p.Type, problemBase) {
		t.Fatalf("not in the house's form: %s %s", ct, out.Body)
	}
	p.kind = strings.TrimPrefix(p.Type, problemBase)
	return p
}

func wantProblem(t testing.TB, what string, out *httptest.ResponseRecorder, status int, kind string) problem {
	t.Helper()
	p := problemIn(t, out)
	if p.Status != status || p.kind != kind {
		t.Fatalf("%s: got %d %s, want %d %s: %s", what, p.Status, p.kind, status, kind, out.Body)
	}
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var _ http.Handler = (*API)(nil)
