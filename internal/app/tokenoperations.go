package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// TokenCreate asks for an API token.
type TokenCreate struct {
	Email     string            `json:"email"` // of the member or operator that it acts for
	Name      string            `json:"name"`
	Scopes    []toll.TokenScope `json:"scopes"`
	ExpiresIn int64             `json:"expires_in,omitempty"` // seconds; 0: never
}

// TokenShown is an API token as commands show it, without its text.
type TokenShown struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Owner      string            `json:"owner"` // the person's ID
	Hint       string            `json:"hint"`
	State      string            `json:"state"`
	Scopes     []toll.TokenScope `json:"scopes"`
	CreatedAt  time.Time         `json:"created_at"`
	ExpiresAt  time.Time         `json:"expires_at,omitzero"`
	LastUsedAt time.Time         `json:"last_used_at,omitzero"`
}

// TokenCreated is a new API token; Token is its text, shown once.
type TokenCreated struct {
	TokenShown
	Token string `json:"token"`
}

func showToken(t toll.APIToken, now time.Time) TokenShown {
	return TokenShown{
		ID: t.ID, Name: t.Name, Owner: t.PersonID, Hint: t.Hint, State: string(t.StateAt(now)), Scopes: t.Scopes,
		CreatedAt: t.CreatedAt, ExpiresAt: t.ExpiresAt, LastUsedAt: t.LastUsedAt,
	}
}

func createToken(ctx context.Context, r *rooms, in TokenCreate) (TokenCreated, error) {
	ask := account.NewToken{Email: in.Email, Name: in.Name, Scopes: in.Scopes}
	if in.ExpiresIn > 0 {
		ask.ExpiresAt = r.clock().Add(time.Duration(in.ExpiresIn) * time.Second)
	}
	made, err := r.tokens.Create(ctx, account.System, ask)
	if err != nil {
		return TokenCreated{}, err
	}
	return TokenCreated{TokenShown: showToken(made.Token, r.clock()), Token: made.Text.Reveal()}, nil
}

// TokenList asks for a person's API tokens.
type TokenList struct {
	Email string `json:"email"`
}

// TokenListed are a person's API tokens, the newest first.
type TokenListed struct {
	Tokens []TokenShown `json:"tokens"`
}

func listTokens(ctx context.Context, r *rooms, in TokenList) (TokenListed, error) {
	tokens, err := r.tokens.Of(ctx, account.System, in.Email)
	if err != nil {
		return TokenListed{}, err
	}
	out := TokenListed{Tokens: make([]TokenShown, len(tokens))}
	for i, t := range tokens {
		out.Tokens[i] = showToken(t, r.clock())
	}
	return out, nil
}

// TokenRevoke asks for an API token's end.
type TokenRevoke struct {
	ID string `json:"id"`
}

func revokeToken(ctx context.Context, r *rooms, in TokenRevoke) (TokenShown, error) {
	t, err := r.tokens.Revoke(ctx, account.System, in.ID)
	if err != nil {
		return TokenShown{}, err
	}
	return showToken(t, r.clock()), nil
}
