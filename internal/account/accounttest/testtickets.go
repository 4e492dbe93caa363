package accounttest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func ticket(id string, kind toll.TicketKind, email string) toll.Ticket {
	t := toll.Ticket{ID: id, Kind: kind, Email: email, Language: "fr", CreatedAt: start, ExpiresAt: start.Add(time.Hour)}
	copy(t.Hash[:], "hash of "+id)
	return t
}

func letter(id string) toll.Mail {
	return toll.Mail{ID: id, To: "x@example.com", Language: "en", Kind: "test", CreatedAt: start}
}

func keepsATicketWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	sign := ticket("tic_1", toll.TicketSignUp, "new@example.com")
	reset := ticket("tic_2", toll.TicketReset, "ann@example.com")
	reset.PersonID = "mem_1"
	invite := ticket("tic_3", toll.TicketInvitation, "bob@example.com")
	invite.CustomerID, invite.Role, invite.InvitedBy = "cus_1", "developer", "Ann"
	operator := ticket("tic_4", toll.TicketInvitation, "op@example.com")
	operator.Role = "support"
	for _, want := range []toll.Ticket{sign, reset, invite, operator} {
		must(t, s.IssueTicket(ctx, want, tolltest.Entry(), letter("mail_"+want.ID)))
		got, err := s.Ticket(ctx, want.ID)
		must(t, err)
		equal(t, got, utc(want))
		got, err = s.TicketByHash(ctx, want.Hash)
		must(t, err)
		equal(t, got, utc(want))
	}
	for customer, want := range map[string]toll.Ticket{"cus_1": invite, "": operator} {
		got, err := s.Invitations(ctx, customer)
		must(t, err)
		equal(t, got, []toll.Ticket{utc(want)})
	}
	code(t, s.IssueTicket(ctx, sign, tolltest.Entry()), toll.Conflict)
	twin := ticket("tic_5", toll.TicketSignUp, "new@example.com")
	twin.Hash = sign.Hash
	code(t, s.IssueTicket(ctx, twin, tolltest.Entry()), toll.Conflict)
	lost := ticket("tic_6", toll.TicketInvitation, "new@example.com")
	lost.CustomerID = "cus_none"
	code(t, s.IssueTicket(ctx, lost, tolltest.Entry()), toll.NotFound)
	_, err := s.TicketByHash(ctx, [32]byte{9})
	code(t, err, toll.NotFound)
	_, err = s.Ticket(ctx, "tic_none")
	code(t, err, toll.NotFound)
	must(t, s.RevokeTicket(ctx, "tic_3", tolltest.Entry()))
	code(t, s.RevokeTicket(ctx, "tic_3", tolltest.Entry()), toll.NotFound)
	code(t, s.UseTicket(ctx, invite, toll.TicketUse{}, tolltest.Entry()), toll.NotFound)
}

func utc(t toll.Ticket) toll.Ticket {
	t.CreatedAt, t.ExpiresAt = t.CreatedAt.UTC(), t.ExpiresAt.UTC()
	return t
}

func letsOneOfManyUseATicket(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	row := ticket("tic_1", toll.TicketReset, "ann@example.com")
	row.PersonID = "mem_1"
	must(t, s.IssueTicket(ctx, row, tolltest.Entry()))
	const many = 50
	errs := make([]error, many)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			errs[i] = s.UseTicket(ctx, row, toll.TicketUse{Reset: &toll.PasswordReset{Kind: toll.KindMember, PersonID: "mem_1", Hash: "$new", At: start}}, tolltest.Entry())
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		code(t, err, toll.NotFound)
	}
	if won != 1 {
		t.Errorf("%d used the ticket, want 1", won)
	}
}

func aRenewedTicketOpensWithItsNewTextOnly(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	old := ticket("tic_1", toll.TicketInvitation, "bob@example.com")
	old.CustomerID, old.Role = "cus_1", "viewer"
	must(t, s.IssueTicket(ctx, old, tolltest.Entry()))
	renewed := old
	renewed.Hash, renewed.Language, renewed.ExpiresAt = [32]byte{7}, "es", start.Add(2*time.Hour)
	must(t, s.RenewTicket(ctx, renewed, tolltest.Entry(), letter("mail_1")))
	got, err := s.Ticket(ctx, "tic_1")
	must(t, err)
	equal(t, got, utc(renewed))
	m := member("mem_bob", "cus_1", "bob@example.com")
	code(t, s.UseTicket(ctx, old, toll.TicketUse{Member: &m}, tolltest.Entry()), toll.NotFound)
	must(t, s.UseTicket(ctx, renewed, toll.TicketUse{Member: &m}, tolltest.Entry()))
	code(t, s.RenewTicket(ctx, renewed, tolltest.Entry()), toll.NotFound)
}

