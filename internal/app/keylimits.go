package app

import (
	"context"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/config"
	"github.com/tollhouse/tollhouse/internal/limit"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// limitsOfKey are the limits that a key is to have for itself.
func limitsOfKey(ctx context.Context, r *rooms, in *KeyCreate) ([]toll.Policy, error) {
	var all []toll.Policy
	if in.Rate != "" {
		count, window, err := config.ParseRate(in.Rate)
		if err != nil {
			return nil, toll.FieldError("rate", "%q %w", in.Rate, err)
		}
		all = append(all, toll.Policy{Name: "key", Kind: toll.RateLimit, Partition: toll.PerKey, Count: count, Window: window})
	}
	if in.Concurrency != 0 {
		all = append(all, toll.Policy{Name: "key-parallel", Kind: toll.ConcurrencyLimit, Partition: toll.PerKey, Count: in.Concurrency})
	}
	if in.Quota != 0 {
		p, err := quotaOfKey(ctx, r, in)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	for i := range all {
		all[i].Shadow = in.Shadow
	}
	_, err := limit.CompileKey(all, r.at.zone())
	return all, err
}

// quotaOfKey is how much a key is to use at most, of what its customer may. Its
// months are those of the customer's plan.
func quotaOfKey(ctx context.Context, r *rooms, in *KeyCreate) (toll.Policy, error) {
	p := toll.Policy{Name: "key-quota", Kind: toll.Quota, Partition: toll.PerKey, Count: in.Quota, Unit: in.Unit, Every: toll.Every(in.Every)}
	switch {
	case in.Quota < 0:
		return p, toll.FieldError("quota", "a quota takes 1 or more; got %d", in.Quota)
	case in.Test:
		return p, toll.FieldError("quota", "a test key's calls are counted apart and never billed, so it has no quota; give it --rate")
	case in.Unit != "" && in.Unit != toll.UnitRequests && !slices.Contains(r.units(), in.Unit):
		return p, toll.FieldError("unit", "no unit is called %q, so this quota would count nothing; there are: %s", in.Unit, strings.Join(append([]string{toll.UnitRequests}, r.units()...), ", "))
	case in.Every != "" && p.Every != toll.Daily && p.Every != toll.Monthly:
		return p, toll.FieldError("every", "a quota's period is day or month; got %q", in.Every)
	}
	if p.Unit == "" {
		p.Unit = toll.UnitRequests
	}
	if p.Every != toll.Daily {
		c, err := r.office.Customer(ctx, account.System, in.Customer)
		if err != nil {
			return p, err
		}
		plan, _, _ := r.plans.Plan(c.Subscription.Plan)
		p.Every = plan.MonthlyQuotas()
	}
	return p, nil
}
