package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func approval(n int, owner string) toll.Approval {
	return toll.Approval{
		ID: fmt.Sprintf("apr_%04d", n), Kind: toll.ApproveLimit, CustomerID: owner, Subject: fmt.Sprintf("limit-%d", n), AskedBy: "mem_0001",
		AskedAt: noon.Add(time.Duration(n) * time.Second), Payload: `{"limit":"x","count":5,"from":1}`, Note: "Ça va ?", State: toll.ApprovalPending, Version: 1,
	}
}

func keepsAnApprovalAsItWasGiven(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), entry(0)))
	want := approval(1, "cus_0001")
	must(t, s.CreateApproval(background, want, entry(1)))
	got, err := s.Approval(background, want.ID)
	wantSame(t, "the approval", got, err, want)
	again := approval(2, "cus_0001")
	again.Subject = want.Subject
	wantCode(t, "the same again", s.CreateApproval(background, again, entry(2)), toll.Conflict)
	wantCode(t, "nobody's", s.CreateApproval(background, approval(3, "cus_none"), entry(3)), toll.NotFound)
	_, err = s.Approval(background, "apr_none")
	wantCode(t, "none", err, toll.NotFound)
	head, err := s.VerifyAudit(background, nil)
	must(t, err)
	if head.Seq != 2 {
		t.Errorf("the log has %d entries, not 2", head.Seq)
	}
}

func pagesAndNarrowsApprovals(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), entry(0)))
	must(t, s.CreateCustomer(background, customer(2), entry(0)))
	for n := range 6 {
		a := approval(n, fmt.Sprintf("cus_000%d", 1+n%2))
		if n > 3 {
			a.Kind, a.State = toll.ApprovePlan, toll.ApprovalRejected
		}
		must(t, s.CreateApproval(background, a, entry(n)))
	}
	for _, q := range []struct {
		toll.ApprovalQuery
		want []string
		next string
	}{
		{toll.ApprovalQuery{Limit: 2}, []string{"apr_0005", "apr_0004"}, "apr_0004"},
		{toll.ApprovalQuery{Limit: 2, Before: "apr_0002"}, []string{"apr_0001", "apr_0000"}, ""},
		{toll.ApprovalQuery{Customer: "cus_0001"}, []string{"apr_0004", "apr_0002", "apr_0000"}, ""},
		{toll.ApprovalQuery{State: toll.ApprovalRejected, Kind: toll.ApprovePlan, Customer: "cus_0002"}, []string{"apr_0005"}, ""},
	} {
		page, err := s.Approvals(background, q.ApprovalQuery)
		var got []string
		for _, a := range page.Approvals {
			got = append(got, a.ID)
		}
		wantSame(t, "approvals", got, err, q.want)
		if page.Next != q.next {
			t.Errorf("the page after begins at %q, not %q", page.Next, q.next)
		}
	}
	_, err := s.Approvals(background, toll.ApprovalQuery{Limit: 501})
	wantCode(t, "a large page", err, toll.Invalid)
}

func decidesAnApprovalOnceWithAllThatFollows(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), entry(0)))
	must(t, s.CreateApproval(background, approval(1, "cus_0001"), entry(1)))
	c := customer(1)
	c.Name = "Changed"
	d := toll.Decision{Approval: approval(1, "cus_0001"), Customer: &c}
	d.Approval.State, d.Approval.DecidedBy, d.Approval.DecidedAt = toll.ApprovalApproved, "op_1", noon

	stale := d
	older := c
	older.Version = 7
	stale.Customer = &older
	_, _, err := s.DecideApproval(background, stale, entry(2), entry(3))
	wantCode(t, "a customer that was changed meanwhile", err, toll.Conflict)
	broken := d
	broken.Mails = []toll.Mail{{ID: "mail_1", To: "a@b.example\r\nBcc: x@y.example", Kind: "approval.approved", CreatedAt: noon}}
	_, _, err = s.DecideApproval(background, broken, entry(2), entry(3))
	wantCode(t, "a mail that cannot be written", err, toll.Invalid)
	if a, err := s.Approval(background, "apr_0001"); err != nil || a.State != toll.ApprovalPending {
		t.Fatalf("a decision that failed left %+v, %v", a, err)
	}

	d.Mails = []toll.Mail{{ID: "mail_1", To: "a@b.example", Kind: "approval.approved", CreatedAt: noon}}
	var won, lost atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch _, _, err := s.DecideApproval(background, d, entry(2), entry(3)); toll.CodeOf(err) {
			case "":
				won.Add(1)
			case toll.Conflict:
				lost.Add(1)
			default:
				t.Errorf("deciding: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 7 {
		t.Errorf("%d decided and %d learned that it was decided, of 8", won.Load(), lost.Load())
	}
	changed, err := s.Customer(background, "cus_0001")
	must(t, err)
	mails, err := s.Mails(background, toll.MailQuery{})
	must(t, err)
	head, err := s.VerifyAudit(background, nil)
	must(t, err)
	if changed.Name != "Changed" || changed.Version != 2 || len(mails.Mails) != 1 || head.Seq != 4 {
		t.Errorf("what followed: %q, version %d, %d mails, %d entries", changed.Name, changed.Version, len(mails.Mails), head.Seq)
	}
}
