package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const keyColumns = `id, customer_id, name, mode, hash, hint, services, methods, origins, limits, created_at, expires_at, revoked_at, last_used_at, replaced_by, version`

func scanKey(r row) (toll.Key, error) {
	var k toll.Key
	var hash []byte
	var origins document[netip.Prefix]
	var limits document[toll.Policy]
	err := r.Scan(&k.ID, &k.CustomerID, &k.Name, &k.Mode, &hash, &k.Hint, (*list)(&k.Services), (*list)(&k.Methods), &origins, &limits, (*stamp)(&k.CreatedAt),
		(*instant)(&k.ExpiresAt), (*instant)(&k.RevokedAt), (*instant)(&k.LastUsedAt), &k.ReplacedBy, &k.Version)
	k.Origins, k.Limits = origins.value, limits.value
	if err == nil && copy(k.Hash[:], hash) != len(k.Hash) {
		err = fmt.Errorf("the hash of key %s has %d bytes", k.ID, len(hash))
	}
	return k, err
}

func checkKey(k *toll.Key) error {
	return refuseUnstorable(field{"id", k.ID}, field{"customer", k.CustomerID}, field{"name", k.Name}, field{"hint", k.Hint},
		field{"services", strings.Join(k.Services, ",")},
		field{"methods", strings.Join(k.Methods, ",")}, field{"replaced_by", k.ReplacedBy})
}

func keyFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This key does not exist.",
		exists:  "A key with this ID or text exists already.",
		orphan:  "The key's customer does not exist.",
		rule:    "A key needs a name of at most 100 characters and the mode live or test.",
	}
}

// CreateKey adds a key as it is given. Conflict: the ID or the hash is taken.
// NotFound: its customer does not exist.
func (s *Store) CreateKey(ctx context.Context, k toll.Key, e toll.Entry) error {
	if err := checkKey(&k); err != nil {
		return err
	}
	return s.record(ctx, keyFault("creating a key"), &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, k.CustomerID); err != nil {
			return err
		}
		return insertKey(ctx, tx, &k)
	})
}

func insertKey(ctx context.Context, db execer, k *toll.Key) error {
	_, err := db.ExecContext(ctx, `insert into api_key (`+keyColumns+`)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		k.ID, k.CustomerID, k.Name, string(k.Mode), k.Hash[:], k.Hint, list(k.Services), list(k.Methods), document[netip.Prefix]{k.Origins}, document[toll.Policy]{k.Limits}, stamp(k.CreatedAt),
		instant(k.ExpiresAt), instant(k.RevokedAt), instant(k.LastUsedAt), k.ReplacedBy, k.Version)
	return err
}

// Key returns a key. NotFound: there is none with this ID.
func (s *Store) Key(ctx context.Context, id string) (toll.Key, error) {
	f := keyFault("reading a key")
	if !storable(id) {
		return toll.Key{}, s.fail(sql.ErrNoRows, f)
	}
	k, err := scanKey(s.reader.QueryRowContext(ctx, `select `+keyColumns+` from api_key where id = $1`, id))
	return k, s.fail(err, f)
}

// KeysOf returns the keys of a customer, the newest first; none for a customer
// that does not exist.
func (s *Store) KeysOf(ctx context.Context, customerID string) ([]toll.Key, error) {
	if !storable(customerID) {
		return nil, nil
	}
	keys, err := collect(ctx, s.reader, scanKey, `select `+keyColumns+` from api_key where customer_id = $1 order by created_at desc, id desc`, customerID)
	return keys, s.fail(err, keyFault("listing keys"))
}

// UpdateKey changes the name, scope, expiry, revocation and successor of a
// key and returns it with its Version raised by one. LastUsedAt is not written:
// draining alone raises it. Conflict: the Version is not the one that is stored.
func (s *Store) UpdateKey(ctx context.Context, k toll.Key, e toll.Entry) (changed toll.Key, err error) {
	if err := checkKey(&k); err != nil {
		return toll.Key{}, err
	}
	f := keyFault("changing a key")
	err = s.record(ctx, f, &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, k.CustomerID); err != nil {
			return err
		}
		changed, err = updateKey(ctx, tx, &k)
		if errors.Is(err, sql.ErrNoRows) {
			return s.missingOrStale(ctx, tx, "api_key", k.ID, f)
		}
		return err
	})
	if err != nil {
		return toll.Key{}, err
	}
	return changed, nil
}

func updateKey(ctx context.Context, db execer, k *toll.Key) (toll.Key, error) {
	return scanKey(db.QueryRowContext(ctx, `update api_key
		set name = $3, services = $4, expires_at = $5, revoked_at = $6, replaced_by = $7, methods = $8, origins = $9, limits = $10, version = version + 1
		where id = $1 and version = $2 returning `+keyColumns,
		k.ID, k.Version, k.Name, list(k.Services), instant(k.ExpiresAt), instant(k.RevokedAt), k.ReplacedBy,
		list(k.Methods), document[netip.Prefix]{k.Origins}, document[toll.Policy]{k.Limits}))
}

// ReplaceKey adds the key next and changes the key old as UpdateKey does, both
// or neither. Conflict: the Version of old is not the one that is stored, or
// next exists already.
func (s *Store) ReplaceKey(ctx context.Context, old, next toll.Key, e toll.Entry) error {
	if err := errors.Join(checkKey(&old), checkKey(&next)); err != nil {
		return err
	}
	f := keyFault("rolling a key")
	return s.record(ctx, f, &e, func(tx transaction) error {
		if err := s.refuseClosed(ctx, tx, next.CustomerID); err != nil {
			return err
		}
		_, err := updateKey(ctx, tx, &old)
		if errors.Is(err, sql.ErrNoRows) {
			return s.missingOrStale(ctx, tx, "api_key", old.ID, f)
		}
		if err != nil {
			return err
		}
		return insertKey(ctx, tx, &next)
	})
}

// EachKey calls fn for every key, in the order of their IDs, and stops at the
// first error, which it returns as it is. No connection is held while fn runs.
// A key that is added meanwhile may or may not be among them.
func (s *Store) EachKey(ctx context.Context, fn func(toll.Key) error) error {
	for after := ""; ; {
		batch, err := collect(ctx, s.reader, scanKey, `select `+keyColumns+` from api_key where id > $1 order by id limit $2`, after, batchRows)
		if err != nil {
			return s.fail(err, keyFault("reading all keys"))
		}
		for _, k := range batch {
			if err := fn(k); err != nil {
				return err
			}
		}
		if len(batch) < batchRows {
			return nil
		}
		after = batch[len(batch)-1].ID
	}
}
