package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// CodeNeeded says that a password was right, and that a code of the person's
// authenticator app, or a recovery code, is still to come: FinishSignIn takes
// it with Step. A surface finds it with errors.As.
type CodeNeeded struct {
	Step toll.Secret // for the browser that gave the password, and for ten minutes
}

// Error is safe to show.
func (e *CodeNeeded) Error() string { return toll.SafeMessage(e.Unwrap()) }

// Unwrap returns the error as surfaces know it that cannot ask for a code.
func (e *CodeNeeded) Unwrap() error {
	return toll.Errorf(toll.Unauthorized, "A code of your authenticator app is needed.")
}

// halfDone is what is kept while a code is awaited.
type halfDone struct {
	Kind   toll.PersonKind `json:"kind"`
	Person string          `json:"person"`
	Email  string          `json:"email"`
	Hash   []byte          `json:"hash"` // SHA-256 of the password's hash: another password ends this
	Method string          `json:"method"`
	Join   *toll.Identity  `json:"join,omitempty"` // what is joined to the person once the code is right
	Wrong  int             `json:"wrong"`
}

func hashOf(hash toll.Secret) []byte {
	sum := sha256.Sum256([]byte(hash.Reveal()))
	return sum[:]
}

// needsCode begins the second step for a person who has one.
func (s *Sessions) needsCode(ctx context.Context, p Person, was, password toll.Secret, weaker bool) (*CodeNeeded, error) {
	switch _, err := s.store.TOTP(ctx, p.ID); {
	case toll.CodeOf(err) == toll.NotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for an authenticator app: %w", err)
	}
	hash := was
	if weaker {
		s.strengthenHash(ctx, p, was, password, weaker)
		again, is, err := personByEmail(ctx, s.store, p.Email)
		if err != nil {
			return nil, err
		}
		if ok, _, err := s.passwords.Verify(ctx, is, password); err != nil || !ok || again.ID != p.ID {
			return nil, errors.Join(err, errWrong()) // changed meanwhile
		}
		hash = is
	}
	text, err := s.hold(ctx, forCode, "", halfDone{Kind: p.Kind, Person: p.ID, Email: p.Email, Hash: hashOf(hash), Method: "password"})
	if err != nil {
		return nil, err
	}
	return &CodeNeeded{Step: text}, nil
}

// needsCodeAfter begins the second step of a sign-in without a password.
func (s *Sessions) needsCodeAfter(ctx context.Context, p Person, method string, join *toll.Identity) (*CodeNeeded, error) {
	switch _, err := s.store.TOTP(ctx, p.ID); {
	case toll.CodeOf(err) == toll.NotFound:
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("look for an authenticator app: %w", err)
	}
	_, hash, err := personByEmail(ctx, s.store, p.Email)
	if err != nil {
		return nil, err
	}
	text, err := s.hold(ctx, forCode, "", halfDone{Kind: p.Kind, Person: p.ID, Email: p.Email, Hash: hashOf(hash), Method: method, Join: join})
	if err != nil {
		return nil, err
	}
	return &CodeNeeded{Step: text}, nil
}

