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
	RequestID string            `json:"request_id"`
	Outcome   string            `json:"outcome"` // "refused" or "answered"
	At        time.Time         `json:"at"`
	Customer  string            `json:"customer,omitempty"`
	Key       string            `json:"key,omitempty"`
	Plan      string            `json:"plan,omitempty"`
	Service   string            `json:"service,omitempty"`
	Endpoint  string            `json:"endpoint,omitempty"`
	Status    int               `json:"status,omitempty"` // of an answered one
	Reason    string            `json:"reason,omitempty"` // of a refused one
	Says      string            `json:"says"`             // one sentence
	Counted   map[string]int64  `json:"counted,omitempty"`
	Policies  []PolicyExplained `json:"policies"`
}

// PolicyExplained is what one policy said to the request.
type PolicyExplained struct {
	PolicyShown
	Said     string    `json:"said"`               // "passed", "refused", "would refuse", "undecided"
	Left     *int64    `json:"left,omitempty"`     // what was left of it then; null where nobody noted it
	PassesAt time.Time `json:"passes_at,omitzero"` // when this policy, left alone, admits one
}

// explain finds a request among the refusals that the running server remembers,
// and among the events.
func explain(ctx context.Context, r *rooms, in Explain) (Explained, error) {
	id := strings.TrimSpace(in.RequestID)
	if id == "" || len(id) > 200 {
		return Explained{}, toll.FieldError("request_id", "it takes the X-Request-ID of an answer")
	}
	if r.refusal != nil {
		if refused, ok := r.refusal(id); ok {
			return explainRefusal(&refused), nil
		}
	}
	if err := r.drain(ctx, 0); err != nil {
		return Explained{}, err
	}
	events, err := r.store.Events(ctx, meter.EventQuery{RequestID: id, Limit: 1})
	if err != nil {
		return Explained{}, fmt.Errorf("looking for the request: %w", err)
	}
	if len(events) == 0 {
		said := "a refused request is remembered by the server that refused it while it runs, the newest some thousand of them"
		if r.refusal == nil {
			said = "no server runs here, and only the one that refused a request remembers it"
		}
		return Explained{}, toll.Errorf(toll.NotFound, "no request %s is known: no answer to it was counted, and %s", id, said)
	}
	return explainEvent(ctx, r, &events[0])
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

func explainRefusal(r *gate.Refusal) Explained {
	out := Explained{
		RequestID: r.RequestID, Outcome: "refused", At: r.At, Customer: r.Customer, Key: r.Key, Plan: r.Plan,
		Service: r.Service, Endpoint: r.Endpoint, Reason: string(r.Reason), Says: sentences[r.Reason], Policies: []PolicyExplained{},
	}
	var refusers, away []string
	for _, f := range r.Findings {
		left := f.Remaining
		said := PolicyExplained{PolicyShown: showPolicies("", []toll.Policy{f.Policy})[0], Said: "passed", Left: &left}
		switch {
		case f.Refused && f.Away:
			said.Said = "undecided" // and closed then
			away = append(away, f.Policy.Name)
		case f.Refused:
			said.Said = "refused"
			refusers = append(refusers, fmt.Sprintf("%s (%s)", f.Policy.Name, said.Limit))
		case f.WouldRefuse:
			said.Said = "would refuse"
		}
		if f.WouldRefuse {
			said.PassesAt = r.At.Add(f.RetryAfter)
		}
		out.Policies = append(out.Policies, said)
	}
	switch {
	case len(refusers) > 0:
		out.Says = "Refused by " + strings.Join(refusers, " and ") + "."
	case len(away) > 0:
		out.Says = "Undecided by " + strings.Join(away, " and ") + ": the shared counters were away, and it lets nobody pass then."
	}
	return out
}

// explainEvent explains a request that was let in: its policies all said yes,
// which is why what each had left was not noted.
func explainEvent(ctx context.Context, r *rooms, e *toll.Event) (Explained, error) {
	out := Explained{
		RequestID: e.RequestID, Outcome: "answered", At: e.Time, Customer: e.Customer, Key: e.Key, Plan: e.Plan,
		Service: e.Service, Endpoint: e.Endpoint, Status: e.Status, Policies: []PolicyExplained{},
		Counted: map[string]int64{},
	}
	switch e.Class {
	case toll.Chargeable:
		out.Says = "Answered, and counted for quota and bill."
		if e.Status == 0 { // a delegated service that settles nothing
			out.Says = "Let in for a foreign proxy, and counted for quota and bill; nobody told how it was answered."
		}
		out.Counted[toll.UnitRequests] = e.Requests()
		for _, u := range e.Units {
			if u.Unit == toll.UnitRequests {
				continue
			}
			out.Counted[u.Unit] += u.Count
		}
	case toll.TestUsage:
		out.Says = "Answered to a test key: counted apart, never billed."
	case toll.Unknown:
		out.Says = "It was under way when the server ended, or was never settled, and nobody knows what became of it: not billed."
	default:
		out.Says = "Answered, and not counted: it was served from a cache that does not count, or its status is not one that the service bills."
		switch {
		case e.Customer == "":
			out.Says = "Answered, and not counted: this service needs no key, so it is nobody's usage."
		case e.Status >= 500:
			out.Says = fmt.Sprintf("The answer was %d %s: not counted, and its quota was given back.", e.Status, http.StatusText(e.Status))
		}
	}
	version, err := r.store.PlanVersion(ctx, e.PlanVersion)
	if err != nil && toll.CodeOf(err) != toll.NotFound {
		return out, fmt.Errorf("reading the plan version %s: %w", e.PlanVersion, err)
	}
	for _, p := range showPolicies("plan "+e.Plan, covering(version.Plan.Policies, e)) {
		out.Policies = append(out.Policies, PolicyExplained{PolicyShown: p, Said: "passed"})
	}
	service := r.service
	if service == nil && r.at.Config != nil {
		service = r.at.Config.Service
	}
	if service == nil {
		return out, nil
	}
	if s, ok := service(e.Service); ok {
		for _, p := range showPolicies("service "+e.Service, covering(s.Policies, e)) {
			out.Policies = append(out.Policies, PolicyExplained{PolicyShown: p, Said: "passed"})
		}
	}
	return out, nil
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
