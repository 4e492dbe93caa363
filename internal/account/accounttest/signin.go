package accounttest

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// signIns are the rows of account.SignInStore.
type signIns struct {
	keys       []toll.SessionKey
	ceremonies map[[32]byte]toll.Ceremony
	passkeys   map[string]toll.Passkey
	totps      map[string]toll.TOTP
	codes      map[string]map[[32]byte]bool
	identities map[[2]string]toll.Identity
}

func newSignIns() signIns {
	return signIns{
		ceremonies: map[[32]byte]toll.Ceremony{}, passkeys: map[string]toll.Passkey{}, totps: map[string]toll.TOTP{},
		codes: map[string]map[[32]byte]bool{}, identities: map[[2]string]toll.Identity{},
	}
}

// within does what needs the lock.
func (s *Store) within(ctx context.Context, do func() error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return do()
}

func (s *Store) person(kind toll.PersonKind, id string) bool {
	_, m := s.members[id]
	_, o := s.operators[id]
	return m && kind != toll.KindOperator || o && kind != toll.KindMember
}

// SetProfile implements account.SignInStore.
func (s *Store) SetProfile(ctx context.Context, kind toll.PersonKind, id string, p toll.Profile, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.person(kind, id) {
			return missing(string(kind))
		}
		if kind == toll.KindMember {
			m := s.members[id]
			m.Name, m.Language, m.TimeZone = p.Name, p.Language, p.TimeZone
			s.members[id] = m
			return nil
		}
		o := s.operators[id]
		o.Name, o.Language, o.TimeZone = p.Name, p.Language, p.TimeZone
		s.operators[id] = o
		return nil
	})
}

// StrengthenSession implements account.SignInStore.
func (s *Store) StrengthenSession(ctx context.Context, id string) error {
	return s.changeSession(ctx, id, func(row *toll.Session) { row.Strong = true })
}

// RevokeSessionsOf implements account.SignInStore.
func (s *Store) RevokeSessionsOf(ctx context.Context, kind toll.PersonKind, personID, except string, at time.Time, e toll.Entry) (ids []string, err error) {
	err = s.withinFor(ctx, &e, func() error {
		for id, row := range s.sessions {
			if row.Kind == kind && row.PersonID == personID && id != except && row.RevokedAt.IsZero() && row.ExpiresAt.After(at) {
				row.RevokedAt = micro(at)
				s.sessions[id] = row
				ids = append(ids, id)
			}
		}
		return endedSessions(&e, len(ids))
	})
	return ids, err
}

func endedSessions(e *toll.Entry, n int) error {
	if n == 0 {
		return errNothing
	}
	e.After = fmt.Sprintf(`{"sessions":%d}`, n)
	return nil
}

// RevokeEverySession implements account.SignInStore.
func (s *Store) RevokeEverySession(ctx context.Context, at time.Time, e toll.Entry) (n int64, err error) {
	err = s.withinFor(ctx, &e, func() error {
		for id, row := range s.sessions {
			if row.RevokedAt.IsZero() && row.ExpiresAt.After(at) {
				row.RevokedAt = micro(at)
				s.sessions[id] = row
				n++
			}
		}
		return endedSessions(&e, int(n))
	})
	return n, err
}

// SessionKeys implements account.SignInStore.
func (s *Store) SessionKeys(ctx context.Context) (keys []toll.SessionKey, err error) {
	err = s.within(ctx, func() error {
		keys = slices.Clone(s.signIns.keys)
		slices.SortFunc(keys, func(a, b toll.SessionKey) int {
			return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
		})
		return nil
	})
	return keys, err
}

// AddSessionKey implements account.SignInStore.
func (s *Store) AddSessionKey(ctx context.Context, k toll.SessionKey, retire time.Time) error {
	return s.within(ctx, func() error {
		for _, old := range s.signIns.keys {
			if old.ID == k.ID {
				return taken("session key")
			}
		}
		s.signIns.keys = slices.DeleteFunc(s.signIns.keys, func(old toll.SessionKey) bool {
			return !old.RetiresAt.IsZero() && !old.RetiresAt.After(k.CreatedAt)
		})
		for i := range s.signIns.keys {
			if old := &s.signIns.keys[i]; old.RetiresAt.IsZero() || old.RetiresAt.After(retire) {
				old.RetiresAt = micro(retire)
			}
		}
		k.Sealed, k.CreatedAt, k.RetiresAt = bytes.Clone(k.Sealed), micro(k.CreatedAt), micro(k.RetiresAt)
		s.signIns.keys = append(s.signIns.keys, k)
		return nil
	})
}

