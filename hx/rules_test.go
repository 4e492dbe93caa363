package hx_test

import (
	"net/http"
	"net/url"
	"testing"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/hx/hxtest"
)

// TestKeepsEveryRule has hxtest look at a site made with hx, the way that it
// looks at anybody's.
func TestKeepsEveryRule(t *testing.T) {
	t.Parallel()
	s := newSample(t, "htmx4")
	form := func(text string) func() url.Values {
		return func() url.Values { return url.Values{"text": {text}, hx.OnceField: {s.once.Token()}} }
	}
	public := hxtest.App{Handler: s.handler()}
	hxtest.Check(t, public,
		hxtest.Route{Path: "/", Redirects: true},
		hxtest.Route{Path: "/visit", Redirects: true},
		hxtest.Route{Path: "/notes", Target: "notes"},
		hxtest.Route{Path: "/about"},
		hxtest.Route{Path: "/beside", Target: "content"},
		hxtest.Route{Path: "/sign-in?next=/about", Next: "next"},
		hxtest.Route{Path: "/notes", Form: form("hello"), Redirects: true, Once: true, Effects: s.count},
		hxtest.Route{Path: "/notes", Form: form(""), Status: 422},
		hxtest.Route{Path: "/notes", Form: func() url.Values { return url.Values{"text": {"x"}} }, Status: 422},
		hxtest.Route{Path: "/sign-in", Form: func() url.Values { return url.Values{"next": {"/about"}} }, Redirects: true, Next: "next"},
		hxtest.Route{Path: "/none", Status: 404},
		hxtest.Route{Path: "/gone", Status: 404, Target: "small"},
		hxtest.Route{Path: "/conflict", Status: 409},
		hxtest.Route{Path: "/busy", Status: 429},
		hxtest.Route{Path: "/broken", Status: 500, Secret: "s3cret"},
		hxtest.Route{Path: "/boom", Status: 500, Secret: "s3cret"},
	)
	gated := hxtest.App{Handler: s.handler(), SignInPath: "/sign-in",
		SignIn: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "ann"}) },
		Expire: func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "session", Value: "old"}) },
	}
	hxtest.Check(t, gated, hxtest.Route{Path: "/private", Target: "content"})
}
