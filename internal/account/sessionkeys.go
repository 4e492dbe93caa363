package account

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// How long keys of tokens are remembered: another replica may add one at any
// time. A token with a key that is not known asks again, once a second at most.
const (
	keysFor   = time.Minute
	keysAgain = time.Second
)

// keyring holds the keys that session tokens are signed with. They are random,
// live in the store, sealed, and are replaced as time goes on; the one before
// verifies for as long as tokens of it may be about.
type keyring struct {
	store     SignInStore
	vault     *Vault
	old       toll.Secret // what tokens were signed with before there was a keyring
	clock     toll.Clock
	log       *slog.Logger
	every     time.Duration // how long one key signs
	tokenLife time.Duration

	mu  sync.Mutex
	now atomic.Pointer[ring]
}

// ring is the keys as they were read at a moment.
type ring struct {
	signer *signer
	newest time.Time // when the key that signs was made
	readAt time.Time
}

// get returns the keys. afresh asks for what was added within the last minute.
func (k *keyring) get(ctx context.Context, now time.Time, afresh bool) (*signer, error) {
	age := keysFor
	if afresh {
		age = keysAgain
	}
	young := func(r *ring) bool {
		if r == nil {
			return false
		}
		since := now.Sub(r.readAt)
		return since >= 0 && since < age && now.Sub(r.newest) < k.every
	}
	if r := k.now.Load(); young(r) {
		return r.signer, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if r := k.now.Load(); young(r) {
		return r.signer, nil
	}
	r, err := k.read(ctx, now)
	if err != nil {
		return nil, err
	}
	if r == nil || now.Sub(r.newest) >= k.every {
		if err := k.add(ctx, now, r == nil, now.Add(k.tokenLife+maxSkew)); err != nil {
			return nil, err
		}
		if r, err = k.read(ctx, now); err != nil {
			return nil, err
		}
		if r == nil {
			return nil, fmt.Errorf("read the session keys: %w", errSealed)
		}
	}
	k.now.Store(r)
	return r.signer, nil
}

// read reads the keys that can be opened; nil when there is none that signs.
func (k *keyring) read(ctx context.Context, now time.Time) (*ring, error) {
	rows, err := k.store.SessionKeys(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the session keys: %w", err)
	}
	var keys []signingKey
	var newest time.Time
	for _, row := range rows {
		if !row.RetiresAt.IsZero() && !now.Before(row.RetiresAt) {
			continue
		}
		secret, err := k.vault.Open("session key "+row.ID, row.Sealed)
		if err != nil {
			k.log.WarnContext(ctx, "a session key cannot be opened; sessions that it signed have to sign in again", "key", row.ID, "error", err)
			continue
		}
		key := signingKey{id: row.ID, secret: secret, until: row.RetiresAt}
		if row.RetiresAt.IsZero() && newest.IsZero() {
			newest = row.CreatedAt
			keys = append([]signingKey{key}, keys...)
			continue
		}
		keys = append(keys, key)
	}
	if newest.IsZero() {
		return nil, nil
	}
	return &ring{signer: newSignerOf(keys, k.clock), newest: newest, readAt: now}, nil
}

// add makes a key that signs from now on. The first of an installation lets
// tokens live on that were signed before there were such keys.
func (k *keyring) add(ctx context.Context, now time.Time, first bool, retire time.Time) error {
	if first && len(k.old) >= MinSecret {
		id := keyID(k.old)
		row := toll.SessionKey{ID: id, CreatedAt: stored(now).Add(-time.Microsecond), Sealed: k.vault.Seal("session key "+id, []byte(k.old.Reveal()))}
		if err := k.store.AddSessionKey(ctx, row, retire); err != nil && toll.CodeOf(err) != toll.Conflict {
			return fmt.Errorf("keep the session key of before: %w", err)
		}
	}
	secret := random(MinSecret)
	id := keyID(toll.Secret(secret))
	row := toll.SessionKey{ID: id, CreatedAt: stored(now), Sealed: k.vault.Seal("session key "+id, secret)}
	if err := k.store.AddSessionKey(ctx, row, stored(retire)); err != nil {
		return fmt.Errorf("add a session key: %w", err)
	}
	return nil
}

// Rotated says what replacing the key of session tokens came to.
type Rotated struct {
	Overlap time.Duration // how long tokens of the key before still hold
	Ended   int64         // sessions that were ended
}

// RotateKey signs tokens with a new key from now on, on other replicas within a
// minute. Tokens of the key before hold until they would have been renewed.
// endAll is for a key that somebody else may know: no token of before holds any
// more, and everybody signs in again.
func (s *Sessions) RotateKey(ctx context.Context, endAll bool) (Rotated, error) {
	if s.ring == nil {
		return Rotated{}, toll.Errorf(toll.Unavailable, "The key of sessions is fixed here, and cannot be replaced.")
	}
	now := s.clock()
	if _, err := s.ring.get(ctx, now, false); err != nil { // so that there is one before
		return Rotated{}, err
	}
	out := Rotated{Overlap: s.tokenLife}
	if endAll {
		var err error
		if out.Ended, err = s.store.RevokeEverySession(ctx, stored(now), NewEntry(ctx, System, EndedSessions, "", "", now, nil, nil)); err != nil {
			return Rotated{}, fmt.Errorf("end every session: %w", err)
		}
		s.seen.forgetAll()
		out.Overlap = 0
	}
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	retire := now.Add(out.Overlap)
	if !endAll {
		retire = retire.Add(maxSkew)
	}
	if err := s.ring.add(ctx, now, false, retire); err != nil {
		return Rotated{}, err
	}
	s.ring.now.Store(nil)
	return out, nil
}
