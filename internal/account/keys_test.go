package account_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func TestCreatesAKeyWhoseTextIsGivenOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	expires := h.clock.now().Add(time.Hour)
	made, err := h.CreateKey(ctx, h.owner, account.NewKey{
		CustomerID: h.acme.ID, Name: " ci ", Mode: toll.Test, Services: []string{"ner", "ner"}, ExpiresAt: expires,
	})
	must(t, err)
	k := made.Key
	if !strings.HasPrefix(k.ID, "key_") || k.CustomerID != h.acme.ID || k.Name != "ci" || k.Mode != toll.Test || k.Version != 1 ||
		!slices.Equal(k.Services, []string{"ner"}) || !k.ExpiresAt.Equal(expires.Truncate(time.Microsecond)) || k.StateAt(h.clock.now()) != toll.KeyValid {
		t.Errorf("got %+v", k)
	}
	if k.Hash != sha256.Sum256([]byte(made.Text.Reveal())) || !strings.HasSuffix(made.Text.Reveal(), k.Hint) {
		t.Error("the hash or the hint is not the text's")
	}
	keys, err := h.Keys(ctx, h.owner, h.acme.ID)
	must(t, err)
	if len(keys) != 1 || keys[0].ID != k.ID {
		t.Fatalf("got %+v", keys)
	}
	for _, shown := range []string{fmt.Sprintf("%+v", made), fmt.Sprintf("%+v", keys)} {
		if strings.Contains(shown, made.Text.Reveal()) {
			t.Errorf("the text is shown again: %s", shown)
		}
	}
	if _, told := h.changes.Take(); len(told) != 1 || told[0].ID != k.ID {
		t.Errorf("the gate was told %+v", told)
	}
	made, err = h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "plain"})
	must(t, err)
	if made.Key.Mode != toll.Live || !made.Key.ExpiresAt.IsZero() || made.Key.Services != nil {
		t.Errorf("got %+v", made.Key)
	}
}

func TestRefusesABadKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	many := make([]string, 101)
	for i := range many {
		many[i] = fmt.Sprint("s", i)
	}
	for name, c := range map[string]struct {
		in    account.NewKey
		field string
	}{
		"no name":             {account.NewKey{}, "name"},
		"a long name":         {account.NewKey{Name: strings.Repeat("n", 101)}, "name"},
		"a control character": {account.NewKey{Name: "a\tb"}, "name"},
		"a mode of its own":   {account.NewKey{Name: "k", Mode: "prod"}, "mode"},
		"an empty service":    {account.NewKey{Name: "k", Services: []string{""}}, "services"},
		"a strange service":   {account.NewKey{Name: "k", Services: []string{"n er"}}, "services"},
		"a long service":      {account.NewKey{Name: "k", Services: []string{strings.Repeat("s", 101)}}, "services"},
		"too many services":   {account.NewKey{Name: "k", Services: many}, "services"},
		"an expiry now":       {account.NewKey{Name: "k", ExpiresAt: h.clock.now()}, "expires_at"},
		"an expiry long past": {account.NewKey{Name: "k", ExpiresAt: time.Unix(1, 0)}, "expires_at"},
	} {
		c.in.CustomerID = h.acme.ID
		made, err := h.CreateKey(t.Context(), h.owner, c.in)
		wantField(t, err, c.field)
		if made.Text != "" {
			t.Errorf("%s: a text was given", name)
		}
	}
	if keys, err := h.Keys(t.Context(), h.owner, h.acme.ID); err != nil || len(keys) != 0 {
		t.Errorf("%d keys were made (%v)", len(keys), err)
	}
}

func TestAKeyOfAnotherTenantIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	foreign := h.key(t, h.other).Key
	viewer := h.owner
	viewer.Role = string(toll.MemberViewer)
	for _, p := range []account.Person{h.owner, viewer} {
		for name, do := range map[string]func(id string) error{
			"read":   func(id string) error { _, err := h.Key(ctx, p, id); return err },
			"roll":   func(id string) error { _, _, err := h.RollKey(ctx, p, id, time.Hour); return err },
			"revoke": func(id string) error { _, err := h.RevokeKey(ctx, p, id); return err },
		} {
			there, none := do(foreign.ID), do("key_none")
			wantCode(t, there, toll.NotFound)
			if there == nil || none == nil || there.Error() != none.Error() {
				t.Errorf("%s: %v and %v tell apart what is there", name, there, none)
			}
		}
		_, err := h.Keys(ctx, p, h.other.ID)
		wantCode(t, err, toll.NotFound)
		_, err = h.CreateKey(ctx, p, account.NewKey{CustomerID: h.other.ID, Name: "mine"})
		wantCode(t, err, toll.NotFound)
	}
	if k, err := h.Key(ctx, h.rival, foreign.ID); err != nil || k.Version != 1 || !k.RevokedAt.IsZero() {
		t.Errorf("the key was touched: %+v, %v", k, err)
	}
	wantCode(t, func() error { _, err := h.Key(ctx, account.Person{}, foreign.ID); return err }(), toll.Unauthorized)
	wantCode(t, func() error { _, err := h.RevokeKey(ctx, account.Person{}, "key_none"); return err }(), toll.Unauthorized)
}

func TestARoleThatMayNotIsForbiddenWithinItsOwnCustomer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	k := h.key(t, h.acme).Key
	viewer, biller := h.owner, h.owner
	viewer.Role, biller.Role = string(toll.MemberViewer), string(toll.MemberBilling)
	_, err := h.CreateKey(ctx, viewer, account.NewKey{CustomerID: h.acme.ID, Name: "x"})
	wantCode(t, err, toll.Forbidden)
	_, _, err = h.RollKey(ctx, viewer, k.ID, 0)
	wantCode(t, err, toll.Forbidden)
	_, err = h.RevokeKey(ctx, viewer, k.ID)
	wantCode(t, err, toll.Forbidden)
	_, err = h.Keys(ctx, biller, h.acme.ID)
	wantCode(t, err, toll.Forbidden)
	if keys, err := h.Keys(ctx, viewer, h.acme.ID); err != nil || len(keys) != 1 {
		t.Errorf("a viewer sees %d keys (%v)", len(keys), err)
	}
}

func TestRollsAKeyWithAnOverlap(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	first, err := h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "ci", Mode: toll.Test, Services: []string{"ner"}})
	must(t, err)
	h.changes.Take()
	h.clock.pass(time.Hour)
	now := h.clock.now()
	made, old, err := h.RollKey(ctx, h.owner, first.Key.ID, 10*time.Minute)
	must(t, err)
	next := made.Key
	if next.ID == old.ID || next.Name != "ci" || next.Mode != toll.Test || !slices.Equal(next.Services, []string{"ner"}) || next.Hash == old.Hash ||
		!next.ExpiresAt.IsZero() || made.Text == first.Text || made.Text == "" {
		t.Errorf("the new key is %+v", next)
	}
	if want := now.Add(10 * time.Minute).Truncate(time.Microsecond); !old.ExpiresAt.Equal(want) || old.ReplacedBy != next.ID {
		t.Errorf("the old key is %+v, want its end at %s", old, want)
	}
	for _, k := range []toll.Key{old, next} {
		row, err := h.Key(ctx, h.owner, k.ID)
		must(t, err)
		if row.Version != k.Version || !row.ExpiresAt.Equal(k.ExpiresAt) || row.ReplacedBy != k.ReplacedBy {
			t.Errorf("stored %+v, answered %+v", row, k)
		}
	}
	if old.StateAt(now.Add(9*time.Minute)) != toll.KeyValid || old.StateAt(now.Add(10*time.Minute)) != toll.KeyExpired {
		t.Error("the overlap does not last as long as was asked")
	}
	if _, told := h.changes.Take(); len(told) != 2 || told[0].ID != next.ID || told[1].ID != old.ID || told[1].Version != 2 {
		t.Errorf("the gate was told %+v", told)
	}
	_, _, err = h.RollKey(ctx, h.owner, old.ID, 0)
	wantCode(t, err, toll.Conflict) // it was rolled already
	_, second, err := h.RollKey(ctx, h.owner, next.ID, 0)
	must(t, err)
	if second.StateAt(now) != toll.KeyExpired {
		t.Errorf("without an overlap the old key lives on: %+v", second)
	}
}

func TestARollNeverMakesAKeyLiveLonger(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	ends := h.clock.now().Add(time.Hour)
	first, err := h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "short", ExpiresAt: ends})
	must(t, err)
	h.clock.pass(59 * time.Minute)
	made, old, err := h.RollKey(ctx, h.owner, first.Key.ID, 24*time.Hour)
	must(t, err)
	if !old.ExpiresAt.Equal(ends.Truncate(time.Microsecond)) {
		t.Errorf("the old key ends %s, and ended %s before", old.ExpiresAt, ends)
	}
	if life := made.Key.ExpiresAt.Sub(made.Key.CreatedAt); life != time.Hour {
		t.Errorf("the new key lives %s, the old one was given an hour", life)
	}
}

func TestRefusesToRollWhatIsOverOrForTooLong(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	k := h.key(t, h.acme).Key
	for _, overlap := range []time.Duration{-1, account.MaxOverlap + 1} {
		_, _, err := h.RollKey(ctx, h.owner, k.ID, overlap)
		wantField(t, err, "overlap")
	}
	short, err := h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "short", ExpiresAt: h.clock.now().Add(time.Minute)})
	must(t, err)
	h.clock.pass(time.Minute)
	_, _, err = h.RollKey(ctx, h.owner, short.Key.ID, 0)
	wantCode(t, err, toll.Conflict)
	_, err = h.RevokeKey(ctx, h.owner, k.ID)
	must(t, err)
	_, _, err = h.RollKey(ctx, h.owner, k.ID, 0)
	wantCode(t, err, toll.Conflict)
}

func TestRevokesAKeyOnceAndForEver(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	k := h.key(t, h.acme).Key
	revoked, err := h.RevokeKey(ctx, h.owner, k.ID)
	must(t, err)
	if _, told := h.changes.Take(); revoked.StateAt(h.clock.now()) != toll.KeyRevoked || len(told) != 1 || told[0].RevokedAt.IsZero() {
		t.Errorf("got %+v, and the gate was told %+v", revoked, told)
	}
	h.clock.pass(time.Hour)
	again, err := h.RevokeKey(ctx, h.owner, k.ID)
	must(t, err)
	if _, told := h.changes.Take(); !again.RevokedAt.Equal(revoked.RevokedAt) || again.Version != revoked.Version || len(told) != 0 {
		t.Errorf("revoked twice: %+v, told %v", again, told)
	}
}

func TestARevokeWinsOverChangesAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	k := h.key(t, h.acme).Key
	busy := &conflicting{Store: h.store, left: 3}
	office, err := account.NewOffice(busy, account.OfficeOptions{Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse, Clock: h.clock.now})
	must(t, err)
	revoked, err := office.RevokeKey(t.Context(), account.System, k.ID)
	must(t, err)
	if revoked.RevokedAt.IsZero() || revoked.Name != "renamed meanwhile" {
		t.Errorf("got %+v: one of the two changes is lost", revoked)
	}
}

func TestACustomerHasSoManyValidKeysAtMost(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	var last toll.Key
	for i := range account.MaxKeys {
		last = toll.Key{ID: fmt.Sprint("key_", i), CustomerID: h.acme.ID, Name: "k", Mode: toll.Live, Hash: sha256.Sum256(fmt.Append(nil, i)), CreatedAt: h.clock.now(), Version: 1}
		must(t, h.store.CreateKey(ctx, last, tolltest.Entry()))
	}
	_, err := h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "one more"})
	wantCode(t, err, toll.Conflict)
	_, err = h.RevokeKey(ctx, h.owner, last.ID)
	must(t, err)
	_, err = h.CreateKey(ctx, h.owner, account.NewKey{CustomerID: h.acme.ID, Name: "one more"})
	must(t, err)
}

func TestAMintThatFailsMakesNoKey(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dry := errors.New("no randomness")
	office, err := account.NewOffice(h.store, account.OfficeOptions{
		Plans: h.plans, Passwords: h.passwordsOfAHouse,
		Mint: func(toll.Mode) (toll.Secret, [32]byte, string, error) { return "", [32]byte{}, "", dry },
	})
	must(t, err)
	if _, err := office.CreateKey(t.Context(), account.System, account.NewKey{CustomerID: h.acme.ID, Name: "k"}); !errors.Is(err, dry) {
		t.Errorf("got %v", err)
	}
	if keys, err := h.Keys(t.Context(), h.owner, h.acme.ID); err != nil || len(keys) != 0 {
		t.Errorf("%d keys were made (%v)", len(keys), err)
	}
}
