package account_test

import (
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/apikey"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// tokensAt opens tokens over a store with an operator and a member of each role.
func tokensAt(t *testing.T, now *time.Time) (*account.Tokens, *accounttest.Store) {
	t.Helper()
	s := accounttest.NewStore()
	must(t, s.CreateCustomer(t.Context(), toll.Customer{ID: "cus_own", Name: "Own", Status: toll.CustomerActive, CreatedAt: *now, Version: 1}, tolltest.Entry()))
	for _, role := range []toll.MemberRole{toll.MemberOwner, toll.MemberViewer} {
		must(t, s.CreateMember(t.Context(), toll.Member{ID: "mem_" + string(role), CustomerID: "cus_own", Email: string(role) + "@own.example", Name: "M", Role: role, CreatedAt: *now}, tolltest.Entry()))
	}
	for _, role := range []toll.OperatorRole{toll.OperatorAdmin, toll.OperatorSupport} {
		must(t, s.CreateOperator(t.Context(), toll.Operator{ID: "op_" + string(role), Email: string(role) + "@house.example", Name: "O", Role: role, CreatedAt: *now}, tolltest.Entry()))
	}
	tokens, err := account.NewTokens(s, account.TokenOptions{
		Mint:  func() (toll.Secret, [32]byte, string, error) { return apikey.NewToken(nil) },
		Check: apikey.CheckToken, Clock: func() time.Time { return *now },
	})
	must(t, err)
	return tokens, s
}

func TestATokenActsForItsOwnerUntilItEnds(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 30, 0, time.UTC)
	tokens, s := tokensAt(t, &now)
	made, err := tokens.Create(t.Context(), account.System, account.NewToken{
		Email: "Owner@own.example", Name: "  dashboard ", Scopes: []toll.TokenScope{toll.ScopeReadUsage, toll.ScopeReadUsage}, ExpiresAt: now.Add(time.Hour),
	})
	must(t, err)
	if made.Token.Name != "dashboard" || len(made.Token.Scopes) != 1 || made.Owner.CustomerID != "cus_own" {
		t.Errorf("made %+v", made)
	}
	p, token, err := tokens.Authenticate(t.Context(), made.Text.Reveal())
	must(t, err)
	if p.ID != "mem_owner" || p.CustomerID != "cus_own" || p.Role != "owner" || token.ID != made.Token.ID {
		t.Errorf("it acts for %+v", p)
	}
	if row, _ := s.Token(t.Context(), token.ID); !row.LastUsedAt.Equal(now.Truncate(time.Minute)) {
		t.Errorf("last used at %s", row.LastUsedAt)
	}
	s.ForceMemberRole("mem_owner", toll.MemberViewer)
	if p, _, err = tokens.Authenticate(t.Context(), made.Text.Reveal()); err != nil || p.Role != "viewer" {
		t.Errorf("after a change of the role: %+v, %v", p, err)
	}
	now = now.Add(time.Hour)
	_, _, err = tokens.Authenticate(t.Context(), made.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
	s.RemoveMember("mem_owner")
	now = now.Add(-time.Minute)
	_, _, err = tokens.Authenticate(t.Context(), made.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
}

func TestRefusesATokenThatCouldNotBeOrNotBeUsed(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tokens, _ := tokensAt(t, &now)
	read := []toll.TokenScope{toll.ScopeReadUsage}
	for field, ask := range map[string]account.NewToken{
		"email":      {Email: "nobody@own.example", Name: "n", Scopes: read},
		"name":       {Email: "owner@own.example", Scopes: read},
		"scopes":     {Email: "owner@own.example", Name: "n"},
		"expires_at": {Email: "owner@own.example", Name: "n", Scopes: read, ExpiresAt: now},
	} {
		_, err := tokens.Create(t.Context(), account.System, ask)
		wantField(t, err, field)
	}
	for email, scope := range map[string]toll.TokenScope{
		"owner@own.example":     toll.ScopeWriteEvents, // usage is what members pay for
		"support@house.example": toll.ScopeWriteEvents,
		"admin@house.example":   "everything",
	} {
		_, err := tokens.Create(t.Context(), account.System, account.NewToken{Email: email, Name: "n", Scopes: []toll.TokenScope{scope}})
		wantField(t, err, "scopes")
	}
}

func TestEverybodyTendsTheirOwnTokensOnly(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	tokens, _ := tokensAt(t, &now)
	ask := account.NewToken{Email: "viewer@own.example", Name: "n", Scopes: []toll.TokenScope{toll.ScopeReadUsage}}
	viewer := account.Person{Kind: toll.KindMember, ID: "mem_viewer", Role: "viewer", CustomerID: "cus_own"}
	owner := account.Person{Kind: toll.KindMember, ID: "mem_owner", Role: "owner", CustomerID: "cus_own"}
	made, err := tokens.Create(t.Context(), viewer, ask)
	must(t, err)
	_, err = tokens.Create(t.Context(), owner, ask)
	wantCode(t, err, toll.Forbidden)
	_, err = tokens.Of(t.Context(), owner, ask.Email)
	wantCode(t, err, toll.Forbidden)
	_, err = tokens.Of(t.Context(), owner, "nobody@own.example") // it is not told who there is
	wantCode(t, err, toll.Forbidden)
	_, err = tokens.Revoke(t.Context(), owner, made.Token.ID)
	wantCode(t, err, toll.NotFound)
	_, err = tokens.Revoke(t.Context(), account.Person{}, made.Token.ID)
	if err == nil {
		t.Error("nobody revoked a token")
	}
	revoked, err := tokens.Revoke(t.Context(), viewer, made.Token.ID)
	must(t, err)
	if revoked.StateAt(now) != toll.KeyRevoked {
		t.Errorf("revoked: %+v", revoked)
	}
	_, _, err = tokens.Authenticate(t.Context(), made.Text.Reveal())
	wantCode(t, err, toll.Unauthorized)
}
