package store

import (
	"context"
	"database/sql"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func secondFactorFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "There is no authenticator app.",
		orphan:  "The person does not exist.",
	}
}

// SetTOTP gives a person an authenticator app, in the place of the one before,
// and new recovery codes. NotFound: the person does not exist.
func (s *Store) SetTOTP(ctx context.Context, t toll.TOTP, codes [][32]byte, e toll.Entry) error {
	f := secondFactorFault("setting an authenticator app up")
	if !storable(t.PersonID) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, `insert into totp (person_id, sealed, last_step, created_at) values ($1, $2, $3, $4)
			on conflict (person_id) do update set sealed = excluded.sealed, last_step = excluded.last_step, created_at = excluded.created_at`,
			t.PersonID, t.Sealed, t.LastStep, stamp(t.CreatedAt)); err != nil {
			return err
		}
		return replaceRecoveryCodes(ctx, tx, t.PersonID, codes)
	})
}

// TOTP returns a person's authenticator app. NotFound: there is none.
func (s *Store) TOTP(ctx context.Context, personID string) (toll.TOTP, error) {
	f := secondFactorFault("reading an authenticator app")
	if !storable(personID) {
		return toll.TOTP{}, s.fail(sql.ErrNoRows, f)
	}
	var t toll.TOTP
	err := s.reader.QueryRowContext(ctx, `select person_id, sealed, last_step, created_at from totp where person_id = $1`, personID).
		Scan(&t.PersonID, &t.Sealed, &t.LastStep, (*stamp)(&t.CreatedAt))
	return t, s.fail(err, f)
}

// UseTOTP notes that the code of a step was taken. NotFound: one of that step,
// or of a later one, was taken before, or there is no authenticator app.
func (s *Store) UseTOTP(ctx context.Context, personID string, step int64) error {
	return s.fail(change(ctx, s.writer, `update totp set last_step = $2 where person_id = $1 and last_step < $2`, personID, step),
		secondFactorFault("using a code"))
}

// RemoveTOTP takes a person's authenticator app and recovery codes away.
// NotFound: there is none.
func (s *Store) RemoveTOTP(ctx context.Context, personID string, e toll.Entry) error {
	f := secondFactorFault("removing an authenticator app")
	if !storable(personID) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		if _, err := tx.ExecContext(ctx, `delete from recovery_code where person_id = $1`, personID); err != nil {
			return err
		}
		return change(ctx, tx, `delete from totp where person_id = $1`, personID)
	})
}

// SetRecoveryCodes gives a person other recovery codes, by their SHA-256.
func (s *Store) SetRecoveryCodes(ctx context.Context, personID string, codes [][32]byte, e toll.Entry) error {
	f := secondFactorFault("making recovery codes")
	if !storable(personID) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error { return replaceRecoveryCodes(ctx, tx, personID, codes) })
}

func replaceRecoveryCodes(ctx context.Context, tx transaction, personID string, codes [][32]byte) error {
	if _, err := tx.ExecContext(ctx, `delete from recovery_code where person_id = $1`, personID); err != nil {
		return err
	}
	for _, c := range codes {
		if _, err := tx.ExecContext(ctx, `insert into recovery_code (person_id, hash) values ($1, $2)`, personID, c[:]); err != nil {
			return err
		}
	}
	return nil
}

// UseRecoveryCode takes a recovery code of a person away: of many who use it at
// once, one does. NotFound: the person has no such code.
func (s *Store) UseRecoveryCode(ctx context.Context, personID string, code [32]byte, e toll.Entry) error {
	f := fault{doing: "using a recovery code", missing: "There is no such recovery code."}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return change(ctx, tx, `delete from recovery_code where person_id = $1 and hash = $2`, personID, code[:])
	})
}

// RecoveryCodesLeft counts the recovery codes that a person can still use.
func (s *Store) RecoveryCodesLeft(ctx context.Context, personID string) (int, error) {
	if !storable(personID) {
		return 0, nil
	}
	var n int
	err := s.reader.QueryRowContext(ctx, `select count(*) from recovery_code where person_id = $1`, personID).Scan(&n)
	return n, s.fail(err, fault{doing: "counting recovery codes"})
}
