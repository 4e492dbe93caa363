package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// A customer keeps an owner, and the installation an admin, who can sign in:
// what would take the last one away is a Conflict. Changes of one team wait for
// each other, so that two owners cannot take each other's role at once.

// SetMemberRole gives a member another role. NotFound: there is no such member.
// Conflict: it is the last owner.
func (s *Store) SetMemberRole(ctx context.Context, id string, role toll.MemberRole, e toll.Entry) error {
	return s.changePerson(ctx, toll.KindMember, id, "changing a member's role", role != toll.MemberOwner, e,
		func(tx transaction) error {
			return change(ctx, tx, `update person set role = $2 where id = $1`, id, string(role))
		})
}

// SetOperatorRole gives an operator another role. NotFound: there is no such
// operator. Conflict: it is the last admin.
func (s *Store) SetOperatorRole(ctx context.Context, id string, role toll.OperatorRole, e toll.Entry) error {
	return s.changePerson(ctx, toll.KindOperator, id, "changing an operator's role", role != toll.OperatorAdmin, e,
		func(tx transaction) error {
			return change(ctx, tx, `update person set role = $2 where id = $1`, id, string(role))
		})
}

// DisablePerson keeps a person from signing in from a moment on, and ends their
// sessions; who is disabled already keeps that moment, and gets no entry. NotFound: there is no such
// person. Conflict: it is the last owner or admin.
func (s *Store) DisablePerson(ctx context.Context, kind toll.PersonKind, id string, at time.Time, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, "disabling a person", true, e, func(tx transaction) error {
		if err := endSessions(ctx, tx, id, at); err != nil {
			return err
		}
		return once(ctx, tx, "person", id, change(ctx, tx, `update person set disabled_at = $2 where id = $1 and disabled_at is null`, id, instant(at)))
	})
}

// EnablePerson lets a person sign in again. NotFound: there is no such person.
func (s *Store) EnablePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, "enabling a person", false, e, func(tx transaction) error {
		return once(ctx, tx, "person", id, change(ctx, tx, `update person set disabled_at = null where id = $1 and disabled_at is not null`, id))
	})
}

// RemovePerson removes a person, with their sessions, API tokens and tickets.
// NotFound: there is no such person. Conflict: it is the last owner or admin.
func (s *Store) RemovePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, "removing a person", true, e, func(tx transaction) error {
		return change(ctx, tx, `delete from person where id = $1`, id)
	})
}

// changePerson runs fn while no other change of the same team runs. weakens says
// that the person may not be an active owner or admin afterwards.
func (s *Store) changePerson(ctx context.Context, kind toll.PersonKind, id, doing string, weakens bool, e toll.Entry, fn func(tx transaction) error) error {
	f := personFault(string(kind), doing)
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		var customer sql.NullString
		if err := tx.QueryRowContext(ctx, `select customer_id from person where id = $1 and kind = $2`, id, string(kind)).Scan(&customer); err != nil {
			return err
		}
		lead, left := `role = 'admin' and kind = 'operator'`, `customer_id is null and $1 = ''`
		if kind == toll.KindMember {
			lead, left = `role = 'owner'`, `customer_id = $1`
			if err := change(ctx, tx, `update customer set name = name where id = $1`, customer.String); err != nil { // the team's turn
				return err
			}
		} else if _, err := tx.ExecContext(ctx, `update person set kind = kind where kind = 'operator'`); err != nil {
			return err
		}
		if weakens {
			var is, others int
			err := tx.QueryRowContext(ctx, `select
				(select count(*) from person where `+left+` and id = $2 and `+lead+` and disabled_at is null),
				(select count(*) from person where `+left+` and id <> $2 and `+lead+` and disabled_at is null)`, customer.String, id).Scan(&is, &others)
			if err != nil {
				return err
			}
			if is > 0 && others == 0 {
				return errLast(kind)
			}
		}
		return fn(tx)
	})
}

func errLast(kind toll.PersonKind) error {
	if kind == toll.KindOperator {
		return toll.Errorf(toll.Conflict, "This is the last admin. Make somebody else an admin first.")
	}
	return toll.Errorf(toll.Conflict, "This is the last owner. Make somebody else an owner first.")
}
