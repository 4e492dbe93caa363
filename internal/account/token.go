package account

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Token is what a browser keeps: a JWT (RFC 7519) that names a session and
// proves nothing else. Role and revocation are read from rows.
type Token struct {
	Text      toll.Secret
	ExpiresAt time.Time // when it must have been renewed; whole seconds
}

// Bounds of a token.
const (
	MinSecret = 32 // bytes of a signing secret (RFC 7518 §3.2: as long as the hash)

	maxToken = 2048        // bytes; ours have about 350
	maxSkew  = time.Minute // how far another replica's clock may be ahead
	audience = "tollhouse-session"
)

// claims are what a token says (RFC 7519 §4.1), besides the session.
type claims struct {
	jwt.RegisteredClaims
	Session string `json:"sid"`
}

// signer makes and reads tokens: HMAC with SHA-256 (RFC 7518 §3.2), and no
// other algorithm whatever the header says.
type signer struct {
	keys   []signingKey // the first signs, all verify
	clock  toll.Clock
	parser *jwt.Parser
}

type signingKey struct {
	id     string // the header's kid
	secret []byte
	until  time.Time // when it verifies no more; zero: not known yet
}

// newSignerOf makes a signer of keys, of which there is one at least.
func newSignerOf(keys []signingKey, clock toll.Clock) *signer {
	return &signer{keys: keys, clock: clock, parser: jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(clock),
	)}
}

func newSigner(secrets []toll.Secret, clock toll.Clock) (*signer, error) {
	if len(secrets) == 0 {
		return nil, errors.New("sessions need a secret to sign with")
	}
	var keys []signingKey
	for i, secret := range secrets {
		if len(secret) < MinSecret {
			return nil, fmt.Errorf("session secret %d of %d has %d bytes: it takes at least %d", i+1, len(secrets), len(secret), MinSecret)
		}
		key := signingKey{id: keyID(secret), secret: []byte(secret.Reveal())}
		if !slices.ContainsFunc(keys, func(k signingKey) bool { return k.id == key.id }) {
			keys = append(keys, key)
		}
	}
	return newSignerOf(keys, clock), nil
}

// keyID names a secret without telling it, the same on every replica.
func keyID(secret toll.Secret) string {
	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte("tollhouse session key id"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}

// sign makes the token of a session.
func (s *signer) sign(session string, now, expires time.Time) (Token, error) {
	expires = expires.Truncate(time.Second).UTC() // as the token says it
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Audience:  jwt.ClaimStrings{audience},
			IssuedAt:  jwt.NewNumericDate(now),
			ExpiresAt: jwt.NewNumericDate(expires),
		},
		Session: session,
	})
	t.Header["kid"] = s.keys[0].id
	text, err := t.SignedString(s.keys[0].secret)
	if err != nil {
		return Token{}, fmt.Errorf("sign a session token: %w", err)
	}
	return Token{Text: toll.Secret(text), ExpiresAt: expires}, nil
}

// read checks a token and returns its session and when it was issued. Its
// error is for the log: a person is told only to sign in.
func (s *signer) read(text string, now time.Time) (session string, issued time.Time, err error) {
	if len(text) > maxToken {
		return "", time.Time{}, errors.New("the token is too long")
	}
	var c claims
	if _, err := s.parser.ParseWithClaims(text, &c, s.keyOf); err != nil {
		return "", time.Time{}, err
	}
	if c.IssuedAt == nil || c.Session == "" {
		return "", time.Time{}, errors.New("the token lacks iat or sid")
	}
	if c.IssuedAt.After(now.Add(maxSkew)) {
		return "", time.Time{}, errors.New("the token was issued in the future")
	}
	return c.Session, c.IssuedAt.Time, nil
}

// errUnknownKey is a token's whose key is not, or no more, among those in use.
var errUnknownKey = errors.New("the token was signed with a key that is not in use")

func (s *signer) keyOf(t *jwt.Token) (any, error) {
	if _, asks := t.Header["crit"]; asks { // RFC 7515 §4.1.11: what is not understood must not be passed over
		return nil, errors.New("the token's header asks for an extension")
	}
	id, _ := t.Header["kid"].(string)
	for i := range s.keys {
		if k := &s.keys[i]; k.id == id && (k.until.IsZero() || s.clock().Before(k.until)) {
			return k.secret, nil
		}
	}
	return nil, errUnknownKey
}
