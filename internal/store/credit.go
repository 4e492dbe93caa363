package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// raiseBooks locks a customer's books and raises their revision, so that an
// invoice that was made of what they were is made anew. sql.ErrNoRows: there is
// no such customer.
func raiseBooks(ctx context.Context, tx transaction, customer string) error {
	if err := change(ctx, tx, `update customer set version = version where id = $1`, customer); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `insert into billing_account (customer_id, country, tax_exempt, revision) values ($1, '', $2, 1)
		on conflict (customer_id) do update set revision = billing_account.revision + 1`, customer, false)
	return err
}

func insertCredit(ctx context.Context, tx transaction, c billing.Credit) error {
	_, err := tx.ExecContext(ctx, `insert into credit (id, customer_id, currency, amount, remaining, note, invoice_id, granted_at) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		c.ID, c.Customer, c.Amount.Currency, c.Amount.Minor, c.Remaining.Minor, c.Note, sql.NullString{String: c.Invoice, Valid: c.Invoice != ""}, stamp(c.GrantedAt))
	return err
}

// GrantCredit gives a customer a credit, whole. NotFound: there is no such
// customer. Invalid: the amount is not more than nothing.
func (s *Store) GrantCredit(ctx context.Context, c billing.Credit, e toll.Entry) error {
	if err := refuseUnstorable(field{"id", c.ID}, field{"customer", c.Customer}, field{"note", c.Note}); err != nil {
		return err
	}
	if _, err := toll.MinorUnits(c.Amount.Currency); err != nil || c.Amount.Minor <= 0 {
		return toll.FieldError("amount", "A credit is more than 0, and has a currency.")
	}
	c.Remaining = c.Amount
	return s.record(ctx, fault{doing: "granting a credit", missing: "This customer does not exist.", exists: "This credit was granted already."}, &e, func(tx transaction) error {
		if err := raiseBooks(ctx, tx, c.Customer); err != nil {
			return err
		}
		return insertCredit(ctx, tx, c)
	})
}

// CreditsOf returns a customer's credits, the oldest first, also those that are
// used up.
func (s *Store) CreditsOf(ctx context.Context, customer string) ([]billing.Credit, error) {
	if !storable(customer) {
		return nil, nil
	}
	all, err := collect(ctx, s.reader, func(r row) (billing.Credit, error) {
		var c billing.Credit
		var invoice sql.NullString
		err := r.Scan(&c.ID, &c.Customer, &c.Amount.Currency, &c.Amount.Minor, &c.Remaining.Minor, &c.Note, &invoice, (*stamp)(&c.GrantedAt))
		c.Remaining.Currency, c.Invoice = c.Amount.Currency, invoice.String
		return c, err
	}, `select id, customer_id, currency, amount, remaining, note, invoice_id, granted_at from credit where customer_id = $1 order by granted_at, id`, customer)
	return all, s.fail(err, fault{doing: "reading credits"})
}

// RedeemCoupon gives a customer a coupon from the month on that begins at
// r.From. NotFound: there is no such customer. Conflict: the customer has or had
// the coupon.
func (s *Store) RedeemCoupon(ctx context.Context, customer string, r billing.Redemption, e toll.Entry) error {
	if err := refuseUnstorable(field{"customer", customer}, field{"coupon", r.Coupon.Name}); err != nil {
		return err
	}
	text, err := encode(couponDocumentOf(r.Coupon))
	if err != nil {
		return err
	}
	f := fault{doing: "redeeming a coupon", missing: "This customer does not exist.", exists: "This customer has this coupon already, or had it."}
	return s.record(ctx, f, &e, func(tx transaction) error {
		if err := raiseBooks(ctx, tx, customer); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into coupon_redemption (customer_id, coupon, document, begins_at, ended_at) values ($1, $2, $3, $4, $5)`,
			customer, r.Coupon.Name, text, stamp(r.From), instant(r.Ended))
		return err
	})
}

// EndCoupon takes a coupon from a customer for the months that begin at or
// after a moment. NotFound: the customer does not have it.
func (s *Store) EndCoupon(ctx context.Context, customer, coupon string, at time.Time, e toll.Entry) error {
	f := fault{doing: "ending a coupon", missing: "This customer does not have this coupon."}
	if !storable(customer + coupon) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		if err := raiseBooks(ctx, tx, customer); err != nil {
			return err
		}
		return change(ctx, tx, `update coupon_redemption set ended_at = $3 where customer_id = $1 and coupon = $2`, customer, coupon, stamp(at))
	})
}

// SetTaxed says which country's tax a customer pays ("": nobody knows), or that
// it pays none. NotFound: there is no such customer.
func (s *Store) SetTaxed(ctx context.Context, customer, country string, exempt bool, e toll.Entry) error {
	if err := refuseUnstorable(field{"customer", customer}, field{"country", country}); err != nil {
		return err
	}
	return s.record(ctx, fault{doing: "saying which tax a customer pays", missing: "This customer does not exist."}, &e, func(tx transaction) error {
		if err := raiseBooks(ctx, tx, customer); err != nil {
			return err
		}
		return change(ctx, tx, `update billing_account set country = $2, tax_exempt = $3 where customer_id = $1`, customer, country, exempt)
	})
}

// Taxed is what SetTaxed said; a customer that nobody said anything of is not
// exempt.
func (s *Store) Taxed(ctx context.Context, customer string) (country string, exempt bool, err error) {
	err = s.reader.QueryRowContext(ctx, `select country, tax_exempt from billing_account where customer_id = $1`, customer).Scan(&country, &exempt)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	return country, exempt, s.fail(err, fault{doing: "reading which tax a customer pays"})
}
