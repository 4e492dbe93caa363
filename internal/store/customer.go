package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const customerColumns = `id, name, status, plan, plan_version, addons, since, demo, created_at, version, overrides, closed_at`

func scanCustomer(r row) (toll.Customer, error) {
	var c toll.Customer
	var overrides document[toll.Policy]
	err := r.Scan(&c.ID, &c.Name, &c.Status, &c.Subscription.Plan, &c.Subscription.PlanVersion,
		(*list)(&c.Subscription.Addons), (*instant)(&c.Subscription.Since), &c.Demo, (*stamp)(&c.CreatedAt), &c.Version, &overrides, (*instant)(&c.ClosedAt))
	c.Subscription.Overrides = overrides.value
	if !c.ClosedAt.IsZero() {
		c.Status = toll.CustomerClosed
	}
	return c, err
}

func checkCustomer(c *toll.Customer) error {
	return refuseUnstorable(field{"id", c.ID}, field{"name", c.Name}, field{"plan", c.Subscription.Plan},
		field{"plan_version", c.Subscription.PlanVersion}, field{"addons", strings.Join(c.Subscription.Addons, ",")})
}

func customerFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This customer does not exist.",
		exists:  "A customer with this ID exists already.",
		rule:    "A customer needs a name of 1 to 200 characters and a known status.",
	}
}

// CreateCustomer adds a customer as it is given, its Version included.
// Conflict: the ID is taken. Invalid: the name is not 1 to 200 characters.
func (s *Store) CreateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) error {
	if err := checkCustomer(&c); err != nil {
		return err
	}
	return s.record(ctx, customerFault("creating a customer"), &e, func(tx transaction) error { return insertCustomer(ctx, tx, &c) })
}

// insertCustomer adds a customer and the first phase of its subscription.
func insertCustomer(ctx context.Context, tx transaction, c *toll.Customer) error {
	_, err := tx.ExecContext(ctx, `insert into customer (`+customerColumns+`, name_folded)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)`,
		c.ID, c.Name, string(c.Status), c.Subscription.Plan, c.Subscription.PlanVersion, list(c.Subscription.Addons),
		instant(c.Subscription.Since), c.Demo, stamp(c.CreatedAt), c.Version,
		document[toll.Policy]{c.Subscription.Overrides}, instant(time.Time{}), fold(c.Name))
	if err != nil {
		return err
	}
	begins := c.Subscription.Since
	if begins.IsZero() {
		begins = c.CreatedAt
	}
	return keepPhase(ctx, tx, c, begins)
}

// Customer returns a customer. NotFound: there is none with this ID.
func (s *Store) Customer(ctx context.Context, id string) (toll.Customer, error) {
	f := customerFault("reading a customer")
	if !storable(id) {
		return toll.Customer{}, s.fail(sql.ErrNoRows, f)
	}
	c, err := scanCustomer(s.reader.QueryRowContext(ctx, `select `+customerColumns+` from customer where id = $1`, id))
	return c, s.fail(err, f)
}

// UpdateCustomer changes everything of a customer but ID and CreatedAt, and
// returns it with its Version raised by one. Conflict: the Version is not the
// one that is stored, because somebody else changed the customer meanwhile, or
// the customer is closed.
func (s *Store) UpdateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) (changed toll.Customer, err error) {
	if err := checkCustomer(&c); err != nil {
		return toll.Customer{}, err
	}
	f := customerFault("changing a customer")
	err = s.record(ctx, f, &e, func(tx transaction) error {
		changed, err = s.updateCustomer(ctx, tx, &c, f)
		return err
	})
	if err != nil {
		return toll.Customer{}, err
	}
	return changed, nil
}

func (s *Store) updateCustomer(ctx context.Context, tx transaction, c *toll.Customer, f fault) (toll.Customer, error) {
	changed, err := scanCustomer(tx.QueryRowContext(ctx, `update customer
		set name = $3, name_folded = $4, status = $5, plan = $6, plan_version = $7, addons = $8, since = $9, demo = $10, overrides = $11, version = version + 1
		where id = $1 and version = $2 and closed_at is null returning `+customerColumns,
		c.ID, c.Version, c.Name, fold(c.Name), string(c.Status), c.Subscription.Plan, c.Subscription.PlanVersion,
		list(c.Subscription.Addons), instant(c.Subscription.Since), c.Demo, document[toll.Policy]{c.Subscription.Overrides}))
	if errors.Is(err, sql.ErrNoRows) {
		return toll.Customer{}, s.missingOrStale(ctx, tx, "customer", c.ID, f)
	}
	if err != nil {
		return toll.Customer{}, err
	}
	return changed, keepPhase(ctx, tx, &changed, s.clock())
}

// EachCustomer calls fn for every customer, in the order of their IDs, and
// stops at the first error, which it returns as it is. No connection is held
// while fn runs, so fn may use the Store. A customer that is added meanwhile
// may or may not be among them.
func (s *Store) EachCustomer(ctx context.Context, fn func(toll.Customer) error) error {
	for after := ""; ; {
		batch, err := collect(ctx, s.reader, scanCustomer, `select `+customerColumns+` from customer where id > $1 order by id limit $2`, after, batchRows)
		if err != nil {
			return s.fail(err, customerFault("reading all customers"))
		}
		for _, c := range batch {
			if err := fn(c); err != nil {
				return err
			}
		}
		if len(batch) < batchRows {
			return nil
		}
		after = batch[len(batch)-1].ID
	}
}

// batchRows is how many rows EachCustomer and EachKey read at a time.
const batchRows = 1000

// missingOrStale tells why an update that names ID and Version touched no row.
func (s *Store) missingOrStale(ctx context.Context, db execer, table, id string, f fault) error {
	var version int64
	if err := db.QueryRowContext(ctx, `select version from `+table+` where id = $1`, id).Scan(&version); err != nil {
		return s.fail(err, f)
	}
	return toll.Errorf(toll.Conflict, "This was changed by somebody else meanwhile; look at it again and repeat your change.")
}

// fold is a text without regard to case. Both engines search what Go folded,
// because neither folds as the other does.
func fold(text string) string { return strings.ToLower(text) }
