package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Members and operators share the table person, so that the engine itself
// keeps an e-mail address unique among both.

const (
	memberColumns   = `id, customer_id, email, name, role, password_hash, language, created_at, disabled_at, time_zone`
	operatorColumns = `id, email, name, role, password_hash, language, created_at, disabled_at, time_zone`
)

func scanMember(r row) (toll.Member, error) {
	var m toll.Member
	err := r.Scan(&m.ID, &m.CustomerID, &m.Email, &m.Name, &m.Role, (*string)(&m.PasswordHash), &m.Language, (*stamp)(&m.CreatedAt), (*instant)(&m.DisabledAt), &m.TimeZone)
	return m, err
}

func scanOperator(r row) (toll.Operator, error) {
	var o toll.Operator
	err := r.Scan(&o.ID, &o.Email, &o.Name, &o.Role, (*string)(&o.PasswordHash), &o.Language, (*stamp)(&o.CreatedAt), (*instant)(&o.DisabledAt), &o.TimeZone)
	return o, err
}

func personFault(who, doing string) fault {
	return fault{
		doing:   doing,
		missing: "This " + who + " does not exist.",
		exists:  "Somebody with this e-mail address exists already.",
		orphan:  "The customer does not exist.",
		field:   "email",
	}
}

// CreateMember adds a member. The e-mail address is kept in lower case.
// Conflict: a member or an operator has it already. NotFound: the customer does
// not exist.
func (s *Store) CreateMember(ctx context.Context, m toll.Member, e toll.Entry) error {
	if err := checkMember(&m); err != nil {
		return err
	}
	return s.record(ctx, personFault("member", "creating a member"), &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, m.CustomerID); err != nil {
			return err
		}
		return insertMember(ctx, tx, &m)
	})
}

