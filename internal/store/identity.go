package store

import (
	"context"
	"database/sql"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const identityColumns = `issuer, subject, kind, person_id, email, created_at`

func scanIdentity(r row) (toll.Identity, error) {
	var i toll.Identity
	err := r.Scan(&i.Issuer, &i.Subject, &i.Kind, &i.PersonID, &i.Email, (*stamp)(&i.CreatedAt))
	return i, err
}

func identityFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "There is no such identity.",
		exists:  "This identity belongs to somebody already.",
		orphan:  "The identity's person does not exist.",
	}
}

// CreateIdentity joins an identity at an OpenID provider to a person. Conflict:
// it belongs to somebody already. NotFound: the person does not exist.
func (s *Store) CreateIdentity(ctx context.Context, i toll.Identity, e toll.Entry) error {
	if err := refuseUnstorable(field{"issuer", i.Issuer}, field{"subject", i.Subject}, field{"person", i.PersonID}, field{"email", i.Email}); err != nil {
		return err
	}
	return s.record(ctx, identityFault("joining an identity"), &e, func(tx transaction) error {
		_, err := tx.ExecContext(ctx, `insert into identity (`+identityColumns+`) values ($1, $2, $3, $4, $5, $6)`,
			i.Issuer, i.Subject, string(i.Kind), i.PersonID, i.Email, stamp(i.CreatedAt))
		return err
	})
}

// Identity returns whose an identity is. NotFound: nobody's.
func (s *Store) Identity(ctx context.Context, issuer, subject string) (toll.Identity, error) {
	f := identityFault("looking an identity up")
	if !storable(issuer) || !storable(subject) {
		return toll.Identity{}, s.fail(sql.ErrNoRows, f)
	}
	i, err := scanIdentity(s.reader.QueryRowContext(ctx, `select `+identityColumns+` from identity where issuer = $1 and subject = $2`, issuer, subject))
	return i, s.fail(err, f)
}

// IdentitiesOf returns the identities of a person, the oldest first.
func (s *Store) IdentitiesOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Identity, error) {
	if !storable(personID) {
		return nil, nil
	}
	all, err := collect(ctx, s.reader, scanIdentity, `select `+identityColumns+` from identity
		where person_id = $1 and kind = $2 order by created_at, issuer, subject`, personID, string(kind))
	return all, s.fail(err, identityFault("listing identities"))
}
