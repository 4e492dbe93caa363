package console

import (
	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// planView is a customer's plan: what it includes, what of it is used, what it
// costs, and what the others would be. A refusal of the gateway leads here.
type planView struct {
	Customer toll.Customer
	Plan     toll.Plan
	Offered  bool // the plan is still in the configuration
	Meters   []piece.Meter
	Bill     *piece.Bill // nil: left out, or not for this role
	BillNote string
	Earlier  bool // the bill follows another version than the one that is offered
	Compare  piece.Compare
	Asked    []approvalRow
}

func (c *Console) ownPlan(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	p := planView{Customer: customer, Plan: c.plan(customer), Meters: c.limitMeters(v, customer.ID)}
	var plans []toll.Plan
	for _, name := range c.o.Plans.Names() {
		plan, version, ok := c.o.Plans.Plan(name)
		if !ok {
			continue // taken away since the names were read
		}
		plans = append(plans, plan)
		if name == customer.Subscription.Plan {
			p.Offered, p.Earlier = true, version != customer.Subscription.PlanVersion
		}
	}
	if p.Asked, err = c.ownApprovals(v, customer.ID); err != nil {
		return nil, err
	}
	p.Compare = v.comparison(plans, customer.Subscription.Plan)
	if c.o.Bills != nil && v.can(account.ReadBilling, customer.ID) {
		preview, err := c.monthsBill(v.r.Context(), v, customer)
		if err != nil {
			return nil, err
		}
		bill := v.bill(preview, p.Plan)
		p.Bill, p.BillNote = &bill, v.billNote(preview)
	}
	return &answer{title: v.T("plan.title"), menu: "plan", body: planPage(v, p)}, nil
}

// limitMeters shows how much of each limit a customer has used.
func (c *Console) limitMeters(v *visit, customerID string) []piece.Meter {
	if c.o.Limits == nil {
		return nil
	}
	states := c.o.Limits(customerID)
	meters := make([]piece.Meter, 0, len(states))
	for _, l := range states {
		meters = append(meters, v.limitMeter(l))
	}
	return meters
}
