package console

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// fault puts an error out: the one place where a domain error becomes a status
// and words. Only what is nobody's input is logged.
func (v *visit) fault(err error) {
	status, key := http.StatusInternalServerError, "internal"
	switch toll.CodeOf(err) {
	case toll.Invalid:
		status, key = http.StatusUnprocessableEntity, "invalid"
	case toll.NotFound:
		status, key = http.StatusNotFound, "not_found"
	case toll.Conflict:
		status, key = http.StatusConflict, "conflict"
	case toll.Unauthorized:
		v.askToSignIn()
		return
	case toll.Forbidden:
		status, key = http.StatusForbidden, "forbidden"
	case toll.Unavailable:
		status, key = http.StatusServiceUnavailable, "unavailable"
	}
	if errors.Is(err, errMethod) {
		status, key = http.StatusMethodNotAllowed, "method"
	}
	if status == http.StatusInternalServerError || status == http.StatusServiceUnavailable {
		if errors.Is(err, context.Canceled) {
			return // nobody is there to read it
		}
		v.c.o.Logger.ErrorContext(v.r.Context(), "a console page failed", "request_id", v.id, "route", v.route.pattern, "error", err)
	}
	// Messages of the inside are English; in another language the general
	// sentence of the catalogue is better than a foreign one.
	text := v.T("error." + key + ".text")
	var e *toll.Error
	if errors.As(err, &e) && v.words.Lang() == "en" && key != "internal" {
		text = e.Message
	}
	if away, written := v.storeAway(); away && status == http.StatusServiceUnavailable {
		text = v.T("error.away.text", v.words.Moment(written))
	}
	a := &answer{
		status: status,
		title:  v.T("error." + key + ".title"),
		bare:   !v.signedIn(),
	}
	a.body = errorPage(v, a.title, text)
	v.send(a)
}

// askToSignIn leads to sign-in and back. htmx cannot swap that page into
// another, so it is told to load it.
func (v *visit) askToSignIn() {
	to := "/sign-in"
	next := v.r.URL.RequestURI()
	if v.byHTMX() || v.r.Method != http.MethodGet {
		next = "" // a part of a page, or a form, is no place to come back to
		if at, err := url.Parse(v.r.Header.Get("HX-Current-URL")); err == nil {
			next = at.RequestURI()
		}
	}
	if next = ownPath(next); next != "" && next != "/" {
		to += "?next=" + url.QueryEscape(next)
	}
	if v.byHTMX() {
		v.w.Header().Set("HX-Redirect", to)
		v.w.WriteHeader(http.StatusUnauthorized)
		return
	}
	http.Redirect(v.w, v.r, to, http.StatusSeeOther)
}
