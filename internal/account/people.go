package account

import (
	"context"
	"fmt"

	"golang.org/x/text/language"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// NewMember is what it takes to create a member.
type NewMember struct {
	CustomerID string
	Email      string
	Name       string // 1 to 200 characters
	Role       toll.MemberRole
	Language   string      // BCP 47; "" for the browser's
	Password   toll.Secret // "": none, and nobody can sign in until one is set
}

// NewOperator is what it takes to create an operator.
type NewOperator struct {
	Email    string
	Name     string
	Role     toll.OperatorRole
	Language string
	Password toll.Secret
}

// CreateMember creates a member of a customer. Action: CreateMember, or
// CreateOwner when that is the role. Invalid names the field: email, name,
// role, language or password; Conflict when the e-mail address is taken.
func (o *Office) CreateMember(ctx context.Context, p Person, in NewMember) (toll.Member, error) {
	action := CreateMember
	if in.Role == toll.MemberOwner {
		action = CreateOwner
	}
	c, err := o.customer(ctx, p, action, in.CustomerID)
	if err != nil {
		return toll.Member{}, err
	}
	if err := checkMemberRole(in.Role); err != nil {
		return toll.Member{}, err
	}
	who, err := o.newPerson(ctx, in.Email, in.Name, in.Language, in.Password)
	if err != nil {
		return toll.Member{}, err
	}
	now := o.now()
	m := toll.Member{
		ID: o.ids.NewID("mem", now), CustomerID: c.ID, Email: who.email, Name: who.name, Role: in.Role,
		PasswordHash: who.hash, Language: who.language, CreatedAt: now,
	}
	if err := o.store.CreateMember(ctx, m); err != nil {
		return toll.Member{}, emailTaken(err, "create member")
	}
	m.PasswordHash = ""
	return m, nil
}

// Members lists a customer's members, the oldest first. Action: ListMembers.
func (o *Office) Members(ctx context.Context, p Person, customerID string) ([]toll.Member, error) {
	if _, err := o.customer(ctx, p, ListMembers, customerID); err != nil {
		return nil, err
	}
	members, err := o.store.MembersOf(ctx, customerID)
	if err != nil {
		return nil, fmt.Errorf("list the members of customer %s: %w", customerID, err)
	}
	for i := range members {
		members[i].PasswordHash = ""
	}
	return members, nil
}

// CreateOperator creates an operator. Action: CreateOperator. Errors are those
// of CreateMember.
func (o *Office) CreateOperator(ctx context.Context, p Person, in NewOperator) (toll.Operator, error) {
	if err := Can(p, CreateOperator, ""); err != nil {
		return toll.Operator{}, err
	}
	if err := checkOperatorRole(in.Role); err != nil {
		return toll.Operator{}, err
	}
	who, err := o.newPerson(ctx, in.Email, in.Name, in.Language, in.Password)
	if err != nil {
		return toll.Operator{}, err
	}
	now := o.now()
	op := toll.Operator{
		ID: o.ids.NewID("op", now), Email: who.email, Name: who.name, Role: in.Role,
		PasswordHash: who.hash, Language: who.language, CreatedAt: now,
	}
	if err := o.store.CreateOperator(ctx, op); err != nil {
		return toll.Operator{}, emailTaken(err, "create operator")
	}
	op.PasswordHash = ""
	return op, nil
}

// Operators lists the operators, the oldest first. Action: ListOperators.
func (o *Office) Operators(ctx context.Context, p Person) ([]toll.Operator, error) {
	if err := Can(p, ListOperators, ""); err != nil {
		return nil, err
	}
	operators, err := o.store.Operators(ctx)
	if err != nil {
		return nil, fmt.Errorf("list operators: %w", err)
	}
	for i := range operators {
		operators[i].PasswordHash = ""
	}
	return operators, nil
}

// SetPassword gives another person a password and ends all of that person's
// sessions. Action: SetMemberPassword or SetOperatorPassword, as kind says.
// One's own password needs the current one, and so is not set here: Forbidden.
// When ending the sessions fails the password is set already; calling again
// completes it.
func (o *Office) SetPassword(ctx context.Context, p Person, kind toll.PersonKind, id string, password toll.Secret) error {
	switch kind {
	case toll.KindMember:
		if err := o.mayReachMember(ctx, p, id); err != nil {
			return err
		}
	case toll.KindOperator:
		if err := Can(p, SetOperatorPassword, ""); err != nil {
			return err
		}
	default:
		return errNoPerson()
	}
	if p.Kind == kind && p.ID == id {
		return toll.Errorf(toll.Forbidden, "Your own password cannot be set here. Ask another person who may, or use the command line.")
	}
	hash, err := o.newPassword(ctx, password)
	if err != nil {
		return err
	}
	set := o.store.SetMemberPassword
	if kind == toll.KindOperator {
		set = o.store.SetOperatorPassword
	}
	switch err := set(ctx, id, hash); {
	case toll.CodeOf(err) == toll.NotFound:
		return errNoPerson()
	case err != nil:
		return fmt.Errorf("set the password of %s: %w", id, err)
	}
	return o.endSessions(ctx, kind, id)
}

// mayReachMember reads a member and passes the gate for its customer.
func (o *Office) mayReachMember(ctx context.Context, p Person, id string) error {
	if p.Kind == "" {
		return Can(p, SetMemberPassword, "")
	}
	m, err := o.store.Member(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return errNoPerson()
	case err != nil:
		return fmt.Errorf("read member %s: %w", id, err)
	}
	err = Can(p, SetMemberPassword, m.CustomerID)
	if toll.CodeOf(err) == toll.NotFound {
		return errNoPerson()
	}
	return err
}

func (o *Office) endSessions(ctx context.Context, kind toll.PersonKind, id string) error {
	sessions, err := o.store.SessionsOf(ctx, kind, id)
	if err != nil {
		return fmt.Errorf("list the sessions of %s: %w", id, err)
	}
	now := o.now()
	for _, s := range sessions {
		if s.RevokedAt.IsZero() && now.Before(s.ExpiresAt) {
			if err := o.store.RevokeSession(ctx, s.ID, now); err != nil {
				return fmt.Errorf("end session %s: %w", s.ID, err)
			}
		}
	}
	o.personChanged(id)
	return nil
}

// typed is what a person typed about a person, checked.
type typed struct {
	email, name, language string
	hash                  toll.Secret
}

func (o *Office) newPerson(ctx context.Context, email, name, lang string, password toll.Secret) (typed, error) {
	var t typed
	var err error
	if t.email, err = CleanEmail(email); err != nil {
		return typed{}, err
	}
	if t.name, err = cleanName("name", name, maxName); err != nil {
		return typed{}, err
	}
	if lang != "" {
		tag, err := language.Parse(lang)
		if err != nil {
			return typed{}, toll.FieldError("language", "%q is no language. It looks like en, fr or pt-BR.", shorten(lang))
		}
		t.language = tag.String()
	}
	if password != "" {
		if t.hash, err = o.newPassword(ctx, password, t.email, t.name); err != nil {
			return typed{}, err
		}
	}
	return t, nil
}

// newPassword checks and hashes a password that somebody chose.
// about is what is known of them, and makes no password.
func (o *Office) newPassword(ctx context.Context, password toll.Secret, about ...string) (toll.Secret, error) {
	if err := CheckPassword(password, about...); err != nil {
		return "", err
	}
	return o.passwords.Hash(ctx, password)
}

// emailTaken words the one conflict that a person can do something about.
func emailTaken(err error, doing string) error {
	switch toll.CodeOf(err) {
	case toll.Conflict:
		return &toll.Error{Code: toll.Conflict, Message: "This e-mail address is in use already. Take another.", Field: "email", Cause: err}
	case toll.NotFound: // gone since it was looked at
		return errNoCustomer()
	}
	return fmt.Errorf("%s: %w", doing, err)
}
