package edge

import (
	"errors"
	"net/http"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// stranger answers whoever does not show the secret. It is a 403, which every
// proxy passes on as a refusal; a 401 would ask the client for another key.
func (a Answers) stranger(r *exchange.Request) *exchange.Response {
	return a.problem(r, problem{
		Type: problemBase + "authorize-secret", Status: http.StatusForbidden, Title: "Not a proxy of ours",
		Detail: "Whoever asks here shows the secret of secrets.authorize in the field Tollhouse-Authorize; it is missing or another one.",
	})
}

// question answers a question that cannot be understood.
func (a Answers) question(r *exchange.Request, err error) *exchange.Response {
	return a.problem(r, problem{
		Type: problemBase + "authorize-question", Status: http.StatusBadRequest, Title: "Unclear question", Detail: toll.SafeMessage(err),
	})
}

// notDelegated answers for a host and path that no delegated service takes.
func (a Answers) notDelegated(r *exchange.Request) *exchange.Response {
	doc := refusals[toll.RefusedNoRoute]
	doc.Type = problemBase + string(toll.RefusedNoRoute)
	doc.Detail = "No delegated service takes this host and path."
	return a.problem(r, doc)
}

// draining answers while Tollhouse ends.
func (a Answers) draining(r *exchange.Request) *exchange.Response {
	doc := refusals[toll.RefusedOverloaded]
	doc.Type = problemBase + string(toll.RefusedOverloaded)
	doc.Detail = "Tollhouse is about to end. Try again in a moment."
	response := a.problem(r, doc)
	response.Header.Set("Retry-After", "1")
	return response
}

// settlement answers a settlement that cannot be read.
func (a Answers) settlement(r *exchange.Request, status int, detail string) *exchange.Response {
	return a.problem(r, problem{Type: problemBase + "settlement-unclear", Status: status, Title: "Unclear settlement", Detail: detail})
}

// unsettled answers a settlement that finds nothing to settle, or nowhere to
// write it.
func (a Answers) unsettled(r *exchange.Request, err error) *exchange.Response {
	switch {
	case errors.Is(err, gate.ErrNoDecision):
		return a.problem(r, problem{
			Type: problemBase + "decision-unknown", Status: http.StatusNotFound, Title: "No such decision", Detail: toll.SafeMessage(err),
		})
	case errors.Is(err, gate.ErrDecisionExpired):
		return a.problem(r, problem{
			Type: problemBase + "decision-expired", Status: http.StatusGone, Title: "Decision expired", Detail: toll.SafeMessage(err),
		})
	}
	return a.Unmetered(r)
}