func insertMember(ctx context.Context, db execer, m *toll.Member) error {
	_, err := db.ExecContext(ctx, `insert into person (kind, `+memberColumns+`)
		values ('member', $1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
		m.ID, m.CustomerID, address(m.Email), m.Name, string(m.Role), m.PasswordHash.Reveal(), m.Language, stamp(m.CreatedAt), instant(m.DisabledAt), m.TimeZone)
	return err
}

// Member returns a member. NotFound: there is none with this ID.
func (s *Store) Member(ctx context.Context, id string) (toll.Member, error) {
	return s.member(ctx, `id = $1`, id)
}

// MemberByEmail returns the member with an e-mail address, without regard to
// case. NotFound: no member has it.
func (s *Store) MemberByEmail(ctx context.Context, email string) (toll.Member, error) {
	return s.member(ctx, `email = $1`, address(email))
}

func (s *Store) member(ctx context.Context, condition, value string) (toll.Member, error) {
	f := personFault("member", "reading a member")
	if !storable(value) {
		return toll.Member{}, s.fail(sql.ErrNoRows, f)
	}
	m, err := scanMember(s.reader.QueryRowContext(ctx, `select `+memberColumns+` from person where kind = 'member' and `+condition, value))
	return m, s.fail(err, f)
}

// MembersOf returns the members of a customer, the oldest first; none for a
// customer that does not exist.
func (s *Store) MembersOf(ctx context.Context, customerID string) ([]toll.Member, error) {
	if !storable(customerID) {
		return nil, nil
	}
	members, err := collect(ctx, s.reader, scanMember, `select `+memberColumns+` from person where customer_id = $1 order by created_at, id`, customerID)
	return members, s.fail(err, personFault("member", "listing members"))
}

// SetMemberPassword keeps the hash of a member's new password. NotFound: there
// is no such member.
func (s *Store) SetMemberPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error {
	return s.setPassword(ctx, toll.KindMember, id, hash, e)
}

// CreateOperator adds an operator. The e-mail address is kept in lower case.
// Conflict: a member or an operator has it already.
func (s *Store) CreateOperator(ctx context.Context, o toll.Operator, e toll.Entry) error {
	if err := checkOperator(&o); err != nil {
		return err
	}
	return s.record(ctx, personFault("operator", "creating an operator"), &e, func(tx transaction) error { return insertOperator(ctx, tx, &o) })
}

func insertOperator(ctx context.Context, db execer, o *toll.Operator) error {
	_, err := db.ExecContext(ctx, `insert into person (kind, `+operatorColumns+`)
		values ('operator', $1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		o.ID, address(o.Email), o.Name, string(o.Role), o.PasswordHash.Reveal(), o.Language, stamp(o.CreatedAt), instant(o.DisabledAt), o.TimeZone)
	return err
}

func checkMember(m *toll.Member) error {
	return refuseUnstorable(field{"id", m.ID}, field{"customer", m.CustomerID}, field{"email", m.Email}, field{"name", m.Name},
		field{"role", string(m.Role)}, field{"password_hash", m.PasswordHash.Reveal()}, field{"language", m.Language}, field{"time_zone", m.TimeZone})
}

func checkOperator(o *toll.Operator) error {
	return refuseUnstorable(field{"id", o.ID}, field{"email", o.Email}, field{"name", o.Name}, field{"role", string(o.Role)},
		field{"password_hash", o.PasswordHash.Reveal()}, field{"language", o.Language}, field{"time_zone", o.TimeZone})
}

// Operator returns an operator. NotFound: there is none with this ID.
func (s *Store) Operator(ctx context.Context, id string) (toll.Operator, error) {
	return s.operator(ctx, `id = $1`, id)
}

// OperatorByEmail returns the operator with an e-mail address, without regard
// to case. NotFound: no operator has it.
func (s *Store) OperatorByEmail(ctx context.Context, email string) (toll.Operator, error) {
	return s.operator(ctx, `email = $1`, address(email))
}

func (s *Store) operator(ctx context.Context, condition, value string) (toll.Operator, error) {
	f := personFault("operator", "reading an operator")
	if !storable(value) {
		return toll.Operator{}, s.fail(sql.ErrNoRows, f)
	}
	o, err := scanOperator(s.reader.QueryRowContext(ctx, `select `+operatorColumns+` from person where kind = 'operator' and `+condition, value))
	return o, s.fail(err, f)
}

// Operators returns all operators, the oldest first.
func (s *Store) Operators(ctx context.Context) ([]toll.Operator, error) {
	operators, err := collect(ctx, s.reader, scanOperator, `select `+operatorColumns+` from person where kind = 'operator' order by created_at, id`)
	return operators, s.fail(err, personFault("operator", "listing operators"))
}

// SetOperatorPassword keeps the hash of an operator's new password. NotFound:
// there is no such operator.
func (s *Store) SetOperatorPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error {
	return s.setPassword(ctx, toll.KindOperator, id, hash, e)
}

func (s *Store) setPassword(ctx context.Context, kind toll.PersonKind, id string, hash toll.Secret, e toll.Entry) error {
	f := personFault(string(kind), "setting a password")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	if err := refuseUnstorable(field{"password_hash", hash.Reveal()}); err != nil {
		return err
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return change(ctx, tx, `update person set password_hash = $3 where id = $1 and kind = $2`, id, string(kind), hash.Reveal())
	})
}

// SetProfile keeps what a person says about themselves. NotFound: there is no
// such person.
func (s *Store) SetProfile(ctx context.Context, kind toll.PersonKind, id string, p toll.Profile, e toll.Entry) error {
	f := personFault(string(kind), "changing a profile")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	if err := refuseUnstorable(field{"name", p.Name}, field{"language", p.Language}, field{"time_zone", p.TimeZone}); err != nil {
		return err
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return change(ctx, tx, `update person set name = $3, language = $4, time_zone = $5 where id = $1 and kind = $2`,
			id, string(kind), p.Name, p.Language, p.TimeZone)
	})
}

// address is an e-mail address as it is kept and looked up.
func address(email string) string { return strings.ToLower(email) }
