package account

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// PlanPayload is what a member asks a plan change by.
func PlanPayload(plan string) json.RawMessage {
	text, _ := json.Marshal(map[string]string{"plan": plan}) // strings can always be written
	return text
}

// LimitPayload is what a member asks a limit increase by.
func LimitPayload(limit string, count int64) json.RawMessage {
	text, _ := json.Marshal(map[string]any{"limit": limit, "count": count})
	return text
}

// read takes a payload, and nothing in it that it does not know: who asks
// cannot say more than what can be asked.
func read(payload json.RawMessage, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(payload))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return toll.FieldError("payload", "What is asked for cannot be read.")
	}
	return nil
}

func keep(payload any) (string, error) {
	text, err := json.Marshal(payload)
	return string(text), err
}

// planChange is ApprovePlan.
type planChange struct{ plans Plans }

func (planChange) Asks() Action { return AskPlan }

func (k planChange) Check(_ context.Context, c *toll.Customer, payload json.RawMessage) (kept, subject string, err error) {
	var in struct {
		Plan string `json:"plan"`
	}
	if err := read(payload, &in); err != nil {
		return "", "", err
	}
	if _, err := findPlan(k.plans, in.Plan); err != nil {
		return "", "", err
	}
	if in.Plan == c.Subscription.Plan {
		return "", "", toll.FieldError("plan", "This is your plan already.")
	}
	kept, err = keep(toll.PlanAsked{Plan: in.Plan, From: c.Subscription.Plan})
	return kept, "", err
}

func (k planChange) Apply(c *toll.Customer, a *toll.Approval) (Action, error) {
	var asked toll.PlanAsked
	if err := json.Unmarshal([]byte(a.Payload), &asked); err != nil {
		return "", err
	}
	_, version, ok := k.plans.Plan(asked.Plan)
	if !ok {
		return "", toll.Errorf(toll.Conflict, "The plan %q is not in the configuration any more. Reject this, and say so.", asked.Plan)
	}
	c.Subscription.Plan, c.Subscription.PlanVersion = asked.Plan, version
	return SetPlan, nil
}

// limitIncrease is ApproveLimit: more of a policy that holds already, so that
// it can be decided like that one.
type limitIncrease struct{ plans Plans }

// mostCount bounds what can be asked for, as what a configuration can say.
const mostCount = 1_000_000_000_000

func (limitIncrease) Asks() Action { return AskLimit }

func (k limitIncrease) policies(c *toll.Customer) []toll.Policy {
	plan, _, _ := k.plans.Plan(c.Subscription.Plan)
	return c.Subscription.Policies(&plan)
}

func (k limitIncrease) Check(_ context.Context, c *toll.Customer, payload json.RawMessage) (kept, subject string, err error) {
	var in struct {
		Limit string `json:"limit"`
		Count int64  `json:"count"`
	}
	if err := read(payload, &in); err != nil {
		return "", "", err
	}
	all := k.policies(c)
	i := slices.IndexFunc(all, func(q toll.Policy) bool { return q.Name == in.Limit })
	switch {
	case i < 0:
		return "", "", toll.FieldError("limit", "Your plan has no limit of this name.")
	case in.Count <= all[i].Count:
		return "", "", toll.FieldError("count", "Ask for more than what you have (%d).", all[i].Count)
	case in.Count > mostCount:
		return "", "", toll.FieldError("count", "Ask for at most %d.", int64(mostCount))
	}
	kept, err = keep(toll.LimitAsked{Limit: in.Limit, Count: in.Count, From: all[i].Count})
	return kept, in.Limit, err
}

func (k limitIncrease) Apply(c *toll.Customer, a *toll.Approval) (Action, error) {
	var asked toll.LimitAsked
	if err := json.Unmarshal([]byte(a.Payload), &asked); err != nil {
		return "", err
	}
	all := k.policies(c)
	i := slices.IndexFunc(all, func(q toll.Policy) bool { return q.Name == asked.Limit })
	if i < 0 {
		return "", toll.Errorf(toll.Conflict, "The customer's plan has no limit %q any more. Reject this, and say so.", asked.Limit)
	}
	policy := all[i]
	if policy.Burst > 0 && policy.Count > 0 { // as much of a burst as before, in proportion
		policy.Burst = max(policy.Burst, int64(float64(policy.Burst)*float64(asked.Count)/float64(policy.Count)))
	}
	policy.Count = asked.Count
	own := slices.Clone(c.Subscription.Overrides)
	if j := slices.IndexFunc(own, func(q toll.Policy) bool { return q.Name == policy.Name }); j >= 0 {
		own[j] = policy
	} else if len(own) >= maxOverrides {
		return "", toll.Errorf(toll.Conflict, "This customer has %d overrides already: make it a plan of its own.", maxOverrides)
	} else {
		own = append(own, policy)
	}
	c.Subscription.Overrides = own
	return SetOverride, nil
}
