package account

import (
	"context"
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// open refuses (Conflict) what would change a customer that has left.
func open(c *toll.Customer, action Action) error {
	if c.Status == toll.CustomerClosed && action.changes() {
		return toll.Errorf(toll.Conflict, "This customer has left and is closed. Nothing of it can be changed any more; create another customer.")
	}
	return nil
}

// ExportCustomer returns all that is kept of a customer, for it to take along.
// Of a closed one that is what had to stay. Action: ExportCustomer.
func (o *Office) ExportCustomer(ctx context.Context, p Person, id string) (toll.CustomerRecord, error) {
	c, err := o.customer(ctx, p, ExportCustomer, id)
	if err != nil {
		return nil, err
	}
	record, err := o.store.CustomerRecord(ctx, c.ID)
	if err != nil {
		return nil, fmt.Errorf("export customer %s: %w", id, err)
	}
	return record, nil
}

// DeleteCustomer deletes what is personal of a customer, for ever, and closes
// it: its people and all that is theirs, its keys' names, conversations and
// models are gone, and no call of it is let through. Invoices, sums of usage,
// events and the audit log stay, under its ID; the customer stays in lists as
// closed, under a name that says nothing. Action: DeleteCustomer. Conflict: it
// is closed already.
func (o *Office) DeleteCustomer(ctx context.Context, p Person, id string) (toll.Customer, error) {
	was, err := o.customer(ctx, p, DeleteCustomer, id)
	if err != nil {
		return toll.Customer{}, err
	}
	members, err := o.store.MembersOf(ctx, was.ID)
	if err != nil {
		return toll.Customer{}, fmt.Errorf("delete customer %s: %w", id, err)
	}
	now := o.now()
	// The name must not come into a log that nobody can take it out of again.
	e := NewEntry(ctx, p, DeleteCustomer, was.ID, was.ID, now, Facts{"status": string(was.Status)}, Facts{"status": string(toll.CustomerClosed)})
	c, keys, err := o.store.CloseCustomer(ctx, was.ID, "Deleted customer "+was.ID[max(0, len(was.ID)-6):], now, e)
	if err != nil {
		return toll.Customer{}, fmt.Errorf("delete customer %s: %w", id, err)
	}
	o.changed.CustomerChanged(c)
	for i := range keys {
		o.changed.KeyChanged(keys[i])
	}
	for i := range members {
		o.personChanged(members[i].ID)
	}
	return c, nil
}
