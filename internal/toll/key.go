package toll

import (
	"net/netip"
	"slices"
	"time"
)

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
	Hash       [32]byte       // SHA-256 of the whole text
	Hint       string         // the last four characters, to tell keys apart on a page
	Services   []string       // services it may call; empty: all that the plan includes
	Methods    []string       // methods it may call with, in upper case; empty: all
	Origins    []netip.Prefix // addresses it may be used from; empty: all
	Limits     []Policy       // its own, beside its plan's: rate and concurrency, counted for this key alone
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

// StateAt says what the key is worth at now. A revoked key is revoked whatever
// its expiry says, and from the moment that it is known to be: RevokedAt is by
// the clock of the replica that revoked it, which may be ahead of this one's.
func (k *Key) StateAt(now time.Time) KeyState {
	switch {
	case !k.RevokedAt.IsZero():
		return KeyRevoked
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return KeyExpired
	}
	return KeyValid
}

// AllowsMethod tells whether the key may be used for requests of a method. A
// key for GET may be used for HEAD too, which asks for less (RFC 9110 §9.3.2).
func (k *Key) AllowsMethod(method string) bool {
	return len(k.Methods) == 0 || slices.Contains(k.Methods, method) || method == "HEAD" && slices.Contains(k.Methods, "GET")
}

// AllowsOrigin tells whether the key may be used from an address. Where a key
// names origins, who has no address may not use it.
func (k *Key) AllowsOrigin(from netip.Addr) bool {
	if len(k.Origins) == 0 {
		return true
	}
	from = from.Unmap()
	for _, p := range k.Origins {
		if p.Contains(from) {
			return true
		}
	}
	return false
}
