package console

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/hx/hxtest"
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	asOwner   = "owner@acme.example"
	asSupport = "support@house.example"
)

// examined is how a route is asked for, beside its pattern.
type examined struct {
	as     string // who is signed in; "" for a page that is asked for by nobody
	anew   bool   // each request is of a new session, for it ends one
	route  hxtest.Route
	wrong  url.Values // a form that is refused with 422
	none   string     // a path of the same route to what is not there, 404
	fails  bool       // it reads what may fail: 500 when that does, and when that panics
	noPage string     // why it is not examined
}

func form(fields ...string) func() url.Values {
	return func() url.Values {
		values := url.Values{hx.OnceField: {rand.Text()}}
		for i := 0; i < len(fields); i += 2 {
			values.Set(fields[i], fields[i+1])
		}
		return values
	}
}

// examinations are the cases of all routes. A route without one fails the test.
func (w *world) examinations() map[string]examined {
	key, cus := "/keys/"+w.key.ID, "/customers/"+w.customer.ID
	done := hxtest.Route{Redirects: true, Followed: true, Form: form()}
	all := map[string]examined{
		"GET /{$}":       {route: hxtest.Route{Path: "/", Redirects: true, Followed: true}},
		"GET /sign-in":   {route: hxtest.Route{Path: "/sign-in?next=/usage", Next: "next"}},
		"POST /sign-in":  {route: hxtest.Route{Path: "/sign-in", Form: form("email", asOwner, "password", password), Redirects: true, Next: "next"}, wrong: url.Values{"email": {""}}},
		"POST /sign-out": {as: asOwner, anew: true, route: hxtest.Route{Path: "/sign-out", Form: form(), Redirects: true}},

		"GET /sign-in/code":                       {route: hxtest.Route{Path: "/sign-in/code", Redirects: true}},
		"POST /sign-in/code":                      {route: hxtest.Route{Path: "/sign-in/code", Form: form("code", "123456"), Status: 422}},
		"POST /sign-in/passkey":                   {route: hxtest.Route{Path: "/sign-in/passkey", Form: form("email", "")}},
		"POST /sign-in/passkey/finish":            {route: hxtest.Route{Path: "/sign-in/passkey/finish", Form: form("reply", "{}"), Status: 422}},
		"GET /sign-in/with/{provider}":            {route: hxtest.Route{Path: "/sign-in/with/none", Status: 404}},
		"GET /sign-in/with/{provider}/callback":   {route: hxtest.Route{Path: "/sign-in/with/none/callback?state=x&code=y", Status: 422}},
		"GET /account":                            {as: asOwner, route: hxtest.Route{Path: "/account", Target: "content"}},
		"POST /account/profile":                   {as: asOwner, route: hxtest.Route{Path: "/account/profile", Form: form("name", "Ada"), Redirects: true}, wrong: form("name", " ")()},
		"POST /account/password":                  {as: asOwner, route: with(hxtest.Route{Redirects: true, Followed: true, Form: form("current", password, "password", password)}, "/account/password"), wrong: form("current", password, "password", "short")()},
		"POST /account/sessions/end":              {as: asOwner, route: with(done, "/account/sessions/end")},
		"POST /account/sessions/{session}/end":    {as: asOwner, none: "/account/sessions/none/end", route: with(done, "/account/sessions/"+ownersSession+"/end")},
		"GET /account/new-passkey":                {as: asOwner, route: hxtest.Route{Path: "/account/new-passkey", Target: "content"}},
		"POST /account/new-passkey":               {as: asSupport, route: hxtest.Route{Path: "/account/new-passkey", Target: "content", Form: form("name", "Laptop", "current", password)}, wrong: form("name", " ")()},
		"POST /account/passkeys":                  {as: asSupport, route: hxtest.Route{Path: "/account/passkeys", Target: "content", Form: form("name", "Laptop", "reply", "{}"), Status: 422}},
		"GET /account/passkeys/{passkey}":         {as: asOwner, none: "/account/passkeys/none", route: hxtest.Route{Path: "/account/passkeys/" + ownersPasskey, Target: "content"}},
		"POST /account/passkeys/{passkey}":        {as: asOwner, none: "/account/passkeys/none", route: with(hxtest.Route{Redirects: true, Followed: true, Form: form("name", "Other")}, "/account/passkeys/"+ownersPasskey), wrong: form("name", " ")()},
		"GET /account/passkeys/{passkey}/remove":  {as: asOwner, none: "/account/passkeys/none/remove", route: hxtest.Route{Path: "/account/passkeys/" + ownersPasskey + "/remove", Target: "content"}},
		"POST /account/passkeys/{passkey}/remove": {as: asOwner, none: "/account/passkeys/none/remove", route: with(hxtest.Route{Redirects: true, Followed: true, Form: w.freshPasskey}, "/account/passkeys/FRESH/remove")},
		"GET /account/app":                        {as: asOwner, route: hxtest.Route{Path: "/account/app", Target: "content"}},
		"POST /account/app":                       {as: asOwner, route: hxtest.Route{Path: "/account/app", Target: "content", Form: form("current", password)}},
		"POST /account/app/confirm":               {as: asOwner, route: hxtest.Route{Path: "/account/app/confirm", Form: form("code", "123456", "step", "none"), Status: 404}},
		"GET /account/app/remove":                 {as: asOwner, route: hxtest.Route{Path: "/account/app/remove", Target: "content"}},
		"POST /account/app/remove":                {as: asOwner, route: with(hxtest.Route{Redirects: true, Followed: true, Form: form("current", password)}, "/account/app/remove")},
		"GET /account/codes":                      {as: asOwner, route: hxtest.Route{Path: "/account/codes", Target: "content"}},
		"POST /account/codes":                     {as: asOwner, route: hxtest.Route{Path: "/account/codes", Form: form("current", password), Status: 404}},

		"GET /overview":           {as: asOwner, fails: true, route: hxtest.Route{Path: "/overview", Target: "sample"}},
		"GET /keys":               {as: asOwner, fails: true, route: hxtest.Route{Path: "/keys", Target: "content"}},
		"POST /keys":              {as: asOwner, fails: true, route: hxtest.Route{Path: "/keys", Target: "content", Form: form("name", "made", "mode", "test", "expires", "30d"), Once: true, Effects: w.keysMade}, wrong: form("name", " ")()},
		"GET /keys/new":           {as: asOwner, route: hxtest.Route{Path: "/keys/new", Target: "content"}},
		"GET /keys/{key}/roll":    {as: asOwner, fails: true, none: "/keys/none/roll", route: hxtest.Route{Path: key + "/roll", Target: "dialog"}},
		"POST /keys/{key}/roll":   {as: asOwner, fails: true, none: "/keys/none/roll", route: hxtest.Route{Path: "/keys/FRESH/roll", Target: "content", Form: w.freshKey("overlap", "24h"), Once: true, Effects: w.keysRolled}, wrong: form("overlap", "99y")()},
		"GET /keys/{key}/revoke":  {as: asOwner, fails: true, none: "/keys/none/revoke", route: hxtest.Route{Path: key + "/revoke", Target: "dialog"}},
		"POST /keys/{key}/revoke": {as: asOwner, fails: true, none: "/keys/none/revoke", route: with(done, key+"/revoke")},
		"GET /usage":              {as: asOwner, fails: true, route: hxtest.Route{Path: "/usage?range=7d", Target: "results"}},
		"GET /usage.csv":          {noPage: "a file for programs"},
		"GET /plan":               {as: asOwner, fails: true, route: hxtest.Route{Path: "/plan", Target: "content"}},

		"GET /requests":                       {as: asOwner, fails: true, none: "/requests?id=01KAH000000000000000000000", route: hxtest.Route{Path: "/requests?id=" + refusedID, Target: "results"}},
		"GET /usage/customers":                {as: asSupport, fails: true, route: hxtest.Route{Path: "/usage/customers?unit=words", Target: "results"}},
		"GET /usage/customers.csv":            {noPage: "a file for programs"},
		"GET /customers":                      {as: asSupport, fails: true, route: hxtest.Route{Path: "/customers?q=a", Target: "results"}},
		"GET /customers/{customer}":           {as: asSupport, fails: true, none: "/customers/none", route: hxtest.Route{Path: cus, Target: "content"}},
		"GET /customers/{customer}/usage":     {as: asSupport, fails: true, none: "/customers/none/usage", route: hxtest.Route{Path: cus + "/usage", Target: "results"}},
		"GET /customers/{customer}/usage.csv": {noPage: "a file for programs"},
		"GET /customers/{customer}/suspend":   {as: asSupport, fails: true, none: "/customers/none/suspend", route: hxtest.Route{Path: cus + "/suspend", Target: "dialog"}},
		"POST /customers/{customer}/suspend":  {as: asSupport, fails: true, none: "/customers/none/suspend", route: with(done, cus+"/suspend")},
		"GET /customers/{customer}/resume":    {as: asSupport, fails: true, none: "/customers/none/resume", route: hxtest.Route{Path: cus + "/resume", Target: "dialog"}},
		"POST /customers/{customer}/resume":   {as: asSupport, fails: true, none: "/customers/none/resume", route: with(done, cus+"/resume")},
		"GET /dev/pieces":                     {route: hxtest.Route{Path: "/dev/pieces"}},
	}
	maps.Copy(all, w.peopleExaminations())
	maps.Copy(all, w.deskExaminations())
	return all
}

func with(r hxtest.Route, path string) hxtest.Route {
	r.Path = path
	return r
}

// freshKey makes a form for a key of its own: one that was rolled cannot be
// rolled again. The path's FRESH is the newest of them.
func (w *world) freshKey(fields ...string) func() url.Values {
	return func() url.Values {
		w.fresh = w.makeKey(w.customer.ID, "fresh "+rand.Text(), toll.Live, time.Hour, 0).ID
		return form(fields...)()
	}
}

// freshPasskey makes a form for a passkey of its own, which is gone afterwards.
func (w *world) freshPasskey() url.Values {
	w.fresh = "pk_" + rand.Text()
	w.makePasskey(w.person(asOwner), w.fresh, "Fresh", w.clock())
	return form("current", password)()
}

func (w *world) keysOf(is func(toll.Key) bool) int {
	keys, err := w.office.Keys(w.t.Context(), account.System, w.customer.ID)
	w.ok(err)
	n := 0
	for _, k := range keys {
		if is(k) {
			n++
		}
	}
	return n
}

func (w *world) keysMade() int { return w.keysOf(func(k toll.Key) bool { return k.Name == "made" }) }

func (w *world) keysRolled() int {
	return w.keysOf(func(k toll.Key) bool { return k.ReplacedBy != "" })
}

// app is the console as somebody sees it.
func (w *world) app(x examined) hxtest.App {
	app := hxtest.App{SignInPath: "/sign-in", Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		r.URL.Path = strings.Replace(r.URL.Path, "FRESH", cmp.Or(w.fresh, w.key.ID), 1)
		w.console.ServeHTTP(rw, r)
	})}
	if x.as == "" {
		return app
	}
	w.pass(-72 * time.Hour)
	old := w.as(x.as).cookies[PlainCookie]
	w.pass(72 * time.Hour)
	now := w.as(x.as).cookies[PlainCookie]
	app.Expire = func(r *http.Request) { r.AddCookie(&http.Cookie{Name: PlainCookie, Value: old}) }
	app.SignIn = func(r *http.Request) {
		if x.anew {
			now = w.as(x.as).cookies[PlainCookie]
		}
		r.AddCookie(&http.Cookie{Name: PlainCookie, Value: now})
	}
	return app
}

const inside = "postgres://tollhouse:hunter2@10.0.0.3"

// failing is a console behind whose door everything fails.
func failing(o *Options) {
	o.Office, o.Questions, o.Requests = failingOffice{}, &ledger{fail: errors.New(inside)}, failingRequests{}
}

// panicking is one behind whose door everything panics: there is nothing in
// the interfaces.
func panicking(o *Options) {
	o.Office, o.Questions, o.Requests = struct{ Office }{}, struct{ meter.Questions }{}, struct{ Requests }{}
}

type failingRequests struct{}

func (failingRequests) Explain(context.Context, string, string) (toll.Explanation, error) {
	return toll.Explanation{}, errors.New(inside)
}

