package account

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// SetMemberRole gives a member another role. Action: ChangeMember, and
// CreateOwner too where somebody becomes an owner or stops being one: nobody
// gives or takes more than they have. Conflict: it is the last owner.
func (o *Office) SetMemberRole(ctx context.Context, p Person, id string, role toll.MemberRole) (toll.Member, error) {
	m, err := o.reach(ctx, p, ChangeMember, id)
	if err != nil {
		return toll.Member{}, err
	}
	if err := checkMemberRole(role); err != nil {
		return toll.Member{}, err
	}
	if role == toll.MemberOwner {
		if err := Can(p, CreateOwner, m.CustomerID); err != nil {
			return toll.Member{}, err
		}
	}
	if m.Role == role {
		return m, nil
	}
	was := memberFacts(&m)
	m.Role = role
	if err := o.store.SetMemberRole(ctx, id, role, NewEntry(ctx, p, ChangeMember, m.CustomerID, id, o.now(), was, memberFacts(&m))); err != nil {
		return toll.Member{}, changing(err, "change the role of", id)
	}
	o.personChanged(id)
	return m, nil
}

// DisableMember keeps a member from signing in, ends their sessions and makes
// their API tokens worthless until EnableMember. Action: ChangeMember, and
// CreateOwner too for an owner. Forbidden: oneself. Conflict: the last owner.
func (o *Office) DisableMember(ctx context.Context, p Person, id string) (toll.Member, error) {
	m, err := o.reach(ctx, p, ChangeMember, id)
	if err != nil {
		return toll.Member{}, err
	}
	if p.ID == id {
		return toll.Member{}, errOneself()
	}
	now, was := o.now(), memberFacts(&m)
	m.DisabledAt = now
	if err := o.store.DisablePerson(ctx, toll.KindMember, id, now, NewEntry(ctx, p, ChangeMember, m.CustomerID, id, now, was, memberFacts(&m))); err != nil {
		return toll.Member{}, changing(err, "disable", id)
	}
	o.personChanged(id)
	return m, nil
}

// EnableMember lets a disabled member in again. Action: ChangeMember, and
// CreateOwner too for an owner.
func (o *Office) EnableMember(ctx context.Context, p Person, id string) (toll.Member, error) {
	m, err := o.reach(ctx, p, ChangeMember, id)
	if err != nil {
		return toll.Member{}, err
	}
	was := memberFacts(&m)
	m.DisabledAt = time.Time{}
	if err := o.store.EnablePerson(ctx, toll.KindMember, id, NewEntry(ctx, p, ChangeMember, m.CustomerID, id, o.now(), was, memberFacts(&m))); err != nil {
		return toll.Member{}, changing(err, "enable", id)
	}
	o.personChanged(id)
	return m, nil
}

// RemoveMember removes a member for good, with their sessions and API tokens;
// the customer's keys stay. Action: RemoveMember, and CreateOwner too for an
// owner; one may remove oneself. Conflict: the last owner.
func (o *Office) RemoveMember(ctx context.Context, p Person, id string) (toll.Member, error) {
	m, err := o.reach(ctx, p, RemoveMember, id)
	if err != nil {
		return toll.Member{}, err
	}
	if err := o.store.RemovePerson(ctx, toll.KindMember, id, NewEntry(ctx, p, RemoveMember, m.CustomerID, id, o.now(), memberFacts(&m), nil)); err != nil {
		return toll.Member{}, changing(err, "remove", id)
	}
	o.personChanged(id)
	return m, nil
}

// Member returns one member. Action: ListMembers.
func (o *Office) Member(ctx context.Context, p Person, id string) (toll.Member, error) {
	return o.memberFor(ctx, p, ListMembers, id)
}

// reach reads a member whom p may do an action to. Of an owner only those may
// take anything who may make one.
func (o *Office) reach(ctx context.Context, p Person, action Action, id string) (toll.Member, error) {
	m, err := o.memberFor(ctx, p, action, id)
	if err == nil && m.Role == toll.MemberOwner {
		err = Can(p, CreateOwner, m.CustomerID)
	}
	if err != nil {
		return toll.Member{}, err
	}
	return m, nil
}

// memberFor reads a member and passes the gate for its customer; of another
// customer it is told as if there were none.
func (o *Office) memberFor(ctx context.Context, p Person, action Action, id string) (toll.Member, error) {
	if p.Kind == "" {
		return toll.Member{}, Can(p, action, "")
	}
	m, err := o.store.Member(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Member{}, errNoPerson()
	case err != nil:
		return toll.Member{}, fmt.Errorf("read member %s: %w", id, err)
	}
	err = Can(p, action, m.CustomerID)
	if toll.CodeOf(err) == toll.NotFound {
		return toll.Member{}, errNoPerson()
	}
	m.PasswordHash = ""
	return m, err
}

