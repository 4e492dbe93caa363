package edge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/tollhouse/tollhouse/internal/exchange"
	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/httpcache"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// problemBase is where every problem type of the gateway is explained.
const problemBase = "https://github.com/tollhouse/tollhouse/blob/main/docs/problems.md#"

// What the front itself refuses, beside the gate's reasons.
const (
	badHost       toll.RefusalReason = "bad-host"
	bodyMalformed toll.RefusalReason = "body-malformed"
	bodyTooSlow   toll.RefusalReason = "body-too-slow"
	bodyBrokeOff  toll.RefusalReason = "body-broke-off"
)

// problem is an RFC 9457 problem document with our extension members.
type problem struct {
	Type             string   `json:"type"`
	Title            string   `json:"title"`
	Status           int      `json:"status"`
	Detail           string   `json:"detail,omitempty"`
	RequestID        string   `json:"request_id"`
	ViolatedPolicies []string `json:"violated-policies,omitempty"`
	UpgradeURL       string   `json:"upgrade_url,omitempty"`
}

// Answers are what the gateway says itself.
type Answers struct {
	// UpgradeURL is where a customer gets more, "" when there is no console.
	UpgradeURL string
}

// refusals says how each reason reads. The status of a limit is 429, and its
// type is the registered one.
var refusals = map[toll.RefusalReason]problem{
	toll.RefusedKeyMissing:   {Status: 401, Title: "API key missing", Detail: "Send your key as “Authorization: Bearer KEY”, “Authorization: Token KEY” or “X-API-Key: KEY”."},
	toll.RefusedKeyMalformed: {Status: 401, Title: "API key malformed", Detail: "This is not a key of ours: a key starts with th_live_ or th_test_, has 36 more letters and digits, and is sent once. Check that it was copied whole."},
	toll.RefusedKeyUnknown:   {Status: 401, Title: "API key not valid", Detail: "No valid key has this text: it was revoked, or never was one of ours. Make a new one in the console."},
	toll.RefusedKeyExpired:   {Status: 401, Title: "API key expired", Detail: "This key has expired. Make a new one, or roll it, in the console."},
	toll.RefusedSuspended:    {Status: 403, Title: "Customer suspended", Detail: "This account is suspended. Contact support."},
	toll.RefusedNotIncluded:  {Status: 403, Title: "Not included in the plan", Detail: "The plan does not include this service."},
	toll.RefusedOutOfScope:   {Status: 403, Title: "Out of the key's scope", Detail: "This key may not make this call: it is for other services or methods. Use a key that may."},
	toll.RefusedKeyOrigin:    {Status: 403, Title: "Not from this address", Detail: "This key may not be used from this address. Call from one that it is for, or use another key."},
	toll.RefusedNoRoute:      {Status: 404, Title: "Nothing here", Detail: "No service takes this host and path."},
	toll.RefusedBadPath:      {Status: 400, Title: "Ambiguous path", Detail: "The path can be read in more than one way."},
	toll.RefusedBadMethod:    {Status: 501, Title: "No such method", Detail: "The request's method is longer than any method there is."},
	toll.RefusedTooLarge:     {Status: 413, Title: "Body too large", Detail: "The request's body is larger than the service takes."},
	bodyMalformed:            {Status: 400, Title: "Body malformed", Detail: "The request's body cannot be read: its chunks are not as HTTP has them. Nothing is billed for this request."},
	bodyTooSlow:              {Status: 408, Title: "Body too slow", Detail: "The request's body did not come in the time that the service gives it. Nothing is billed for this request."},
	bodyBrokeOff:             {Status: 499, Title: "Body broke off", Detail: "The request ended before its body was whole. Nothing is billed for this request."},
	toll.RefusedAddress:      {Status: 403, Title: "Address refused", Detail: "This address may not call the service."},
	toll.RefusedURL:          {Status: 414, Title: "Address too long", Detail: "Path and query are longer than the service takes. Send what is long in the body."},
	badHost:                  {Status: 400, Title: "Bad host", Detail: "The request's host is not a name or an address with a port. Send it without a user, a list or escapes."},
	toll.RefusedJournal:      {Status: 503, Title: "Cannot count", Detail: "This request cannot be counted now, so it is not served. Try again in a moment."},
	toll.RefusedUncounted:    {Status: 503, Title: "Limits cannot be checked", Detail: "What is left of a limit cannot be found out now, so this request is not served. Try again in a moment."},
	toll.RefusedOverloaded:   {Status: 503, Title: "Overloaded", Detail: "The service has no place left. Try again in a moment."},
}

// Refusal answers for a request that the gate refused.
func (a Answers) Refusal(r *exchange.Request, p *gate.Pass) *exchange.Response {
	if p.Reason == toll.RefusedLimit {
		return a.limited(r, p)
	}
	doc, ok := refusals[p.Reason]
	if !ok {
		doc = problem{Status: 403, Title: "Refused"}
	}
	doc.Type = problemBase + string(p.Reason)
	switch p.Reason {
	case toll.RefusedBadPath:
		doc.Detail = toll.SafeMessage(p.BadPath)
	case toll.RefusedKeyMalformed:
		if p.APIToken {
			doc.Detail = "This is a token of the management API, which opens /api/v1 at the console's address and no service. Send a customer's key here, which starts with th_live_ or th_test_."
		}
	case toll.RefusedNotIncluded:
		doc.Detail = fmt.Sprintf("The plan %q does not include the service %q.", p.Plan, p.Service.Name)
		doc.UpgradeURL = a.UpgradeURL
	case toll.RefusedAddress:
		if r.Client.IsValid() {
			doc.Detail = fmt.Sprintf("The address %s may not call the service %q.", r.Client, p.Service.Name)
		}
	case toll.RefusedURL:
		doc.Detail = fmt.Sprintf("The service %q takes paths and queries of up to %d bytes together. Send what is long in the body.", p.Service.Name, p.Service.MaxURL)
	case toll.RefusedTooLarge:
		doc.Detail = fmt.Sprintf("The service %q takes bodies of up to %s.", p.Service.Name, sizeInWords(p.Service.MaxBody))
	}
	response := a.problem(r, doc)
	switch doc.Status {
	case 401:
		challenge := `Bearer realm="` + realm(p) + `"`
		if p.Reason != toll.RefusedKeyMissing { // RFC 6750 §3.1: no error code when nothing was sent
			challenge += `, error="invalid_token"`
		}
		response.Header.Set("WWW-Authenticate", challenge)
	case 503:
		response.Header.Set("Retry-After", "1")
	}
	return response
}

