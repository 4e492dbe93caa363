package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

const sessionColumns = `id, kind, person_id, created_at, seen_at, expires_at, revoked_at, user_agent, network, method, strong`

func scanSession(r row) (toll.Session, error) {
	var e toll.Session
	err := r.Scan(&e.ID, &e.Kind, &e.PersonID, (*stamp)(&e.CreatedAt), (*instant)(&e.SeenAt), (*instant)(&e.ExpiresAt), (*instant)(&e.RevokedAt), &e.UserAgent, &e.Network, &e.Method, &e.Strong)
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
func (s *Store) CreateSession(ctx context.Context, e toll.Session, of toll.Entry) error {
	if err := refuseUnstorable(field{"id", e.ID}, field{"person", e.PersonID}); err != nil {
		return err
	}
	return s.record(ctx, sessionFault("creating a session"), &of, func(tx transaction) error {
		_, err := tx.ExecContext(ctx, `insert into session (`+sessionColumns+`) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			e.ID, string(e.Kind), e.PersonID, stamp(e.CreatedAt), instant(e.SeenAt), instant(e.ExpiresAt), instant(e.RevokedAt), mend(e.UserAgent), e.Network, e.Method, e.Strong)
		return err
	})
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
// the time of that, and gets no entry. NotFound: there is none with this ID.
func (s *Store) RevokeSession(ctx context.Context, id string, at time.Time, e toll.Entry) error {
	f := sessionFault("revoking a session")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.record(ctx, f, &e, func(tx transaction) error {
		return once(ctx, tx, "session", id, change(ctx, tx, `update session set revoked_at = $2 where id = $1 and revoked_at is null`, id, instant(at)))
	})
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

// StrengthenSession notes that two factors were proved in a session. NotFound:
// there is none with this ID.
func (s *Store) StrengthenSession(ctx context.Context, id string) error {
	f := sessionFault("strengthening a session")
	if !storable(id) {
		return s.fail(sql.ErrNoRows, f)
	}
	return s.fail(change(ctx, s.writer, `update session set strong = $2 where id = $1`, id, true), f)
}

// RevokeSessionsOf ends the sessions of a person that are valid at a moment,
// but for one ("": all), and returns their IDs. The entry says how many they
// were; of none there is none.
func (s *Store) RevokeSessionsOf(ctx context.Context, kind toll.PersonKind, personID, except string, at time.Time, e toll.Entry) ([]string, error) {
	if !storable(personID) {
		return nil, nil
	}
	var ids []string
	err := s.record(ctx, sessionFault("revoking sessions"), &e, func(tx transaction) (err error) {
		ids, err = collect(ctx, tx, scanText, `update session set revoked_at = $4
			where person_id = $1 and kind = $2 and id <> $3 and revoked_at is null and expires_at > $4 returning id`,
			personID, string(kind), except, instant(at))
		return endedSessions(&e, int64(len(ids)), err)
	})
	return ids, err
}

// endedSessions completes the entry with how many sessions ended: none is no
// change.
func endedSessions(e *toll.Entry, n int64, err error) error {
	if err != nil {
		return err
	}
	if n == 0 {
		return errNothing
	}
	e.After = fmt.Sprintf(`{"sessions":%d}`, n)
	return nil
}

// RevokeEverySession ends all sessions of everybody at a moment, and returns
// how many there were, as the entry does.
func (s *Store) RevokeEverySession(ctx context.Context, at time.Time, e toll.Entry) (int64, error) {
	var n int64
	err := s.record(ctx, sessionFault("revoking every session"), &e, func(tx transaction) error {
		result, err := tx.ExecContext(ctx, `update session set revoked_at = $1 where revoked_at is null and expires_at > $1`, instant(at))
		if err != nil {
			return err
		}
		n, err = result.RowsAffected()
		return endedSessions(&e, n, err)
	})
	return n, err
}

// DropSessions deletes at most so many sessions that ended before a moment, and
// returns how many they were.
func (s *Store) DropSessions(ctx context.Context, before time.Time, most int) (int64, error) {
	result, err := s.writer.ExecContext(ctx, `delete from session where id in (
		select id from session where expires_at < $1 or revoked_at < $1 limit $2)`, instant(before), most)
	if err != nil {
		return 0, s.fail(err, sessionFault("dropping ended sessions"))
	}
	n, err := result.RowsAffected()
	return n, s.fail(err, sessionFault("dropping ended sessions"))
}