// CreateCeremony implements account.SignInStore.
func (s *Store) CreateCeremony(ctx context.Context, c toll.Ceremony) error {
	return s.within(ctx, func() error {
		if _, ok := s.signIns.ceremonies[c.Hash]; ok {
			return taken("ceremony")
		}
		c.Document, c.ExpiresAt = bytes.Clone(c.Document), micro(c.ExpiresAt)
		s.signIns.ceremonies[c.Hash] = c
		return nil
	})
}

// Ceremony implements account.SignInStore.
func (s *Store) Ceremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (c toll.Ceremony, err error) {
	err = s.within(ctx, func() error {
		c = s.signIns.ceremonies[hash]
		if c.Purpose != purpose || !c.ExpiresAt.After(now) {
			c = toll.Ceremony{}
			return missing("ceremony")
		}
		return nil
	})
	return c, err
}

// TakeCeremony implements account.SignInStore.
func (s *Store) TakeCeremony(ctx context.Context, hash [32]byte, purpose string, now time.Time) (c toll.Ceremony, err error) {
	err = s.within(ctx, func() error {
		c = s.signIns.ceremonies[hash]
		if c.Purpose != purpose || !c.ExpiresAt.After(now) {
			c = toll.Ceremony{}
			return missing("ceremony")
		}
		delete(s.signIns.ceremonies, hash)
		return nil
	})
	return c, err
}

// CreatePasskey implements account.SignInStore.
func (s *Store) CreatePasskey(ctx context.Context, k toll.Passkey, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.person(k.Kind, k.PersonID) {
			return missing("person")
		}
		for _, old := range s.signIns.passkeys {
			if old.ID == k.ID || bytes.Equal(old.Credential, k.Credential) {
				return taken("passkey")
			}
		}
		k.CreatedAt, k.LastUsedAt = micro(k.CreatedAt), micro(k.LastUsedAt)
		s.signIns.passkeys[k.ID] = k
		return nil
	})
}

// PasskeysOf implements account.SignInStore.
func (s *Store) PasskeysOf(ctx context.Context, kind toll.PersonKind, personID string) (found []toll.Passkey, err error) {
	err = s.within(ctx, func() error {
		for _, k := range s.signIns.passkeys {
			if k.Kind == kind && k.PersonID == personID {
				found = append(found, k)
			}
		}
		slices.SortFunc(found, func(a, b toll.Passkey) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
		})
		return nil
	})
	return found, err
}

// PasskeyByCredential implements account.SignInStore.
func (s *Store) PasskeyByCredential(ctx context.Context, credential []byte) (k toll.Passkey, err error) {
	err = s.within(ctx, func() error {
		for _, k = range s.signIns.passkeys {
			if bytes.Equal(k.Credential, credential) {
				return nil
			}
		}
		k = toll.Passkey{}
		return missing("passkey")
	})
	return k, err
}

// within runs what is done under the lock.
type within func(ctx context.Context, do func() error) error

func (s *Store) withEntry(e *toll.Entry) within {
	return func(ctx context.Context, do func() error) error { return s.withinFor(ctx, e, do) }
}

func (s *Store) changePasskey(ctx context.Context, id string, within within, mine func(toll.Passkey) bool, change func(*toll.Passkey)) error {
	return within(ctx, func() error {
		k, ok := s.signIns.passkeys[id]
		if !ok || !mine(k) {
			return missing("passkey")
		}
		if change == nil {
			delete(s.signIns.passkeys, id)
			return nil
		}
		change(&k)
		s.signIns.passkeys[id] = k
		return nil
	})
}

// RenamePasskey implements account.SignInStore.
func (s *Store) RenamePasskey(ctx context.Context, kind toll.PersonKind, personID, id, name string, e toll.Entry) error {
	return s.changePasskey(ctx, id, s.withEntry(&e), func(k toll.Passkey) bool { return k.Kind == kind && k.PersonID == personID }, func(k *toll.Passkey) { k.Name = name })
}

// RemovePasskey implements account.SignInStore.
func (s *Store) RemovePasskey(ctx context.Context, kind toll.PersonKind, personID, id string, e toll.Entry) error {
	return s.changePasskey(ctx, id, s.withEntry(&e), func(k toll.Passkey) bool { return k.Kind == kind && k.PersonID == personID }, nil)
}