func realm(p *gate.Pass) string {
	if p.Service != nil {
		return p.Service.Name
	}
	return "tollhouse"
}

// Failure answers in the place of a service that did not.
func (a Answers) Failure(r *exchange.Request, p *gate.Pass, err error) *exchange.Response {
	if errors.Is(err, exchange.ErrBodyTooLarge) {
		doc := refused(toll.RefusedTooLarge)
		doc.Detail = fmt.Sprintf("The service %q takes bodies of up to %s.", p.Service.Name, sizeInWords(p.Service.MaxBody))
		return a.problem(r, doc)
	}
	if errors.Is(err, httpcache.ErrNotStored) {
		return a.notStored(r)
	}
	var open *undecided
	if errors.As(err, &open) {
		return a.closed(r, p.Service)
	}
	var outside *exchange.RangeError
	if errors.As(err, &outside) {
		return a.outside(r, outside)
	}
	doc := problem{
		Type: problemBase + "upstream-failed", Title: "The service did not answer", Status: 502,
		Detail: fmt.Sprintf("The service %q could not be reached, or broke off. Nothing is billed for this request.", p.Service.Name),
	}
	kind := "proxy_internal_error"
	var failure *exchange.Failure
	if errors.As(err, &failure) {
		doc.Status, kind = failure.Status, failure.Type
	}
	switch doc.Status {
	case 504:
		doc.Type = problemBase + "upstream-timeout"
		doc.Title = "The service took too long"
		doc.Detail = fmt.Sprintf("The service %q did not answer in time. Nothing is billed for this request.", p.Service.Name)
	case 503:
		doc = refused(toll.RefusedOverloaded)
	case 400: // from here on it was the client, and not the service
		doc = refused(bodyMalformed)
	case 408:
		doc = refused(bodyTooSlow)
	case 499:
		doc = refused(bodyBrokeOff)
	case 501:
		doc = refused(toll.RefusedBadMethod)
	}
	response := a.problem(r, doc)
	response.Header.Set("Proxy-Status", "tollhouse; error="+kind)
	if doc.Status == 503 {
		response.Header.Set("Retry-After", "1")
	}
	return response
}

// refused gives a reason's problem with its type.
func refused(reason toll.RefusalReason) problem {
	doc := refusals[reason]
	doc.Type = problemBase + string(reason)
	return doc
}

// BadHost answers a request whose host has more than one reading.
func (a Answers) BadHost(r *exchange.Request) *exchange.Response {
	return a.problem(r, refused(badHost))
}

// NoTunnel answers a CONNECT (RFC 9110 §9.3.6).
func (a Answers) NoTunnel(r *exchange.Request) *exchange.Response {
	doc := refused(toll.RefusedBadMethod)
	doc.Detail = "CONNECT asks for a tunnel, and Tollhouse makes none. Ask for the service's own paths."
	return a.problem(r, doc)
}

// Unmetered answers when the journal took no event and the configuration does
// not serve without one.
func (a Answers) Unmetered(r *exchange.Request) *exchange.Response {
	response := a.problem(r, refused(toll.RefusedJournal))
	response.Header.Set("Retry-After", "1")
	return response
}

// NoRoute answers for a host and path that nothing takes.
func (a Answers) NoRoute(r *exchange.Request) *exchange.Response {
	return a.problem(r, refused(toll.RefusedNoRoute))
}

// problem writes a problem document in the form that the request's sender can
// use. Status and fields are the same in each.
func (a Answers) problem(r *exchange.Request, doc problem) *exchange.Response {
	doc.RequestID = r.ID
	if doc.Title == "" {
		doc.Title = http.StatusText(doc.Status)
	}
	h := exchange.Fields{}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept, HX-Request")
	h.Set(idField, r.ID)
	body := written(r, h, doc)
	return &exchange.Response{
		Status: doc.Status, Header: h,
		Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body)),
	}
}

// written gives the body of a problem, and sets the fields that its form needs.
func written(r *exchange.Request, h exchange.Header, doc problem) []byte {
	if as := formFor(r); as != asProblem {
		if body, err := markup(as, doc, r.Method); err == nil {
			h.Set("Content-Type", "text/html; charset=utf-8")
			h.Set("Referrer-Policy", "no-referrer")
			h.Set("Content-Security-Policy", fragmentPolicy)
			if as == asPage {
				h.Set("Content-Language", "en")
				h.Set("Content-Security-Policy", pagePolicy)
			}
			return body
		}
	}
	h.Set("Content-Type", "application/problem+json")
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // the answer is no page, and nosniff says so
	if err := encoder.Encode(doc); err != nil {
		return []byte(`{"title":"Internal error","status":500}`)
	}
	return body.Bytes()
}
