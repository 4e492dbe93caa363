package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// emailTaken looks in both tables, for an address is unique over both.
func (s *Store) emailTaken(email string) bool {
	for _, m := range s.members {
		if m.Email == email {
			return true
		}
	}
	for _, o := range s.operators {
		if o.Email == email {
			return true
		}
	}
	return false
}

// CreateMember implements account.PeopleStore.
func (s *Store) CreateMember(ctx context.Context, m toll.Member, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.customers[m.CustomerID]; !ok {
		return missing("customer")
	}
	if err := s.refuseClosed(m.CustomerID); err != nil {
		return err
	}
	if _, ok := s.members[m.ID]; ok || s.emailTaken(m.Email) {
		return taken("person")
	}
	m.CreatedAt = micro(m.CreatedAt)
	s.record(e)
	s.members[m.ID] = m
	return nil
}

// Member implements account.PeopleStore.
func (s *Store) Member(ctx context.Context, id string) (toll.Member, error) {
	return read(ctx, s, s.members, "member", id, same)
}

// MemberByEmail implements account.PeopleStore.
func (s *Store) MemberByEmail(ctx context.Context, email string) (toll.Member, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.Member{}, err
	}
	defer leave()
	for _, m := range s.members {
		if m.Email == email {
			return m, nil
		}
	}
	return toll.Member{}, missing("member")
}

// MembersOf implements account.PeopleStore.
func (s *Store) MembersOf(ctx context.Context, customerID string) ([]toll.Member, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.Member
	for _, m := range s.members {
		if m.CustomerID == customerID {
			found = append(found, m)
		}
	}
	slices.SortFunc(found, func(a, b toll.Member) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// SetMemberPassword implements account.PeopleStore.
func (s *Store) SetMemberPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	m, ok := s.members[id]
	if !ok {
		return missing("member")
	}
	m.PasswordHash = hash
	s.record(e)
	s.members[id] = m
	return nil
}

// CreateOperator implements account.PeopleStore.
func (s *Store) CreateOperator(ctx context.Context, o toll.Operator, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.operators[o.ID]; ok || s.emailTaken(o.Email) {
		return taken("person")
	}
	o.CreatedAt = micro(o.CreatedAt)
	s.record(e)
	s.operators[o.ID] = o
	return nil
}

// Operator implements account.PeopleStore.
func (s *Store) Operator(ctx context.Context, id string) (toll.Operator, error) {
	return read(ctx, s, s.operators, "operator", id, same)
}

// OperatorByEmail implements account.PeopleStore.
func (s *Store) OperatorByEmail(ctx context.Context, email string) (toll.Operator, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.Operator{}, err
	}
	defer leave()
	for _, o := range s.operators {
		if o.Email == email {
			return o, nil
		}
	}
	return toll.Operator{}, missing("operator")
}

// Operators implements account.PeopleStore.
func (s *Store) Operators(ctx context.Context) ([]toll.Operator, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.Operator
	for _, o := range s.operators {
		found = append(found, o)
	}
	slices.SortFunc(found, func(a, b toll.Operator) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return found, nil
}

// SetOperatorPassword implements account.PeopleStore.
func (s *Store) SetOperatorPassword(ctx context.Context, id string, hash toll.Secret, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	o, ok := s.operators[id]
	if !ok {
		return missing("operator")
	}
	o.PasswordHash = hash
	s.record(e)
	s.operators[id] = o
	return nil
}
