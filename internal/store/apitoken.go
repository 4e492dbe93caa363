package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const tokenColumns = `id, kind, person_id, name, hash, hint, scopes, created_at, expires_at, revoked_at, last_used_at`

func scanToken(r row) (toll.APIToken, error) {
	var t toll.APIToken
	var hash []byte
	var scopes document[toll.TokenScope]
	err := r.Scan(&t.ID, &t.Kind, &t.PersonID, &t.Name, &hash, &t.Hint, &scopes, (*stamp)(&t.CreatedAt),
		(*instant)(&t.ExpiresAt), (*instant)(&t.RevokedAt), (*instant)(&t.LastUsedAt))
	t.Scopes = scopes.value
	if err == nil && copy(t.Hash[:], hash) != len(t.Hash) {
		err = fmt.Errorf("the hash of API token %s has %d bytes", t.ID, len(hash))
	}
	return t, err
}

func tokenFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This API token does not exist.",
		exists:  "An API token with this ID or text exists already.",
		orphan:  "The API token's person does not exist.",
		rule:    "An API token needs a name of at most 100 characters, and a member or operator.",
	}
}

// CreateToken adds an API token as it is given. Conflict: the ID or the hash is
// taken. NotFound: its person does not exist.
func (s *Store) CreateToken(ctx context.Context, t toll.APIToken, e toll.Entry) error {
	if err := refuseUnstorable(field{"id", t.ID}, field{"person", t.PersonID}, field{"name", t.Name}, field{"hint", t.Hint}); err != nil {
		return err
	}
	return s.record(ctx, tokenFault("creating an API token"), &e, func(tx transaction) error {
		_, err := tx.ExecContext(ctx, `insert into api_token (`+tokenColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			t.ID, string(t.Kind), t.PersonID, t.Name, t.Hash[:], t.Hint, document[toll.TokenScope]{t.Scopes}, stamp(t.CreatedAt),
			instant(t.ExpiresAt), instant(t.RevokedAt), instant(t.LastUsedAt))
		return err
	})
}

// Token returns an API token, valid or not. NotFound: there is none with this ID.
func (s *Store) Token(ctx context.Context, id string) (toll.APIToken, error) {
	f := tokenFault("reading an API token")
	if !storable(id) {
		return toll.APIToken{}, s.fail(sql.ErrNoRows, f)
	}
	t, err := scanToken(s.reader.QueryRowContext(ctx, `select `+tokenColumns+` from api_token where id = $1`, id))
	return t, s.fail(err, f)
}

// TokenByHash returns the API token whose text has this SHA-256, valid or not.
// NotFound: there is none.
func (s *Store) TokenByHash(ctx context.Context, hash [32]byte) (toll.APIToken, error) {
	t, err := scanToken(s.reader.QueryRowContext(ctx, `select `+tokenColumns+` from api_token where hash = $1`, hash[:]))
	return t, s.fail(err, tokenFault("looking an API token up"))
}

// TokensOf returns the API tokens of a person, valid or not, the newest first.
func (s *Store) TokensOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.APIToken, error) {
	if !storable(personID) {
		return nil, nil
	}
	tokens, err := collect(ctx, s.reader, scanToken, `select `+tokenColumns+` from api_token
		where person_id = $1 and kind = $2 order by created_at desc, id desc`, personID, string(kind))
	return tokens, s.fail(err, tokenFault("listing API tokens"))
}

// RevokeToken ends an API token at a moment, and returns it. One that was
// revoked before keeps the time of that, and gets no entry. NotFound: there is
// none with this ID.
func (s *Store) RevokeToken(ctx context.Context, id string, at time.Time, e toll.Entry) (t toll.APIToken, err error) {
	f := tokenFault("revoking an API token")
	if !storable(id) {
		return toll.APIToken{}, s.fail(sql.ErrNoRows, f)
	}
	err = s.record(ctx, f, &e, func(tx transaction) error {
		nothing := once(ctx, tx, "api_token", id, change(ctx, tx, `update api_token set revoked_at = $2 where id = $1 and revoked_at is null`, id, instant(at)))
		if nothing != nil && !errors.Is(nothing, errNothing) {
			return nothing
		}
		if t, err = scanToken(tx.QueryRowContext(ctx, `select `+tokenColumns+` from api_token where id = $1`, id)); err != nil {
			return err
		}
		return nothing
	})
	return t, err
}

// TouchToken raises when an API token was last used; an earlier time changes
// nothing. NotFound: there is none with this ID.
func (s *Store) TouchToken(ctx context.Context, id string, at time.Time) error {
	f := tokenFault("touching an API token")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.fail(change(ctx, s.writer, `update api_token
		set last_used_at = case when last_used_at > $2 then last_used_at else $2 end where id = $1`, id, instant(at)), f)
}
