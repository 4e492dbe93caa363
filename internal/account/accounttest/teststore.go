package accounttest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// TestStore holds a store to what account.Store promises. open returns an
// empty store, and closes it with t.Cleanup; it is called once per part.
func TestStore(t *testing.T, open func(t *testing.T) account.Store) {
	for _, part := range []struct {
		name string
		test func(*testing.T, account.Store)
	}{
		{"KeepsACustomerWhole", keepsACustomerWhole},
		{"UpdatesACustomerOnlyAtItsVersion", updatesACustomerOnlyAtItsVersion},
		{"ListsCustomersByPage", listsCustomersByPage},
		{"NarrowsAListOfCustomers", narrowsAListOfCustomers},
		{"KeepsAKeyWhole", keepsAKeyWhole},
		{"RefusesAKeyOfNobodyAndASecondOfTheSameText", refusesAKeyOfNobodyAndASecondOfTheSameText},
		{"ListsKeysNewestFirst", listsKeysNewestFirst},
		{"UpdatesAKeyOnlyAtItsVersion", updatesAKeyOnlyAtItsVersion},
		{"ReplacesAKeyWhollyOrNotAtAll", replacesAKeyWhollyOrNotAtAll},
		{"LetsOneOfManyRollsWin", letsOneOfManyRollsWin},
		{"KeepsMembersAndOperatorsWhole", keepsMembersAndOperatorsWhole},
		{"HasOnePersonPerEmailAddress", hasOnePersonPerEmailAddress},
		{"SetsAPassword", setsAPassword},
		{"KeepsASessionWhole", keepsASessionWhole},
		{"RevokesASessionOnce", revokesASessionOnce},
		{"ListsSessionsOfOnePerson", listsSessionsOfOnePerson},
		{"KeepsAProfile", keepsAProfile},
		{"EndsTheSessionsOfAPersonButOne", endsTheSessionsOfAPersonButOne},
		{"RetiresSessionKeysWhenOneIsAdded", retiresSessionKeysWhenOneIsAdded},
		{"GivesACeremonyToOneOfManyWhoTakeIt", givesACeremonyToOneOfManyWhoTakeIt},
		{"KeepsPasskeysToTheirPerson", keepsPasskeysToTheirPerson},
		{"TakesACodeOfAnAuthenticatorAppOnce", takesACodeOfAnAuthenticatorAppOnce},
		{"TakesARecoveryCodeOnce", takesARecoveryCodeOnce},
		{"JoinsAnIdentityToOnePerson", joinsAnIdentityToOnePerson},
		{"KeepsAnAPITokenWhole", keepsAnAPITokenWhole},
		{"RefusesATokenOfNobodyAndASecondOfTheSameText", refusesATokenOfNobodyAndASecondOfTheSameText},
		{"ListsTokensOfOnePerson", listsTokensOfOnePerson},
		{"RevokesATokenOnceAndOnlyRaisesItsLastUse", revokesATokenOnceAndOnlyRaisesItsLastUse},
		{"KeepsATicketWhole", keepsATicketWhole},
		{"LetsOneOfManyUseATicket", letsOneOfManyUseATicket},
		{"ARenewedTicketOpensWithItsNewTextOnly", aRenewedTicketOpensWithItsNewTextOnly},
		{"ATicketMakesACustomerAndItsOwnerOrNeither", aTicketMakesACustomerAndItsOwnerOrNeither},
		{"AResetEndsSessionsAndOtherResets", aResetEndsSessionsAndOtherResets},
		{"KeepsALastOwnerAndAdmin", keepsALastOwnerAndAdmin},
		{"KeepsAnOwnerWhoeverIsQuicker", keepsAnOwnerWhoeverIsQuicker},
		{"DisablingEndsSessionsAndKeepsItsMoment", disablingEndsSessionsAndKeepsItsMoment},
		{"RecordsEveryChangeOfAPersonOnce", everyChangeOfAPersonIsRecorded},
		{"AnswersNotFoundForWhatIsNotThere", answersNotFoundForWhatIsNotThere},
		{"ClosesACustomer", closesACustomer},
		{"GivesUpWhenTheCallerHas", givesUpWhenTheCallerHas},
	} {
		t.Run(part.name, func(t *testing.T) { part.test(t, open(t)) })
	}
}

// start is a moment with microseconds, in a zone that a store must not keep.
var start = time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.FixedZone("east", 2*60*60))

