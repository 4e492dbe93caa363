package hxtest

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
)

// App is what is examined.
type App struct {
	// Handler answers. It is called from many goroutines at once for routes with
	// Once.
	Handler http.Handler
	// SignIn makes a request that of somebody who may see every route, by a
	// cookie for example. nil: nobody has to sign in, and every route is public.
	SignIn func(*http.Request)
	// Expire makes a request that of somebody whose session has expired. nil: as
	// without one.
	Expire func(*http.Request)
	// SignInPath is where those who have to sign in are led: "/sign-in". "" if
	// they get an error.
	SignInPath string
	// Versions are the versions of htmx that the pages use: 2 and 4 if empty.
	Versions []hx.Version
	// Host is the host that requests name: "example.com" if "".
	Host string
}

// Route is one thing to ask for.
type Route struct {
	Path   string // with its query
	Method string // "" is GET, or POST with a Form
	// Form makes the fields that are sent, new ones (with a new token) for each call.
	Form func() url.Values
	// Target is the id of the element that a partial request is for; "" is one
	// without an id.
	Target string
	// Status is what is expected when signed in: 200 if 0. Routes for 404, 422
	// and 500, a panic too, name it.
	Status int
	// Public may be asked for without a session.
	Public bool
	// Redirects: the answer leads to another page, and Status is not looked at.
	Redirects bool
	// Followed: a fragment request may get a 303 too, for its target takes the
	// content of any page. What it leads to must be a fragment then.
	Followed bool
	// Once: the same form sent twice does one thing. Effects counts what was
	// done until now.
	Once    bool
	Effects func() int
	// Secret must not be found in the answer: the text of a panic or of an
	// error's cause.
	Secret string
	// Next names a parameter that says where to go afterwards ("next"): addresses
	// of other sites in it must not be followed.
	Next string
	// FragmentOnly is a route that has no page of its own: plain requests are not
	// looked at, and boosted and restored ones neither.
	FragmentOnly bool
}

func (r Route) method() string {
	switch {
	case r.Method != "":
		return r.Method
	case r.Form != nil:
		return http.MethodPost
	}
	return http.MethodGet
}

func (r Route) safe() bool { return r.method() == http.MethodGet || r.method() == http.MethodHead }

func (r Route) status() int {
	if r.Status == 0 {
		return http.StatusOK
	}
	return r.Status
}

// Rule names what is broken.
type Rule string

// The rules.
const (
	Page     Rule = "page"     // a browser, a boosted link and a restore get a whole page
	Fragment Rule = "fragment" // a partial request gets a fragment that is not empty
	Vary     Rule = "vary"     // what the form depends on is in Vary, unless nobody may keep the answer
	ETag     Rule = "etag"     // the forms never share a tag, and a tag confirms its own form
	Status   Rule = "status"   // the status is the same in every form, and as expected
	Failure  Rule = "failure"  // an error is rendered in the form that was asked for, is not kept and leaves the address alone
	Redirect Rule = "redirect" // 303 for browsers and restores, HX-Redirect or HX-Location for fragments
	Next     Rule = "next"     // nobody is led to another site
	Expired  Rule = "expired"  // without a session: to sign-in as a whole, never its page inside a fragment
	Forged   Rule = "forged"   // headers of htmx never widen what is seen, nor are they echoed as HTML
	Once     Rule = "once"     // a form sent twice, or twice at a time, has one effect, and both get the answer
	Cache    Rule = "cache"    // what needs a session is kept by no shared cache
	Head     Rule = "head"     // HEAD is GET without a body
	Panic    Rule = "panic"    // a panic is answered as status 500
	Leak     Rule = "leak"     // what is secret is not shown
)

// Finding is one rule broken by one answer.
type Finding struct {
	Rule  Rule
	Route string // method and path
	Asked string // the way of asking: "partial htmx 4"
	Saw   string // what is wrong
}

// String is one line.
func (f Finding) String() string {
	return fmt.Sprintf("%s: %s asked %s: %s", f.Rule, f.Route, f.Asked, f.Saw)
}

// Check examines routes and reports what is wrong as errors of the test.
func Check(t testing.TB, app App, routes ...Route) {
	t.Helper()
	for _, f := range Examine(app, routes...) {
		t.Error(f)
	}
}

// Examine asks for each route in every way and returns what is wrong, in the
// order of the routes; nothing is wrong with an empty result.
func Examine(app App, routes ...Route) []Finding {
	if app.Host == "" {
		app.Host = "example.com"
	}
	var all []Finding
	for _, route := range routes {
		e := &examination{app: app, route: route}
		e.examine()
		all = append(all, e.findings...)
	}
	return all
}
