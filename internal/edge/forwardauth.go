package edge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Decider asks an outside address about a request; *upstream.Asker is one. uri
// is the request's path, as policy saw it, with the query.
type Decider interface {
	Ask(ctx context.Context, r *exchange.Request, uri string) (*exchange.Response, error)
}

// Deciders are those of the services with access: forward_auth, by name. A map
// is not changed after it was given.
type Deciders map[string]Decider

// SwitchDeciders makes other deciders hold for the next request.
func (c *Chain) SwitchDeciders(to Deciders) { c.deciders.Store(&to) }

// undecided is why an outside address did not decide: then nobody gets in.
type undecided struct{ cause error }

func (u *undecided) Error() string {
	return "the forward-auth address did not decide: " + u.cause.Error()
}
func (u *undecided) Unwrap() error { return u.cause }

var errNoDecider = errors.New("there is none any more")

// passedOn are the fields of a refusal that the client gets; the others are
// between the outside address and us.
var passedOn = [...]string{
	"Cache-Control", "Content-Encoding", "Content-Language", "Content-Type", "Location", "Retry-After", "Set-Cookie", "Vary", "Www-Authenticate",
	"Hx-Location", "Hx-Redirect", "Hx-Refresh", "Hx-Reswap", "Hx-Retarget",
}

// consult asks the outside address of a service about an admitted request, and
// answers it where the answer is no. It tells whether the request may go on.
func (k *walk) consult(ctx context.Context, c *Chain, w exchange.Writer, r *exchange.Request) bool {
	var decider Decider
	if all := c.deciders.Load(); all != nil {
		decider = (*all)[k.pass.Service.Name]
	}
	if decider == nil { // it was let in long ago, and its service is gone since
		k.fail(c, w, r, &undecided{errNoDecider})
		return false
	}
	uri := r.RawPath
	if k.pass.Prefix != "" {
		uri = (&url.URL{Path: k.pass.Prefix}).EscapedPath() + uri
	}
	if r.RawQuery != "" {
		uri += "?" + r.RawQuery
	}
	verdict, err := decider.Ask(ctx, r, uri)
	if err == nil && verdict.Status < 200 {
		err = errors.New("it answered " + http.StatusText(verdict.Status))
	}
	if err != nil {
		k.fail(c, w, r, &undecided{err})
		return false
	}
	defer verdict.Body.Close()
	if verdict.Status < 300 {
		adopt(r.Header, verdict.Header, k.pass.Service.ForwardAuth.Headers)
		return true
	}
	response := &exchange.Response{Status: verdict.Status, Header: exchange.Fields{}, Body: verdict.Body, Length: verdict.Length}
	for _, name := range passedOn {
		for _, value := range verdict.Header.Values(name) {
			response.Header.Add(name, value)
		}
	}
	if response.Header.Get("Cache-Control") == "" {
		response.Header.Set("Cache-Control", "no-store") // it is about one client
	}
	k.decorate(r, response)
	if _, err := k.record(c, response.Status, false, nil); err != nil {
		k.seen.Err = err
		if !c.Unmetered() {
			response = c.Answers.Unmetered(r)
		}
	}
	k.send(c, w, response)
	return false
}

// adopt gives a request the fields of an answer that the service is to get,
// and takes away what the client said in their names, however it spelled them.
func adopt(h, from exchange.Header, names []string) {
	for _, name := range names {
		if ours(name) {
			continue
		}
		var forged []string
		for said := range h.All() {
			if strings.EqualFold(strings.ReplaceAll(said, "_", "-"), strings.ReplaceAll(name, "_", "-")) {
				forged = append(forged, said)
			}
		}
		for _, said := range forged {
			h.Del(said)
		}
		keepFromConnection(h, name)
		for _, value := range from.Values(name) {
			h.Add(name, value)
		}
	}
}

// keepFromConnection takes a name out of the Connection fields: a client that
// lists it there would have it removed on the way to the service (RFC 9110 §7.6.1).
func keepFromConnection(h exchange.Header, name string) {
	said := h.Values("Connection")
	if len(said) == 0 {
		return
	}
	var kept []string
	for token := range strings.SplitSeq(strings.Join(said, ","), ",") {
		if token = strings.TrimSpace(token); token != "" && !strings.EqualFold(token, name) {
			kept = append(kept, token)
		}
	}
	h.Del("Connection")
	if len(kept) > 0 {
		h.Set("Connection", strings.Join(kept, ", "))
	}
}

// admittedAs tells callers apart whom an outside address let in, for the cache:
// what is answered to one is for nobody else, unless the service says so. Who
// it is stands in the cookies, or in the fields that the answer brought.
func admittedAs(r *exchange.Request, service *toll.Service) string {
	var b strings.Builder
	b.WriteString("forward_auth")
	for _, name := range append([]string{"Cookie"}, service.ForwardAuth.Headers...) {
		for _, value := range r.Header.Values(name) {
			b.WriteString("\x00" + name + "\x00" + value)
		}
	}
	return b.String()
}

// closed answers when the outside address did not decide.
func (a Answers) closed(r *exchange.Request, service *toll.Service) *exchange.Response {
	response := a.problem(r, problem{
		Type: problemBase + "access-undecided", Status: http.StatusServiceUnavailable, Title: "Access not decided",
		Detail: "Who may call the service “" + service.Name + "” is decided elsewhere, and no answer came from there. Nothing is billed for this request. Try again in a moment.",
	})
	response.Header.Set("Retry-After", "1")
	return response
}
