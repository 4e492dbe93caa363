package console

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/hx/hxtest"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// deskExaminations are the cases of the routes between a customer and the house:
// what is asked for, what is told afterwards, files, conversations and imports.
// Files do not come with these forms: models_test.go sends them.
func (w *world) deskExaminations() map[string]examined {
	const admin = "admin@house.example"
	asked, model, thread := "/approvals/"+w.approval.ID, "/models/"+w.model.ID, "/support/threads/"+w.thread.ID
	look := func(as, path, target string) examined {
		return examined{as: as, fails: true, route: hxtest.Route{Path: path, Target: target}}
	}
	without := func(x examined, none string) examined { // an examination with a path to nothing
		x.none = none
		return x
	}
	sound := func(x examined) examined { // what it reads stands in no interface that could fail
		x.fails = false
		return x
	}
	do := func(as, path string, f func() url.Values) examined {
		return examined{as: as, fails: true, route: hxtest.Route{Path: path, Form: f, Redirects: true, Followed: true}}
	}
	wrong := func(x examined, fields ...string) examined {
		x.wrong = form(fields...)()
		return x
	}
	once := func(x examined, effects func() int) examined {
		x.route.Once, x.route.Effects = true, effects
		return x
	}
	return map[string]examined{
		"GET /plan/change":                         look(asOwner, "/plan/change", "content"),
		"POST /plan/change":                        once(wrong(do(asOwner, "/plan/change", w.freshAsk("for", "free")), "for", "none"), w.asked),
		"GET /plan/limit":                          look(asOwner, "/plan/limit", "content"),
		"POST /plan/limit":                         once(wrong(do(asOwner, "/plan/limit", w.freshAsk("for", w.limit, "count", "9000")), "for", w.limit, "count", "many"), w.asked),
		"POST /plan/approvals/{approval}/withdraw": without(do(asOwner, "/plan/approvals/FRESH/withdraw", w.freshApproval()), "/plan/approvals/none/withdraw"),
		"GET /approvals":                           look(asSupport, "/approvals?state=all", "results"),
		"POST /approvals/{approval}/approve":       without(do(admin, "/approvals/FRESH/approve", w.freshApproval()), "/approvals/none/approve"),
		"GET /approvals/{approval}/reject":         without(look(admin, asked+"/reject", "dialog"), "/approvals/none/reject"),
		"POST /approvals/{approval}/reject":        wrong(without(do(admin, "/approvals/FRESH/reject", w.freshApproval("reason", "Not now.")), "/approvals/none/reject"), "reason", " "),
		"GET /audit":                               look(asSupport, "/audit?action=keys.create", "results"),
		"GET /audit.csv":                           {noPage: "a file for programs"},

		"GET /models":                  look(admin, "/models", "content"),
		"POST /models":                 {as: asOwner, route: hxtest.Route{Path: "/models", Form: form("for", "ner terms"), Status: 422}}, // without a file
		"GET /models/{model}/file":     {noPage: "a file of a customer's"},
		"GET /models/{model}/delete":   sound(without(look(asOwner, model+"/delete", "dialog"), "/models/none/delete")),
		"POST /models/{model}/delete":  sound(without(do(asOwner, "/models/FRESH/delete", w.freshModel()), "/models/none/delete")),
		"GET /models/{model}/approve":  sound(without(look(admin, model+"/approve", "dialog"), "/models/none/approve")),
		"POST /models/{model}/approve": sound(without(do(admin, "/models/FRESH/approve", w.freshModel()), "/models/none/approve")),
		"GET /models/{model}/reject":   sound(without(look(admin, model+"/reject", "dialog"), "/models/none/reject")),
		"POST /models/{model}/reject":  sound(wrong(without(do(admin, "/models/FRESH/reject", w.freshModel("reason", "Not these.")), "/models/none/reject"), "reason", " ")),

		"GET /support":                                           look(asSupport, "/support?state=open", "results"),
		"GET /support/new":                                       sound(look(asOwner, "/support/new", "content")),
		"POST /support":                                          sound(wrong(do(asOwner, "/support", form("subject", "A question", "text", "How many?")), "subject", " ", "text", "How many?")),
		"GET /support/threads/{thread}":                          without(look(asSupport, thread, "content"), "/support/threads/none"),
		"POST /support/threads/{thread}/messages":                sound(wrong(without(do(asOwner, thread+"/messages", form("text", "More of it.")), "/support/threads/none/messages"), "text", " ")),
		"GET /support/threads/{thread}/close":                    sound(without(look(asOwner, thread+"/close", "dialog"), "/support/threads/none/close")),
		"POST /support/threads/{thread}/close":                   sound(without(do(asOwner, thread+"/close", form()), "/support/threads/none/close")),
		"GET /support/threads/{thread}/attachments/{attachment}": {noPage: "a file of a customer's"},

		"GET /import":  sound(look(admin, "/import", "content")),
		"POST /import": {as: admin, route: hxtest.Route{Path: "/import", Target: "content", Form: form("kind", "customer", "content", "external_id,name,plan\n42,ACME,pro\n")}, wrong: form("kind", "customer", "content", "external_id,name,plan\n42,ACME,none\n")()},
	}
}