// FinishSignIn takes the second step of a sign-in: a code of the authenticator
// app, or a recovery code, each of which holds once. Invalid names the field
// code when it is wrong; NotFound when the step was done already, took too long
// or was wrong five times: then the password is asked for again.
// *TooManyAttempts as SignIn, and a wrong code counts as a wrong password.
func (s *Sessions) FinishSignIn(ctx context.Context, step toll.Secret, code string, from netip.Addr, userAgent string) (Token, Person, error) {
	now := s.clock()
	if wait := s.byAddress.take(neighbourhood(from), now); wait > 0 {
		return Token{}, Person{}, tooMany(wait)
	}
	var half halfDone
	if _, err := s.peek(ctx, step, forCode, "", &half); err != nil {
		return Token{}, Person{}, err
	}
	tried, err := s.guess(half.Email, from, now)
	if err != nil {
		return Token{}, Person{}, err
	}
	until, err := s.take(ctx, step, forCode, "", &half)
	if err != nil { // of many at once, one has it
		return Token{}, Person{}, err
	}
	p, hash, err := personByEmail(ctx, s.store, half.Email)
	switch {
	case err != nil:
		return Token{}, Person{}, err
	case p.ID != half.Person || p.Kind != half.Kind || string(hashOf(hash)) != string(half.Hash):
		return Token{}, Person{}, errStale()
	}
	if err := s.checkCode(ctx, p, code); err != nil {
		if half.Wrong++; toll.CodeOf(err) == toll.Invalid && half.Wrong < wrongCodes {
			err = errors.Join(err, s.holdAs(ctx, step, forCode, "", half, until))
		}
		return Token{}, Person{}, err
	}
	if err := s.join(ctx, p, half.Join); err != nil {
		return Token{}, Person{}, err
	}
	token, p, err := s.begin(ctx, p, begun{from: from, userAgent: userAgent, method: half.Method, strong: true})
	if err != nil {
		return Token{}, Person{}, err
	}
	again, is, err := personByEmail(ctx, s.store, half.Email)
	if err != nil || again.ID != p.ID || string(hashOf(is)) != string(half.Hash) {
		return Token{}, Person{}, errors.Join(err, s.SignOut(ctx, p), errStale())
	}
	s.right(tried, now)
	if half.Method == "password" {
		s.right(tried, now) // the password's own
	}
	return token, p, nil
}

// checkCode takes a code of a person's authenticator app, or a recovery code.
func (s *Sessions) checkCode(ctx context.Context, p Person, typed string) error {
	code := plainCode(typed)
	if !isTOTP(code) {
		err := s.store.UseRecoveryCode(ctx, p.ID, recoveryHash(p.ID, code), NewEntry(ctx, p, UsedRecoveryCode, p.CustomerID, p.ID, s.clock(), nil, nil))
		if toll.CodeOf(err) == toll.NotFound {
			return errCode()
		}
		return err
	}
	app, err := s.store.TOTP(ctx, p.ID)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return errCode()
	case err != nil:
		return fmt.Errorf("read an authenticator app: %w", err)
	case s.vault == nil:
		return errNoVault()
	}
	secret, err := s.vault.Open("totp "+p.ID, app.Sealed)
	if err != nil {
		return &toll.Error{Code: toll.Unavailable, Message: "The key of your authenticator app cannot be read. Use a recovery code, and tell whoever runs this service.", Cause: err}
	}
	step, ok := totpMatch(secret, code, s.clock())
	if !ok {
		return errCode()
	}
	err = s.store.UseTOTP(ctx, p.ID, step)
	if toll.CodeOf(err) == toll.NotFound { // it was used before
		return errCode()
	}
	return err
}

func errCode() error {
	return toll.FieldError("code", "This code is wrong or was used already. Wait for the next one, or use a recovery code.")
}

func errNoVault() error {
	return toll.Errorf(toll.Unavailable, "Authenticator apps cannot be used here.")
}

// NewTOTP is an authenticator app that is being set up.
type NewTOTP struct {
	Step toll.Secret // for ConfirmTOTP
	Key  string      // what can be typed into the app: base 32
	URI  string      // what the app reads from a QR code
}

type newTOTP struct {
	Sealed []byte `json:"sealed"`
	Wrong  int    `json:"wrong"`
}

// BeginTOTP makes the key of an authenticator app for the person who asks,
// which is nothing until ConfirmTOTP. issuer is what the app shows it by. The
// current password is asked for; see Prove.
func (s *Sessions) BeginTOTP(ctx context.Context, p Person, current toll.Secret, issuer string) (NewTOTP, error) {
	if s.vault == nil {
		return NewTOTP{}, errNoVault()
	}
	if err := s.Prove(ctx, p, current); err != nil {
		return NewTOTP{}, err
	}
	secret := random(totpSecret)
	step, err := s.hold(ctx, forTOTP, p.SessionID, newTOTP{Sealed: s.vault.Seal("totp "+p.ID, secret)})
	if err != nil {
		return NewTOTP{}, err
	}
	return NewTOTP{Step: step, Key: totpText.EncodeToString(secret), URI: totpURI(secret, issuer, p.Email)}, nil
}

