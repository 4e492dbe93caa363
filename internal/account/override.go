package account

import (
	"context"
	"slices"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// maxOverrides bounds what one customer has otherwise than its plan.
const maxOverrides = 20

// SetOverride makes a policy hold for one customer in place of its plan's policy
// of the same name, or beside them, from the next request on. What was used
// stays used. Whether the policy can be decided at all is for the caller to
// check. Action: SetOverride. Conflict when the customer has 20 already.
func (o *Office) SetOverride(ctx context.Context, p Person, id string, policy toll.Policy) (toll.Customer, error) {
	if policy.Name == "" {
		return toll.Customer{}, toll.FieldError("name", "An override needs the name of a limit.")
	}
	full := false
	c, err := o.changeCustomer(ctx, p, SetOverride, id, 0, func(c *toll.Customer) bool {
		own := slices.Clone(c.Subscription.Overrides)
		i := slices.IndexFunc(own, func(q toll.Policy) bool { return q.Name == policy.Name })
		switch {
		case i >= 0 && own[i] == policy:
			return false
		case i >= 0:
			own[i] = policy
		case len(own) >= maxOverrides:
			full = true
			return false
		default:
			own = append(own, policy)
		}
		c.Subscription.Overrides = own
		return true
	})
	if err == nil && full {
		return toll.Customer{}, toll.Errorf(toll.Conflict, "This customer has %d overrides already: make it a plan of its own.", maxOverrides)
	}
	return c, err
}

// RemoveOverride lets the plan's own policy hold again. NotFound when there is
// no such override. Action: SetOverride.
func (o *Office) RemoveOverride(ctx context.Context, p Person, id, name string) (toll.Customer, error) {
	found := false
	c, err := o.changeCustomer(ctx, p, SetOverride, id, 0, func(c *toll.Customer) bool {
		i := slices.IndexFunc(c.Subscription.Overrides, func(q toll.Policy) bool { return q.Name == name })
		if found = i >= 0; found {
			c.Subscription.Overrides = slices.Delete(slices.Clone(c.Subscription.Overrides), i, i+1)
		}
		return found
	})
	if err == nil && !found {
		return toll.Customer{}, toll.Errorf(toll.NotFound, "This customer has no override named %q.", name)
	}
	return c, err
}
