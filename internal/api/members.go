package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// member is a person of a customer as the API shows it.
type member struct {
	ID         string     `json:"id"`
	Customer   string     `json:"customer"`
	Email      string     `json:"email"`
	Name       string     `json:"name"`
	Role       string     `json:"role"`
	Language   string     `json:"language,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	DisabledAt *time.Time `json:"disabled_at,omitempty" doc:"Since when they may not sign in"`
}

func showMember(m *toll.Member) member {
	return member{m.ID, m.CustomerID, m.Email, m.Name, string(m.Role), m.Language, m.CreatedAt, maybe(m.DisabledAt)}
}

type memberAnswer struct{ Body member }

// OfMember is the path of an operation about one member.
type OfMember struct {
	OfCustomer
	Member string `path:"member" maxLength:"100"`
}

func addListMembers(a *API) {
	type listMembersAnswer struct {
		Body struct {
			Members []member `json:"members" doc:"The oldest first"`
		}
	}
	register(a, huma.Operation{
		OperationID: "list-members", Method: http.MethodGet, Path: "/customers/{customer}/members", Tags: []string{"Members"}, Summary: "List a customer's members",
	}, rule{scope: toll.ScopeReadMembers, action: account.ListMembers}, func(ctx context.Context, c *call, _ *OfCustomer) (*listMembersAnswer, error) {
		all, err := a.o.Office.Members(ctx, c.person, c.customer)
		if err != nil {
			return nil, err
		}
		out := &listMembersAnswer{}
		out.Body.Members = []member{}
		for i := range all {
			out.Body.Members = append(out.Body.Members, showMember(&all[i]))
		}
		return out, nil
	})
}

// changeMember does something to the member in the path.
func (a *API) changeMember(ctx context.Context, c *call, id string, change func() (toll.Member, error)) (*memberAnswer, error) {
	m, err := a.o.Office.Member(ctx, c.person, id)
	if m, err = of(c, m, m.CustomerID, err, "person"); err != nil {
		return nil, err
	}
	if change != nil {
		if m, err = change(); err != nil {
			return nil, err
		}
	}
	return &memberAnswer{showMember(&m)}, nil
}

func addShowMember(a *API) {
	register(a, huma.Operation{
		OperationID: "show-member", Method: http.MethodGet, Path: "/customers/{customer}/members/{member}", Tags: []string{"Members"}, Summary: "Show a member",
	}, rule{scope: toll.ScopeReadMembers, action: account.ListMembers}, func(ctx context.Context, c *call, in *OfMember) (*memberAnswer, error) {
		return a.changeMember(ctx, c, in.Member, nil)
	})
}

func addSetRole(a *API) {
	type setRoleRequest struct {
		OfMember
		Body struct {
			Role string `json:"role" enum:"owner,admin,developer,billing,viewer"`
		}
	}
	register(a, huma.Operation{
		OperationID: "set-member-role", Method: http.MethodPut, Path: "/customers/{customer}/members/{member}/role", Tags: []string{"Members"}, Summary: "Give a member another role",
		Description: "Nobody gives or takes more than they have. The last owner stays one (409).",
	}, rule{scope: toll.ScopeWriteMembers, action: account.ChangeMember}, func(ctx context.Context, c *call, in *setRoleRequest) (*memberAnswer, error) {
		return a.changeMember(ctx, c, in.Member, func() (toll.Member, error) {
			return a.o.Office.SetMemberRole(ctx, c.person, in.Member, toll.MemberRole(in.Body.Role))
		})
	})
}

func addDisableMember(a *API) {
	register(a, huma.Operation{
		OperationID: "disable-member", Method: http.MethodPost, Path: "/customers/{customer}/members/{member}/disable", Tags: []string{"Members"}, Summary: "Keep a member from signing in",
		Description: "Their sessions end, and their API tokens are worth nothing until they are enabled again.",
	}, rule{scope: toll.ScopeWriteMembers, action: account.ChangeMember}, func(ctx context.Context, c *call, in *OfMember) (*memberAnswer, error) {
		return a.changeMember(ctx, c, in.Member, func() (toll.Member, error) { return a.o.Office.DisableMember(ctx, c.person, in.Member) })
	})
}

func addEnableMember(a *API) {
	register(a, huma.Operation{
		OperationID: "enable-member", Method: http.MethodPost, Path: "/customers/{customer}/members/{member}/enable", Tags: []string{"Members"}, Summary: "Let a disabled member in again",
	}, rule{scope: toll.ScopeWriteMembers, action: account.ChangeMember}, func(ctx context.Context, c *call, in *OfMember) (*memberAnswer, error) {
		return a.changeMember(ctx, c, in.Member, func() (toll.Member, error) { return a.o.Office.EnableMember(ctx, c.person, in.Member) })
	})
}

func addRemoveMember(a *API) {
	register(a, huma.Operation{
		OperationID: "remove-member", Method: http.MethodDelete, Path: "/customers/{customer}/members/{member}", Tags: []string{"Members"}, Summary: "Remove a member for good",
		Description: "With their sessions and API tokens; the customer's keys stay.",
	}, rule{scope: toll.ScopeWriteMembers, action: account.RemoveMember}, func(ctx context.Context, c *call, in *OfMember) (*memberAnswer, error) {
		return a.changeMember(ctx, c, in.Member, func() (toll.Member, error) { return a.o.Office.RemoveMember(ctx, c.person, in.Member) })
	})
}
