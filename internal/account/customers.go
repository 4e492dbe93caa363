package account

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// NewCustomer is what it takes to create a customer.
type NewCustomer struct {
	Name  string    // 1 to 200 characters
	Plan  string    // a plan's name in the configuration
	Since time.Time // the anchor of the subscription's months; zero: now; not in the future
	Demo  bool      // made by the demo, with generated usage
}

// CreateCustomer creates an active customer on the newest version of a plan.
// Action: CreateCustomer. Invalid names the field: name, plan or since.
func (o *Office) CreateCustomer(ctx context.Context, p Person, in NewCustomer) (toll.Customer, error) {
	if err := o.may(ctx, p, CreateCustomer, "", ""); err != nil {
		return toll.Customer{}, err
	}
	name, err := cleanName("name", in.Name, maxName)
	if err != nil {
		return toll.Customer{}, err
	}
	version, err := findPlan(o.plans, in.Plan)
	if err != nil {
		return toll.Customer{}, err
	}
	now := o.now()
	since := stored(in.Since)
	switch {
	case in.Since.IsZero():
		since = now
	case since.After(now):
		return toll.Customer{}, toll.FieldError("since", "A subscription cannot start in the future.")
	}
	c := toll.Customer{
		ID: o.ids.NewID("cus", now), Name: name, Status: toll.CustomerActive,
		Subscription: toll.Subscription{Plan: in.Plan, PlanVersion: version, Since: since},
		Demo:         in.Demo, CreatedAt: now, Version: 1,
	}
	if err := o.store.CreateCustomer(ctx, c, NewEntry(ctx, p, CreateCustomer, c.ID, c.ID, now, nil, customerFacts(&c))); err != nil {
		return toll.Customer{}, fmt.Errorf("create customer: %w", err)
	}
	o.changed.CustomerChanged(c)
	return c, nil
}

// Customer returns one customer. Action: ReadCustomer.
func (o *Office) Customer(ctx context.Context, p Person, id string) (toll.Customer, error) {
	return o.customer(ctx, p, ReadCustomer, id)
}

// Customers lists a page of customers. Action: ListCustomers.
func (o *Office) Customers(ctx context.Context, p Person, q toll.CustomerQuery) (toll.CustomerPage, error) {
	if err := Can(p, ListCustomers, ""); err != nil {
		return toll.CustomerPage{}, err
	}
	page, err := o.store.Customers(ctx, q)
	if err != nil {
		return toll.CustomerPage{}, fmt.Errorf("list customers: %w", err)
	}
	return page, nil
}

// RenameCustomer gives a customer another name. seen is the Version that the
// person saw: when the row has another one by now the answer is Conflict; 0
// means whatever is there. Action: RenameCustomer.
func (o *Office) RenameCustomer(ctx context.Context, p Person, id, name string, seen int64) (toll.Customer, error) {
	if err := o.may(ctx, p, RenameCustomer, id, ""); err != nil {
		return toll.Customer{}, err
	}
	name, err := cleanName("name", name, maxName)
	if err != nil {
		return toll.Customer{}, err
	}
	return o.changeCustomer(ctx, p, RenameCustomer, id, seen, func(c *toll.Customer) bool {
		changed := c.Name != name
		c.Name = name
		return changed
	})
}

// SetPlan moves a customer to the newest version of a plan. It holds from the
// next request on; what was used stays used, and the subscription's months stay
// where they were. seen is as in RenameCustomer. Action: SetPlan.
func (o *Office) SetPlan(ctx context.Context, p Person, id, plan string, seen int64) (toll.Customer, error) {
	if err := o.may(ctx, p, SetPlan, id, ""); err != nil {
		return toll.Customer{}, err
	}
	version, err := findPlan(o.plans, plan)
	if err != nil {
		return toll.Customer{}, err
	}
	return o.changeCustomer(ctx, p, SetPlan, id, seen, func(c *toll.Customer) bool {
		changed := c.Subscription.Plan != plan || c.Subscription.PlanVersion != version
		c.Subscription.Plan, c.Subscription.PlanVersion = plan, version
		return changed
	})
}

// Suspend makes every call of a customer be refused. A suspended one stays as
// it is. Action: SuspendCustomer.
func (o *Office) Suspend(ctx context.Context, p Person, id string) (toll.Customer, error) {
	return o.setStatus(ctx, p, SuspendCustomer, id, toll.CustomerSuspended)
}

// Resume lets a suspended customer call again. Action: ResumeCustomer.
func (o *Office) Resume(ctx context.Context, p Person, id string) (toll.Customer, error) {
	return o.setStatus(ctx, p, ResumeCustomer, id, toll.CustomerActive)
}

func (o *Office) setStatus(ctx context.Context, p Person, action Action, id string, status toll.CustomerStatus) (toll.Customer, error) {
	return o.changeCustomer(ctx, p, action, id, 0, func(c *toll.Customer) bool {
		changed := c.Status != status
		c.Status = status
		return changed
	})
}

// customer passes the gate, then reads.
func (o *Office) customer(ctx context.Context, p Person, action Action, id string) (toll.Customer, error) {
	if err := o.may(ctx, p, action, id, ""); err != nil {
		return toll.Customer{}, err
	}
	c, err := o.store.Customer(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Customer{}, errNoCustomer()
	case err != nil:
		return toll.Customer{}, fmt.Errorf("read customer %s: %w", id, err)
	}
	return c, open(&c, action)
}

// changeCustomer reads, changes and writes a row. Without a version that the
// person saw it tries again when somebody else was quicker, for then the
// change is meant for whatever is there. A change that changes nothing writes
// nothing.
func (o *Office) changeCustomer(ctx context.Context, p Person, action Action, id string, seen int64, change func(*toll.Customer) bool) (toll.Customer, error) {
	for try := 1; ; try++ {
		c, err := o.customer(ctx, p, action, id)
		if err != nil {
			return toll.Customer{}, err
		}
		if seen != 0 && seen != c.Version {
			return toll.Customer{}, toll.Errorf(toll.Conflict, "Somebody else has changed this customer meanwhile. Look at it again, then repeat your change.")
		}
		was := customerFacts(&c)
		if !change(&c) {
			return c, nil
		}
		c, err = o.store.UpdateCustomer(ctx, c, NewEntry(ctx, p, action, c.ID, c.ID, o.now(), was, customerFacts(&c)))
		if err == nil {
			o.changed.CustomerChanged(c)
			return c, nil
		}
		if toll.CodeOf(err) != toll.Conflict || seen != 0 || try == changes {
			return toll.Customer{}, fmt.Errorf("change customer %s: %w", id, err)
		}
	}
}
