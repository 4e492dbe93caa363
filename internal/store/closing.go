package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

var errClosed = toll.Errorf(toll.Conflict, "This customer has left and is closed; nothing of it can be changed any more.")

// refuseClosed keeps a customer as it is until the transaction ends, and refuses
// with Conflict where it has left. "" and one that does not exist pass: what is
// inserted then says so itself.
func (s *Store) refuseClosed(ctx context.Context, tx transaction, id string) error {
	if id == "" {
		return nil
	}
	var closed instant
	err := tx.QueryRowContext(ctx, `select closed_at from customer where id = $1`+s.engine.lockRow(), id).Scan(&closed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	case !time.Time(closed).IsZero():
		return errClosed
	}
	return nil
}

// leavings delete what is personal of the customer $1, in this order: mails
// are found by the people and the tickets. With people go their sessions, API
// tokens, passkeys, authenticator apps, identities and tickets.
var leavings = []string{
	`delete from mail where recipient in (select email from person where customer_id = $1 union select email from ticket where customer_id = $1)`,
	`delete from ticket where customer_id = $1 or email in (select email from person where customer_id = $1)`,
	`delete from person where customer_id = $1`,
	`delete from support_thread where customer_id = $1`, // with its messages and files
	`delete from model where customer_id = $1`,          // with its content
	`delete from imported where kind = 'customer' and id = $1 or kind = 'key' and id in (select id from api_key where customer_id = $1)`,
	`update approval set note = '', reason = '' where customer_id = $1`,
}

// CloseCustomer closes a customer under another name, and deletes what is
// personal of it: see account.CustomerStore. What was billed and counted stays,
// and so do the audit log's entries. NotFound: there is no such customer.
// Conflict: it is closed already.
func (s *Store) CloseCustomer(ctx context.Context, id, name string, at time.Time, e toll.Entry) (c toll.Customer, keys []toll.Key, err error) {
	if err := refuseUnstorable(field{"id", id}, field{"name", name}); err != nil {
		return toll.Customer{}, nil, err
	}
	err = s.record(ctx, customerFault("closing a customer"), &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, id); err != nil {
			return err
		}
		c, err = scanCustomer(tx.QueryRowContext(ctx, `update customer
			set name = $2, name_folded = $3, status = 'suspended', closed_at = $4, version = version + 1
			where id = $1 returning `+customerColumns, id, name, fold(name), stamp(at)))
		if err != nil {
			return err
		}
		for _, statement := range leavings {
			if _, err := tx.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
		// Mails to operators about it hold its name; they link to its page.
		if _, err := tx.ExecContext(ctx, `delete from mail where content like $1 escape '\'`, "%"+escapeLike(id)+"%"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update approval set state = 'withdrawn', decided_by = $2, decided_at = $3, version = version + 1
			where customer_id = $1 and state = 'pending'`, id, e.Who, stamp(at)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update api_key set name = '', origins = '[]', revoked_at = coalesce(revoked_at, $2), version = version + 1
			where customer_id = $1`, id, stamp(at)); err != nil {
			return err
		}
		keys, err = collect(ctx, tx, scanKey, `select `+keyColumns+` from api_key where customer_id = $1 order by created_at desc, id desc`, id)
		return err
	})
	if err != nil {
		return toll.Customer{}, nil, err
	}
	return c, keys, nil
}