func customer(id, name string) toll.Customer {
	return toll.Customer{
		ID: id, Name: name, Status: toll.CustomerActive, CreatedAt: start, Version: 1,
		Subscription: toll.Subscription{Plan: "free", PlanVersion: "free@1", Since: start.Add(-time.Hour)},
	}
}

func key(id, customerID string) toll.Key {
	k := toll.Key{ID: id, CustomerID: customerID, Name: "ci", Mode: toll.Live, Hint: "wxyz", CreatedAt: start, Version: 1}
	copy(k.Hash[:], "hash of "+id)
	return k
}

func member(id, customerID, email string) toll.Member {
	return toll.Member{
		ID: id, CustomerID: customerID, Email: email, Name: "Ann", Role: toll.MemberOwner,
		PasswordHash: "$argon2id$a", Language: "fr", CreatedAt: start,
	}
}

func operator(id, email string) toll.Operator {
	return toll.Operator{
		ID: id, Email: email, Name: "Olga", Role: toll.OperatorSupport,
		PasswordHash: "$argon2id$b", Language: "pt-BR", CreatedAt: start,
	}
}

func session(id string, kind toll.PersonKind, person string) toll.Session {
	return toll.Session{
		ID: id, Kind: kind, PersonID: person, CreatedAt: start, SeenAt: start,
		ExpiresAt: start.Add(720 * time.Hour), UserAgent: "curl/8",
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func code(t *testing.T, err error, want toll.Code) {
	t.Helper()
	if got := toll.CodeOf(err); got != want {
		t.Fatalf("got %q (%v), want the code %q", got, err, want)
	}
}

// equal compares rows: times by moment, and that they came back in UTC.
func equal(t *testing.T, got, want any) {
	t.Helper()
	g, w := inUTC(reflect.ValueOf(got)), inUTC(reflect.ValueOf(want))
	if g != w {
		t.Fatalf("got\n%s\nwant\n%s", g, w)
	}
	var local func(v reflect.Value, path string)
	local = func(v reflect.Value, path string) {
		if at, ok := v.Interface().(time.Time); ok {
			if at.Location() != time.UTC {
				t.Fatalf("%s came back in %s, want UTC", path, at.Location())
			}
			return
		}
		if v.Kind() == reflect.Struct {
			for i := range v.NumField() {
				local(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		}
	}
	local(reflect.ValueOf(got), "row")
}

// inUTC writes a row out. Secrets are revealed: they must come back too.
func inUTC(v reflect.Value) string {
	switch x := v.Interface().(type) {
	case time.Time:
		return x.UTC().Format(time.RFC3339Nano)
	case toll.Secret:
		return fmt.Sprintf("%q", x.Reveal())
	}
	switch v.Kind() {
	case reflect.Struct:
		s := "{"
		for i := range v.NumField() {
			s += v.Type().Field(i).Name + ":" + inUTC(v.Field(i)) + " "
		}
		return s + "}"
	case reflect.Slice:
		s := "["
		for i := range v.Len() {
			s += inUTC(v.Index(i)) + " "
		}
		return s + "]"
	}
	return fmt.Sprintf("%v", v.Interface())
}

func keepsACustomerWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	c := customer("cus_1", "Ünïted “Quotes”; DROP TABLE customer; --")
	c.Subscription.Addons = []string{"multilingual", "a,b"}
	c.Demo = true
	must(t, s.CreateCustomer(ctx, c, tolltest.Entry()))
	c.Subscription.Addons[0] = "changed by the caller afterwards"
	got, err := s.Customer(ctx, c.ID)
	must(t, err)
	c.Subscription.Addons[0] = "multilingual"
	equal(t, got, c)
	code(t, s.CreateCustomer(ctx, c, tolltest.Entry()), toll.Conflict)
}

func updatesACustomerOnlyAtItsVersion(t *testing.T, s account.Store) {
	ctx := t.Context()
	c := customer("cus_1", "Acme")
	must(t, s.CreateCustomer(ctx, c, tolltest.Entry()))
	c.Name, c.Status, c.Subscription.Plan, c.Subscription.PlanVersion = "Acme Two", toll.CustomerSuspended, "pro", "pro@2"
	updated, err := s.UpdateCustomer(ctx, c, tolltest.Entry())
	must(t, err)
	stale := c
	c.Version = 2
	equal(t, updated, c)
	got, err := s.Customer(ctx, c.ID)
	must(t, err)
	equal(t, got, c)
	stale.Name = "too late"
	_, err = s.UpdateCustomer(ctx, stale, tolltest.Entry())
	code(t, err, toll.Conflict)
	got, err = s.Customer(ctx, c.ID)
	must(t, err)
	equal(t, got, c)
}

func listsCustomersByPage(t *testing.T, s account.Store) {
	ctx := t.Context()
	for i, name := range []string{"delta", "Alpha", "charlie", "Bravo", "Echo"} {
		c := customer(fmt.Sprintf("cus_%d", i), name)
		c.CreatedAt = start.Add(time.Duration(i) * time.Microsecond)
		must(t, s.CreateCustomer(ctx, c, tolltest.Entry()))
	}
	for _, order := range []struct {
		query toll.CustomerQuery
		want  []string
	}{
		{toll.CustomerQuery{}, []string{"Alpha", "Bravo", "charlie", "delta", "Echo"}},
		{toll.CustomerQuery{Sort: toll.CustomersByName, Descending: true}, []string{"Echo", "delta", "charlie", "Bravo", "Alpha"}},
		{toll.CustomerQuery{Sort: toll.CustomersByCreated}, []string{"delta", "Alpha", "charlie", "Bravo", "Echo"}},
		{toll.CustomerQuery{Sort: toll.CustomersByCreated, Descending: true}, []string{"Echo", "Bravo", "charlie", "Alpha", "delta"}},
	} {
		for limit := 0; limit <= 6; limit++ {
			q := order.query
			q.Limit = limit
			var names []string
			for pages := 0; ; pages++ {
				if pages > 6 {
					t.Fatalf("%+v: the pages do not end", q)
				}
				page, err := s.Customers(ctx, q)
				must(t, err)
				if limit > 0 && len(page.Customers) > limit {
					t.Fatalf("%+v: a page of %d", q, len(page.Customers))
				}
				for _, c := range page.Customers {
					names = append(names, c.Name)
				}
				if page.Next == "" {
					break
				}
				q.Cursor = page.Next
			}
			if !slices.Equal(names, order.want) {
				t.Fatalf("%+v: got %v, want %v", order.query, names, order.want)
			}
		}
	}
}

func narrowsAListOfCustomers(t *testing.T, s account.Store) {
	ctx := t.Context()
	for i, name := range []string{"100% Acme", "Acme_B", "Other"} {
		c := customer(fmt.Sprintf("cus_X%d", i), name)
		if i == 1 {
			c.Status = toll.CustomerSuspended
		}
		if i == 2 {
			c.Subscription.Plan = "pro"
		}
		must(t, s.CreateCustomer(ctx, c, tolltest.Entry()))
	}
	for _, query := range []struct {
		query toll.CustomerQuery
		want  []string
	}{
		{toll.CustomerQuery{Search: "aCmE"}, []string{"100% Acme", "Acme_B"}},
		{toll.CustomerQuery{Search: "cus_x2"}, []string{"Other"}},
		{toll.CustomerQuery{Search: "0%"}, []string{"100% Acme"}},
		{toll.CustomerQuery{Search: "e_"}, []string{"Acme_B"}},
		{toll.CustomerQuery{Search: "%"}, []string{"100% Acme"}},
		{toll.CustomerQuery{Search: `\`}, nil},
		{toll.CustomerQuery{Search: "'"}, nil},
		{toll.CustomerQuery{Status: toll.CustomerSuspended}, []string{"Acme_B"}},
		{toll.CustomerQuery{Plan: "pro"}, []string{"Other"}},
		{toll.CustomerQuery{Plan: "pro", Status: toll.CustomerSuspended}, nil},
	} {
		page, err := s.Customers(ctx, query.query)
		must(t, err)
		var names []string
		for _, c := range page.Customers {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, query.want) {
			t.Errorf("%+v: got %q, want %q", query.query, names, query.want)
		}
	}
}

func keepsAKeyWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	bare := key("key_0", "cus_1")
	must(t, s.CreateKey(ctx, bare, tolltest.Entry()))
	got, err := s.Key(ctx, bare.ID)
	must(t, err)
	equal(t, got, bare)

	full := key("key_1", "cus_1")
	full.Mode, full.Services = toll.Test, []string{"ner", "a b"}
	full.ExpiresAt, full.RevokedAt, full.LastUsedAt = start.Add(time.Hour), start.Add(time.Minute), start.Truncate(time.Minute)
	full.ReplacedBy = "key_0"
	for i := range full.Hash {
		full.Hash[i] = byte(255 - i)
	}
	must(t, s.CreateKey(ctx, full, tolltest.Entry()))
	got, err = s.Key(ctx, full.ID)
	must(t, err)
	equal(t, got, full)
}

func refusesAKeyOfNobodyAndASecondOfTheSameText(t *testing.T, s account.Store) {
	ctx := t.Context()
	code(t, s.CreateKey(ctx, key("key_1", "cus_none"), tolltest.Entry()), toll.NotFound)
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	must(t, s.CreateKey(ctx, key("key_1", "cus_1"), tolltest.Entry()))
	code(t, s.CreateKey(ctx, key("key_1", "cus_1"), tolltest.Entry()), toll.Conflict)
	twin := key("key_1", "cus_1")
	twin.ID = "key_2"
	code(t, s.CreateKey(ctx, twin, tolltest.Entry()), toll.Conflict)
}

func listsKeysNewestFirst(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	must(t, s.CreateCustomer(ctx, customer("cus_2", "Other"), tolltest.Entry()))
	for i, id := range []string{"key_b", "key_a", "key_c"} {
		k := key(id, "cus_1")
		k.CreatedAt = start.Add(time.Duration(i) * time.Second)
		must(t, s.CreateKey(ctx, k, tolltest.Entry()))
	}
	must(t, s.CreateKey(ctx, key("key_other", "cus_2"), tolltest.Entry()))
	keys, err := s.KeysOf(ctx, "cus_1")
	must(t, err)
	var ids []string
	for _, k := range keys {
		ids = append(ids, k.ID)
	}
	if want := []string{"key_c", "key_a", "key_b"}; !slices.Equal(ids, want) {
		t.Fatalf("got %v, want %v", ids, want)
	}
	keys, err = s.KeysOf(ctx, "cus_none")
	must(t, err)
	if len(keys) != 0 {
		t.Fatalf("a customer that is not there has %d keys", len(keys))
	}
}

func updatesAKeyOnlyAtItsVersion(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	k := key("key_1", "cus_1")
	must(t, s.CreateKey(ctx, k, tolltest.Entry()))
	stale := k
	k.RevokedAt, k.Name, k.Services = start.Add(time.Second), "renamed", []string{"ner"}
	updated, err := s.UpdateKey(ctx, k, tolltest.Entry())
	must(t, err)
	k.Version = 2
	equal(t, updated, k)
	stale.RevokedAt = time.Time{} // the revoke must not be undone by a late writer
	_, err = s.UpdateKey(ctx, stale, tolltest.Entry())
	code(t, err, toll.Conflict)
	got, err := s.Key(ctx, k.ID)
	must(t, err)
	equal(t, got, k)
}

func replacesAKeyWhollyOrNotAtAll(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	old := key("key_1", "cus_1")
	must(t, s.CreateKey(ctx, old, tolltest.Entry()))
	was := old
	old.ExpiresAt, old.ReplacedBy = start.Add(time.Hour), "key_2"
	next := key("key_2", "cus_1")
	must(t, s.ReplaceKey(ctx, old, next, tolltest.Entry()))
	got, err := s.Key(ctx, "key_1")
	must(t, err)
	old.Version = 2
	equal(t, got, old)
	got, err = s.Key(ctx, "key_2")
	must(t, err)
	equal(t, got, next)

	// A stale old key: the next is not made either.
	was.ReplacedBy = "key_3"
	code(t, s.ReplaceKey(ctx, was, key("key_3", "cus_1"), tolltest.Entry()), toll.Conflict)
	_, err = s.Key(ctx, "key_3")
	code(t, err, toll.NotFound)

	// A next key that is there already: the old stays as it was.
	again := old
	again.ReplacedBy, again.RevokedAt = "key_2", start
	code(t, s.ReplaceKey(ctx, again, next, tolltest.Entry()), toll.Conflict)
	got, err = s.Key(ctx, "key_1")
	must(t, err)
	equal(t, got, old)

	code(t, s.ReplaceKey(ctx, key("key_none", "cus_1"), key("key_4", "cus_1"), tolltest.Entry()), toll.NotFound)
	_, err = s.Key(ctx, "key_4")
	code(t, err, toll.NotFound)
}

func letsOneOfManyRollsWin(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	old := key("key_0", "cus_1")
	must(t, s.CreateKey(ctx, old, tolltest.Entry()))
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			mine := old
			mine.ReplacedBy = fmt.Sprintf("key_%d", i+1)
			errs[i] = s.ReplaceKey(ctx, mine, key(mine.ReplacedBy, "cus_1"), tolltest.Entry())
		})
	}
	wg.Wait()
	won := ""
	for i, err := range errs {
		if err == nil && won != "" {
			t.Fatal("two rolls of one key at one version both held")
		} else if err == nil {
			won = fmt.Sprintf("key_%d", i+1)
		} else {
			code(t, err, toll.Conflict)
		}
	}
	got, err := s.Key(ctx, "key_0")
	must(t, err)
	keys, err := s.KeysOf(ctx, "cus_1")
	must(t, err)
	if won == "" || got.ReplacedBy != won || len(keys) != 2 {
		t.Fatalf("%q won; the old key names %q; %d keys", won, got.ReplacedBy, len(keys))
	}
}

func answersNotFoundForWhatIsNotThere(t *testing.T, s account.Store) {
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"Customer":            func() error { _, err := s.Customer(ctx, "cus_none"); return err },
		"UpdateCustomer":      func() error { _, err := s.UpdateCustomer(ctx, customer("cus_none", "x"), tolltest.Entry()); return err },
		"Key":                 func() error { _, err := s.Key(ctx, "key_none"); return err },
		"UpdateKey":           func() error { _, err := s.UpdateKey(ctx, key("key_none", "cus_none"), tolltest.Entry()); return err },
		"Member":              func() error { _, err := s.Member(ctx, "mem_none"); return err },
		"MemberByEmail":       func() error { _, err := s.MemberByEmail(ctx, "none@example.com"); return err },
		"SetMemberPassword":   func() error { return s.SetMemberPassword(ctx, "mem_none", "x", tolltest.Entry()) },
		"Operator":            func() error { _, err := s.Operator(ctx, "op_none"); return err },
		"OperatorByEmail":     func() error { _, err := s.OperatorByEmail(ctx, "none@example.com"); return err },
		"SetOperatorPassword": func() error { return s.SetOperatorPassword(ctx, "op_none", "x", tolltest.Entry()) },
		"Session":             func() error { _, err := s.Session(ctx, "ses_none"); return err },
		"TouchSession":        func() error { return s.TouchSession(ctx, "ses_none", start) },
		"RevokeSession":       func() error { return s.RevokeSession(ctx, "ses_none", start, tolltest.Entry()) },
	} {
		if got := toll.CodeOf(call()); got != toll.NotFound {
			t.Errorf("%s: got the code %q, want %q", name, got, toll.NotFound)
		}
	}
}

func givesUpWhenTheCallerHas(t *testing.T, s account.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Customer(ctx, "cus_1"); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want context.Canceled in the chain", err)
	}
}

func closesACustomer(t *testing.T, s account.Store) {
	ctx := t.Context()
	for _, id := range []string{"cus_1", "cus_2"} {
		must(t, s.CreateCustomer(ctx, customer(id, "Acme "+id), tolltest.Entry()))
		k := key("key_"+id, id)
		k.Name = "Ann's"
		must(t, s.CreateKey(ctx, k, tolltest.Entry()))
		must(t, s.CreateMember(ctx, member("mem_"+id, id, id+"@example.com"), tolltest.Entry()))
		must(t, s.CreateSession(ctx, session("ses_"+id, toll.KindMember, "mem_"+id), tolltest.Entry()))
		invited := toll.Ticket{ID: "tic_" + id, Kind: toll.TicketInvitation, Email: "new." + id + "@example.com", CustomerID: id, Role: "viewer", InvitedBy: "Ann", CreatedAt: start, ExpiresAt: start.Add(time.Hour)}
		copy(invited.Hash[:], id)
		must(t, s.IssueTicket(ctx, invited, tolltest.Entry(), toll.Mail{ID: "mail_" + id, To: invited.Email, Kind: "invitation", Values: map[string]string{"name": "Ann"}, CreatedAt: start}))
		must(t, s.CreateApproval(ctx, toll.Approval{ID: "apr_" + id, Kind: toll.ApproveLimit, CustomerID: id, Subject: "calls", AskedBy: "mem_" + id, AskedAt: start, Payload: "{}", Note: "Ann needs it", State: toll.ApprovalPending, Version: 1}, tolltest.Entry()))
	}
	before, err := s.CustomerRecord(ctx, "cus_1")
	must(t, err)
	for part, want := range map[string]int{"customer": 1, "members": 1, "keys": 1, "approvals": 1} {
		if len(before[part]) != want {
			t.Errorf("%s of the record: %v", part, before[part])
		}
	}
	if text := fmt.Sprint(before); !strings.Contains(text, "cus_1@example.com") || !strings.Contains(text, "Ann needs it") || strings.Contains(text, "argon2id") || strings.Contains(text, "cus_2") {
		t.Errorf("the record holds too little or too much: %s", text)
	}
	left := start.Add(time.Hour)
	e := tolltest.Entry()
	c, keys, err := s.CloseCustomer(ctx, "cus_1", "Deleted customer cus_1", left, e)
	must(t, err)
	if c.Status != toll.CustomerClosed || c.Name != "Deleted customer cus_1" || !c.ClosedAt.Equal(left) || c.Version != 2 {
		t.Errorf("closed: %+v", c)
	}
	if len(keys) != 1 || !keys[0].RevokedAt.Equal(left) || keys[0].Name != "" || keys[0].Version != 2 {
		t.Errorf("its keys: %+v", keys)
	}
	again, err := s.Customer(ctx, "cus_1")
	must(t, err)
	equal(t, again, c)
	k, err := s.Key(ctx, "key_cus_1")
	must(t, err)
	equal(t, k, keys[0])
	for what, err := range map[string]error{
		"member":  second(s.Member(ctx, "mem_cus_1")),
		"session": second(s.Session(ctx, "ses_cus_1")),
		"ticket":  second(s.Ticket(ctx, "tic_cus_1")),
		"mail":    second(s.Mail(ctx, "mail_cus_1")),
	} {
		if toll.CodeOf(err) != toll.NotFound {
			t.Errorf("the %s is still there: %v", what, err)
		}
	}
	a, err := s.Approval(ctx, "apr_cus_1")
	must(t, err)
	if a.State != toll.ApprovalWithdrawn || a.Note != "" || a.DecidedBy != e.Who || !a.DecidedAt.Equal(left) {
		t.Errorf("what was asked for: %+v", a)
	}
	after, err := s.CustomerRecord(ctx, "cus_1")
	must(t, err)
	if text := fmt.Sprint(after); strings.Contains(text, "Ann") || strings.Contains(text, "example.com") || strings.Contains(text, "Acme") {
		t.Errorf("personal data is left: %s", text)
	}

	// It stays as it is.
	renamed := c
	renamed.Name = "Back"
	late := key("key_late", "cus_1")
	late.Hash[31] = 1
	ticket := toll.Ticket{ID: "tic_late", Kind: toll.TicketInvitation, Email: "late@example.com", CustomerID: "cus_1", Role: "viewer", CreatedAt: start, ExpiresAt: start.Add(time.Hour)}
	ticket.Hash[0] = 9
	for what, err := range map[string]error{
		"update":   second(s.UpdateCustomer(ctx, renamed, tolltest.Entry())),
		"key":      s.CreateKey(ctx, late, tolltest.Entry()),
		"old key":  second(s.UpdateKey(ctx, k, tolltest.Entry())),
		"member":   s.CreateMember(ctx, member("mem_late", "cus_1", "late@example.com"), tolltest.Entry()),
		"ticket":   s.IssueTicket(ctx, ticket, tolltest.Entry()),
		"approval": s.CreateApproval(ctx, toll.Approval{ID: "apr_late", Kind: toll.ApprovePlan, CustomerID: "cus_1", AskedBy: "op_1", AskedAt: start, Payload: "{}", State: toll.ApprovalPending, Version: 1}, tolltest.Entry()),
		"again":    third(s.CloseCustomer(ctx, "cus_1", "Other", left, tolltest.Entry())),
	} {
		if toll.CodeOf(err) != toll.Conflict {
			t.Errorf("%s of a closed customer: %v", what, err)
		}
	}
	code(t, third(s.CloseCustomer(ctx, "cus_9", "Other", left, tolltest.Entry())), toll.NotFound)

	// Nobody else's is touched, and lists know it.
	if _, err := s.Member(ctx, "mem_cus_2"); err != nil {
		t.Error(err)
	}
	if _, err := s.Mail(ctx, "mail_cus_2"); err != nil {
		t.Error(err)
	}
	if k, err := s.Key(ctx, "key_cus_2"); err != nil || !k.RevokedAt.IsZero() || k.Name != "Ann's" {
		t.Errorf("another customer's key: %+v %v", k, err)
	}
	for status, want := range map[toll.CustomerStatus]int{toll.CustomerClosed: 1, toll.CustomerSuspended: 0, toll.CustomerActive: 1, "": 2} {
		if page, err := s.Customers(ctx, toll.CustomerQuery{Status: status}); err != nil || len(page.Customers) != want {
			t.Errorf("customers that are %q: %+v %v", status, page, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }
