package storetest

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func entry(n int) toll.Entry {
	e := tolltest.Entry()
	e.At = noon.Add(time.Duration(n) * time.Minute)
	e.Kind, e.Who, e.Role, e.As, e.Way, e.Through = toll.KindOperator, "op_"+strconv.Itoa(n%2), "admin", "mem_1", toll.WayConsole, "ses_1"
	e.IP, e.Action, e.Customer, e.Object = "2001:db8::1", "key.revoke", "cus_000"+strconv.Itoa(n%3), "key_1"
	e.Before, e.After, e.RequestID = `{"revoked_at":""}`, `{"revoked_at":"2026-11-16T12:00:00Z"}`, "01J"
	return e
}

func keepsAnEntryAsItWasGiven(t *testing.T, s *store.Store) {
	want := entry(1)
	must(t, s.AppendEntry(background, want))
	page, err := s.Entries(background, toll.EntryQuery{})
	must(t, err)
	if len(page.Entries) != 1 || page.Next != 0 {
		t.Fatalf("the log has %d entries and goes on at %d, not one", len(page.Entries), page.Next)
	}
	head := want.Seal(toll.AuditHead{})
	if got := page.Entries[0]; got != want {
		t.Errorf("kept %+v, not %+v", got, want)
	}
	got, err := s.AuditHead(background)
	must(t, err)
	if got != head {
		t.Errorf("the head is %s, not %s", got, head)
	}
}

func recordsAChangeAndItsEntryTogether(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), entry(1)))
	if err := s.CreateCustomer(background, customer(1), entry(2)); toll.CodeOf(err) != toll.Conflict {
		t.Fatalf("a second customer of the same ID: %v", err)
	}
	c := customer(2)
	if err := s.CreateCustomer(background, c, toll.Entry{}); toll.CodeOf(err) != toll.Internal {
		t.Errorf("a change without an entry: %v, not refused", err)
	}
	bad := entry(3)
	bad.After = "{"
	if err := s.CreateCustomer(background, c, bad); toll.CodeOf(err) != toll.Internal {
		t.Errorf("a change whose entry is no JSON: %v, not refused", err)
	}
	if _, err := s.Customer(background, c.ID); toll.CodeOf(err) != toll.NotFound {
		t.Errorf("the change without an entry was made: %v", err)
	}
	must(t, s.CreateOperator(background, operator(1), entry(4)))
	session := toll.Session{ID: "ses_1", Kind: toll.KindOperator, PersonID: "op_0001", CreatedAt: noon, ExpiresAt: noon.Add(time.Hour)}
	must(t, s.CreateSession(background, session, entry(5)))
	for range 3 { // the second and third change nothing
		must(t, s.RevokeSession(background, "ses_1", noon, entry(6)))
	}
	head, err := s.VerifyAudit(background, nil)
	must(t, err)
	if head.Seq != 4 {
		t.Errorf("the log has %d entries, not 4: a customer, an operator, a session and its end", head.Seq)
	}
}

func keepsOneChainUnderManyWriters(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(0), entry(0)))
	const writers, each = 8, 12
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := range each {
				if err := s.CreateKey(background, key(1000*(w+1)+i, "cus_0000"), entry(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	head, err := s.VerifyAudit(background, nil)
	must(t, err)
	if head.Seq != 1+writers*each {
		t.Errorf("the log has %d entries, not %d", head.Seq, 1+writers*each)
	}
}

func pagesAndNarrowsTheAuditLog(t *testing.T, s *store.Store) {
	for n := range 12 {
		e := entry(n)
		if n%4 == 0 {
			e.Action, e.Outcome = "customer.plan", toll.Refused
		}
		must(t, s.AppendEntry(background, e))
	}
	for _, q := range []struct {
		toll.EntryQuery
		want []int64
	}{
		{toll.EntryQuery{Limit: 3}, []int64{12, 11, 10}},
		{toll.EntryQuery{Limit: 3, Before: 10}, []int64{9, 8, 7}},
		{toll.EntryQuery{Who: "op_0", Customer: "cus_0000"}, []int64{7, 1}},
		{toll.EntryQuery{Action: "customer."}, []int64{9, 5, 1}},
		{toll.EntryQuery{Action: "customer.plan", Outcome: toll.Refused, Before: 9}, []int64{5, 1}},
		{toll.EntryQuery{Action: "custom."}, nil},
		{toll.EntryQuery{Object: "key_2"}, nil},
		{toll.EntryQuery{Since: noon.Add(2 * time.Minute), Until: noon.Add(4 * time.Minute)}, []int64{4, 3}},
		{toll.EntryQuery{Who: "' or 1=1 --"}, nil},
	} {
		page, err := s.Entries(background, q.EntryQuery)
		must(t, err)
		var got []int64
		for _, e := range page.Entries {
			got = append(got, e.Seq)
		}
		wantSame(t, "entries of a question", got, err, q.want)
	}
	for _, q := range []toll.EntryQuery{{Limit: 501}, {Limit: -1}, {Before: -1}, {Who: "\x00"}} {
		_, err := s.Entries(background, q)
		wantCode(t, "a question that is none", err, toll.Invalid)
	}
}

func holdsTheAuditLogToAnchors(t *testing.T, s *store.Store) {
	must(t, s.AppendEntry(background, entry(1)))
	must(t, s.AppendEntry(background, entry(2)))
	head, err := s.VerifyAudit(background, nil)
	must(t, err)
	must(t, s.AppendEntry(background, entry(3)))
	if _, err := s.VerifyAudit(background, []toll.AuditHead{head}); err != nil {
		t.Errorf("a true anchor: %v", err)
	}
	var broken *toll.ChainError
	wrong := head
	wrong.Hash[0] ^= 1
	if _, err := s.VerifyAudit(background, []toll.AuditHead{wrong}); !errors.As(err, &broken) || broken.Seq != 2 {
		t.Errorf("a log that was written anew: %v", err)
	}
	head.Seq = 7
	if _, err := s.VerifyAudit(background, []toll.AuditHead{head}); !errors.As(err, &broken) || broken.Seq != 4 {
		t.Errorf("an anchor beyond the end: %v", err)
	}
}
