package accounttest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func keepsAProfile(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	p := toll.Profile{Name: "Zoë", Language: "es", TimeZone: "Europe/Berlin"}
	must(t, s.SetProfile(ctx, toll.KindMember, "mem_1", p, tolltest.Entry()))
	must(t, s.SetProfile(ctx, toll.KindOperator, "op_1", p, tolltest.Entry()))
	m, err := s.Member(ctx, "mem_1")
	must(t, err)
	o, err := s.Operator(ctx, "op_1")
	must(t, err)
	for _, got := range []toll.Profile{{Name: m.Name, Language: m.Language, TimeZone: m.TimeZone}, {Name: o.Name, Language: o.Language, TimeZone: o.TimeZone}} {
		equal(t, got, p)
	}
	code(t, s.SetProfile(ctx, toll.KindOperator, "mem_1", p, tolltest.Entry()), toll.NotFound)
	code(t, s.SetProfile(ctx, toll.KindMember, "mem_none", p, tolltest.Entry()), toll.NotFound)
}

func endsTheSessionsOfAPersonButOne(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	for _, id := range []string{"ses_a", "ses_b", "ses_c"} {
		row := session(id, toll.KindMember, "mem_1")
		row.Network, row.Method, row.Strong = "192.0.2.0/24", "oidc:x", id == "ses_a"
		must(t, s.CreateSession(ctx, row, tolltest.Entry()))
		got, err := s.Session(ctx, id)
		must(t, err)
		equal(t, got, row)
	}
	must(t, s.StrengthenSession(ctx, "ses_b"))
	code(t, s.StrengthenSession(ctx, "ses_none"), toll.NotFound)
	old := session("ses_old", toll.KindMember, "mem_1")
	old.ExpiresAt = start.Add(time.Minute)
	must(t, s.CreateSession(ctx, old, tolltest.Entry()))
	must(t, s.CreateSession(ctx, session("ses_other", toll.KindMember, "mem_2"), tolltest.Entry()))
	at := start.Add(time.Hour)
	ids, err := s.RevokeSessionsOf(ctx, toll.KindMember, "mem_1", "ses_b", at, tolltest.Entry())
	must(t, err)
	if slices.Sort(ids); !slices.Equal(ids, []string{"ses_a", "ses_c"}) {
		t.Errorf("ended %v", ids)
	}
	for id, want := range map[string]bool{"ses_a": true, "ses_b": false, "ses_c": true, "ses_old": false, "ses_other": false} {
		row, err := s.Session(ctx, id)
		must(t, err)
		if row.RevokedAt.IsZero() == want {
			t.Errorf("%s was revoked at %v", id, row.RevokedAt)
		}
		if id == "ses_b" && !row.Strong {
			t.Error("the session is not strong")
		}
	}
	n, err := s.RevokeEverySession(ctx, at, tolltest.Entry())
	must(t, err)
	if n != 2 {
		t.Errorf("ended %d sessions, want 2", n)
	}
}

func retiresSessionKeysWhenOneIsAdded(t *testing.T, s account.Store) {
	ctx := t.Context()
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour).UTC() }
	for i, id := range []string{"a", "b", "c"} {
		must(t, s.AddSessionKey(ctx, toll.SessionKey{ID: id, Sealed: []byte("sealed " + id), CreatedAt: at(i)}, at(i+48)))
	}
	keys, err := s.SessionKeys(ctx)
	must(t, err)
	want := []toll.SessionKey{
		{ID: "c", Sealed: []byte("sealed c"), CreatedAt: at(2)},
		{ID: "b", Sealed: []byte("sealed b"), CreatedAt: at(1), RetiresAt: at(50)},
		{ID: "a", Sealed: []byte("sealed a"), CreatedAt: at(0), RetiresAt: at(49)},
	}
	equal(t, keys, want)
	code(t, s.AddSessionKey(ctx, toll.SessionKey{ID: "c", Sealed: []byte("x"), CreatedAt: at(3)}, at(51)), toll.Conflict)
	must(t, s.AddSessionKey(ctx, toll.SessionKey{ID: "d", Sealed: []byte("sealed d"), CreatedAt: at(49)}, at(49)))
	keys, err = s.SessionKeys(ctx)
	must(t, err)
	if len(keys) != 3 || keys[0].ID != "d" || !keys[1].RetiresAt.Equal(at(49)) || !keys[2].RetiresAt.Equal(at(49)) {
		t.Errorf("got %+v", keys)
	}
}

func givesACeremonyToOneOfManyWhoTakeIt(t *testing.T, s account.Store) {
	ctx := t.Context()
	c := toll.Ceremony{Hash: [32]byte{1}, Purpose: "code", Binding: "ses_1", Document: []byte(`{"a":1}`), ExpiresAt: start.Add(time.Minute).UTC()}
	must(t, s.CreateCeremony(ctx, c))
	code(t, s.CreateCeremony(ctx, c), toll.Conflict)
	got, err := s.Ceremony(ctx, c.Hash, "code", start)
	must(t, err)
	equal(t, got, c)
	for _, wrong := range []struct {
		hash    [32]byte
		purpose string
		at      time.Time
	}{{[32]byte{2}, "code", start}, {c.Hash, "passkey", start}, {c.Hash, "code", c.ExpiresAt}} {
		_, err = s.TakeCeremony(ctx, wrong.hash, wrong.purpose, wrong.at)
		code(t, err, toll.NotFound)
		_, err = s.Ceremony(ctx, wrong.hash, wrong.purpose, wrong.at)
		code(t, err, toll.NotFound)
	}
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { _, errs[i] = s.TakeCeremony(ctx, c.Hash, "code", start) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			code(t, err, toll.NotFound)
		}
	}
	if won != 1 {
		t.Errorf("%d took it, want 1", won)
	}
}

func keepsPasskeysToTheirPerson(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	k := toll.Passkey{ID: "pk_1", Kind: toll.KindMember, PersonID: "mem_1", Name: "Laptop", Credential: []byte{1, 0, 2}, Document: []byte(`{"n":1}`), CreatedAt: start.UTC()}
	must(t, s.CreatePasskey(ctx, k, tolltest.Entry()))
	again := k
	again.ID = "pk_2"
	code(t, s.CreatePasskey(ctx, again, tolltest.Entry()), toll.Conflict)
	again.Credential, again.CreatedAt = []byte{2}, start.Add(time.Second).UTC()
	must(t, s.CreatePasskey(ctx, again, tolltest.Entry()))
	nobodys := k
	nobodys.ID, nobodys.Credential, nobodys.PersonID = "pk_3", []byte{3}, "mem_none"
	code(t, s.CreatePasskey(ctx, nobodys, tolltest.Entry()), toll.NotFound)
	got, err := s.PasskeysOf(ctx, toll.KindMember, "mem_1")
	must(t, err)
	equal(t, got, []toll.Passkey{k, again})
	got, err = s.PasskeysOf(ctx, toll.KindMember, "mem_2")
	must(t, err)
	if len(got) != 0 {
		t.Errorf("another person has %v", got)
	}
	one, err := s.PasskeyByCredential(ctx, []byte{1, 0, 2})
	must(t, err)
	equal(t, one, k)
	_, err = s.PasskeyByCredential(ctx, []byte{9})
	code(t, err, toll.NotFound)

	code(t, s.RenamePasskey(ctx, toll.KindMember, "mem_2", "pk_1", "Mine now", tolltest.Entry()), toll.NotFound)
	code(t, s.RemovePasskey(ctx, toll.KindMember, "mem_2", "pk_1", tolltest.Entry()), toll.NotFound)
	must(t, s.RenamePasskey(ctx, toll.KindMember, "mem_1", "pk_1", "Phone", tolltest.Entry()))
	used := start.Add(time.Hour).UTC()
	must(t, s.UsePasskey(ctx, "pk_1", []byte(`{"n":1}`), []byte(`{"n":2}`), used))
	code(t, s.UsePasskey(ctx, "pk_1", []byte(`{"n":1}`), []byte(`{"n":3}`), used), toll.NotFound)
	one, err = s.PasskeyByCredential(ctx, k.Credential)
	must(t, err)
	k.Name, k.Document, k.LastUsedAt = "Phone", []byte(`{"n":2}`), used
	equal(t, one, k)
	must(t, s.RemovePasskey(ctx, toll.KindMember, "mem_1", "pk_1", tolltest.Entry()))
	code(t, s.RemovePasskey(ctx, toll.KindMember, "mem_1", "pk_1", tolltest.Entry()), toll.NotFound)
}

