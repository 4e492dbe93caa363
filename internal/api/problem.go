package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strconv"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// problemBase is where every problem type is explained.
const problemBase = "https://github.com/tollhouse/tollhouse/blob/main/docs/problems.md#"

// problem is an RFC 9457 problem document, in the form of the gateway's own.
type problem struct {
	Type      string  `json:"type" doc:"Leads to the part of docs/problems.md that explains it"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail" doc:"What happened and what to do"`
	RequestID string  `json:"request_id" doc:"Also in X-Request-ID"`
	Errors    []wrong `json:"errors,omitempty" doc:"What of the input is wrong, each with its place"`
	More      int     `json:"errors_more,omitempty" doc:"How many errors there are beside those that are listed"`

	Current any `json:"current,omitempty" doc:"What is there now, where a change was bound to something older (If-Match)"`

	kind   string      // the last part of Type
	header http.Header // of the answer
	cause  error       // for the log
}

var problemType = reflect.TypeFor[problem]()

// wrong is one mistake in what was sent.
type wrong struct {
	Index   *int   `json:"index,omitempty" doc:"Of the element in a batch, from 0"`
	Source  string `json:"source,omitempty" doc:"Of the event, where it could be read"`
	ID      string `json:"id,omitempty" doc:"Of the event, where it could be read"`
	Field   string `json:"field,omitempty" doc:"Which part of the input: a parameter, or data.words"`
	Message string `json:"message"`
}

// at is where its element stands in the batch; what belongs to none comes first.
func (w *wrong) at() int {
	if w.Index == nil {
		return -1
	}
	return *w.Index
}

// Error makes a problem what huma takes for an answer.
func (p *problem) Error() string {
	if p.cause != nil {
		return p.cause.Error()
	}
	return p.Detail
}

// GetStatus is the answer's status, for huma.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders are fields of the answer, for huma.
func (p *problem) GetHeaders() http.Header { return p.header }

// ContentType is that of problems, for huma.
func (*problem) ContentType(string) string { return "application/problem+json" }

// codes says which problem each domain code is.
var codes = map[toll.Code]problem{
	toll.Invalid:      {Status: http.StatusUnprocessableEntity, kind: "api-invalid", Title: "Invalid"},
	toll.NotFound:     {Status: http.StatusNotFound, kind: "api-not-found", Title: "Not found"},
	toll.Conflict:     {Status: http.StatusConflict, kind: "api-conflict", Title: "Conflict"},
	toll.Unauthorized: {Status: http.StatusUnauthorized, kind: "api-token", Title: "API token not valid"},
	toll.Forbidden:    {Status: http.StatusForbidden, kind: "api-forbidden", Title: "Not allowed"},
	toll.Unavailable:  {Status: http.StatusServiceUnavailable, kind: "api-unavailable", Title: "Not now"},
	toll.Internal:     {Status: http.StatusInternalServerError, kind: "api-internal", Title: "Internal error"},
}

var internal = problemOf(errors.New("panic"))

// retryAfter is how long a client waits when the store is away, in seconds.
const retryAfter = 2

// problemOf makes a problem of an error: in this one place.
func problemOf(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	code := toll.CodeOf(err)
	doc, ok := codes[code]
	if !ok {
		doc = codes[toll.Internal]
	}
	doc.Detail, doc.cause = toll.SafeMessage(err), err
	var te *toll.Error
	if errors.As(err, &te) && te.Field != "" {
		doc.Errors = []wrong{{Field: te.Field, Message: te.Message}}
	}
	switch code {
	case toll.Unavailable:
		doc.header = http.Header{"Retry-After": {strconv.Itoa(retryAfter)}}
	case toll.Unauthorized:
		doc.header = http.Header{"Www-Authenticate": {`Bearer realm="tollhouse-api", error="invalid_token"`}}
	}
	return &doc
}

// finish completes a problem for one call.
func (p *problem) finish(c *call) *problem {
	done := *p
	done.Type, done.RequestID = problemBase+p.kind, c.id
	return &done
}

// refuse writes a problem past huma.
func (a *API) refuse(w http.ResponseWriter, c *call, p *problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = writeJSON(w, p.finish(c)) // whoever hung up does not want it
}

func writeJSON(w http.ResponseWriter, v any) error {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// asProblem gives huma's own errors, of parameters and bodies, the house's form.
func asProblem(ctx huma.Context, _ string, v any) (any, error) {
	c := callOf(ctx.Context())
	switch e := v.(type) {
	case *problem:
		return e.finish(c), nil
	case *huma.ErrorModel:
		p := &problem{Status: e.Status, Title: "Invalid", kind: "api-invalid", Detail: "The request cannot be understood: " + e.Detail + "."}
		switch e.Status {
		case http.StatusUnprocessableEntity:
			p.Detail = "The request is not as the contract has it; see errors."
		case http.StatusRequestEntityTooLarge:
			p.kind, p.Title = "api-too-large", "Too large"
		case http.StatusInternalServerError:
			p = problemOf(errors.New(e.Detail))
		}
		for _, d := range e.Errors {
			if d != nil && e.Status < 500 {
				p.Errors = append(p.Errors, wrong{Field: place(d.Location), Message: d.Message})
			}
		}
		return p.finish(c), nil
	}
	return v, nil
}

// place says where an error is as the client wrote it: "query.from" is from.
func place(location string) string {
	for _, prefix := range []string{"query.", "path.", "header.", "body."} {
		if len(location) > len(prefix) && location[:len(prefix)] == prefix {
			return location[len(prefix):]
		}
	}
	return location
}

// shorten keeps somebody's long input out of answers.
func shorten(s string) string {
	const longest = 60
	if utf8.RuneCountInString(s) <= longest {
		return s
	}
	return string([]rune(s)[:longest]) + "…"
}
