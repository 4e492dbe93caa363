package toll

import "time"

// Mode says whether a call counts for money.
type Mode string

// The modes, as they stand in the key's prefix (th_live_, th_test_).
const (
	Live Mode = "live"
	Test Mode = "test" // counted apart, never billed
)

// Key is an API key of a customer. The key's text itself is never kept: only
// its SHA-256 and its last four characters.
type Key struct {
	ID         string // key_…
	CustomerID string
	Name       string // 1 to 100 characters
	Mode       Mode
	Hash       [32]byte // SHA-256 of the whole text
	Hint       string   // the last four characters, to tell keys apart on a page
	Services   []string // services it may call; empty: all that the plan includes
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: valid
	LastUsedAt time.Time // to the minute; zero: never
	ReplacedBy string    // the key that a roll made in its place, "" otherwise
	Version    int64
}

// KeyState is what a key is worth at a moment.
type KeyState string

// The states of a key.
const (
	KeyValid   KeyState = "valid"
	KeyExpired KeyState = "expired"
	KeyRevoked KeyState = "revoked"
)

// StateAt says what the key is worth at now. A revoked key stays revoked
// whatever its expiry says.
func (k *Key) StateAt(now time.Time) KeyState {
	switch {
	case !k.RevokedAt.IsZero() && !now.Before(k.RevokedAt):
		return KeyRevoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return KeyExpired
	}
	return KeyValid
}
