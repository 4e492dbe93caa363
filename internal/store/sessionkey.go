package store

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func scanText(r row) (string, error) {
	var text string
	err := r.Scan(&text)
	return text, err
}

func scanSessionKey(r row) (toll.SessionKey, error) {
	var k toll.SessionKey
	err := r.Scan(&k.ID, &k.Sealed, (*stamp)(&k.CreatedAt), (*instant)(&k.RetiresAt))
	return k, err
}

// SessionKeys returns the keys that session tokens are signed with, the newest
// first.
func (s *Store) SessionKeys(ctx context.Context) ([]toll.SessionKey, error) {
	keys, err := collect(ctx, s.reader, scanSessionKey, `select id, sealed, created_at, retires_at from session_key order by created_at desc, id desc`)
	return keys, s.fail(err, fault{doing: "listing session keys"})
}

// AddSessionKey adds a key that signs from now on, and retires those that
// signed until now at a moment; keys that were retired before it was added are
// deleted. Conflict: the ID is taken.
func (s *Store) AddSessionKey(ctx context.Context, k toll.SessionKey, retire time.Time) error {
	f := fault{doing: "adding a session key", exists: "A session key with this ID exists already."}
	return s.write(ctx, f, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, `delete from session_key where retires_at <= $1`, instant(k.CreatedAt)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `update session_key set retires_at = $1 where retires_at is null or retires_at > $1`, instant(retire)); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into session_key (id, sealed, created_at, retires_at) values ($1, $2, $3, $4)`,
			k.ID, k.Sealed, stamp(k.CreatedAt), instant(k.RetiresAt))
		return err
	})
}
