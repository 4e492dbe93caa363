package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const sessionColumns = `id, kind, person_id, created_at, seen_at, expires_at, revoked_at, user_agent`

func scanSession(r row) (toll.Session, error) {
	var e toll.Session
	err := r.Scan(&e.ID, &e.Kind, &e.PersonID, (*stamp)(&e.CreatedAt), (*instant)(&e.SeenAt), (*instant)(&e.ExpiresAt), (*instant)(&e.RevokedAt), &e.UserAgent)
	return e, err
}

func sessionFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This session does not exist.",
		exists:  "A session with this ID exists already.",
		orphan:  "The session's person does not exist.",
	}
}

// CreateSession adds a session. What a browser calls itself may hold anything:
// what cannot be kept of it is replaced. NotFound: its person does not exist.
func (s *Store) CreateSession(ctx context.Context, e toll.Session) error {
	if err := refuseUnstorable(field{"id", e.ID}, field{"person", e.PersonID}); err != nil {
		return err
	}
	_, err := s.writer.ExecContext(ctx, `insert into session (`+sessionColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8)`,
		e.ID, string(e.Kind), e.PersonID, stamp(e.CreatedAt), instant(e.SeenAt), instant(e.ExpiresAt), instant(e.RevokedAt), mend(e.UserAgent))
	return s.fail(err, sessionFault("creating a session"))
}

// Session returns a session, valid or not. NotFound: there is none with this ID.
func (s *Store) Session(ctx context.Context, id string) (toll.Session, error) {
	f := sessionFault("reading a session")
	if !storable(id) {
		return toll.Session{}, s.fail(sql.ErrNoRows, f)
	}
	e, err := scanSession(s.reader.QueryRowContext(ctx, `select `+sessionColumns+` from session where id = $1`, id))
	return e, s.fail(err, f)
}

// TouchSession raises when a session was last seen; an earlier time changes
// nothing. NotFound: there is none with this ID.
func (s *Store) TouchSession(ctx context.Context, id string, seenAt time.Time) error {
	f := sessionFault("touching a session")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.fail(change(ctx, s.writer, `update session
		set seen_at = case when seen_at > $2 then seen_at else $2 end where id = $1`, id, instant(seenAt)), f)
}

// RevokeSession ends a session at a moment. One that was revoked before keeps
// the time of that. NotFound: there is none with this ID.
func (s *Store) RevokeSession(ctx context.Context, id string, at time.Time) error {
	f := sessionFault("revoking a session")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.fail(change(ctx, s.writer, `update session set revoked_at = coalesce(revoked_at, $2) where id = $1`, id, instant(at)), f)
}

// SessionsOf returns the sessions of a person, valid or not, the newest first.
func (s *Store) SessionsOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Session, error) {
	if !storable(personID) {
		return nil, nil
	}
	sessions, err := collect(ctx, s.reader, scanSession, `select `+sessionColumns+` from session
		where person_id = $1 and kind = $2 order by created_at desc, id desc`, personID, string(kind))
	return sessions, s.fail(err, sessionFault("listing sessions"))
}