// SetOperatorRole gives an operator another role. Action: ChangeOperator.
// Conflict: it is the last admin.
func (o *Office) SetOperatorRole(ctx context.Context, p Person, id string, role toll.OperatorRole) (toll.Operator, error) {
	if err := checkOperatorRole(role); err != nil {
		return toll.Operator{}, err
	}
	return o.changeOperator(ctx, p, id, false, "change the role of", func(op *toll.Operator) error {
		was := operatorFacts(op)
		if op.Role == role {
			return nil
		}
		op.Role = role
		return o.store.SetOperatorRole(ctx, id, role, NewEntry(ctx, p, ChangeOperator, "", id, o.now(), was, operatorFacts(op)))
	})
}

// DisableOperator is DisableMember for operators. Action: ChangeOperator.
func (o *Office) DisableOperator(ctx context.Context, p Person, id string) (toll.Operator, error) {
	return o.changeOperator(ctx, p, id, true, "disable", func(op *toll.Operator) error {
		was := operatorFacts(op)
		op.DisabledAt = o.now()
		return o.store.DisablePerson(ctx, toll.KindOperator, id, op.DisabledAt, NewEntry(ctx, p, ChangeOperator, "", id, op.DisabledAt, was, operatorFacts(op)))
	})
}

// EnableOperator lets a disabled operator in again. Action: ChangeOperator.
func (o *Office) EnableOperator(ctx context.Context, p Person, id string) (toll.Operator, error) {
	return o.changeOperator(ctx, p, id, false, "enable", func(op *toll.Operator) error {
		was := operatorFacts(op)
		op.DisabledAt = time.Time{}
		return o.store.EnablePerson(ctx, toll.KindOperator, id, NewEntry(ctx, p, ChangeOperator, "", id, o.now(), was, operatorFacts(op)))
	})
}

// RemoveOperator removes an operator for good. Action: ChangeOperator.
// Forbidden: oneself. Conflict: the last admin.
func (o *Office) RemoveOperator(ctx context.Context, p Person, id string) (toll.Operator, error) {
	return o.changeOperator(ctx, p, id, true, "remove", func(op *toll.Operator) error {
		return o.store.RemovePerson(ctx, toll.KindOperator, id, NewEntry(ctx, p, RemovedOperator, "", id, o.now(), operatorFacts(op), nil))
	})
}

// Operator returns one operator. Action: ListOperators.
func (o *Office) Operator(ctx context.Context, p Person, id string) (toll.Operator, error) {
	if err := Can(p, ListOperators, ""); err != nil {
		return toll.Operator{}, err
	}
	op, err := o.store.Operator(ctx, id)
	switch {
	case toll.CodeOf(err) == toll.NotFound:
		return toll.Operator{}, errNoPerson()
	case err != nil:
		return toll.Operator{}, fmt.Errorf("read operator %s: %w", id, err)
	}
	op.PasswordHash = ""
	return op, nil
}

func (o *Office) changeOperator(ctx context.Context, p Person, id string, notOneself bool, doing string, change func(*toll.Operator) error) (toll.Operator, error) {
	if err := Can(p, ChangeOperator, ""); err != nil {
		return toll.Operator{}, err
	}
	op, err := o.Operator(ctx, p, id)
	if err != nil {
		return toll.Operator{}, err
	}
	if notOneself && p.ID == id {
		return toll.Operator{}, errOneself()
	}
	if err := change(&op); err != nil {
		return toll.Operator{}, changing(err, doing, id)
	}
	o.personChanged(id)
	return op, nil
}

func errOneself() error {
	return toll.Errorf(toll.Forbidden, "You cannot do this to yourself. Ask another person who may.")
}

// changing words what a change of a person failed for.
func changing(err error, doing, id string) error {
	switch toll.CodeOf(err) {
	case toll.NotFound:
		return errNoPerson()
	case toll.Conflict:
		return err // the store says who is the last of what
	}
	return fmt.Errorf("%s %s: %w", doing, id, err)
}

func checkMemberRole(role toll.MemberRole) error {
	switch role {
	case toll.MemberOwner, toll.MemberAdmin, toll.MemberDeveloper, toll.MemberBilling, toll.MemberViewer:
		return nil
	}
	return toll.FieldError("role", "A member is owner, admin, developer, billing or viewer.")
}

func checkOperatorRole(role toll.OperatorRole) error {
	switch role {
	case toll.OperatorAdmin, toll.OperatorSupport, toll.OperatorViewer:
		return nil
	}
	return toll.FieldError("role", "An operator is admin, support or viewer.")
}
