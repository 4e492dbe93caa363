package accounttest

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// SetMemberRole implements account.TeamStore.
func (s *Store) SetMemberRole(ctx context.Context, id string, role toll.MemberRole, e toll.Entry) error {
	return s.changePerson(ctx, toll.KindMember, id, role != toll.MemberOwner, &e, func() error {
		m := s.members[id]
		m.Role = role
		s.members[id] = m
		return nil
	})
}

// SetOperatorRole implements account.TeamStore.
func (s *Store) SetOperatorRole(ctx context.Context, id string, role toll.OperatorRole, e toll.Entry) error {
	return s.changePerson(ctx, toll.KindOperator, id, role != toll.OperatorAdmin, &e, func() error {
		o := s.operators[id]
		o.Role = role
		s.operators[id] = o
		return nil
	})
}

// DisablePerson implements account.TeamStore.
func (s *Store) DisablePerson(ctx context.Context, kind toll.PersonKind, id string, at time.Time, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, true, &e, func() error {
		s.endSessions(id, at)
		return s.setDisabled(id, micro(at))
	})
}

// EnablePerson implements account.TeamStore.
func (s *Store) EnablePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, false, &e, func() error { return s.setDisabled(id, time.Time{}) })
}

// setDisabled is errNothing for who is as it should be: that moment is kept.
func (s *Store) setDisabled(id string, at time.Time) error {
	if m, ok := s.members[id]; ok && m.DisabledAt.IsZero() != at.IsZero() {
		m.DisabledAt = at
		s.members[id] = m
		return nil
	}
	if o, ok := s.operators[id]; ok && o.DisabledAt.IsZero() != at.IsZero() {
		o.DisabledAt = at
		s.operators[id] = o
		return nil
	}
	return errNothing
}

func (s *Store) endSessions(person string, at time.Time) {
	for id, row := range s.sessions {
		if row.PersonID == person && row.RevokedAt.IsZero() {
			row.RevokedAt = micro(at)
			s.sessions[id] = row
		}
	}
}

// RemovePerson implements account.TeamStore.
func (s *Store) RemovePerson(ctx context.Context, kind toll.PersonKind, id string, e toll.Entry) error {
	return s.changePerson(ctx, kind, id, true, &e, func() error {
		delete(s.members, id)
		delete(s.operators, id)
		for key, row := range s.sessions {
			if row.PersonID == id {
				delete(s.sessions, key)
			}
		}
		for key, row := range s.tokens {
			if row.PersonID == id {
				delete(s.tokens, key)
			}
		}
		for key, row := range s.tickets {
			if row.PersonID == id {
				delete(s.tickets, key)
			}
		}
		return nil
	})
}

func (s *Store) changePerson(ctx context.Context, kind toll.PersonKind, id string, weakens bool, e *toll.Entry, fn func() error) error {
	return s.withinFor(ctx, e, func() error { return s.changeTeam(kind, id, weakens, fn) })
}

func (s *Store) changeTeam(kind toll.PersonKind, id string, weakens bool, fn func() error) error {
	is, others := false, 0
	switch kind {
	case toll.KindMember:
		one, ok := s.members[id]
		if !ok {
			return missing("member")
		}
		for _, m := range s.members {
			if lead := m.Role == toll.MemberOwner && m.DisabledAt.IsZero() && m.CustomerID == one.CustomerID; lead && m.ID == id {
				is = true
			} else if lead {
				others++
			}
		}
	default:
		if _, ok := s.operators[id]; !ok {
			return missing("operator")
		}
		for _, o := range s.operators {
			if lead := o.Role == toll.OperatorAdmin && o.DisabledAt.IsZero(); lead && o.ID == id {
				is = true
			} else if lead {
				others++
			}
		}
	}
	if weakens && is && others == 0 {
		return toll.Errorf(toll.Conflict, "This is the last one.")
	}
	return fn()
}
