package toll

import (
	"slices"
	"time"
)

// TokenScope is one thing that an API token may be used for.
type TokenScope string

// The scopes. Each operation of the management API needs one of them.
const (
	ScopeWriteEvents    TokenScope = "events:write"    // send usage events in
	ScopeReadUsage      TokenScope = "usage:read"      // ask what was used
	ScopeReadCustomers  TokenScope = "customers:read"  // list and show customers
	ScopeWriteCustomers TokenScope = "customers:write" // create, rename, move, suspend and resume them, and set their limits
	ScopeReadKeys       TokenScope = "keys:read"       // list customers' keys, never their texts
	ScopeWriteKeys      TokenScope = "keys:write"      // make, roll and revoke them
	ScopeReadMembers    TokenScope = "members:read"    // list members and invitations
	ScopeWriteMembers   TokenScope = "members:write"   // invite, change and remove them
	ScopeReadApprovals  TokenScope = "approvals:read"  // list what customers ask for
	ScopeWriteApprovals TokenScope = "approvals:write" // ask, withdraw and decide
	ScopeReadAudit      TokenScope = "audit:read"      // read the audit log
	ScopeReadModels     TokenScope = "models:read"     // list what customers uploaded
	ScopeWriteModels    TokenScope = "models:write"    // decide about it and delete it
	ScopeReadSupport    TokenScope = "support:read"    // read conversations
	ScopeWriteSupport   TokenScope = "support:write"   // open, answer and close them
)

// TokenScopes lists every scope there is.
func TokenScopes() []TokenScope {
	return []TokenScope{
		ScopeReadApprovals, ScopeWriteApprovals, ScopeReadAudit, ScopeReadCustomers, ScopeWriteCustomers, ScopeWriteEvents, ScopeReadKeys, ScopeWriteKeys,
		ScopeReadMembers, ScopeWriteMembers, ScopeReadModels, ScopeWriteModels, ScopeReadSupport, ScopeWriteSupport, ScopeReadUsage,
	}
}

// APIToken opens the management API for a program, in the name of a person:
// it may do what that person's role allows, and of that only what its scopes
// say. It opens no service: that is what a customer's Key is for. Its text is
// never kept, only its SHA-256 and its last four characters.
type APIToken struct {
	ID         string     // tok_…
	Kind       PersonKind // of its owner
	PersonID   string     // whose it is: a member or an operator
	Name       string     // 1 to 100 characters
	Hash       [32]byte   // SHA-256 of the whole text
	Hint       string     // the last four characters
	Scopes     []TokenScope
	CreatedAt  time.Time
	ExpiresAt  time.Time // zero: never
	RevokedAt  time.Time // zero: valid
	LastUsedAt time.Time // to the minute; zero: never
}

// Allows tells whether the token may be used for a scope.
func (t *APIToken) Allows(s TokenScope) bool { return slices.Contains(t.Scopes, s) }

// StateAt says what the token is worth at now, as Key.StateAt does.
func (t *APIToken) StateAt(now time.Time) KeyState {
	k := Key{RevokedAt: t.RevokedAt, ExpiresAt: t.ExpiresAt}
	return k.StateAt(now)
}
