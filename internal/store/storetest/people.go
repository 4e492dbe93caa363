package storetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func keepsPeopleAsTheyWereGiven(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateCustomer(background, customer(2), tolltest.Entry()))
	for n := range 3 {
		must(t, s.CreateMember(background, member(n, "cus_0001"), tolltest.Entry()))
		must(t, s.CreateOperator(background, operator(n), tolltest.Entry()))
	}
	must(t, s.CreateMember(background, member(7, "cus_0002"), tolltest.Entry()))
	m, err := s.Member(background, "mem_0001")
	wantSame(t, "member", m, err, member(1, "cus_0001"))
	members, err := s.MembersOf(background, "cus_0001")
	wantSame(t, "members", members, err, []toll.Member{member(0, "cus_0001"), member(1, "cus_0001"), member(2, "cus_0001")})
	members, err = s.MembersOf(background, "cus_none")
	wantSame(t, "nobody's members", members, err, nil)
	o, err := s.Operator(background, "op_0001")
	wantSame(t, "operator", o, err, operator(1))
	operators, err := s.Operators(background)
	wantSame(t, "operators", operators, err, []toll.Operator{operator(0), operator(1), operator(2)})
	wantCode(t, "a member of nobody", s.CreateMember(background, member(8, "cus_none"), tolltest.Entry()), toll.NotFound)
}

func keepsAnAddressUniqueAmongAllPeople(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	mixed := member(1, "cus_0001")
	mixed.Email = "Ada.Lovelace@Example.COM"
	must(t, s.CreateMember(background, mixed, tolltest.Entry()))
	want := mixed
	want.Email = "ada.lovelace@example.com"
	for _, email := range []string{"ada.lovelace@example.com", "ADA.LOVELACE@EXAMPLE.COM", "Ada.Lovelace@Example.COM"} {
		got, err := s.MemberByEmail(background, email)
		wantSame(t, email, got, err, want)
		again := member(2, "cus_0001")
		again.Email = email
		err = s.CreateMember(background, again, tolltest.Entry())
		wantCode(t, "a second member with "+email, err, toll.Conflict)
		var e *toll.Error
		if !errors.As(err, &e) || e.Field != "email" {
			t.Errorf("the conflict is not about the e-mail address: %+v", e)
		}
		o := operator(2)
		o.Email = email
		wantCode(t, "an operator with "+email, s.CreateOperator(background, o, tolltest.Entry()), toll.Conflict)
	}
	must(t, s.CreateOperator(background, operator(3), tolltest.Entry()))
	taken := member(4, "cus_0001")
	taken.Email = operator(3).Email
	wantCode(t, "a member with an operator's", s.CreateMember(background, taken, tolltest.Entry()), toll.Conflict)
	_, err := s.MemberByEmail(background, "nobody@example.com")
	wantCode(t, "nobody's", err, toll.NotFound)
}

func givesAnAddressToOneOfManyWhoTakeItAtOnce(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	errs := make([]error, 10)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			if i%2 == 0 {
				m := member(i, "cus_0001")
				m.Email = "one@example.com"
				errs[i] = s.CreateMember(background, m, tolltest.Entry())
				return
			}
			o := operator(i)
			o.Email = "One@example.com"
			errs[i] = s.CreateOperator(background, o, tolltest.Entry())
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantCode(t, "one who came late", err, toll.Conflict)
		}
	}
	if won != 1 {
		t.Errorf("%d have the address, want 1", won)
	}
}

func tellsMembersFromOperators(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateMember(background, member(1, "cus_0001"), tolltest.Entry()))
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	for what, ask := range map[string]func() error{
		"a member as an operator":             func() error { _, err := s.Operator(background, "mem_0001"); return err },
		"an operator as a member":             func() error { _, err := s.Member(background, "op_0001"); return err },
		"a member's address as an operator's": func() error { _, err := s.OperatorByEmail(background, "member1@example.com"); return err },
		"an operator's address as a member's": func() error { _, err := s.MemberByEmail(background, "operator1@example.com"); return err },
		"a member's password as an operator":  func() error { return s.SetOperatorPassword(background, "mem_0001", "x", tolltest.Entry()) },
		"an operator's password as a member":  func() error { return s.SetMemberPassword(background, "op_0001", "x", tolltest.Entry()) },
	} {
		wantCode(t, what, ask(), toll.NotFound)
	}
}

