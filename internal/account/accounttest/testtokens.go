package accounttest

import (
	"slices"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func token(id string, kind toll.PersonKind, person string) toll.APIToken {
	t := toll.APIToken{
		ID: id, Kind: kind, PersonID: person, Name: "billing job", Hint: "wxyz",
		Scopes: []toll.TokenScope{toll.ScopeWriteEvents, toll.ScopeReadUsage}, CreatedAt: start,
	}
	copy(t.Hash[:], "hash of "+id)
	return t
}

func keepsAnAPITokenWhole(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	row := token("tok_1", toll.KindOperator, "op_1")
	row.ExpiresAt = start.Add(time.Hour)
	must(t, s.CreateToken(ctx, row, tolltest.Entry()))
	bare := token("tok_2", toll.KindMember, "mem_1")
	bare.Scopes = nil
	must(t, s.CreateToken(ctx, bare, tolltest.Entry()))
	for _, want := range []toll.APIToken{row, bare} {
		got, err := s.Token(ctx, want.ID)
		must(t, err)
		equal(t, got, want)
		got, err = s.TokenByHash(ctx, want.Hash)
		must(t, err)
		equal(t, got, want)
	}
	_, err := s.Token(ctx, "tok_3")
	code(t, err, toll.NotFound)
	_, err = s.TokenByHash(ctx, [32]byte{1})
	code(t, err, toll.NotFound)
}

func refusesATokenOfNobodyAndASecondOfTheSameText(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	code(t, s.CreateToken(ctx, token("tok_1", toll.KindMember, "mem_none"), tolltest.Entry()), toll.NotFound)
	must(t, s.CreateToken(ctx, token("tok_1", toll.KindMember, "mem_1"), tolltest.Entry()))
	code(t, s.CreateToken(ctx, token("tok_1", toll.KindMember, "mem_1"), tolltest.Entry()), toll.Conflict)
	twin := token("tok_2", toll.KindMember, "mem_1")
	twin.Hash = token("tok_1", "", "").Hash
	code(t, s.CreateToken(ctx, twin, tolltest.Entry()), toll.Conflict)
}

func listsTokensOfOnePerson(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	for i, id := range []string{"tok_b", "tok_a", "tok_c"} {
		row := token(id, toll.KindMember, "mem_1")
		row.CreatedAt = start.Add(time.Duration(i/2) * time.Second)
		must(t, s.CreateToken(ctx, row, tolltest.Entry()))
	}
	must(t, s.CreateToken(ctx, token("tok_d", toll.KindOperator, "op_1"), tolltest.Entry()))
	rows, err := s.TokensOf(ctx, toll.KindMember, "mem_1")
	must(t, err)
	var ids []string
	for _, row := range rows {
		ids = append(ids, row.ID)
	}
	if want := []string{"tok_c", "tok_b", "tok_a"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	rows, err = s.TokensOf(ctx, toll.KindOperator, "mem_1")
	if must(t, err); len(rows) > 0 {
		t.Errorf("a member's tokens are an operator's too: %v", rows)
	}
}

func revokesATokenOnceAndOnlyRaisesItsLastUse(t *testing.T, s account.Store) {
	ctx := t.Context()
	people(t, s)
	row := token("tok_1", toll.KindMember, "mem_1")
	must(t, s.CreateToken(ctx, row, tolltest.Entry()))
	row.LastUsedAt = start.Add(time.Hour)
	must(t, s.TouchToken(ctx, row.ID, row.LastUsedAt))
	must(t, s.TouchToken(ctx, row.ID, start.Add(time.Minute)))
	row.RevokedAt = start.Add(time.Minute)
	got, err := s.RevokeToken(ctx, row.ID, row.RevokedAt, tolltest.Entry())
	must(t, err)
	equal(t, got, row)
	got, err = s.RevokeToken(ctx, row.ID, start.Add(time.Hour), tolltest.Entry())
	must(t, err)
	equal(t, got, row)
	_, err = s.RevokeToken(ctx, "tok_none", start, tolltest.Entry())
	code(t, err, toll.NotFound)
	code(t, s.TouchToken(ctx, "tok_none", start), toll.NotFound)
}
