package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func copyToken(t toll.APIToken) toll.APIToken {
	t.Scopes = slices.Clone(t.Scopes)
	t.CreatedAt, t.ExpiresAt, t.RevokedAt, t.LastUsedAt = micro(t.CreatedAt), micro(t.ExpiresAt), micro(t.RevokedAt), micro(t.LastUsedAt)
	return t
}

// CreateToken implements account.TokenStore.
func (s *Store) CreateToken(ctx context.Context, t toll.APIToken, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	_, member := s.members[t.PersonID]
	_, operator := s.operators[t.PersonID]
	if !member && !operator {
		return missing("person")
	}
	for _, other := range s.tokens {
		if other.ID == t.ID || other.Hash == t.Hash {
			return taken("API token")
		}
	}
	s.record(e)
	s.tokens[t.ID] = copyToken(t)
	return nil
}

// Token implements account.TokenStore.
func (s *Store) Token(ctx context.Context, id string) (toll.APIToken, error) {
	return read(ctx, s, s.tokens, "API token", id, copyToken)
}

// TokenByHash implements account.TokenStore.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (toll.APIToken, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.APIToken{}, err
	}
	defer leave()
	for _, t := range s.tokens {
		if t.Hash == hash {
			return copyToken(t), nil
		}
	}
	return toll.APIToken{}, missing("API token")
}

// TokensOf implements account.TokenStore.
func (s *Store) TokensOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.APIToken, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.APIToken
	for _, t := range s.tokens {
		if t.Kind == kind && t.PersonID == personID {
			found = append(found, copyToken(t))
		}
	}
	slices.SortFunc(found, func(a, b toll.APIToken) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return found, nil
}

// RevokeToken implements account.TokenStore.
func (s *Store) RevokeToken(ctx context.Context, id string, at time.Time, e toll.Entry) (toll.APIToken, error) {
	if err := e.Check(); err != nil {
		return toll.APIToken{}, err
	}
	return s.changeToken(ctx, id, func(t *toll.APIToken) {
		if t.RevokedAt.IsZero() {
			s.record(e)
			t.RevokedAt = micro(at)
		}
	})
}

// TouchToken implements account.TokenStore.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	_, err := s.changeToken(ctx, id, func(t *toll.APIToken) {
		if at.After(t.LastUsedAt) {
			t.LastUsedAt = micro(at)
		}
	})
	return err
}

func (s *Store) changeToken(ctx context.Context, id string, change func(*toll.APIToken)) (toll.APIToken, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.APIToken{}, err
	}
	defer leave()
	t, ok := s.tokens[id]
	if !ok {
		return toll.APIToken{}, missing("API token")
	}
	change(&t)
	s.tokens[id] = t
	return copyToken(t), nil
}
