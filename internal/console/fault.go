package console

import (
	"context"
	"errors"
	"net/http"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// statuses are what domain errors are on a page.
var statuses = map[toll.Code]int{
	toll.Invalid:      http.StatusUnprocessableEntity,
	toll.NotFound:     http.StatusNotFound,
	toll.Conflict:     http.StatusConflict,
	toll.Unauthorized: http.StatusUnauthorized,
	toll.Forbidden:    http.StatusForbidden,
	toll.Unavailable:  http.StatusServiceUnavailable,
}

// explain makes a fault of a domain error, nil of what is no one's input.
func explain(err error) *hx.Fault {
	if errors.Is(err, context.DeadlineExceeded) { // the page's own
		return &hx.Fault{Status: http.StatusServiceUnavailable, Message: "The database does not answer in time. Try again in a moment.", Cause: err}
	}
	var e *toll.Error
	status := statuses[toll.CodeOf(err)]
	if status == 0 || !errors.As(err, &e) {
		return nil
	}
	return &hx.Fault{Status: status, Message: e.Message, Cause: err}
}

// faultWords are the catalogue's keys for statuses; all others read as invalid
// below 500, and as internal from there.
var faultWords = map[int]string{
	http.StatusNotFound:           "not_found",
	http.StatusConflict:           "conflict",
	http.StatusForbidden:          "forbidden",
	http.StatusMethodNotAllowed:   "method",
	http.StatusServiceUnavailable: "unavailable",
}

// fault is how every error looks.
func (c *Console) fault(r *http.Request, f *hx.Fault) hx.Renderer {
	v := visitOf(r)
	v.menu, v.saying, v.bare = "", "", !v.signedIn()
	key, known := faultWords[f.Status]
	switch {
	case known:
	case f.Status < 500:
		key = "invalid"
	default:
		key = "internal"
	}
	title := v.T("error." + key + ".title")
	f.Heading = pageTitle(title)
	// Messages of the inside are English; in another language the general
	// sentence of the catalogue is better than a foreign one.
	if v.words.Lang() != "en" || key == "internal" || key == "method" {
		f.Message = v.T("error." + key + ".text")
	}
	if away, written := v.storeAway(); away && f.Status == http.StatusServiceUnavailable {
		f.Message = v.T("error.away.text", v.words.Moment(written))
	}
	if away, written := v.storeAway(); away && f.Status == http.StatusServiceUnavailable {
		f.Message = v.T("error.away.text", v.words.Moment(written))
	}
	return content(v, errorPage(v, title, f.Message))
}

var errMethod = hx.Errorf(http.StatusMethodNotAllowed, "method not allowed")
