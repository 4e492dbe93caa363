package edge

import (
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
)

// form is how an answer of the gateway's own making is written.
type form uint8

const (
	asProblem  form = iota // application/problem+json: for programs, and for whoever does not say
	asPage                 // a whole HTML page: for browsers
	asFragment             // a piece of HTML: for htmx, which puts it into a page that stands
)

// formFor finds the form that a request's sender can use. A page is only for
// who names HTML and does not want JSON as much, as browsers do when they
// navigate; */* names nothing.
func formFor(r *exchange.Request) form {
	h := r.Header
	if is(h, "Hx-Request") {
		if is(h, "Hx-Boosted") || is(h, "Hx-History-Restore-Request") || h.Get("Hx-Request-Type") == "full" {
			return asPage // htmx in a browser's place: it takes the page apart itself
		}
		return asFragment
	}
	if prefersHTML(h.Values("Accept")) {
		return asPage
	}
	return asProblem
}

func is(h exchange.Header, name string) bool { return h.Get(name) == "true" }

// prefersHTML weighs what an Accept field (RFC 9110 §12.5.1) says of HTML and
// of JSON. The range that names a type more closely holds for it, wherever it
// stands.
func prefersHTML(accept []string) bool {
	const everything, kind, exact = 1, 2, 3
	type said struct{ how, weight int }
	var html, json said
	hear := func(of *said, how, weight int) {
		if how > of.how || how == of.how && weight > of.weight {
			*of = said{how, weight}
		}
	}
	for name, weight := range exchange.Weighted(accept) {
		switch {
		case name == "*/*":
			hear(&html, everything, weight)
			hear(&json, everything, weight)
		case strings.EqualFold(name, "text/*"):
			hear(&html, kind, weight)
		case strings.EqualFold(name, "application/*"):
			hear(&json, kind, weight)
		case strings.EqualFold(name, "text/html"):
			hear(&html, exact, weight)
		case strings.EqualFold(name, "application/problem+json"), strings.EqualFold(name, "application/json"):
			hear(&json, exact, weight)
		}
	}
	switch {
	case html.how <= everything || html.weight == exchange.Unwanted:
		return false
	case json.how <= everything: // who names one of the two means it
		return html.weight >= json.weight
	}
	return html.weight > json.weight
}
