package hxtest

import (
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/hx"
)

// examination is one route being examined.
type examination struct {
	app      App
	route    Route
	findings []Finding
}

func (e *examination) find(rule Rule, asked string, format string, args ...any) {
	e.findings = append(e.findings, Finding{Rule: rule, Route: e.route.method() + " " + e.route.Path, Asked: asked, Saw: fmt.Sprintf(format, args...)})
}

// asks are those that the route takes.
func (e *examination) asks() []ask {
	var all []ask
	for _, a := range asks(e.route.Target, e.app.Host) {
		if e.route.FragmentOnly && !a.partial {
			continue
		}
		if a.version != hx.NoHTMX && len(e.app.Versions) > 0 && !slices.Contains(e.app.Versions, a.version) {
			continue
		}
		if a.restore && !e.route.safe() {
			continue // a history is read by GET
		}
		all = append(all, a)
	}
	return all
}

func (e *examination) examine() {
	replies := map[string]reply{}
	for _, a := range e.asks() {
		got := e.send(e.request(a, signedIn, nil))
		replies[a.name] = got
		if got.panic != nil {
			e.find(Panic, a.name, "%s", got)
			continue
		}
		e.leak(a, got)
		switch {
		case e.route.Redirects:
			e.redirect(a, got)
		case got.status >= 400 && got.status == e.route.status():
			e.failure(a, got)
		default:
			e.form(a, got)
		}
		e.cache(a, got)
	}
	e.vary(replies)
	e.sameStatus(replies)
	if e.route.safe() && !e.route.Redirects && e.route.status() == 200 {
		e.etag(replies)
	}
	e.head()
	e.forged()
	if !e.route.Public && e.app.SignIn != nil {
		e.expired()
	}
	e.next()
	e.once()
}
