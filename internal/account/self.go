package account

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"golang.org/x/text/language"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// freshFor is how long after signing in a person without a password may change
// how they sign in: then they sign in again.
const freshFor = 15 * time.Minute

// SignIns is how a person signs in.
type SignIns struct {
	Password   bool // one is set
	TOTP       bool // an authenticator app is set up
	TOTPSince  time.Time
	CodesLeft  int // recovery codes
	Passkeys   []toll.Passkey
	Identities []toll.Identity
}

// SignInsOf tells the person who asks how they sign in.
func (s *Sessions) SignInsOf(ctx context.Context, p Person) (SignIns, error) {
	var out SignIns
	_, hash, err := s.self(ctx, p)
	if err != nil {
		return out, err
	}
	out.Password = hash != ""
	switch app, err := s.store.TOTP(ctx, p.ID); {
	case err == nil:
		out.TOTP, out.TOTPSince = true, app.CreatedAt
		if out.CodesLeft, err = s.store.RecoveryCodesLeft(ctx, p.ID); err != nil {
			return out, fmt.Errorf("count recovery codes: %w", err)
		}
	case toll.CodeOf(err) != toll.NotFound:
		return out, fmt.Errorf("look for an authenticator app: %w", err)
	}
	if out.Passkeys, err = s.store.PasskeysOf(ctx, p.Kind, p.ID); err != nil {
		return out, fmt.Errorf("list passkeys: %w", err)
	}
	if out.Identities, err = s.store.IdentitiesOf(ctx, p.Kind, p.ID); err != nil {
		return out, fmt.Errorf("list identities: %w", err)
	}
	return out, nil
}

// self reads the person who asks, with the password's hash.
func (s *Sessions) self(ctx context.Context, p Person) (Person, toll.Secret, error) {
	switch p.Kind {
	case toll.KindMember:
		m, err := s.store.Member(ctx, p.ID)
		if err != nil {
			return Person{}, "", gone(err, "member", p.ID)
		}
		return memberPerson(m, p.SessionID), m.PasswordHash, nil
	case toll.KindOperator:
		o, err := s.store.Operator(ctx, p.ID)
		if err != nil {
			return Person{}, "", gone(err, "operator", p.ID)
		}
		return operatorPerson(o, p.SessionID), o.PasswordHash, nil
	}
	return Person{}, "", toll.Errorf(toll.Forbidden, "Only members and operators have an account of their own.")
}

// Prove asks for the current password before something is changed that decides
// who may come in: a session that was left open must not be enough. Who has no
// password must have signed in within the last fifteen minutes. Invalid names
// the field current; *TooManyAttempts as SignIn.
func (s *Sessions) Prove(ctx context.Context, p Person, current toll.Secret) error {
	_, hash, err := s.self(ctx, p)
	if err != nil {
		return err
	}
	now := s.clock()
	if hash == "" {
		row, err := s.store.Session(ctx, p.SessionID)
		if err != nil {
			return gone(err, "session", p.SessionID)
		}
		if now.Sub(row.CreatedAt) > freshFor {
			return toll.Errorf(toll.Forbidden, "You signed in too long ago to change this. Sign out, sign in again, and come back.")
		}
		return nil
	}
	// Guesses count for the session that they come from: wrong ones of somebody
	// else at the door shall not keep the owner from changing a password.
	count := sha256.Sum256([]byte("session " + p.SessionID))
	if wait := s.byPair.take(count, now); wait > 0 {
		return tooMany(wait)
	}
	if len(current) > MaxPassword {
		return errCurrent()
	}
	ok, _, err := s.passwords.Verify(ctx, hash, current)
	switch {
	case err != nil:
		return fmt.Errorf("check a password: %w", err)
	case !ok:
		return errCurrent()
	}
	s.byPair.giveBack(count, now)
	return nil
}

func errCurrent() error {
	return toll.FieldError("current", "This is not your current password.")
}

