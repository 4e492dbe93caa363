package toll

import "time"

// SessionKey is a key that session tokens are signed with. The newest one that
// is not retired signs; every one verifies until it is retired.
type SessionKey struct {
	ID        string // the token header's kid
	Sealed    []byte // the key, sealed with the installation's secret
	CreatedAt time.Time
	RetiresAt time.Time // zero while it signs
}

// Ceremony is a sign-in, or the setting up of one, of which the first step is
// done: what the second step must be held against. It is taken once.
type Ceremony struct {
	Hash      [32]byte // SHA-256 of the text that the browser keeps
	Purpose   string   // what it may be taken for, and nothing else
	Binding   string   // whose it is: a session's ID, or what another cookie holds; "" where the text alone is enough
	Document  []byte   // what the second step needs to know; JSON
	ExpiresAt time.Time
}

// Passkey is a public key that a person signs in with (WebAuthn Level 3).
type Passkey struct {
	ID         string // pk_…
	Kind       PersonKind
	PersonID   string
	Name       string // 1 to 100 characters, the person's own
	Credential []byte // the credential's ID, unique
	Document   []byte // the credential as the library keeps it; JSON
	CreatedAt  time.Time
	LastUsedAt time.Time // zero: never
}

// TOTP is the authenticator app of a person (RFC 6238). Each person has one at
// most, and only after a code of it was right.
type TOTP struct {
	PersonID  string
	Sealed    []byte // the shared key, sealed with the installation's secret
	LastStep  int64  // the 30-second step of the last code that was taken: none before it is taken again
	CreatedAt time.Time
}

// Identity is a person as an OpenID provider knows them. Issuer and subject
// together name one person for ever (OpenID Connect Core 1.0 §5.7).
type Identity struct {
	Issuer    string
	Subject   string
	Kind      PersonKind
	PersonID  string
	Email     string // as the provider said when they were joined
	CreatedAt time.Time
}

// Profile is what people say about themselves.
type Profile struct {
	Name     string // 1 to 200 characters
	Language string // BCP 47, "" for the browser's
	TimeZone string // IANA name, "" for the installation's
}
