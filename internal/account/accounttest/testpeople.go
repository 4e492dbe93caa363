package accounttest

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func keepsMembersAndOperatorsWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	code(t, s.CreateMember(ctx, member("mem_0", "cus_none", "x@example.com"), tolltest.Entry()), toll.NotFound)
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	must(t, s.CreateCustomer(ctx, customer("cus_2", "Other"), tolltest.Entry()))
	ann, bob := member("mem_2", "cus_1", "ann@example.com"), member("mem_1", "cus_1", "bób@example.com")
	bob.CreatedAt, bob.PasswordHash, bob.Language = start.Add(time.Second), "", ""
	must(t, s.CreateMember(ctx, bob, tolltest.Entry()))
	must(t, s.CreateMember(ctx, ann, tolltest.Entry()))
	must(t, s.CreateMember(ctx, member("mem_3", "cus_2", "eve@example.com"), tolltest.Entry()))
	got, err := s.Member(ctx, ann.ID)
	must(t, err)
	equal(t, got, ann)
	got, err = s.MemberByEmail(ctx, bob.Email)
	must(t, err)
	equal(t, got, bob)
	members, err := s.MembersOf(ctx, "cus_1")
	must(t, err)
	equal(t, members, []toll.Member{ann, bob})

	olga, otto := operator("op_2", "olga@example.com"), operator("op_1", "otto@example.com")
	otto.CreatedAt = start.Add(time.Second)
	must(t, s.CreateOperator(ctx, otto, tolltest.Entry()))
	must(t, s.CreateOperator(ctx, olga, tolltest.Entry()))
	op, err := s.Operator(ctx, olga.ID)
	must(t, err)
	equal(t, op, olga)
	op, err = s.OperatorByEmail(ctx, otto.Email)
	must(t, err)
	equal(t, op, otto)
	operators, err := s.Operators(ctx)
	must(t, err)
	equal(t, operators, []toll.Operator{olga, otto})
}

func hasOnePersonPerEmailAddress(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	must(t, s.CreateMember(ctx, member("mem_1", "cus_1", "one@example.com"), tolltest.Entry()))
	must(t, s.CreateOperator(ctx, operator("op_1", "two@example.com"), tolltest.Entry()))
	code(t, s.CreateMember(ctx, member("mem_2", "cus_1", "one@example.com"), tolltest.Entry()), toll.Conflict)
	code(t, s.CreateMember(ctx, member("mem_3", "cus_1", "two@example.com"), tolltest.Entry()), toll.Conflict)
	code(t, s.CreateOperator(ctx, operator("op_2", "one@example.com"), tolltest.Entry()), toll.Conflict)
	code(t, s.CreateOperator(ctx, operator("op_3", "two@example.com"), tolltest.Entry()), toll.Conflict)

	// A member and an operator at the same time: one of them.
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			if i%2 == 0 {
				errs[i] = s.CreateMember(ctx, member(fmt.Sprintf("mem_r%d", i), "cus_1", "race@example.com"), tolltest.Entry())
			} else {
				errs[i] = s.CreateOperator(ctx, operator(fmt.Sprintf("op_r%d", i), "race@example.com"), tolltest.Entry())
			}
		})
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else {
			code(t, err, toll.Conflict)
		}
	}
	if made != 1 {
		t.Fatalf("%d people got one e-mail address", made)
	}
}

func setsAPassword(t *testing.T, s account.Store) {
	ctx := t.Context()
	must(t, s.CreateCustomer(ctx, customer("cus_1", "Acme"), tolltest.Entry()))
	m, o := member("mem_1", "cus_1", "one@example.com"), operator("op_1", "two@example.com")
	must(t, s.CreateMember(ctx, m, tolltest.Entry()))
	must(t, s.CreateOperator(ctx, o, tolltest.Entry()))
	m.PasswordHash, o.PasswordHash = "$argon2id$new$m", "$argon2id$new$o"
	must(t, s.SetMemberPassword(ctx, m.ID, m.PasswordHash, tolltest.Entry()))
	must(t, s.SetOperatorPassword(ctx, o.ID, o.PasswordHash, tolltest.Entry()))
	gotM, err := s.Member(ctx, m.ID)
	must(t, err)
	equal(t, gotM, m)
	gotO, err := s.Operator(ctx, o.ID)
	must(t, err)
	equal(t, gotO, o)
	code(t, s.SetMemberPassword(ctx, o.ID, "x", tolltest.Entry()), toll.NotFound)
	code(t, s.SetOperatorPassword(ctx, m.ID, "x", tolltest.Entry()), toll.NotFound)
}

// people makes who sessions may be of: a store may hold them to that.
func people(t *testing.T, s account.Store) {
	t.Helper()
	must(t, s.CreateCustomer(t.Context(), customer("cus_1", "Acme"), tolltest.Entry()))
	must(t, s.CreateMember(t.Context(), member("mem_1", "cus_1", "one@example.com"), tolltest.Entry()))
	must(t, s.CreateMember(t.Context(), member("mem_2", "cus_1", "three@example.com"), tolltest.Entry()))
	must(t, s.CreateOperator(t.Context(), operator("op_1", "two@example.com"), tolltest.Entry()))
}

func keepsASessionWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	row := session("ses_1", toll.KindOperator, "op_1")
	must(t, s.CreateSession(ctx, row, tolltest.Entry()))
	got, err := s.Session(ctx, row.ID)
	must(t, err)
	equal(t, got, row)
	code(t, s.CreateSession(ctx, row, tolltest.Entry()), toll.Conflict)
	row.SeenAt = start.Add(time.Hour)
	must(t, s.TouchSession(ctx, row.ID, row.SeenAt))
	got, err = s.Session(ctx, row.ID)
	must(t, err)
	equal(t, got, row)
}

func revokesASessionOnce(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	row := session("ses_1", toll.KindMember, "mem_1")
	must(t, s.CreateSession(ctx, row, tolltest.Entry()))
	row.RevokedAt = start.Add(time.Minute)
	must(t, s.RevokeSession(ctx, row.ID, row.RevokedAt, tolltest.Entry()))
	must(t, s.RevokeSession(ctx, row.ID, start.Add(time.Hour), tolltest.Entry()))
	got, err := s.Session(ctx, row.ID)
	must(t, err)
	equal(t, got, row)
}

func listsSessionsOfOnePerson(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	for i, id := range []string{"ses_b", "ses_a", "ses_c"} {
		row := session(id, toll.KindMember, "mem_1")
		row.CreatedAt = start.Add(time.Duration(i) * time.Second)
		must(t, s.CreateSession(ctx, row, tolltest.Entry()))
	}
	must(t, s.CreateSession(ctx, session("ses_d", toll.KindMember, "mem_2"), tolltest.Entry()))
	must(t, s.CreateSession(ctx, session("ses_e", toll.KindOperator, "op_1"), tolltest.Entry()))
	for _, person := range []struct {
		kind toll.PersonKind
		id   string
		want []string
	}{
		{toll.KindMember, "mem_1", []string{"ses_c", "ses_a", "ses_b"}},
		{toll.KindOperator, "op_1", []string{"ses_e"}},
		{toll.KindOperator, "mem_1", nil},
	} {
		rows, err := s.SessionsOf(ctx, person.kind, person.id)
		must(t, err)
		var ids []string
		for _, row := range rows {
			ids = append(ids, row.ID)
		}
		if !slices.Equal(ids, person.want) {
			t.Errorf("sessions of %s %s: got %v, want %v", person.kind, person.id, ids, person.want)
		}
	}
}
