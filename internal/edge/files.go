package edge

import (
	"errors"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/files"
	"github.com/tollhouse/tollhouse/internal/gate"
)

// refused puts the refusal of a service's files into words. It is the service's
// own answer, and counts as one; any other error goes on.
func (a Answers) refused(r *exchange.Request, p *gate.Pass, response *exchange.Response, err error) (*exchange.Response, error) {
	var refusal *files.Refusal
	if !errors.As(err, &refusal) {
		return response, err
	}
	doc := problem{Status: refusal.Status}
	switch refusal.Status {
	case 405:
		doc.Type, doc.Title = problemBase+"method-not-allowed", "Files are only read"
		doc.Detail = fmt.Sprintf("The service %q answers with files: it takes GET and HEAD.", p.Service.Name)
	case 412:
		doc.Type, doc.Title = problemBase+"precondition-failed", "Not the same any more"
		doc.Detail = "The file is in another state than the one that the request names."
	default:
		doc.Type, doc.Title, doc.Status = problemBase+"no-file", "Nothing here", 404
		doc.Detail = fmt.Sprintf("The service %q has nothing at this address.", p.Service.Name)
	}
	response = a.problem(r, doc)
	if refusal.Allow != "" {
		response.Header.Set("Allow", refusal.Allow)
	}
	return response, nil
}
