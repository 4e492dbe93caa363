package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// CustomerOverride asks for a limit that holds for one customer alone. One of
// Rate, Quota, Concurrency and Remove is given; what is left out is as in the
// plan's limit of the same name.
type CustomerOverride struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Rate        string `json:"rate,omitempty"` // "50/minute"
	Burst       int64  `json:"burst,omitempty"`
	Quota       *int64 `json:"quota,omitempty"`
	Unit        string `json:"unit,omitempty"`
	Every       string `json:"every,omitempty"`
	Concurrency int64  `json:"concurrency,omitempty"`
	Per         string `json:"per,omitempty"`     // "customer", "key" or "ip"
	Service     string `json:"service,omitempty"` // only for calls of it
	Shadow      bool   `json:"shadow,omitempty"`
	Remove      bool   `json:"remove,omitempty"`
}

// CustomerOverridden is a customer with the limits that hold for it.
type CustomerOverridden struct {
	CustomerShown
	Policies []PolicyShown `json:"policies"`
	Beside   bool          `json:"beside"` // the plan has no limit of this name: it holds beside the plan's
}

func overrideCustomer(ctx context.Context, r *rooms, in CustomerOverride) (CustomerOverridden, error) {
	c, err := r.office.Customer(ctx, account.System, in.ID)
	if err != nil {
		return CustomerOverridden{}, err
	}
	if in.Remove {
		c, err = r.office.RemoveOverride(ctx, account.System, in.ID, in.Name)
	} else {
		var policy toll.Policy
		if policy, err = overriding(r, &c, &in); err == nil {
			c, err = r.office.SetOverride(ctx, account.System, in.ID, policy)
		}
	}
	if err != nil {
		return CustomerOverridden{}, err
	}
	plan, _, _ := r.plans.Plan(c.Subscription.Plan)
	beside := !in.Remove && !slices.ContainsFunc(plan.Policies, func(p toll.Policy) bool { return p.Name == in.Name })
	return CustomerOverridden{CustomerShown: showCustomer(c), Policies: policiesOf(r, &c), Beside: beside}, nil
}

// overriding makes the policy, and checks that it can hold beside the plan's.
func overriding(r *rooms, c *toll.Customer, in *CustomerOverride) (toll.Policy, error) {
	plan, _, ok := r.plans.Plan(c.Subscription.Plan)
	if !ok {
		return toll.Policy{}, toll.Errorf(toll.Conflict, "The customer's plan %q is not in the configuration.", c.Subscription.Plan)
	}
	p := toll.Policy{Name: in.Name, Unit: toll.UnitRequests, Every: plan.MonthlyQuotas()}
	kind := map[bool]toll.PolicyKind{in.Rate != "": toll.RateLimit, in.Quota != nil: toll.Quota, in.Concurrency != 0: toll.ConcurrencyLimit}[true]
	if i := slices.IndexFunc(plan.Policies, func(q toll.Policy) bool { return q.Name == in.Name }); i >= 0 {
		if plan.Policies[i].Kind != kind {
			return p, toll.FieldError("name", "The plan's limit %q is of another kind; an override of it says how much of the same.", in.Name)
		}
		p = plan.Policies[i]
		p.Burst = 0
	}
	p.Kind = kind
	switch kind {
	case toll.RateLimit:
		var err error
		if p.Count, p.Window, err = config.ParseRate(in.Rate); err != nil {
			return p, toll.FieldError("rate", "%q %w", in.Rate, err)
		}
		p.Burst, p.Unit, p.Every = in.Burst, "", ""
	case toll.Quota:
		p.Count = *in.Quota
		if in.Unit != "" {
			p.Unit = in.Unit
		}
		if in.Every != "" {
			if p.Every = toll.Every(in.Every); p.Every == toll.Monthly {
				p.Every = plan.MonthlyQuotas()
			}
		}
	case toll.ConcurrencyLimit:
		p.Count, p.Unit, p.Every = in.Concurrency, "", ""
	}
	if err := narrow(r, &p, in); err != nil {
		return p, err
	}
	if p.Kind == toll.Quota && p.Partition == toll.PerIP && p.Every == toll.SubscriptionMonth {
		p.Every = toll.Monthly // an address has no subscription
	}
	next := toll.Subscription{Overrides: append([]toll.Policy{p}, slices.DeleteFunc(slices.Clone(c.Subscription.Overrides), func(q toll.Policy) bool { return q.Name == p.Name })...)}
	if _, err := limit.Compile(next.Policies(&plan), r.at.zone()); err != nil {
		return p, fmt.Errorf("this override cannot hold: %w", err)
	}
	return p, nil
}

// narrow sets whom an override counts apart, and of which calls.
func narrow(r *rooms, p *toll.Policy, in *CustomerOverride) error {
	p.Shadow = p.Shadow || in.Shadow
	switch in.Per {
	case "":
	case "customer":
		p.Partition = toll.PerCustomer
	case "key":
		p.Partition = toll.PerKey
	case "ip":
		p.Partition = toll.PerIP
	default:
		return toll.FieldError("per", "a limit counts per customer, key or ip; got %q", in.Per)
	}
	if in.Service == "" || in.Service == p.Service {
		return nil
	}
	p.Service, p.Endpoint = in.Service, ""
	return r.plans.haveServices([]string{in.Service})
}

// policiesOf are the limits that hold for a customer, with what is its own marked.
func policiesOf(r *rooms, c *toll.Customer) []PolicyShown {
	plan, _, _ := r.plans.Plan(c.Subscription.Plan)
	out := []PolicyShown{}
	for _, p := range c.Subscription.Policies(&plan) {
		of := "plan " + plan.Name
		if slices.ContainsFunc(c.Subscription.Overrides, func(o toll.Policy) bool { return o.Name == p.Name }) {
			of = "customer"
		}
		out = append(out, showPolicies(of, []toll.Policy{p})...)
	}
	return out
}