func takesACodeOfAnAuthenticatorAppOnce(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	app := toll.TOTP{PersonID: "mem_1", Sealed: []byte{0, 1, 2}, LastStep: 10, CreatedAt: start.UTC()}
	code(t, s.SetTOTP(ctx, toll.TOTP{PersonID: "mem_none", Sealed: []byte{1}, CreatedAt: start}, nil, tolltest.Entry()), toll.NotFound)
	must(t, s.SetTOTP(ctx, app, [][32]byte{{1}, {2}}, tolltest.Entry()))
	got, err := s.TOTP(ctx, "mem_1")
	must(t, err)
	equal(t, got, app)
	code(t, s.UseTOTP(ctx, "mem_1", 10), toll.NotFound)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.UseTOTP(ctx, "mem_1", 12) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			code(t, err, toll.NotFound)
		}
	}
	if won != 1 {
		t.Errorf("one code was taken %d times", won)
	}
	code(t, s.UseTOTP(ctx, "mem_1", 11), toll.NotFound)
	app.Sealed, app.LastStep = []byte{3}, 1
	must(t, s.SetTOTP(ctx, app, [][32]byte{{3}}, tolltest.Entry()))
	got, err = s.TOTP(ctx, "mem_1")
	must(t, err)
	equal(t, got, app)
	left, err := s.RecoveryCodesLeft(ctx, "mem_1")
	must(t, err)
	if left != 1 {
		t.Errorf("%d recovery codes are left, want the new one", left)
	}
	must(t, s.RemoveTOTP(ctx, "mem_1", tolltest.Entry()))
	code(t, s.RemoveTOTP(ctx, "mem_1", tolltest.Entry()), toll.NotFound)
	_, err = s.TOTP(ctx, "mem_1")
	code(t, err, toll.NotFound)
	code(t, s.UseRecoveryCode(ctx, "mem_1", [32]byte{3}, tolltest.Entry()), toll.NotFound)
}

func takesARecoveryCodeOnce(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	must(t, s.SetRecoveryCodes(ctx, "op_1", [][32]byte{{1}, {2}, {3}}, tolltest.Entry()))
	code(t, s.UseRecoveryCode(ctx, "mem_1", [32]byte{1}, tolltest.Entry()), toll.NotFound)
	errs := make([]error, 8)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.UseRecoveryCode(ctx, "op_1", [32]byte{1}, tolltest.Entry()) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		}
	}
	left, err := s.RecoveryCodesLeft(ctx, "op_1")
	must(t, err)
	if won != 1 || left != 2 {
		t.Errorf("one code was used %d times, and %d are left", won, left)
	}
	must(t, s.SetRecoveryCodes(ctx, "op_1", [][32]byte{{7}}, tolltest.Entry()))
	code(t, s.UseRecoveryCode(ctx, "op_1", [32]byte{2}, tolltest.Entry()), toll.NotFound)
	must(t, s.UseRecoveryCode(ctx, "op_1", [32]byte{7}, tolltest.Entry()))
}

func joinsAnIdentityToOnePerson(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	i := toll.Identity{Issuer: "https://id.example", Subject: "42", Kind: toll.KindMember, PersonID: "mem_1", Email: "one@example.com", CreatedAt: start.UTC()}
	must(t, s.CreateIdentity(ctx, i, tolltest.Entry()))
	stolen := i
	stolen.PersonID = "mem_2"
	code(t, s.CreateIdentity(ctx, stolen, tolltest.Entry()), toll.Conflict)
	nobodys := i
	nobodys.Subject, nobodys.PersonID = "43", "mem_none"
	code(t, s.CreateIdentity(ctx, nobodys, tolltest.Entry()), toll.NotFound)
	got, err := s.Identity(ctx, i.Issuer, i.Subject)
	must(t, err)
	equal(t, got, i)
	for _, other := range [][2]string{{"https://id.example", "43"}, {"https://id2.example", "42"}} {
		_, err = s.Identity(ctx, other[0], other[1])
		code(t, err, toll.NotFound)
	}
	all, err := s.IdentitiesOf(ctx, toll.KindMember, "mem_1")
	must(t, err)
	equal(t, all, []toll.Identity{i})
}