// ShowTOTP shows again what BeginTOTP made, as after a wrong code.
func (s *Sessions) ShowTOTP(ctx context.Context, p Person, step toll.Secret, issuer string) (NewTOTP, error) {
	var doc newTOTP
	if _, err := s.peek(ctx, step, forTOTP, p.SessionID, &doc); err != nil {
		return NewTOTP{}, err
	}
	secret, err := s.vault.Open("totp "+p.ID, doc.Sealed)
	if err != nil {
		return NewTOTP{}, errStale()
	}
	return NewTOTP{Step: step, Key: totpText.EncodeToString(secret), URI: totpURI(secret, issuer, p.Email)}, nil
}

// ConfirmTOTP takes the first code of an authenticator app, which is on from
// then, in the place of the one before, and returns new recovery codes: they
// are shown once. Invalid names the field code.
func (s *Sessions) ConfirmTOTP(ctx context.Context, p Person, step toll.Secret, code string) ([]string, error) {
	var doc newTOTP
	until, err := s.take(ctx, step, forTOTP, p.SessionID, &doc)
	if err != nil {
		return nil, err
	}
	secret, err := s.vault.Open("totp "+p.ID, doc.Sealed)
	if err != nil {
		return nil, errStale()
	}
	now := s.clock()
	at, ok := totpMatch(secret, plainCode(code), now)
	if !ok {
		err := error(toll.FieldError("code", "This code is wrong. Look at the clock of the device, and type the code that is shown now."))
		if doc.Wrong++; doc.Wrong < wrongCodes {
			err = errors.Join(err, s.holdAs(ctx, step, forTOTP, p.SessionID, doc, until))
		}
		return nil, err
	}
	texts, hashes := newRecoveryCodes(p.ID)
	if err := s.store.SetTOTP(ctx, toll.TOTP{PersonID: p.ID, Sealed: doc.Sealed, LastStep: at, CreatedAt: stored(now)}, hashes, NewEntry(ctx, p, SetTOTP, p.CustomerID, p.ID, now, nil, nil)); err != nil {
		return nil, fmt.Errorf("set the authenticator app of %s up: %w", p.ID, err)
	}
	if err := s.strengthen(ctx, p); err != nil {
		return nil, err
	}
	return texts, nil
}

// strengthen notes that the person's session has proved two factors.
func (s *Sessions) strengthen(ctx context.Context, p Person) error {
	if err := s.store.StrengthenSession(ctx, p.SessionID); err != nil {
		return fmt.Errorf("strengthen session %s: %w", p.SessionID, err)
	}
	s.seen.forget(p.SessionID)
	return nil
}

// RemoveTOTP turns the authenticator app and the recovery codes off, for the
// current password.
func (s *Sessions) RemoveTOTP(ctx context.Context, p Person, current toll.Secret) error {
	if err := s.Prove(ctx, p, current); err != nil {
		return err
	}
	err := s.store.RemoveTOTP(ctx, p.ID, NewEntry(ctx, p, RemovedTOTP, p.CustomerID, p.ID, s.clock(), nil, nil))
	if toll.CodeOf(err) == toll.NotFound { // a second click
		return nil
	}
	return err
}

// RenewRecoveryCodes makes ten new recovery codes for the current password; no
// older one holds any more. They are shown once.
func (s *Sessions) RenewRecoveryCodes(ctx context.Context, p Person, current toll.Secret) ([]string, error) {
	if err := s.Prove(ctx, p, current); err != nil {
		return nil, err
	}
	if _, err := s.store.TOTP(ctx, p.ID); err != nil {
		return nil, err
	}
	texts, hashes := newRecoveryCodes(p.ID)
	if err := s.store.SetRecoveryCodes(ctx, p.ID, hashes, NewEntry(ctx, p, MadeRecoveryCodes, p.CustomerID, p.ID, s.clock(), nil, nil)); err != nil {
		return nil, fmt.Errorf("make recovery codes for %s: %w", p.ID, err)
	}
	return texts, nil
}
