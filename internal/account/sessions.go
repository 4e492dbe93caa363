package account

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Sessions says who is asking: it signs people in and out and reads the tokens
// that their browsers send. Every method is safe for concurrent use.
type Sessions struct {
	store     Store
	passwords *Passwords
	signer    *signer            // nil where ring is not
	ring      *keyring           // nil: the keys are fixed
	vault     *Vault             // nil: nothing can be sealed
	rp        *webauthn.WebAuthn // nil: no passkeys
	providers []*SignInProvider
	clock     toll.Clock
	ids       *toll.IDs
	log       *slog.Logger

	tokenLife, renewEvery, longest, recheck time.Duration

	byPair    *attempts[[32]byte] // e-mail and IP address
	byEmail   *attempts[[32]byte]
	byAddress *attempts[netip.Addr]
	welcome   *familiar // pairs that signed in before
	refusals  *Refusals
	seen      *recent
}

// SessionOptions are what sessions need besides their store. Zero durations
// and paces take the defaults.
type SessionOptions struct {
	Secrets []toll.Secret // needed, MinSecret bytes at least each: the first signs, all verify
	Vault   *Vault        // seals keys; with it, tokens are signed with keys of the store, and Secrets only hold on for those of before
	// ConsoleURL is how browsers reach the console, "https://console.example.com":
	// passkeys are made for it and hold nowhere else. "", or a host that is an IP
	// address, or no Vault: there are no passkeys.
	ConsoleURL string
	Title      string            // of the installation, for authenticators; "": Tollhouse
	Providers  []*SignInProvider // OpenID providers, in the order of their buttons
	Passwords  *Passwords        // nil: NewPasswords with its defaults; share the office's
	Clock      toll.Clock        // nil: toll.SystemClock
	Random     io.Reader         // for identifiers; nil: crypto/rand
	Log        *slog.Logger      // for what a sign-in survives; nil: nowhere
	Refusals   *Refusals         // counts failed sign-ins for the audit log; share the office's; nil: nobody counts

	TokenLife  time.Duration // how long a browser may stay away; 48 hours
	RenewEvery time.Duration // how old a token may be before use renews it; 1 hour
	Longest    time.Duration // how long a session may last in all; 30 days
	RotateKey  time.Duration // how long one key signs, with a Vault; 30 days
	Recheck    time.Duration // how long a row may be remembered; 1 second, and no more than that

	PerPair    Pace // failed sign-ins per e-mail address from one IP address (IPv6: per /64); 10 at once, then one a minute
	PerEmail   Pace // failed sign-ins per e-mail address from everywhere; 100 at once, then one a minute
	PerAddress Pace // sign-ins per IP address; 60 at once, then one each two seconds
}

// The most that is kept in memory.
const (
	mostAttempts = 20_000 // for each of e-mail and IP addresses
	mostSessions = 10_000
	maxUserAgent = 200 // bytes
)

