package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// CustomerID asks for one customer.
type CustomerID struct {
	ID string `json:"id"`
}

// CustomerDetails is everything about one customer that the database holds.
type CustomerDetails struct {
	CustomerShown
	PlanVersion string        `json:"plan_version"`
	Addons      []string      `json:"addons"`
	Since       time.Time     `json:"since"`    // of the subscription
	Policies    []PolicyShown `json:"policies"` // that hold for it: the plan's, with its overrides
	Members     []MemberShown `json:"members"`
	Keys        []KeyShown    `json:"keys"` // the newest first
}

// MemberShown is a member as commands show it.
type MemberShown struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
	Role  string `json:"role"`
}

func showCustomerDetails(ctx context.Context, r *rooms, in CustomerID) (CustomerDetails, error) {
	c, err := r.office.Customer(ctx, account.System, in.ID)
	if err != nil {
		return CustomerDetails{}, err
	}
	out := CustomerDetails{
		CustomerShown: showCustomer(c), PlanVersion: c.Subscription.PlanVersion, Since: c.Subscription.Since,
		Addons: append([]string{}, c.Subscription.Addons...), Members: []MemberShown{}, Policies: policiesOf(r, &c),
	}
	members, err := r.office.Members(ctx, account.System, c.ID)
	if err != nil {
		return CustomerDetails{}, err
	}
	for _, m := range members {
		out.Members = append(out.Members, MemberShown{ID: m.ID, Email: m.Email, Name: m.Name, Role: string(m.Role)})
	}
	keys, err := listKeys(ctx, r, KeyList{Customer: c.ID})
	out.Keys = keys.Keys
	return out, err
}

func suspendCustomer(ctx context.Context, r *rooms, in CustomerID) (CustomerShown, error) {
	return shown(r.office.Suspend(ctx, account.System, in.ID))
}

func resumeCustomer(ctx context.Context, r *rooms, in CustomerID) (CustomerShown, error) {
	return shown(r.office.Resume(ctx, account.System, in.ID))
}

func shown(c toll.Customer, err error) (CustomerShown, error) {
	if err != nil {
		return CustomerShown{}, err
	}
	return showCustomer(c), nil
}

// exportCustomer is all that is kept of a customer.
func exportCustomer(ctx context.Context, r *rooms, in CustomerID) (toll.CustomerRecord, error) {
	return r.office.ExportCustomer(ctx, account.System, in.ID)
}

// deleteCustomer deletes what is personal of a customer, and closes it.
func deleteCustomer(ctx context.Context, r *rooms, in CustomerID) (CustomerShown, error) {
	return shown(r.office.DeleteCustomer(ctx, account.System, in.ID))
}
