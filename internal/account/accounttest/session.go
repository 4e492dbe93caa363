package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// CreateSession implements account.SessionStore.
func (s *Store) CreateSession(ctx context.Context, row toll.Session, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.sessions[row.ID]; ok {
		return taken("session")
	}
	row.CreatedAt, row.SeenAt, row.ExpiresAt, row.RevokedAt = micro(row.CreatedAt), micro(row.SeenAt), micro(row.ExpiresAt), micro(row.RevokedAt)
	s.record(e)
	s.sessions[row.ID] = row
	return nil
}

// Session implements account.SessionStore.
func (s *Store) Session(ctx context.Context, id string) (toll.Session, error) {
	return read(ctx, s, s.sessions, "session", id, same)
}

// TouchSession implements account.SessionStore.
func (s *Store) TouchSession(ctx context.Context, id string, seenAt time.Time) error {
	return s.changeSession(ctx, id, func(row *toll.Session) { row.SeenAt = micro(seenAt) })
}

// RevokeSession implements account.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, id string, at time.Time, e toll.Entry) error {
	if err := e.Check(); err != nil {
		return err
	}
	return s.changeSession(ctx, id, func(row *toll.Session) {
		if row.RevokedAt.IsZero() {
			s.record(e)
			row.RevokedAt = micro(at)
		}
	})
}

func (s *Store) changeSession(ctx context.Context, id string, change func(*toll.Session)) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	row, ok := s.sessions[id]
	if !ok {
		return missing("session")
	}
	change(&row)
	s.sessions[id] = row
	return nil
}

// SessionsOf implements account.SessionStore.
func (s *Store) SessionsOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Session, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.Session
	for _, row := range s.sessions {
		if row.Kind == kind && row.PersonID == personID {
			found = append(found, row)
		}
	}
	slices.SortFunc(found, func(a, b toll.Session) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return found, nil
}
