package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The purposes of ceremonies: one that was begun for one is not taken for another.
const (
	forCode       = "code"        // the password was right, the code is still to come
	forTOTP       = "totp"        // an authenticator app was shown its key, and has not answered yet
	forNewPasskey = "passkey-new" // a passkey is being registered
	forPasskey    = "passkey"     // somebody signs in by passkey
	forProvider   = "provider"    // somebody was sent to an OpenID provider
)

// ceremonyLife is how long a second step may take.
const ceremonyLife = 10 * time.Minute

// wrongCodes is how many codes may be wrong before the first step is to be done again.
const wrongCodes = 5

func errStale() error {
	return toll.Errorf(toll.NotFound, "This step was done already, or too long ago. Begin again.")
}

// hold keeps what a second step needs, and returns the text to find it by.
func (s *Sessions) hold(ctx context.Context, purpose, binding string, document any) (toll.Secret, error) {
	text := toll.Secret(rand.Text())
	return text, s.holdAs(ctx, text, purpose, binding, document, s.clock().Add(ceremonyLife))
}

func (s *Sessions) holdAs(ctx context.Context, text toll.Secret, purpose, binding string, document any, until time.Time) error {
	raw, err := json.Marshal(document)
	if err != nil {
		return fmt.Errorf("code what a second step needs: %w", err)
	}
	if err := s.store.CreateCeremony(ctx, toll.Ceremony{
		Hash: ceremonyHash(text), Purpose: purpose, Binding: binding, Document: raw, ExpiresAt: stored(until),
	}); err != nil {
		return fmt.Errorf("keep the first step of a %s: %w", purpose, err)
	}
	return nil
}

// take gives back what was held, once, to whoever began it; NotFound otherwise,
// and what was begun by another is gone too: it was in the wrong hands.
func (s *Sessions) take(ctx context.Context, text toll.Secret, purpose, binding string, into any) (time.Time, error) {
	c, err := s.store.TakeCeremony(ctx, ceremonyHash(text), purpose, stored(s.clock()))
	return s.opened(c, err, binding, into)
}

// peek reads what is held and leaves it.
func (s *Sessions) peek(ctx context.Context, text toll.Secret, purpose, binding string, into any) (time.Time, error) {
	c, err := s.store.Ceremony(ctx, ceremonyHash(text), purpose, stored(s.clock()))
	return s.opened(c, err, binding, into)
}

func (s *Sessions) opened(c toll.Ceremony, err error, binding string, into any) (time.Time, error) {
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return time.Time{}, errStale()
	case err != nil:
		return time.Time{}, fmt.Errorf("read the first step: %w", err)
	case subtle.ConstantTimeCompare([]byte(c.Binding), []byte(binding)) != 1:
		return time.Time{}, errStale()
	}
	if err := json.Unmarshal(c.Document, into); err != nil {
		return time.Time{}, fmt.Errorf("read the first step: %w", err)
	}
	return c.ExpiresAt, nil
}

func ceremonyHash(text toll.Secret) [32]byte { return sha256.Sum256([]byte(text.Reveal())) }
