package hxtest

import (
	"net/http"
	"strings"
)

// form checks Page and Fragment.
func (e *examination) form(a ask, got reply) {
	switch {
	case got.redirects():
		e.find(Status, a.name, "a redirect to %q; say Redirects if that is right", got.header.Get("Location"))
	case a.whole && !got.page():
		e.find(Page, a.name, "no whole page: %s", got)
	case a.whole && strings.Count(strings.ToLower(got.body), "<html") > 1:
		e.find(Page, a.name, "a page inside a page")
	case a.partial && got.led() != "": // to a page, by its own decision
	case a.partial && got.header.Get("HX-Retarget") == "body" && got.page(): // said to go for the whole
	case a.partial && got.pieceOfPage() != "":
		e.find(Fragment, a.name, "a fragment holds %s", got.pieceOfPage())
	case a.partial && got.status == http.StatusOK && strings.TrimSpace(got.body) == "" && e.route.safe():
		e.find(Fragment, a.name, "the fragment is empty")
	}
}

// failure checks an answer of status 400 and above.
func (e *examination) failure(a ask, got reply) {
	switch {
	case strings.TrimSpace(got.body) == "" && got.led() == "":
		e.find(Failure, a.name, "status %d without a word", got.status)
	case a.whole && !got.page():
		e.find(Failure, a.name, "the error is no whole page: %s", got)
	case a.partial && got.pieceOfPage() != "":
		e.find(Failure, a.name, "the error's fragment holds %s", got.pieceOfPage())
	}
	if rule := strings.ToLower(got.header.Get("Cache-Control")); !strings.Contains(rule, "no-store") {
		e.find(Failure, a.name, "the error may be kept: Cache-Control %q", rule)
	}
	if a.partial && got.header.Get("HX-Push-Url") != "false" {
		e.find(Failure, a.name, "the error may change the address: HX-Push-Url %q, not false", got.header.Get("HX-Push-Url"))
	}
}

func (e *examination) leak(a ask, got reply) {
	if e.route.Secret == "" {
		return
	}
	if strings.Contains(got.body, e.route.Secret) {
		e.find(Leak, a.name, "the answer shows what is secret")
	}
	for name, values := range got.header {
		if strings.Contains(strings.Join(values, "\n"), e.route.Secret) {
			e.find(Leak, a.name, "the header %s shows what is secret", name)
		}
	}
}

// sameStatus: an error is none the less one for being a fragment.
func (e *examination) sameStatus(replies map[string]reply) {
	if e.route.Redirects {
		return
	}
	for _, a := range e.asks() {
		if got := replies[a.name]; got.panic == nil && !got.redirects() && got.status != e.route.status() {
			e.find(Status, a.name, "status %d, want %d", got.status, e.route.status())
		}
	}
}

// head: HEAD is what a cache asks to learn of a change.
func (e *examination) head() {
	if e.route.method() != http.MethodGet || e.route.FragmentOnly {
		return
	}
	plain := ask{name: "HEAD"}
	get := e.send(e.request(plain, signedIn, nil))
	r := e.request(plain, signedIn, nil)
	r.Method = http.MethodHead
	got := e.send(r)
	switch {
	case got.panic != nil:
		e.find(Panic, plain.name, "%s", got)
	case got.status != get.status:
		e.find(Head, plain.name, "status %d, GET has %d", got.status, get.status)
	}
}