// asked counts what the first customer asked for, whatever became of it.
func (w *world) asked() int {
	return len(w.approvals())
}

func (w *world) approvals() []toll.Approval {
	page, err := w.office.Approvals(w.t.Context(), account.System, toll.ApprovalQuery{Customer: w.customer.ID, Limit: 500})
	w.ok(err)
	return page.Approvals
}

// unasked takes back what waits, but for the world's own approval: the same
// cannot be asked for twice.
func (w *world) unasked() {
	for _, a := range w.approvals() {
		if a.State == toll.ApprovalPending && a.ID != w.approval.ID {
			_, err := w.office.Withdraw(w.t.Context(), w.person(asOwner), a.ID)
			w.ok(err)
		}
	}
}

// freshAsk makes a form that asks, with nothing else of its kind waiting.
func (w *world) freshAsk(fields ...string) func() url.Values {
	return func() url.Values {
		w.unasked()
		return form(fields...)()
	}
}

// freshApproval makes a form about an approval of its own: what was decided
// cannot be decided again.
func (w *world) freshApproval(fields ...string) func() url.Values {
	return func() url.Values {
		w.unasked()
		a, err := w.office.Ask(w.t.Context(), w.person(asOwner), w.customer.ID, toll.ApproveLimit, account.LimitPayload(w.limit, 7000+int64(w.asked())), "")
		w.ok(err)
		w.fresh = a.ID
		return form(fields...)()
	}
}

// freshModel makes a form about a model of its own.
func (w *world) freshModel(fields ...string) func() url.Values {
	return func() url.Values {
		owner := w.person(asOwner)
		list, err := w.models.List(w.t.Context(), owner, w.customer.ID)
		w.ok(err)
		for _, m := range list { // a plan has room for a few only
			if m.ID != w.model.ID {
				_, err := w.models.Delete(w.t.Context(), owner, m.ID)
				w.ok(err)
			}
		}
		m, err := w.models.Upload(w.t.Context(), owner, account.NewModel{CustomerID: w.customer.ID, Service: "ner", Name: "fresh.tsv", Content: strings.NewReader(rand.Text() + "\tORGANISATION\n")})
		w.ok(err)
		w.fresh = m.ID
		return form(fields...)()
	}
}

func (failingOffice) Ask(context.Context, account.Person, string, toll.ApprovalKind, json.RawMessage, string) (toll.Approval, error) {
	return toll.Approval{}, errInside
}

func (failingOffice) Approval(context.Context, account.Person, string) (toll.Approval, error) {
	return toll.Approval{}, errInside
}

func (failingOffice) Approvals(context.Context, account.Person, toll.ApprovalQuery) (toll.ApprovalPage, error) {
	return toll.ApprovalPage{}, errInside
}

func (failingOffice) Approve(context.Context, account.Person, string) (toll.Approval, error) {
	return toll.Approval{}, errInside
}

func (failingOffice) Reject(context.Context, account.Person, string, string) (toll.Approval, error) {
	return toll.Approval{}, errInside
}

func (failingOffice) Withdraw(context.Context, account.Person, string) (toll.Approval, error) {
	return toll.Approval{}, errInside
}

func (failingOffice) Entries(context.Context, account.Person, toll.EntryQuery) (toll.EntryPage, error) {
	return toll.EntryPage{}, errInside
}
