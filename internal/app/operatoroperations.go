package app

import (
	"context"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// OperatorInvite asks to invite an operator by mail.
type OperatorInvite struct {
	Email    string `json:"email"`
	Role     string `json:"role"`
	Language string `json:"language,omitempty"`
}

// OperatorInvited is an invitation that is on its way.
type OperatorInvited struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Role      string    `json:"role"`
	ExpiresAt time.Time `json:"expires_at"`
	Kept      bool      `json:"kept"` // no server sends it: the link is in the console's list of mail
}

func inviteOperator(ctx context.Context, r *rooms, in OperatorInvite) (OperatorInvited, error) {
	t, err := r.office.Invite(ctx, account.System, account.Invitation{Email: in.Email, Role: in.Role, Language: in.Language})
	if err != nil {
		return OperatorInvited{}, err
	}
	return OperatorInvited{ID: t.ID, Email: t.Email, Role: t.Role, ExpiresAt: t.ExpiresAt, Kept: r.post.carrier == nil}, nil
}

// OperatorList asks for all operators.
type OperatorList struct{}

// OperatorShown is an operator as commands show it.
type OperatorShown struct {
	ID         string    `json:"id"`
	Email      string    `json:"email"`
	Name       string    `json:"name"`
	Role       string    `json:"role"`
	CreatedAt  time.Time `json:"created_at"`
	DisabledAt time.Time `json:"disabled_at,omitzero"`
}

// OperatorListed are the operators, the oldest first, and who is invited.
type OperatorListed struct {
	Operators []OperatorShown   `json:"operators"`
	Invited   []OperatorInvited `json:"invited"`
}

func showOperator(o toll.Operator) OperatorShown {
	return OperatorShown{ID: o.ID, Email: o.Email, Name: o.Name, Role: string(o.Role), CreatedAt: o.CreatedAt, DisabledAt: o.DisabledAt}
}

func listOperators(ctx context.Context, r *rooms, _ OperatorList) (OperatorListed, error) {
	out := OperatorListed{Operators: []OperatorShown{}, Invited: []OperatorInvited{}}
	all, err := r.office.Operators(ctx, account.System)
	if err != nil {
		return out, err
	}
	for _, o := range all {
		out.Operators = append(out.Operators, showOperator(o))
	}
	invited, err := r.office.Invitations(ctx, account.System, "")
	for _, t := range invited {
		out.Invited = append(out.Invited, OperatorInvited{ID: t.ID, Email: t.Email, Role: t.Role, ExpiresAt: t.ExpiresAt})
	}
	return out, err
}

// OperatorChange names an operator by ID or e-mail address.
type OperatorChange struct {
	Operator string `json:"operator"`
	Role     string `json:"role,omitempty"`
}

func setOperatorRole(ctx context.Context, r *rooms, in OperatorChange) (OperatorShown, error) {
	return changeOperator(ctx, r, in, func(id string) (toll.Operator, error) {
		return r.office.SetOperatorRole(ctx, account.System, id, toll.OperatorRole(in.Role))
	})
}

func disableOperator(ctx context.Context, r *rooms, in OperatorChange) (OperatorShown, error) {
	return changeOperator(ctx, r, in, func(id string) (toll.Operator, error) {
		return r.office.DisableOperator(ctx, account.System, id)
	})
}

func enableOperator(ctx context.Context, r *rooms, in OperatorChange) (OperatorShown, error) {
	return changeOperator(ctx, r, in, func(id string) (toll.Operator, error) {
		return r.office.EnableOperator(ctx, account.System, id)
	})
}

func changeOperator(ctx context.Context, r *rooms, in OperatorChange, change func(id string) (toll.Operator, error)) (OperatorShown, error) {
	id := in.Operator
	if email, err := account.CleanEmail(in.Operator); err == nil {
		all, err := r.office.Operators(ctx, account.System)
		if err != nil {
			return OperatorShown{}, err
		}
		for _, o := range all {
			if o.Email == email {
				id = o.ID
			}
		}
	}
	o, err := change(id)
	if err != nil {
		return OperatorShown{}, err
	}
	return showOperator(o), nil
}