// ChangePassword gives the person who asks another password, for the current
// one, and ends all of their other sessions. Invalid names the field current or
// password.
func (s *Sessions) ChangePassword(ctx context.Context, p Person, current, next toll.Secret) error {
	if err := CheckPassword(next); err != nil {
		return err
	}
	if err := s.Prove(ctx, p, current); err != nil {
		return err
	}
	hash, err := s.passwords.Hash(ctx, next)
	if err != nil {
		return err
	}
	set, e := s.store.SetMemberPassword, NewEntry(ctx, p, ChangedPassword, p.CustomerID, p.ID, s.clock(), nil, nil)
	if p.Kind == toll.KindOperator {
		set = s.store.SetOperatorPassword
	}
	if err := set(ctx, p.ID, hash, e); err != nil {
		return fmt.Errorf("set the password of %s: %w", p.ID, err)
	}
	_, err = s.EndSessions(ctx, p, true)
	return err
}

// ChangeProfile changes what the person who asks says about themselves. Invalid
// names the field name, language or time_zone.
func (s *Sessions) ChangeProfile(ctx context.Context, p Person, profile toll.Profile) error {
	var err error
	if profile.Name, err = cleanName("name", profile.Name, maxName); err != nil {
		return err
	}
	if profile.Language != "" {
		tag, err := language.Parse(profile.Language)
		if err != nil {
			return toll.FieldError("language", "%q is no language. It looks like en, fr or pt-BR.", shorten(profile.Language))
		}
		profile.Language = tag.String()
	}
	if profile.TimeZone != "" {
		if _, err := time.LoadLocation(profile.TimeZone); err != nil || profile.TimeZone == "Local" {
			return toll.FieldError("time_zone", "%q is no time zone. It looks like Europe/Berlin.", shorten(profile.TimeZone))
		}
	}
	was, _, err := s.self(ctx, p)
	if err != nil {
		return err
	}
	// The name itself stays out of the log: people stand in it by their IDs.
	before := Facts{"renamed": false, "language": was.Language, "time_zone": was.TimeZone}
	after := Facts{"renamed": was.Name != profile.Name, "language": profile.Language, "time_zone": profile.TimeZone}
	e := NewEntry(ctx, p, ChangedProfile, p.CustomerID, p.ID, s.clock(), before, after)
	if err := s.store.SetProfile(ctx, p.Kind, p.ID, profile, e); err != nil {
		return fmt.Errorf("change the profile of %s: %w", p.ID, err)
	}
	s.seen.forget(p.SessionID)
	return nil
}

// SessionsOf lists the valid sessions of the person who asks, the newest first.
func (s *Sessions) SessionsOf(ctx context.Context, p Person) ([]toll.Session, error) {
	rows, err := s.store.SessionsOf(ctx, p.Kind, p.ID)
	if err != nil {
		return nil, fmt.Errorf("list the sessions of %s: %w", p.ID, err)
	}
	now := s.clock()
	var valid []toll.Session
	for _, row := range rows {
		idle := row.SeenAt.Add(s.tokenLife + s.renewEvery) // its cookie has ended by then, whoever has it
		if row.RevokedAt.IsZero() && now.Before(row.ExpiresAt) && now.Before(idle) {
			valid = append(valid, row)
		}
	}
	return valid, nil
}

// EndSession ends one session of the person who asks, and holds at once here
// and within a second elsewhere. NotFound for another person's.
func (s *Sessions) EndSession(ctx context.Context, p Person, id string) error {
	row, err := s.store.Session(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound, err == nil && (row.Kind != p.Kind || row.PersonID != p.ID):
		return toll.Errorf(toll.NotFound, "There is no such session.")
	case err != nil:
		return fmt.Errorf("read session %s: %w", id, err)
	}
	now := stored(s.clock())
	if err := s.store.RevokeSession(ctx, id, now, NewEntry(ctx, p, EndedSession, p.CustomerID, id, now, nil, nil)); err != nil {
		return fmt.Errorf("end session %s: %w", id, err)
	}
	s.seen.forget(id)
	return nil
}

// EndSessions ends all sessions of the person who asks, and returns how many
// there were. but leaves the one that they ask in.
func (s *Sessions) EndSessions(ctx context.Context, p Person, but bool) (int, error) {
	except := ""
	if but {
		except = p.SessionID
	}
	now := stored(s.clock())
	ids, err := s.store.RevokeSessionsOf(ctx, p.Kind, p.ID, except, now, NewEntry(ctx, p, EndedSessions, p.CustomerID, p.ID, now, nil, nil))
	if err != nil {
		return 0, fmt.Errorf("end the sessions of %s: %w", p.ID, err)
	}
	for _, id := range ids {
		s.seen.forget(id)
	}
	return len(ids), nil
}