// NewSessions starts sessions over a store.
func NewSessions(store Store, opts SessionOptions) (*Sessions, error) {
	if store == nil {
		return nil, errors.New("start sessions: a store is needed")
	}
	s := &Sessions{
		store: store, passwords: opts.Passwords, providers: opts.Providers, clock: opts.Clock, log: opts.Log, refusals: opts.Refusals,
		tokenLife: opts.TokenLife, renewEvery: opts.RenewEvery, longest: opts.Longest, recheck: opts.Recheck,
	}
	for _, d := range []struct {
		name     string
		to       *time.Duration
		fallback time.Duration
	}{
		{"token life", &s.tokenLife, 48 * time.Hour},
		{"renewal", &s.renewEvery, time.Hour},
		{"longest session", &s.longest, 30 * 24 * time.Hour},
		{"recheck", &s.recheck, time.Second},
	} {
		if *d.to < 0 {
			return nil, fmt.Errorf("start sessions: the %s is negative: %s", d.name, *d.to)
		}
		if *d.to == 0 {
			*d.to = d.fallback
		}
	}
	if s.recheck > time.Second {
		return nil, fmt.Errorf("start sessions: a row may be remembered for a second at most, not %s", s.recheck)
	}
	if s.renewEvery >= s.tokenLife {
		return nil, fmt.Errorf("start sessions: a token that lives %s cannot be renewed every %s", s.tokenLife, s.renewEvery)
	}
	perPair, err := pace(opts.PerPair, Pace{Burst: 10, Every: time.Minute})
	if err != nil {
		return nil, err
	}
	perEmail, err := pace(opts.PerEmail, Pace{Burst: 100, Every: time.Minute})
	if err != nil {
		return nil, err
	}
	perAddress, err := pace(opts.PerAddress, Pace{Burst: 60, Every: 2 * time.Second})
	if err != nil {
		return nil, err
	}
	s.byPair, s.welcome = newAttempts[[32]byte](perPair, mostAttempts), newFamiliar(mostAttempts)
	s.byEmail = newAttempts[[32]byte](perEmail, mostAttempts)
	s.byAddress = newAttempts[netip.Addr](perAddress, mostAttempts)
	if s.clock == nil {
		s.clock = toll.SystemClock
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.passwords == nil {
		if s.passwords, err = NewPasswords(PasswordOptions{}); err != nil {
			return nil, err
		}
	}
	if s.signer, err = newSigner(opts.Secrets, s.clock); err != nil {
		return nil, fmt.Errorf("start sessions: %w", err)
	}
	if s.vault = opts.Vault; s.vault != nil {
		s.signer = nil
		s.ring = &keyring{
			store: store, vault: opts.Vault, old: opts.Secrets[0], clock: s.clock, log: s.log,
			every: cmp.Or(opts.RotateKey, 30*24*time.Hour), tokenLife: s.tokenLife,
		}
	}
	if s.vault != nil {
		if s.rp, err = newRelyingParty(opts.ConsoleURL, cmp.Or(opts.Title, "Tollhouse")); err != nil {
			return nil, err
		}
	}
	random := opts.Random
	if random == nil {
		random = rand.Reader
	}
	s.ids = toll.NewIDs(random)
	s.seen = newRecent(mostSessions, s.recheck)
	return s, nil
}

func pace(p, fallback Pace) (Pace, error) {
	if p == (Pace{}) {
		return fallback, nil
	}
	if p.Burst < 1 || p.Every <= 0 {
		return Pace{}, fmt.Errorf("start sessions: %d sign-ins at once and one each %s is no pace", p.Burst, p.Every)
	}
	return p, nil
}

// Authenticate says who sent a token. renewed is another token for the same
// session, to be kept in its place, once the one that came is old enough.
//
// A revoked or ended session, a removed person and another role hold within a
// second at most, on this and every other replica. Unauthorized means: sign
// in; any other error means that it cannot be known now.
func (s *Sessions) Authenticate(ctx context.Context, token string) (p Person, renewed *Token, err error) {
	now := s.clock()
	id, issued, err := s.read(ctx, token, now)
	if err != nil {
		return Person{}, nil, err
	}
	known, ok := s.seen.get(id, now)
	if !ok {
		begun := s.seen.begun()
		if known, err = s.look(ctx, id); err != nil {
			return Person{}, nil, err
		}
		known.readAt = now // before the rows were read: never older than it says
		s.seen.put(id, known, begun)
	}
	switch {
	case !known.session.RevokedAt.IsZero():
		return Person{}, nil, signIn(errors.New("the session was revoked"))
	case !now.Before(known.session.ExpiresAt):
		return Person{}, nil, signIn(errors.New("the session has ended"))
	}
	if now.Sub(issued) < s.renewEvery {
		return known.person, nil, nil
	}
	if err := s.store.TouchSession(ctx, id, stored(now)); err != nil {
		return Person{}, nil, fmt.Errorf("renew session %s: %w", id, err)
	}
	next, err := s.sign(ctx, id, now, s.tokenEnd(now, known.session.ExpiresAt))
	if err != nil {
		return Person{}, nil, err
	}
	return known.person, &next, nil
}

// read checks a token. A key that is not known may be a new one.
func (s *Sessions) read(ctx context.Context, token string, now time.Time) (id string, issued time.Time, err error) {
	signer := s.signer
	for _, afresh := range []bool{false, true} {
		if s.ring != nil {
			if signer, err = s.ring.get(ctx, now, afresh); err != nil {
				return "", time.Time{}, err
			}
		}
		if id, issued, err = signer.read(token, now); err == nil || s.ring == nil || !errors.Is(err, errUnknownKey) {
			break
		}
	}
	if err != nil {
		return "", time.Time{}, signIn(err)
	}
	return id, issued, nil
}

func (s *Sessions) sign(ctx context.Context, id string, now, expires time.Time) (Token, error) {
	signer := s.signer
	if s.ring != nil {
		var err error
		if signer, err = s.ring.get(ctx, now, false); err != nil {
			return Token{}, err
		}
	}
	return signer.sign(id, now, expires)
}

// SignOut revokes the session that the person came with.
func (s *Sessions) SignOut(ctx context.Context, p Person) error {
	if p.SessionID == "" {
		return signIn(errors.New("no session to sign out of"))
	}
	now := stored(s.clock())
	if err := s.store.RevokeSession(ctx, p.SessionID, now, NewEntry(ctx, p, EndedSession, p.CustomerID, p.SessionID, now, nil, nil)); err != nil {
		return fmt.Errorf("sign out of session %s: %w", p.SessionID, err)
	}
	s.seen.forget(p.SessionID)
	return nil
}

// Forget makes what was changed of a person hold for their next request in this
// process; other processes hear of it within a second anyway.
func (s *Sessions) Forget(personID string) { s.seen.forgetPerson(personID) }

// tokenEnd is when a token made now must have been renewed.
func (s *Sessions) tokenEnd(now, sessionEnd time.Time) time.Time {
	if end := now.Add(s.tokenLife); end.Before(sessionEnd) {
		return end
	}
	return sessionEnd
}

// look reads a session and its person.
func (s *Sessions) look(ctx context.Context, id string) (known, error) {
	row, err := s.store.Session(ctx, id)
	if err != nil {
		return known{}, gone(err, "session", id)
	}
	switch row.Kind {
	case toll.KindMember:
		m, err := s.store.Member(ctx, row.PersonID)
		if err != nil {
			return known{}, gone(err, "member", row.PersonID)
		}
		if !m.DisabledAt.IsZero() {
			return known{}, signIn(errors.New("the member is disabled"))
		}
		return known{session: row, person: strengthened(memberPerson(m, id), row)}, nil
	case toll.KindOperator:
		o, err := s.store.Operator(ctx, row.PersonID)
		if err != nil {
			return known{}, gone(err, "operator", row.PersonID)
		}
		if !o.DisabledAt.IsZero() {
			return known{}, signIn(errors.New("the operator is disabled"))
		}
		return known{session: row, person: strengthened(operatorPerson(o, id), row)}, nil
	}
	return known{}, signIn(fmt.Errorf("session %s is of the kind %q", id, row.Kind))
}

// strengthened says of a person what the session's row does.
func strengthened(p Person, row toll.Session) Person {
	p.Strong = row.Strong
	return p
}

// gone tells a row that is not there from a store that does not answer: only
// the first ends a session.
func gone(err error, what, id string) error {
	if toll.CodeOf(err) == toll.NotFound {
		return signIn(err)
	}
	return fmt.Errorf("read %s %s: %w", what, id, err)
}

// signIn is all that a person learns about a token that does not hold.
func signIn(cause error) error {
	return &toll.Error{Code: toll.Unauthorized, Message: "Sign in first.", Cause: cause}
}