func aTicketMakesACustomerAndItsOwnerOrNeither(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	first := ticket("tic_1", toll.TicketSignUp, "new@example.com")
	second := ticket("tic_2", toll.TicketSignUp, "new@example.com")
	must(t, s.IssueTicket(ctx, first, tolltest.Entry()))
	must(t, s.IssueTicket(ctx, second, tolltest.Entry()))
	c := customer("cus_new", "New")
	taken := member("mem_new", "cus_new", "one@example.com")
	code(t, s.UseTicket(ctx, first, toll.TicketUse{Customer: &c, Member: &taken}, tolltest.Entry()), toll.Conflict)
	_, err := s.Customer(ctx, "cus_new")
	code(t, err, toll.NotFound)
	_, err = s.Ticket(ctx, "tic_1")
	must(t, err)
	m := member("mem_new", "cus_new", "new@example.com")
	must(t, s.UseTicket(ctx, first, toll.TicketUse{Customer: &c, Member: &m}, tolltest.Entry()))
	if _, err = s.Customer(ctx, "cus_new"); err != nil {
		t.Error(err)
	}
	_, err = s.Ticket(ctx, "tic_2") // another link to the same address
	code(t, err, toll.NotFound)
}

func aResetEndsSessionsAndOtherResets(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	for _, id := range []string{"tic_1", "tic_2"} {
		row := ticket(id, toll.TicketReset, "ann@example.com")
		row.PersonID = "mem_1"
		must(t, s.IssueTicket(ctx, row, tolltest.Entry()))
	}
	must(t, s.CreateSession(ctx, toll.Session{ID: "ses_1", Kind: toll.KindMember, PersonID: "mem_1", CreatedAt: start, ExpiresAt: start.Add(time.Hour)}, tolltest.Entry()))
	at := start.Add(time.Minute)
	must(t, s.UseTicket(ctx, ticket("tic_1", "", ""), toll.TicketUse{Reset: &toll.PasswordReset{Kind: toll.KindMember, PersonID: "mem_1", Hash: "$new", At: at}}, tolltest.Entry()))
	m, err := s.Member(ctx, "mem_1")
	must(t, err)
	session, err := s.Session(ctx, "ses_1")
	must(t, err)
	if m.PasswordHash.Reveal() != "$new" || !session.RevokedAt.Equal(at) {
		t.Errorf("the password is %q, the session was ended at %v", m.PasswordHash.Reveal(), session.RevokedAt)
	}
	_, err = s.Ticket(ctx, "tic_2")
	code(t, err, toll.NotFound)
}

func keepsALastOwnerAndAdmin(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	must(t, s.SetMemberRole(ctx, "mem_2", toll.MemberViewer, tolltest.Entry()))
	must(t, s.SetOperatorRole(ctx, "op_1", toll.OperatorAdmin, tolltest.Entry()))
	code(t, s.SetMemberRole(ctx, "mem_1", toll.MemberViewer, tolltest.Entry()), toll.Conflict)
	code(t, s.DisablePerson(ctx, toll.KindMember, "mem_1", start, tolltest.Entry()), toll.Conflict)
	code(t, s.RemovePerson(ctx, toll.KindMember, "mem_1", tolltest.Entry()), toll.Conflict)
	code(t, s.SetOperatorRole(ctx, "op_1", toll.OperatorSupport, tolltest.Entry()), toll.Conflict)
	code(t, s.RemovePerson(ctx, toll.KindOperator, "op_1", tolltest.Entry()), toll.Conflict)
	code(t, s.DisablePerson(ctx, toll.KindOperator, "op_1", start, tolltest.Entry()), toll.Conflict)

	must(t, s.SetMemberRole(ctx, "mem_2", toll.MemberOwner, tolltest.Entry()))
	must(t, s.DisablePerson(ctx, toll.KindMember, "mem_2", start, tolltest.Entry()))
	code(t, s.RemovePerson(ctx, toll.KindMember, "mem_1", tolltest.Entry()), toll.Conflict) // the other one cannot sign in
	must(t, s.EnablePerson(ctx, toll.KindMember, "mem_2", tolltest.Entry()))
	got, err := s.Member(ctx, "mem_2")
	must(t, err)
	if !got.DisabledAt.IsZero() || got.Role != toll.MemberOwner {
		t.Errorf("%+v", got)
	}
	must(t, s.CreateToken(ctx, token("tok_1", toll.KindMember, "mem_1"), tolltest.Entry()))
	must(t, s.RemovePerson(ctx, toll.KindMember, "mem_1", tolltest.Entry()))
	_, err = s.Token(ctx, "tok_1")
	code(t, err, toll.NotFound)
	code(t, s.SetMemberRole(ctx, "mem_1", toll.MemberOwner, tolltest.Entry()), toll.NotFound)
	code(t, s.RemovePerson(ctx, toll.KindOperator, "mem_2", tolltest.Entry()), toll.NotFound) // a member is no operator
}

