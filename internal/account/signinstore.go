package account

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// SignInStore keeps how people prove who they are, besides their passwords.
type SignInStore interface {
	SetProfile(ctx context.Context, kind toll.PersonKind, id string, p toll.Profile, e toll.Entry) error

	// StrengthenSession notes that two factors were proved in a session.
	StrengthenSession(ctx context.Context, id string) error
	// RevokeSessionsOf ends a person's valid sessions but for one ("": all) and
	// returns their IDs. The entry is completed with how many they were; of none
	// there is none.
	RevokeSessionsOf(ctx context.Context, kind toll.PersonKind, personID, except string, at time.Time, e toll.Entry) ([]string, error)
	// RevokeEverySession ends everybody's, and counts them.
	RevokeEverySession(ctx context.Context, at time.Time, e toll.Entry) (int64, error)

	// SessionKeys lists the keys of tokens, the newest first.
	SessionKeys(ctx context.Context) ([]toll.SessionKey, error)
	// AddSessionKey adds one and retires all others at a moment (those that
	// retire sooner keep theirs); what is retired already is deleted.
	AddSessionKey(ctx context.Context, k toll.SessionKey, retire time.Time) error

	CreateCeremony(ctx context.Context, c toll.Ceremony) error
	// Ceremony and TakeCeremony find one that has not expired, of that purpose;
	// of many who take it at once, one gets it.
	Ceremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (toll.Ceremony, error)
	TakeCeremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (toll.Ceremony, error)

	CreatePasskey(ctx context.Context, k toll.Passkey, e toll.Entry) error
	// PasskeysOf lists a person's passkeys, the oldest first.
	PasskeysOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Passkey, error)
	PasskeyByCredential(ctx context.Context, credential []byte) (toll.Passkey, error)
	RenamePasskey(ctx context.Context, kind toll.PersonKind, personID, id, name string, e toll.Entry) error
	RemovePasskey(ctx context.Context, kind toll.PersonKind, personID, id string, e toll.Entry) error
	// UsePasskey replaces the document that it was, and no other: NotFound.
	UsePasskey(ctx context.Context, id string, was, now []byte, at time.Time) error

	// SetTOTP sets an authenticator app and recovery codes: both or neither.
	SetTOTP(ctx context.Context, t toll.TOTP, codes [][32]byte, e toll.Entry) error
	TOTP(ctx context.Context, personID string) (toll.TOTP, error)
	// UseTOTP raises the last step; NotFound when it is not later.
	UseTOTP(ctx context.Context, personID string, step int64) error
	// RemoveTOTP takes the recovery codes with it.
	RemoveTOTP(ctx context.Context, personID string, e toll.Entry) error
	SetRecoveryCodes(ctx context.Context, personID string, codes [][32]byte, e toll.Entry) error
	// UseRecoveryCode takes one away; NotFound when it is not there.
	UseRecoveryCode(ctx context.Context, personID string, code [32]byte, e toll.Entry) error
	RecoveryCodesLeft(ctx context.Context, personID string) (int, error)

	CreateIdentity(ctx context.Context, i toll.Identity, e toll.Entry) error
	Identity(ctx context.Context, issuer, subject string) (toll.Identity, error)
	// IdentitiesOf lists a person's identities, the oldest first.
	IdentitiesOf(ctx context.Context, kind toll.PersonKind, personID string) ([]toll.Identity, error)
}