// UsePasskey implements account.SignInStore.
func (s *Store) UsePasskey(ctx context.Context, id string, was, now []byte, at time.Time) error {
	return s.changePasskey(ctx, id, s.within, func(k toll.Passkey) bool { return bytes.Equal(k.Document, was) }, func(k *toll.Passkey) {
		k.Document, k.LastUsedAt = bytes.Clone(now), micro(at)
	})
}

// SetTOTP implements account.SignInStore.
func (s *Store) SetTOTP(ctx context.Context, t toll.TOTP, codes [][32]byte, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.person("", t.PersonID) {
			return missing("person")
		}
		t.CreatedAt = micro(t.CreatedAt)
		s.signIns.totps[t.PersonID] = t
		s.setCodes(t.PersonID, codes)
		return nil
	})
}

func (s *Store) setCodes(personID string, codes [][32]byte) {
	s.signIns.codes[personID] = map[[32]byte]bool{}
	for _, c := range codes {
		s.signIns.codes[personID][c] = true
	}
}

// TOTP implements account.SignInStore.
func (s *Store) TOTP(ctx context.Context, personID string) (toll.TOTP, error) {
	return read(ctx, s, s.signIns.totps, "authenticator app", personID, same)
}

// UseTOTP implements account.SignInStore.
func (s *Store) UseTOTP(ctx context.Context, personID string, step int64) error {
	return s.within(ctx, func() error {
		t, ok := s.signIns.totps[personID]
		if !ok || step <= t.LastStep {
			return missing("code")
		}
		t.LastStep = step
		s.signIns.totps[personID] = t
		return nil
	})
}

// RemoveTOTP implements account.SignInStore.
func (s *Store) RemoveTOTP(ctx context.Context, personID string, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if _, ok := s.signIns.totps[personID]; !ok {
			return missing("authenticator app")
		}
		delete(s.signIns.totps, personID)
		delete(s.signIns.codes, personID)
		return nil
	})
}

// SetRecoveryCodes implements account.SignInStore.
func (s *Store) SetRecoveryCodes(ctx context.Context, personID string, codes [][32]byte, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.person("", personID) {
			return missing("person")
		}
		s.setCodes(personID, codes)
		return nil
	})
}

// UseRecoveryCode implements account.SignInStore.
func (s *Store) UseRecoveryCode(ctx context.Context, personID string, code [32]byte, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.signIns.codes[personID][code] {
			return missing("recovery code")
		}
		delete(s.signIns.codes[personID], code)
		return nil
	})
}

// RecoveryCodesLeft implements account.SignInStore.
func (s *Store) RecoveryCodesLeft(ctx context.Context, personID string) (n int, err error) {
	err = s.within(ctx, func() error {
		n = len(s.signIns.codes[personID])
		return nil
	})
	return n, err
}

// CreateIdentity implements account.SignInStore.
func (s *Store) CreateIdentity(ctx context.Context, i toll.Identity, e toll.Entry) error {
	return s.withinFor(ctx, &e, func() error {
		if !s.person(i.Kind, i.PersonID) {
			return missing("person")
		}
		key := [2]string{i.Issuer, i.Subject}
		if _, ok := s.signIns.identities[key]; ok {
			return taken("identity")
		}
		i.CreatedAt = micro(i.CreatedAt)
		s.signIns.identities[key] = i
		return nil
	})
}

// Identity implements account.SignInStore.
func (s *Store) Identity(ctx context.Context, issuer, subject string) (i toll.Identity, err error) {
	err = s.within(ctx, func() error {
		var ok bool
		if i, ok = s.signIns.identities[[2]string{issuer, subject}]; !ok {
			return missing("identity")
		}
		return nil
	})
	return i, err
}

// IdentitiesOf implements account.SignInStore.
func (s *Store) IdentitiesOf(ctx context.Context, kind toll.PersonKind, personID string) (found []toll.Identity, err error) {
	err = s.within(ctx, func() error {
		for _, i := range s.signIns.identities {
			if i.Kind == kind && i.PersonID == personID {
				found = append(found, i)
			}
		}
		slices.SortFunc(found, func(a, b toll.Identity) int {
			return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.Issuer, b.Issuer), strings.Compare(a.Subject, b.Subject))
		})
		return nil
	})
	return found, err
}
