package app

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/gate"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Explain asks what became of a request.
type Explain struct {
	RequestID string `json:"request_id"` // X-Request-ID of the answer
}

// Explained is what became of a request, and why.
type Explained struct {
	RequestID string    `json:"request_id"`
	Outcome   string    `json:"outcome"` // "refused" or "answered"
	At        time.Time `json:"at"`
	Customer  string    `json:"customer,omitempty"`
	// CustomerName and KeyName are what people call them now; "" where there is none any more.
	CustomerName string            `json:"customer_name,omitempty"`
	Key          string            `json:"key,omitempty"`
	KeyName      string            `json:"key_name,omitempty"`
	Plan         string            `json:"plan,omitempty"`
	Service      string            `json:"service,omitempty"`
	Endpoint     string            `json:"endpoint,omitempty"`
	Status       int               `json:"status,omitempty"` // of an answered one
	Reason       string            `json:"reason,omitempty"` // of a refused one
	Says         string            `json:"says"`             // one sentence
	Counted      map[string]int64  `json:"counted,omitempty"`
	Policies     []PolicyExplained `json:"policies"`
}

// PolicyExplained is what one policy said to the request.
type PolicyExplained struct {
	PolicyShown
	Said     string    `json:"said"`               // "passed", "refused", "would refuse", "undecided"
	Left     *int64    `json:"left,omitempty"`     // what was left of it then; null where nobody noted it
	Needs    int64     `json:"needs,omitempty"`    // what the request takes of it before it is forwarded, where it said no
	PassesAt time.Time `json:"passes_at,omitzero"` // when this policy, left alone, admits one
	Never    bool      `json:"never,omitempty"`    // no period lets the request pass: it needs more than the whole quota
}

// explain says what became of a request, whosever it was.
func explain(ctx context.Context, r *rooms, in Explain) (Explained, error) {
	e, err := r.Explain(ctx, in.RequestID, "")
	if err != nil {
		return Explained{}, err
	}
	out := explained(&e)
	// The names are a courtesy: what became of a request is said without them too.
	if c, err := r.store.Customer(ctx, e.Customer); e.Customer != "" && err == nil {
		out.CustomerName = c.Name
	}
	if k, err := r.store.Key(ctx, e.Key); e.Key != "" && err == nil {
		out.KeyName = k.Name
	}
	return out, nil
}

// checkRequestID refuses what cannot be a request's ID, and says what one looks
// like. It repeats nothing that may be a secret.
func checkRequestID(id string) error {
	wrong := func(format string, args ...any) error {
		return toll.FieldError("request_id", format+"; it takes a request's ID, which is the X-Request-ID of its answer, for example 01J9ZK6V7Q3M8X2C4B5N6P7R8S", args...)
	}
	for prefix, what := range map[string]string{
		"th_":  "that is an API key or a token, not a request (and it is a secret: keep it out of command lines)",
		"cus_": "that is a customer's ID, not a request's", "key_": "that is a key's ID, not a request's",
	} {
		if strings.HasPrefix(id, prefix) {
			return wrong("%s", what)
		}
	}
	if id == "" {
		return wrong("there is no ID")
	}
	if len(id) < 8 || len(id) > 128 || strings.ContainsFunc(id, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.'
	}) {
		return wrong("%q is none", id[:min(len(id), 40)])
	}
	return nil
}

// Explain finds a request among the refusals that the running server remembers,
// and among the events: one of a customer, or of anybody for "".
func (r *rooms) Explain(ctx context.Context, requestID, customer string) (toll.Explanation, error) {
	id := strings.TrimSpace(requestID)
	if err := checkRequestID(id); err != nil {
		return toll.Explanation{}, err
	}
	if refused, ok := r.findRefusal(id, customer); ok {
		return explainRefusal(&refused), nil
	}
	for _, drained := range []bool{false, true} { // the newest may be in the journal only
		if drained {
			if err := r.drain(ctx, 0); err != nil {
				return toll.Explanation{}, err
			}
		}
		events, err := r.store.Events(ctx, meter.EventQuery{RequestID: id, Customer: customer, Limit: 1})
		if err != nil {
			return toll.Explanation{}, fmt.Errorf("looking for the request: %w", err)
		}
		if len(events) > 0 {
			return explainEvent(ctx, r, &events[0])
		}
	}
	said := "a refused request is remembered by the server that refused it while it runs, the newest some thousand of them"
	if r.witness == nil {
		said = "no server runs here, and only the one that refused a request remembers it"
	}
	if _, err := toll.ParseULID(id); err != nil { // a trusted proxy may have given it one of its own
		said += ". An ID that Tollhouse gave has 26 letters and digits, for example 01J9ZK6V7Q3M8X2C4B5N6P7R8S: this is none of those, and no other is known either (a trusted proxy may give its own)"
	}
	return toll.Explanation{}, toll.Errorf(toll.NotFound, "no request %s is known: no answer to it was counted, and %s", id, said)
}

