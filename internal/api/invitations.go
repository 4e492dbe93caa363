package api

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// invitation is one that nobody has accepted yet: never its link.
type invitation struct {
	ID        string    `json:"id"`
	Customer  string    `json:"customer"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	InvitedBy string    `json:"invited_by"`
	CreatedAt time.Time `json:"created_at"`
	ExpiresAt time.Time `json:"expires_at"`
}

func showInvitation(t *toll.Ticket) invitation {
	return invitation{t.ID, t.CustomerID, t.Email, t.Role, t.InvitedBy, t.CreatedAt, t.ExpiresAt}
}

type invitationAnswer struct{ Body invitation }

// OfInvitation is the path of an operation about one invitation.
type OfInvitation struct {
	OfCustomer
	Invitation string `path:"invitation" maxLength:"100"`
}

func addListInvitations(a *API) {
	type listInvitationsAnswer struct {
		Body struct {
			Invitations []invitation `json:"invitations" doc:"The oldest first"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-invitations", Method: http.MethodGet, Path: "/customers/{customer}/invitations", Tags: []string{"Members"}, Summary: "List who is invited and has not accepted",
	}, rule{scope: toll.ScopeReadMembers, action: account.ListMembers}, func(ctx context.Context, c *call, _ *OfCustomer) (*listInvitationsAnswer, error) {
		all, err := a.o.Office.Invitations(ctx, c.person, c.customer)
		if err != nil {
			return nil, err
		}
		out := &listInvitationsAnswer{}
		out.Body.Invitations = []invitation{}
		for i := range all {
			out.Body.Invitations = append(out.Body.Invitations, showInvitation(&all[i]))
		}
		return out, nil
	})
}

func addInvite(a *API) {
	type inviteRequest struct {
		OfCustomer
		Body struct {
			Email    string `json:"email" maxLength:"320"`
			Role     string `json:"role" enum:"owner,admin,developer,billing,viewer"`
			Language string `json:"language,omitempty" enum:"en,fr,es" doc:"Of the mail"`
		}
	}
	register(a, huma.Operation{
		OperationID: "invite-member", Method: http.MethodPost, Path: "/customers/{customer}/invitations", Tags: []string{"Members"}, Summary: "Invite somebody by mail", DefaultStatus: http.StatusCreated,
		Description: "The link is in the mail and nowhere else. Whether the address has an account elsewhere is not to be learned.",
	}, rule{scope: toll.ScopeWriteMembers, action: account.CreateMember}, func(ctx context.Context, c *call, in *inviteRequest) (*invitationAnswer, error) {
		t, err := a.o.Office.Invite(ctx, c.person, account.Invitation{CustomerID: c.customer, Email: in.Body.Email, Role: in.Body.Role, Language: in.Body.Language})
		if err != nil {
			return nil, err
		}
		return &invitationAnswer{showInvitation(&t)}, nil
	})
}

// changeInvitation does something to the invitation in the path.
func (a *API) changeInvitation(ctx context.Context, c *call, id string, change func() (toll.Ticket, error)) (*invitationAnswer, error) {
	all, err := a.o.Office.Invitations(ctx, c.person, c.customer)
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(t toll.Ticket) bool { return t.ID == id }) {
		return nil, toll.Errorf(toll.NotFound, "There is no such invitation.")
	}
	t, err := change()
	if err != nil {
		return nil, err
	}
	return &invitationAnswer{showInvitation(&t)}, nil
}

func addReinvite(a *API) {
	register(a, huma.Operation{
		OperationID: "renew-invitation", Method: http.MethodPost, Path: "/customers/{customer}/invitations/{invitation}/renew", Tags: []string{"Members"}, Summary: "Send an invitation again",
		Description: "With another link; the one before opens nothing any more.",
	}, rule{scope: toll.ScopeWriteMembers, action: account.CreateMember}, func(ctx context.Context, c *call, in *OfInvitation) (*invitationAnswer, error) {
		return a.changeInvitation(ctx, c, in.Invitation, func() (toll.Ticket, error) { return a.o.Office.Reinvite(ctx, c.person, in.Invitation) })
	})
}

func addRevokeInvitation(a *API) {
	register(a, huma.Operation{
		OperationID: "revoke-invitation", Method: http.MethodDelete, Path: "/customers/{customer}/invitations/{invitation}", Tags: []string{"Members"}, Summary: "Make an invitation's link worthless",
	}, rule{scope: toll.ScopeWriteMembers, action: account.CreateMember}, func(ctx context.Context, c *call, in *OfInvitation) (*invitationAnswer, error) {
		return a.changeInvitation(ctx, c, in.Invitation, func() (toll.Ticket, error) { return a.o.Office.RevokeInvitation(ctx, c.person, in.Invitation) })
	})
}
