package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// shownToken is what a token learns about itself.
type shownToken struct {
	ID        string            `json:"id"`
	Name      string            `json:"name"`
	Scopes    []toll.TokenScope `json:"scopes" doc:"What it may be used for"`
	ExpiresAt *time.Time        `json:"expires_at,omitempty" doc:"Missing: never"`
	Owner     struct {
		Kind     toll.PersonKind `json:"kind" enum:"member,operator"`
		Email    string          `json:"email"`
		Role     string          `json:"role"`
		Customer string          `json:"customer,omitempty" doc:"The only one that the token reaches; missing for operators"`
	} `json:"owner" doc:"In whose name it acts, and by whose role"`
}

func addShowToken(a *API) {
	type answer struct{ Body shownToken }
	register(a, huma.Operation{
		OperationID: "show-token", Method: http.MethodGet, Path: "/token", Tags: []string{"Tokens"},
		Summary: "Who am I, and what may I do?",
	}, rule{}, func(_ context.Context, c *call, _ *struct{}) (*answer, error) {
		var out answer
		t := &out.Body
		t.ID, t.Name, t.Scopes = c.token.ID, c.token.Name, c.token.Scopes
		if !c.token.ExpiresAt.IsZero() {
			t.ExpiresAt = &c.token.ExpiresAt
		}
		t.Owner.Kind, t.Owner.Email, t.Owner.Role, t.Owner.Customer = c.person.Kind, c.person.Email, c.person.Role, c.person.CustomerID
		return &out, nil
	})
}