func (r *rooms) findRefusal(id, customer string) (gate.Refusal, bool) {
	switch {
	case r.witness == nil:
		return gate.Refusal{}, false
	case customer == "":
		return r.witness.Refusal(id)
	}
	return r.witness.RefusalOf(customer, id)
}

// Refused are the newest refusals of a customer that are remembered, of
// everybody for "", the newest first.
func (r *rooms) Refused(customer string, most int) []toll.Explanation {
	if r.witness == nil {
		return nil
	}
	refusals := r.witness.Refusals(customer, most)
	out := make([]toll.Explanation, len(refusals))
	for i := range refusals {
		out[i] = explainRefusal(&refusals[i])
	}
	return out
}

// sentences say a refusal to people.
var sentences = map[toll.RefusalReason]string{
	toll.RefusedKeyMissing:   "No API key came with it.",
	toll.RefusedKeyMalformed: "What came as its API key is none.",
	toll.RefusedKeyUnknown:   "Its API key is unknown, or was revoked.",
	toll.RefusedKeyExpired:   "Its API key has expired.",
	toll.RefusedSuspended:    "Its customer is suspended.",
	toll.RefusedNotIncluded:  "The customer's plan does not include the service.",
	toll.RefusedOutOfScope:   "Its API key may not call this.",
	toll.RefusedKeyOrigin:    "Its API key may not be used from the client's address.",
	toll.RefusedNoRoute:      "No service takes it.",
	toll.RefusedBadPath:      "Its path is ambiguous.",
	toll.RefusedBadMethod:    "Its method is longer than any that there is.",
	toll.RefusedTooLarge:     "Its body is larger than the service takes.",
	toll.RefusedAddress:      "The client's address may not call the service.",
	toll.RefusedURL:          "Its URL is longer than the service takes.",
	toll.RefusedJournal:      "The journal could not take it, and what cannot be metered is not served.",
	toll.RefusedOverloaded:   "The service had no place left.",
}

func explainRefusal(r *gate.Refusal) toll.Explanation {
	out := toll.Explanation{
		RequestID: r.RequestID, Refused: true, At: r.At, Customer: r.Customer, Key: r.Key, Plan: r.Plan,
		Service: r.Service, Endpoint: r.Endpoint, Method: r.Method, Reason: r.Reason,
	}
	for _, f := range r.Findings {
		said := toll.Finding{Policy: f.Policy, Said: toll.SaidPassed, Noted: true, Left: f.Remaining, Needs: f.Needs, Never: f.Never}
		switch {
		case f.Refused && f.Away:
			said.Said = toll.SaidUndecided
		case f.Refused:
			said.Said = toll.SaidRefused
		case f.WouldRefuse:
			said.Said = toll.SaidWouldRefuse
		}
		if f.WouldRefuse && !f.Never {
			said.PassesAt = r.At.Add(f.RetryAfter)
		}
		out.Findings = append(out.Findings, said)
	}
	return out
}