func (failingRequests) Refused(string, int) []toll.Explanation { return nil }

type failingOffice struct{ Office }

func (failingOffice) Customer(context.Context, account.Person, string) (toll.Customer, error) {
	return toll.Customer{}, errors.New(inside)
}

func (failingOffice) Customers(context.Context, account.Person, toll.CustomerQuery) (toll.CustomerPage, error) {
	return toll.CustomerPage{}, errors.New(inside)
}

func (failingOffice) Suspend(context.Context, account.Person, string) (toll.Customer, error) {
	return toll.Customer{}, errors.New(inside)
}

func (failingOffice) Resume(context.Context, account.Person, string) (toll.Customer, error) {
	return toll.Customer{}, errors.New(inside)
}

func (failingOffice) Keys(context.Context, account.Person, string) ([]toll.Key, error) {
	return nil, errors.New(inside)
}

func (failingOffice) Key(context.Context, account.Person, string) (toll.Key, error) {
	return toll.Key{}, errors.New(inside)
}

func (failingOffice) CreateKey(context.Context, account.Person, account.NewKey) (account.MadeKey, error) {
	return account.MadeKey{}, errors.New(inside)
}

func (failingOffice) RollKey(context.Context, account.Person, string, time.Duration) (account.MadeKey, toll.Key, error) {
	return account.MadeKey{}, toll.Key{}, errors.New(inside)
}

func (failingOffice) RevokeKey(context.Context, account.Person, string) (toll.Key, error) {
	return toll.Key{}, errors.New(inside)
}

// TestEveryRouteKeepsTheRules asks for every route of the console as a browser,
// htmx 2 and htmx 4 do: plain, as a part, boosted, restored; with a session,
// with one that has expired and without one; with what is not there, a wrong
// form, a failure behind it and a panic. The routes are the router's own.
func TestEveryRouteKeepsTheRules(t *testing.T) {
	t.Parallel()
	cases := newWorld(t).examinations()
	counts := map[string]int{}
	for _, r := range (&Console{o: Options{Development: true}}).routes() {
		name := r.method + " " + r.pattern
		x, known := cases[name]
		delete(cases, name)
		switch {
		case !known:
			t.Errorf("%s has no case in examinations", name)
			continue
		case x.noPage != "":
			continue
		}
		examine := func(kind string, change func(*hxtest.Route), options ...change) {
			counts[kind]++
			w := newWorld(t, append(options, development)...)
			x := w.examinations()[name] // with the things of this world
			route := x.route
			change(&route)
			for _, f := range hxtest.Examine(w.app(x), route) {
				t.Errorf("%s (%s): %s", name, kind, f)
			}
		}
		failed := func(status int) func(*hxtest.Route) {
			return func(r *hxtest.Route) {
				r.Status, r.Redirects, r.Once, r.Next, r.Secret = status, false, false, "", inside
			}
		}
		examine("as it is", func(*hxtest.Route) {})
		if x.none != "" {
			examine("404", func(r *hxtest.Route) { failed(404)(r); r.Path = x.none })
		}
		if x.wrong != nil {
			examine("422", func(r *hxtest.Route) {
				failed(422)(r)
				right := r.Form
				r.Form = func() url.Values {
					right() // which makes what the path names, where that is fresh
					wrong := url.Values{hx.OnceField: {rand.Text()}}
					for k, v := range x.wrong {
						if k != hx.OnceField {
							wrong[k] = v
						}
					}
					return wrong
				}
			})
		}
		if r.once {
			examine("422 without its token", func(r *hxtest.Route) {
				failed(422)(r)
				r.Form = func() url.Values { return url.Values{} }
			})
		}
		if x.fails {
			examine("500", failed(500), failing)
			examine("panic", failed(500), panicking)
		}
	}
	for name := range cases {
		t.Errorf("%s is examined, and is no route", name)
	}
	w := newWorld(t)
	hxtest.Check(t, w.app(examined{as: asOwner}), hxtest.Route{Path: "/nowhere", Status: 404, Public: true},
		hxtest.Route{Path: "/keys", Method: "PUT", Status: 405, Public: true})
	t.Logf("examined: %s", strings.Trim(fmt.Sprint(counts), "map[]"))
}
