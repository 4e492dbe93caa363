package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const passkeyColumns = `id, kind, person_id, name, credential, document, created_at, last_used_at`

func scanPasskey(r row) (toll.Passkey, error) {
	var k toll.Passkey
	err := r.Scan(&k.ID, &k.Kind, &k.PersonID, &k.Name, &k.Credential, &k.Document, (*stamp)(&k.CreatedAt), (*instant)(&k.LastUsedAt))
	return k, err
}

func passkeyFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "There is no such passkey.",
		exists:  "This passkey is registered already.",
		orphan:  "The passkey's person does not exist.",
		rule:    "A passkey needs a name of 1 to 100 characters.",
	}
}

// CreatePasskey adds a passkey. Conflict: its ID or its credential is there
// already. NotFound: its person does not exist.
func (s *Store) CreatePasskey(ctx context.Context, k toll.Passkey, e toll.Entry) error {
	if err := refuseUnstorable(field{"id", k.ID}, field{"person", k.PersonID}, field{"name", k.Name}); err != nil {
		return err
	}
	return s.record(ctx, passkeyFault("adding a passkey"), &e, func(tx transaction) error {
		_, err := tx.ExecContext(ctx, `insert into passkey (`+passkeyColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
			k.ID, string(k.Kind), k.PersonID, k.Name, k.Credential, k.Document, stamp(k.CreatedAt), instant(k.LastUsedAt))
		return err
	})
}

// PasskeysOf returns the passkeys of a person, the oldest first.
func (s *Store) PasskeysOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Passkey, error) {
	if !storable(personID) {
		return nil, nil
	}
	keys, err := collect(ctx, s.reader, scanPasskey, `select `+passkeyColumns+` from passkey
		where person_id = $1 and kind = $2 order by created_at, id`, personID, string(kind))
	return keys, s.fail(err, passkeyFault("listing passkeys"))
}

// PasskeyByCredential returns the passkey with a credential's ID. NotFound:
// there is none.
func (s *Store) PasskeyByCredential(ctx context.Context, credential []byte) (toll.Passkey, error) {
	k, err := scanPasskey(s.reader.QueryRowContext(ctx, `select `+passkeyColumns+` from passkey where credential = $1`, credential))
	return k, s.fail(err, passkeyFault("looking a passkey up"))
}

// RenamePasskey changes the name of a person's passkey. NotFound: the person
// has none with this ID.
func (s *Store) RenamePasskey(ctx context.Context, kind toll.PersonKind, personID, id, name string, e toll.Entry) error {
	f := passkeyFault("renaming a passkey")
	if !storable(personID) || !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	if err := refuseUnstorable(field{"name", name}); err != nil {
		return err
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return change(ctx, tx, `update passkey set name = $4 where id = $1 and person_id = $2 and kind = $3`, id, personID, string(kind), name)
	})
}

// RemovePasskey deletes a person's passkey. NotFound: the person has none with
// this ID.
func (s *Store) RemovePasskey(ctx context.Context, kind toll.PersonKind, personID, id string, e toll.Entry) error {
	f := passkeyFault("removing a passkey")
	if !storable(personID) || !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return change(ctx, tx, `delete from passkey where id = $1 and person_id = $2 and kind = $3`, id, personID, string(kind))
	})
}

// UsePasskey notes a use: the document as it is now, in the place of the one
// that it was. NotFound: it is gone, or was used by somebody else meanwhile.
func (s *Store) UsePasskey(ctx context.Context, id string, was, now []byte, at time.Time) error {
	return s.fail(change(ctx, s.writer, `update passkey set document = $3, last_used_at = $4 where id = $1 and document = $2`,
		id, was, now, instant(at)), passkeyFault("using a passkey"))
}