// explainEvent explains a request that was let in: its policies all said yes,
// which is why what each had left was not noted.
func explainEvent(ctx context.Context, r *rooms, e *toll.Event) (toll.Explanation, error) {
	out := toll.Explanation{
		RequestID: e.RequestID, At: e.Time, Customer: e.Customer, Key: e.Key, Plan: e.Plan,
		Service: e.Service, Endpoint: e.Endpoint, Method: e.Method, Status: e.Status, Class: e.Class,
	}
	if e.Class == toll.Chargeable {
		out.Counted = []toll.Amount{{Unit: toll.UnitRequests, Count: e.Requests()}}
		for _, u := range e.Units {
			if u.Unit != toll.UnitRequests {
				out.Counted = append(out.Counted, u)
			}
		}
	}
	version, err := r.store.PlanVersion(ctx, e.PlanVersion)
	if err != nil && toll.CodeOf(err) != toll.NotFound {
		return out, fmt.Errorf("reading the plan version %s: %w", e.PlanVersion, err)
	}
	passed := func(of string, policies []toll.Policy) {
		for _, p := range covering(policies, e) {
			out.Findings = append(out.Findings, toll.Finding{Policy: p, Of: of, Said: toll.SaidPassed})
		}
	}
	passed("plan "+e.Plan, version.Plan.Policies)
	service := r.service
	if service == nil && r.at.Config != nil {
		service = r.at.Config.Service
	}
	if service != nil {
		if s, ok := service(e.Service); ok {
			passed("service "+e.Service, s.Policies)
		}
	}
	return out, nil
}

// explained puts an explanation into the words of the command.
func explained(e *toll.Explanation) Explained {
	out := Explained{
		RequestID: e.RequestID, Outcome: "answered", At: e.At, Customer: e.Customer, Key: e.Key, Plan: e.Plan,
		Service: e.Service, Endpoint: e.Endpoint, Status: e.Status, Reason: string(e.Reason),
		Counted: map[string]int64{}, Policies: []PolicyExplained{},
	}
	for _, a := range e.Counted {
		out.Counted[a.Unit] += a.Count
	}
	var refusers, away []string
	never := false
	for _, f := range e.Findings {
		said := PolicyExplained{PolicyShown: showPolicies(f.Of, []toll.Policy{f.Policy})[0], Said: string(f.Said), PassesAt: f.PassesAt, Never: f.Never}
		if f.Said != toll.SaidPassed {
			said.Needs = f.Needs
		}
		if f.Noted {
			said.Left = &f.Left
		}
		switch f.Said {
		case toll.SaidRefused:
			refusers = append(refusers, fmt.Sprintf("%s (%s)", f.Policy.Name, said.Limit)+needed(&f))
			never = never || f.Never
		case toll.SaidUndecided:
			away = append(away, f.Policy.Name)
		case toll.SaidPassed, toll.SaidWouldRefuse:
		}
		out.Policies = append(out.Policies, said)
	}
	switch {
	case len(refusers) > 0:
		out.Says = "Refused by " + strings.Join(refusers, " and ") + "."
		if never {
			out.Says += " It can never pass under this limit: a larger one would let it."
		}
	case len(away) > 0:
		out.Says = "Undecided by " + strings.Join(away, " and ") + ": the shared counters were away, and it lets nobody pass then."
	case e.Refused:
		out.Says = sentences[e.Reason]
	default:
		out.Says = answeredSentence(e)
	}
	if e.Refused {
		out.Outcome = "refused"
	}
	return out
}

// needed says what a call needed of a quota, where that is more than one.
func needed(f *toll.Finding) string {
	if f.Policy.Kind != toll.Quota || f.Needs <= 1 {
		return ""
	}
	return fmt.Sprintf(": the call needs %d %s, and %d were left", f.Needs, f.Policy.Unit, f.Left)
}

func answeredSentence(e *toll.Explanation) string {
	switch {
	case e.Class == toll.Chargeable && e.Status == 0: // a delegated service that settles nothing
		return "Let in for a foreign proxy, and counted for quota and bill; nobody told how it was answered."
	case e.Class == toll.Chargeable:
		return "Answered, and counted for quota and bill."
	case e.Class == toll.TestUsage:
		return "Answered to a test key: counted apart, never billed."
	case e.Class == toll.Unknown:
		return "It was under way when the server ended, or was never settled, and nobody knows what became of it: not billed."
	case e.Customer == "":
		return "Answered, and not counted: this service needs no key, so it is nobody's usage."
	case e.Status >= 500:
		return fmt.Sprintf("The answer was %d %s: not counted, and its quota was given back.", e.Status, http.StatusText(e.Status))
	}
	return "Answered, and not counted: it was served from a cache that does not count, or its status is not one that the service bills."
}

// covering are the policies that an event's call was held against.
func covering(policies []toll.Policy, e *toll.Event) []toll.Policy {
	var all []toll.Policy
	for _, p := range policies {
		if (p.Service == "" || p.Service == e.Service) && (p.Endpoint == "" || p.Endpoint == e.Endpoint) {
			all = append(all, p)
		}
	}
	return all
}