// Two owners who take each other's role at once: one stays.
func keepsAnOwnerWhoeverIsQuicker(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	for _, id := range []string{"mem_3", "mem_4"} {
		m := member(id, "cus_1", id+"@example.com")
		m.Role = toll.MemberOwner
		must(t, s.CreateMember(ctx, m, tolltest.Entry()))
	}
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i, id := range []string{"mem_1", "mem_2", "mem_3", "mem_4"} {
		wg.Go(func() {
			if i%2 == 0 {
				errs[i] = s.SetMemberRole(ctx, id, toll.MemberViewer, tolltest.Entry())
			} else {
				errs[i] = s.RemovePerson(ctx, toll.KindMember, id, tolltest.Entry())
			}
		})
	}
	wg.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			code(t, err, toll.Conflict)
			refused++
		}
	}
	if refused != 1 {
		t.Errorf("%d of four owners were kept, want 1", refused)
	}
}

func disablingEndsSessionsAndKeepsItsMoment(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	must(t, s.CreateSession(ctx, toll.Session{ID: "ses_1", Kind: toll.KindMember, PersonID: "mem_2", CreatedAt: start, ExpiresAt: start.Add(time.Hour)}, tolltest.Entry()))
	must(t, s.SetMemberRole(ctx, "mem_2", toll.MemberViewer, tolltest.Entry()))
	must(t, s.DisablePerson(ctx, toll.KindMember, "mem_2", start.Add(time.Minute), tolltest.Entry()))
	must(t, s.DisablePerson(ctx, toll.KindMember, "mem_2", start.Add(time.Hour), tolltest.Entry()))
	m, err := s.Member(ctx, "mem_2")
	must(t, err)
	session, err := s.Session(ctx, "ses_1")
	must(t, err)
	if at := start.Add(time.Minute); !m.DisabledAt.Equal(at) || !session.RevokedAt.Equal(at) {
		t.Errorf("disabled at %v, signed out at %v", m.DisabledAt, session.RevokedAt)
	}
}

// Each change of a team, a link or a sign-in is in the audit log once; what was
// refused, or was so already, is not.
func everyChangeOfAPersonIsRecorded(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	m := member("mem_new", "cus_1", "new@example.com")
	first := ticket("tic_1", toll.TicketInvitation, "new@example.com")
	first.CustomerID, first.Role = "cus_1", "viewer"
	n := 0
	entry := func() toll.Entry {
		e := tolltest.Entry()
		n++
		e.Object = fmt.Sprintf("change_%d", n)
		return e
	}
	no := func(err error) error {
		if err == nil {
			t.Errorf("change %d was let through", n)
		}
		n--
		return nil
	}
	for _, change := range []func() error{
		func() error { return s.IssueTicket(ctx, first, entry()) },
		func() error { return no(s.IssueTicket(ctx, first, entry())) },
		func() error { return s.RenewTicket(ctx, first, entry()) },
		func() error { return s.UseTicket(ctx, first, toll.TicketUse{Member: &m}, entry()) },
		func() error { return no(s.UseTicket(ctx, first, toll.TicketUse{Member: &m}, entry())) },
		func() error { return no(s.RevokeTicket(ctx, "tic_1", entry())) },
		func() error { return s.SetMemberRole(ctx, "mem_new", toll.MemberAdmin, entry()) },
		func() error { return s.DisablePerson(ctx, toll.KindMember, "mem_new", start, entry()) },
		func() error { err := s.DisablePerson(ctx, toll.KindMember, "mem_new", start, entry()); n--; return err },
		func() error { return s.EnablePerson(ctx, toll.KindMember, "mem_new", entry()) },
		func() error { err := s.EnablePerson(ctx, toll.KindMember, "mem_new", entry()); n--; return err },
		func() error { return s.SetProfile(ctx, toll.KindMember, "mem_new", toll.Profile{Name: "New"}, entry()) },
		func() error {
			return s.SetTOTP(ctx, toll.TOTP{PersonID: "mem_new", Sealed: []byte{1}, CreatedAt: start}, [][32]byte{{1}}, entry())
		},
		func() error { return s.UseRecoveryCode(ctx, "mem_new", [32]byte{1}, entry()) },
		func() error { return no(s.UseRecoveryCode(ctx, "mem_new", [32]byte{1}, entry())) },
		func() error { return s.RemoveTOTP(ctx, "mem_new", entry()) },
		func() error {
			_, err := s.RevokeSessionsOf(ctx, toll.KindMember, "mem_new", "", start, entry())
			n--
			return err
		},
		func() error { return s.RemovePerson(ctx, toll.KindMember, "mem_new", entry()) },
		func() error { return no(s.RemovePerson(ctx, toll.KindMember, "mem_new", entry())) },
		func() error { n++; return no(s.RemovePerson(ctx, toll.KindMember, "mem_2", toll.Entry{})) }, // without an entry
	} {
		was := n
		must(t, change())
		page, err := s.Entries(ctx, toll.EntryQuery{Object: fmt.Sprintf("change_%d", was+1)})
		must(t, err)
		if len(page.Entries) != n-was {
			t.Errorf("change %d is in the log %d times, want %d", was+1, len(page.Entries), n-was)
		}
	}
}
