package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/store/storetest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// withoutEntry are the methods of the store that take no audit entry. Each is
// here for a reason: it reads, or what it writes is no person's doing.
var withoutEntry = map[string]string{
	"reads": `Approval Approvals Audit AuditHead Check Counted Cursor Customer CustomerRecord Customers Doubts EachCustomer EachKey Entries Events EventsNamed EventsSince
		Key KeysOf Latencies Layout Member MemberByEmail MembersOf Operator OperatorByEmail Operators Ping PlanVersion PlanVersions Received
		Refusals Series Session SessionsOf Settlements SumsSince Token TokenByHash TokensOf UsedBetween UsedBy UsedOf VerifyAudit Watch
		Ceremony IdentitiesOf Identity Invitations Mail MailQueue Mails PasskeyByCredential Attachment Imported KeyByHash Messages Model ModelsIn ModelsOf ReadAttachment ReadModel Thread Threads CreditsOf EvidenceOf Invoice Invoices ReadBooks Taxed PasskeysOf RecoveryCodesLeft SessionKeys TOTP Ticket TicketByHash`,
	"the engine's own life":                                                `Close Prepare Retain RetainSums DropCeremonies DropSessions ForgetMail`,
	"the outbox's own life, a record of its own":                           `AnswerMail ClaimMail EnqueueMail MailFailed MailKept MailSent`,
	"a step of signing in, which CreateSession ends":                       `CreateCeremony TakeCeremony StrengthenSession UsePasskey UseTOTP`,
	"the keys of tokens, which the program rotates by itself":              `AddSessionKey`,
	"usage, which is a record of its own with its own proof (usage audit)": `Drain ForgetLane TakeOutside`,
	"when something was last used, to the minute":                          `TouchSession TouchToken`,
	"tests alone": `Settings`,
}

func TestEveryMethodThatChangesSomethingTakesAnAuditEntry(t *testing.T) {
	t.Parallel()
	var free []string
	for _, names := range withoutEntry {
		free = append(free, strings.Fields(names)...)
	}
	entry := reflect.TypeFor[toll.Entry]()
	all := reflect.TypeFor[*store.Store]()
	var there []string
	for m := range all.Methods() {
		there = append(there, m.Name)
		takes := false
		for in := range m.Type.Ins() {
			takes = takes || in == entry || in.Kind() == reflect.Slice && in.Elem() == entry
		}
		switch listed := slices.Contains(free, m.Name); {
		case takes && listed:
			t.Errorf("%s takes an audit entry, and is listed as a method that takes none", m.Name)
		case !takes && !listed:
			t.Errorf("%s takes no toll.Entry: what it changes would not be in the audit log. Let it take one (store.record), or list it here with the reason", m.Name)
		}
	}
	for _, name := range free {
		if !slices.Contains(there, name) {
			t.Errorf("%s is listed, and is no method any more", name)
		}
	}
}

// connect goes past the store.
func connect(t *testing.T, driver, name string) *sql.DB {
	t.Helper()
	db, err := sql.Open(driver, name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// tampered opens a store with five entries, of which somebody changes something
// past the program.
func tampered(t *testing.T, engine string) (*store.Store, *sql.DB) {
	t.Helper()
	var s *store.Store
	var raw *sql.DB
	if engine == "sqlite" {
		dir := t.TempDir()
		s = storetest.OpenWith(t, store.Options{Dir: dir})
		raw = connect(t, "sqlite", filepath.Join(dir, store.FileName))
	} else {
		url := storetest.PostgresURL(t)
		s = storetest.OpenWith(t, store.Options{URL: toll.Secret(url)})
		raw = connect(t, "pgx", url)
	}
	for range 5 {
		if err := s.AppendEntry(t.Context(), tolltest.Entry()); err != nil {
			t.Fatal(err)
		}
	}
	return s, raw
}

func TestNamesTheEntryThatSomebodyTamperedWith(t *testing.T) {
	t.Parallel()
	for _, engine := range []string{"sqlite", "postgres"} {
		for _, c := range []struct {
			name, statement string
			seq             int64
			why             string
		}{
			{"edited", `update audit_entry set who = 'op_other' where seq = 3`, 3, "was edited"},
			{"edited facts", `update audit_entry set after = '{"role":"viewer"}' where seq = 1`, 1, "was edited"},
			{"edited time", `update audit_entry set at = at + 1 where seq = 5`, 5, "was edited"},
			{"moved between fields", `update audit_entry set object = action, action = object where seq = 2`, 2, "was edited"},
			{"deleted in the middle", `delete from audit_entry where seq = 3`, 3, "is missing"},
			{"deleted several in the middle", `delete from audit_entry where seq in (2, 3)`, 2, "is missing, and all up to 3"},
			{"deleted first", `delete from audit_entry where seq = 1`, 1, "is missing"},
			{"deleted at the end", `delete from audit_entry where seq = 5`, 5, "is missing"},
			{"deleted all", `delete from audit_entry`, 1, "is missing, and all up to 5"},
			{"renumbered", `update audit_entry set seq = 6 where seq = 3`, 3, "is missing"},
			{"replaced with its own hash", `update audit_entry set hash = prev where seq = 4`, 4, "was edited"},
			{"head moved back", `update audit_head set seq = 4`, 5, "head"},
		} {
			t.Run(engine+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				s, raw := tampered(t, engine)
				if _, err := s.VerifyAudit(t.Context(), nil); err != nil {
					t.Fatalf("before anybody changed anything: %v", err)
				}
				if !strings.Contains(c.statement, "audit_head") {
					if _, err := raw.ExecContext(t.Context(), c.statement); err == nil || !strings.Contains(err.Error(), "only added to") {
						t.Fatalf("the database let it happen: %v", err)
					}
				}
				drop := []string{`drop trigger audit_entry_stays`, `drop trigger audit_entry_remains`}
				if engine == "postgres" {
					drop = []string{`drop trigger audit_entry_stays on audit_entry`}
				}
				for _, statement := range append(drop, c.statement) {
					if _, err := raw.ExecContext(t.Context(), statement); err != nil {
						t.Fatal(err)
					}
				}
				_, err := s.VerifyAudit(t.Context(), nil)
				var broken *toll.ChainError
				if !errors.As(err, &broken) || broken.Seq != c.seq || !strings.Contains(broken.Why, c.why) {
					t.Errorf("verify says %v; wanted entry %d, %q", err, c.seq, c.why)
				}
			})
		}
	}
}

// Who writes the whole log anew, head and all, fools all but an anchor.
func TestAnAnchorShowsALogThatWasCutOffWithItsHead(t *testing.T) {
	t.Parallel()
	s, raw := tampered(t, "sqlite")
	anchor, err := s.VerifyAudit(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		`drop trigger audit_entry_remains`, `delete from audit_entry where seq > 3`,
		`update audit_head set seq = 3, hash = (select hash from audit_entry where seq = 3)`,
	} {
		if _, err := raw.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	if head, err := s.VerifyAudit(t.Context(), nil); err != nil || head.Seq != 3 {
		t.Fatalf("without an anchor the shorter log fits; got %v", err)
	}
	var broken *toll.ChainError
	if _, err := s.VerifyAudit(t.Context(), []toll.AuditHead{anchor}); !errors.As(err, &broken) || broken.Seq != 4 {
		t.Errorf("held to the anchor: %v", err)
	}
}
