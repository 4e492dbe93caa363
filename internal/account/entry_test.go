package account_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// audited is an office over a store in memory, with what it counts.
func audited(t *testing.T) (*account.Office, *accounttest.Store, *account.Refusals) {
	t.Helper()
	store, refusals := accounttest.NewStore(), new(account.Refusals)
	office, err := account.NewOffice(store, account.OfficeOptions{
		Plans: accounttest.ThreePlans, Mint: accounttest.Mint, Passwords: accounttest.QuickPasswords(t), Refusals: refusals,
		Clock: func() time.Time { return time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return office, store, refusals
}

func entries(t *testing.T, store account.AuditStore) []toll.Entry {
	t.Helper()
	page, err := store.Entries(t.Context(), toll.EntryQuery{Limit: 500})
	if err != nil {
		t.Fatal(err)
	}
	return page.Entries
}

func TestWritesWhoDidWhatByWhichWay(t *testing.T) {
	t.Parallel()
	office, store, _ := audited(t)
	ctx := account.WithOrigin(t.Context(), account.Origin{Way: toll.WayConsole, IP: netip.MustParseAddr("::ffff:192.0.2.7"), RequestID: "01REQ"})
	admin := account.Person{Kind: toll.KindOperator, ID: "op_1", Role: "admin", SessionID: "ses_9", Email: "ops@example.com", Name: "Grace"}
	c, err := office.CreateCustomer(ctx, admin, account.NewCustomer{Name: "ACME", Plan: "free"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := office.SetPlan(ctx, admin, c.ID, "pro", 0); err != nil {
		t.Fatal(err)
	}
	got := entries(t, store)
	if len(got) != 2 {
		t.Fatalf("the log has %d entries, not two", len(got))
	}
	e := got[0]
	e.Seq, e.Prev, e.Hash = 0, [32]byte{}, [32]byte{}
	want := toll.Entry{
		At: time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC), Kind: toll.KindOperator, Who: "op_1", Role: "admin", Way: toll.WayConsole, Through: "ses_9", IP: "192.0.2.7",
		Action: "customer.plan", Customer: c.ID, Object: c.ID, Before: `{"plan":"free","plan_version":"free@1"}`, After: `{"plan":"pro","plan_version":"pro@1"}`,
		RequestID: "01REQ", Outcome: toll.Done,
	}
	if e != want {
		t.Errorf("wrote\n%+v, not\n%+v", e, want)
	}
}

func TestNamesTheOperatorWhoIsSignedInAsAMember(t *testing.T) {
	t.Parallel()
	p := account.Person{Kind: toll.KindMember, ID: "mem_1", Role: "owner", CustomerID: "cus_1", Operator: "op_1", SessionID: "ses_1"}
	e := account.NewEntry(t.Context(), p, account.CreateKey, "cus_1", "key_1", time.Now(), nil, nil)
	if e.Kind != toll.KindOperator || e.Who != "op_1" || e.As != "mem_1" || e.Way != toll.WayConsole {
		t.Errorf("wrote %s %s as %s by %s", e.Kind, e.Who, e.As, e.Way)
	}
}

// Everything that an office does, with all that is secret or personal in it.
func TestWritesNoSecretAndNothingPersonal(t *testing.T) {
	t.Parallel()
	office, store, _ := audited(t)
	const password toll.Secret = "a password of some length"
	c, err := office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: "ACME", Plan: "free"})
	must(t, err)
	m, err := office.CreateMember(t.Context(), account.System, account.NewMember{CustomerID: c.ID, Email: "ada@acme.example", Name: "Ada Lovelace", Role: toll.MemberOwner, Password: password})
	must(t, err)
	made, err := office.CreateKey(t.Context(), account.System, account.NewKey{CustomerID: c.ID, Name: "ci"})
	must(t, err)
	rolled, _, err := office.RollKey(t.Context(), account.System, made.Key.ID, 0)
	must(t, err)
	must(t, office.SetPassword(t.Context(), account.System, toll.KindMember, m.ID, password+"!"))
	stored, err := store.Member(t.Context(), m.ID)
	must(t, err)
	all := entries(t, store)
	if len(all) != 5 {
		t.Fatalf("the log has %d entries, not five", len(all))
	}
	for _, e := range all {
		for _, secret := range []string{password.Reveal(), stored.PasswordHash.Reveal(), made.Text.Reveal(), rolled.Text.Reveal(), "ada@", "Lovelace", "argon2", "th_live"} {
			if strings.Contains(e.Before+e.After+e.Object+e.Who, secret) {
				t.Errorf("entry %d (%s) holds %q", e.Seq, e.Action, secret)
			}
		}
	}
}

func TestCountsWhatWasRefusedInOneEntry(t *testing.T) {
	t.Parallel()
	office, store, refusals := audited(t)
	c, err := office.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: "ACME", Plan: "free"})
	must(t, err)
	other := account.Person{Kind: toll.KindMember, ID: "mem_x", Role: "owner", CustomerID: "cus_x"}
	for range 40 {
		if _, err := office.RenameCustomer(t.Context(), other, c.ID, "Mine", 0); toll.CodeOf(err) != toll.NotFound {
			t.Fatalf("another tenant's member renamed a customer: %v", err)
		}
		if _, err := office.Customer(t.Context(), other, c.ID); err == nil { // reading is not counted
			t.Fatal("another tenant's member reads a customer")
		}
	}
	now := time.Now()
	store.Break(toll.Errorf(toll.Unavailable, "away"))
	if err := refusals.Flush(t.Context(), store, now); err == nil {
		t.Error("what could not be written is not told")
	}
	store.Break(nil)
	must(t, refusals.Flush(t.Context(), store, now))
	must(t, refusals.Flush(t.Context(), store, now)) // nothing is left
	got := entries(t, store)
	if len(got) != 2 {
		t.Fatalf("the log has %d entries, not two", len(got))
	}
	if e := got[0]; e.Outcome != toll.Refused || e.Who != "mem_x" || e.Action != "customer.rename" || e.Customer != c.ID || e.After != `{"times":40}` {
		t.Errorf("wrote %+v", e)
	}
}

func TestBoundsWhatIsRememberedOfRefusals(t *testing.T) {
	t.Parallel()
	store, refusals := accounttest.NewStore(), new(account.Refusals)
	for i := range 5000 {
		refusals.Note(context.Background(), account.Person{Kind: toll.KindMember, ID: "mem_1"}, account.RevokeKey, "cus_1", strings.Repeat("x", i), time.Now())
	}
	must(t, refusals.Flush(t.Context(), store, time.Now()))
	all := entries(t, store)
	for _, e := range all {
		if len(e.Object) > 60 {
			t.Errorf("an entry holds an object of %d bytes", len(e.Object))
		}
	}
	if page, err := store.Entries(t.Context(), toll.EntryQuery{Action: "refusals.beyond"}); err != nil || len(page.Entries) != 1 || page.Entries[0].After != `{"times":3000}` {
		t.Errorf("what had no place: %+v, %v", page.Entries, err)
	}
}