func setsPasswords(t *testing.T, s *store.Store) {
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	must(t, s.CreateMember(background, member(1, "cus_0001"), tolltest.Entry()))
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	must(t, s.SetMemberPassword(background, "mem_0001", "$new$member", tolltest.Entry()))
	must(t, s.SetOperatorPassword(background, "op_0001", "$new$operator", tolltest.Entry()))
	m, err := s.Member(background, "mem_0001")
	must(t, err)
	o, err := s.OperatorByEmail(background, "OPERATOR1@example.com")
	must(t, err)
	if m.PasswordHash.Reveal() != "$new$member" || o.PasswordHash.Reveal() != "$new$operator" {
		t.Error("the new passwords are not kept")
	}
	wantCode(t, "nobody's password", s.SetMemberPassword(background, "mem_none", "x", tolltest.Entry()), toll.NotFound)
}

func session(n int, kind toll.PersonKind, person string) toll.Session {
	at := noon.Add(time.Duration(n) * time.Second)
	return toll.Session{
		ID: fmt.Sprintf("ses_%04d", n), Kind: kind, PersonID: person,
		CreatedAt: at, SeenAt: at, ExpiresAt: at.AddDate(0, 0, 30), UserAgent: "Browser/1.0 (ž)",
	}
}

func keepsASessionAsItWasGiven(t *testing.T, s *store.Store) {
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	full := session(1, toll.KindOperator, "op_0001")
	full.RevokedAt = noon.Add(time.Hour)
	open := session(2, toll.KindOperator, "op_0001")
	for _, e := range []toll.Session{full, open} {
		must(t, s.CreateSession(background, e, tolltest.Entry()))
		got, err := s.Session(background, e.ID)
		wantSame(t, "session", got, err, e)
	}
	wantCode(t, "the same ID", s.CreateSession(background, full, tolltest.Entry()), toll.Conflict)
	wantCode(t, "nobody's", s.CreateSession(background, session(3, toll.KindOperator, "op_none"), tolltest.Entry()), toll.NotFound)
	_, err := s.Session(background, "ses_none")
	wantCode(t, "a missing session", err, toll.NotFound)

	odd := session(4, toll.KindOperator, "op_0001")
	odd.UserAgent = "nul\x00 and \xff"
	must(t, s.CreateSession(background, odd, tolltest.Entry()))
	got, err := s.Session(background, odd.ID)
	odd.UserAgent = "nul\uFFFD and \uFFFD"
	wantSame(t, "an odd browser", got, err, odd)
}

func onlyRaisesWhenASessionWasSeen(t *testing.T, s *store.Store) {
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	e := session(1, toll.KindOperator, "op_0001")
	must(t, s.CreateSession(background, e, tolltest.Entry()))
	later := e.SeenAt.Add(time.Hour)
	for _, at := range []time.Time{later, e.SeenAt, later.Add(-time.Minute)} {
		must(t, s.TouchSession(background, e.ID, at))
		got, err := s.Session(background, e.ID)
		if err != nil || !got.SeenAt.Equal(later) {
			t.Errorf("seen at %v, %v; want %v", got.SeenAt, err, later)
		}
	}
	wantCode(t, "a missing session", s.TouchSession(background, "ses_none", later), toll.NotFound)
}

func keepsTheFirstRevocation(t *testing.T, s *store.Store) {
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	e := session(1, toll.KindOperator, "op_0001")
	must(t, s.CreateSession(background, e, tolltest.Entry()))
	must(t, s.RevokeSession(background, e.ID, noon.Add(time.Hour), tolltest.Entry()))
	must(t, s.RevokeSession(background, e.ID, noon.Add(2*time.Hour), tolltest.Entry()))
	got, err := s.Session(background, e.ID)
	e.RevokedAt = noon.Add(time.Hour)
	wantSame(t, "revoked twice", got, err, e)
	wantCode(t, "a missing session", s.RevokeSession(background, "ses_none", noon, tolltest.Entry()), toll.NotFound)
}

func listsTheSessionsOfAPerson(t *testing.T, s *store.Store) {
	must(t, s.CreateOperator(background, operator(1), tolltest.Entry()))
	must(t, s.CreateOperator(background, operator(2), tolltest.Entry()))
	for n := 1; n <= 3; n++ {
		must(t, s.CreateSession(background, session(n, toll.KindOperator, "op_0001"), tolltest.Entry()))
	}
	must(t, s.CreateSession(background, session(4, toll.KindOperator, "op_0002"), tolltest.Entry()))
	got, err := s.SessionsOf(background, toll.KindOperator, "op_0001")
	wantSame(t, "sessions", got, err, []toll.Session{
		session(3, toll.KindOperator, "op_0001"), session(2, toll.KindOperator, "op_0001"), session(1, toll.KindOperator, "op_0001")})
	got, err = s.SessionsOf(background, toll.KindMember, "op_0001")
	wantSame(t, "the same ID as a member", got, err, nil)
}
