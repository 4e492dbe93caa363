package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Tokens keeps the API tokens of members and operators, and says who a program
// that sends one acts for. Every method is safe for concurrent use.
//
// Everybody tends the tokens of their own; those of others need an action of
// the rules. A token never does more than its owner could: the owner's role is
// read at each call.
type Tokens struct {
	store TokenPeople
	o     TokenOptions
	ids   *toll.IDs
	used  lastUses
}

// TokenPeople is the store as Tokens sees it.
type TokenPeople interface {
	TokenStore
	PeopleStore
}

// TokenOptions are what Tokens needs besides its store. Mint and Check are needed.
type TokenOptions struct {
	// Mint makes the text of a new token, its SHA-256 and the hint that is shown.
	Mint func() (text toll.Secret, hash [32]byte, hint string, err error)
	// Check tells, without looking anything up, whether a text can be a token's.
	Check func(text string) error
	Clock toll.Clock // nil: toll.SystemClock
	IDs   *toll.IDs  // nil: toll.NewIDs(nil)
}

// The bounds of tokens.
const (
	maxTokens   = 100                       // valid ones of a person
	longestLife = 10 * 366 * 24 * time.Hour // when an end is given at all
)

// NewTokens opens the tokens in a store.
func NewTokens(store TokenPeople, o TokenOptions) (*Tokens, error) {
	if store == nil || o.Mint == nil || o.Check == nil {
		return nil, errors.New("open the API tokens: a store, a mint and a check are needed")
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	if o.IDs == nil {
		o.IDs = toll.NewIDs(nil)
	}
	return &Tokens{store: store, o: o, ids: o.IDs}, nil
}

// NewToken asks for a token.
type NewToken struct {
	Email     string // of the owner, a member or an operator
	Name      string // 1 to 100 characters
	Scopes    []toll.TokenScope
	ExpiresAt time.Time // zero: never
}

// MadeToken is a token that was just made; Text is nowhere else.
type MadeToken struct {
	Token toll.APIToken
	Owner Person
	Text  toll.Secret
}

// Create makes a token for the person with an e-mail address. Action:
// CreateToken, unless it is one's own. Invalid names the field: email, name,
// scopes or expires_at; a scope that the owner's role can never use is Invalid
// too. Conflict: the owner has 100 valid ones already.
func (t *Tokens) Create(ctx context.Context, p Person, in NewToken) (MadeToken, error) {
	owner, err := t.personByEmail(ctx, p, CreateToken, in.Email)
	if err != nil {
		return MadeToken{}, err
	}
	now := stored(t.o.Clock())
	name, err := cleanName("name", in.Name, maxKeyName)
	if err != nil {
		return MadeToken{}, err
	}
	scopes, err := scopesFor(owner, in.Scopes)
	if err != nil {
		return MadeToken{}, err
	}
	expires := stored(in.ExpiresAt)
	if in.ExpiresAt.IsZero() {
		expires = time.Time{}
	} else if !expires.After(now) || expires.Sub(now) > longestLife {
		return MadeToken{}, toll.FieldError("expires_at", "A token ends after now, and at most ten years from now.")
	}
	others, err := t.store.TokensOf(ctx, owner.Kind, owner.ID)
	if err != nil {
		return MadeToken{}, fmt.Errorf("count the API tokens of %s: %w", owner.ID, err)
	}
	valid := 0
	for i := range others {
		if others[i].StateAt(now) == toll.KeyValid {
			valid++
		}
	}
	if valid >= maxTokens {
		return MadeToken{}, toll.Errorf(toll.Conflict, "%s has %d valid tokens; revoke those that are not used any more.", owner.Email, valid)
	}
	text, hash, hint, err := t.o.Mint()
	if err != nil {
		return MadeToken{}, fmt.Errorf("make an API token: %w", err)
	}
	token := toll.APIToken{
		ID: t.ids.NewID("tok", now), Kind: owner.Kind, PersonID: owner.ID, Name: name,
		Hash: hash, Hint: hint, Scopes: scopes, CreatedAt: now, ExpiresAt: expires,
	}
	if err := t.store.CreateToken(ctx, token, NewEntry(ctx, p, CreateToken, owner.CustomerID, token.ID, now, nil, tokenFacts(&token))); err != nil {
		return MadeToken{}, fmt.Errorf("keep an API token: %w", err)
	}
	return MadeToken{Token: token, Owner: owner, Text: text}, nil
}

// Of lists the tokens of a person, valid or not, the newest first. Action:
// ListTokens, unless they are one's own.
func (t *Tokens) Of(ctx context.Context, p Person, email string) ([]toll.APIToken, error) {
	owner, err := t.personByEmail(ctx, p, ListTokens, email)
	if err != nil {
		return nil, err
	}
	tokens, err := t.store.TokensOf(ctx, owner.Kind, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("list the API tokens of %s: %w", owner.ID, err)
	}
	return tokens, nil
}

// Revoke ends a token; the next request with it is refused. Action:
// RevokeToken, unless it is one's own. A token that was revoked before stays as
// it is. NotFound: there is none with this ID, or none for this person.
func (t *Tokens) Revoke(ctx context.Context, p Person, id string) (toll.APIToken, error) {
	token, err := t.store.Token(ctx, id)
	if err == nil {
		err = mayTend(p, RevokeToken, token.Kind, token.PersonID)
	}
	if code := toll.CodeOf(err); code == toll.NotFound || code == toll.Forbidden {
		return toll.APIToken{}, toll.Errorf(toll.NotFound, "There is no such API token.")
	}
	if err != nil {
		return toll.APIToken{}, fmt.Errorf("read the API token %s: %w", id, err)
	}
	now := stored(t.o.Clock())
	if token, err = t.store.RevokeToken(ctx, id, now, NewEntry(ctx, p, RevokeToken, "", id, now, nil, Facts{"owner": token.PersonID, "revoked_at": momentFact(now)})); err != nil {
		return toll.APIToken{}, fmt.Errorf("revoke the API token %s: %w", id, err)
	}
	return token, nil
}

// Authenticate says who a program acts for that sent a token's text, and what
// the token may be used for. Unauthorized: the text is no valid token's, or its
// owner is no more; why is told only as far as it helps nobody who guesses. It
// asks the store each time, so that a revoked token or a changed role holds for
// the next request.
func (t *Tokens) Authenticate(ctx context.Context, text string) (Person, toll.APIToken, error) {
	if t.o.Check(text) != nil {
		return Person{}, toll.APIToken{}, ErrTokenMalformed
	}
	token, err := t.store.TokenByHash(ctx, sha256.Sum256([]byte(text)))
	if toll.CodeOf(err) == toll.NotFound {
		return Person{}, toll.APIToken{}, ErrTokenUnknown
	}
	if err != nil {
		return Person{}, toll.APIToken{}, fmt.Errorf("look an API token up: %w", err)
	}
	now := t.o.Clock()
	switch token.StateAt(now) {
	case toll.KeyRevoked:
		return Person{}, toll.APIToken{}, ErrTokenUnknown
	case toll.KeyExpired:
		return Person{}, toll.APIToken{}, ErrTokenExpired
	}
	p, err := t.person(ctx, token.Kind, token.PersonID)
	if toll.CodeOf(err) == toll.NotFound || err == nil && p.Disabled {
		return Person{}, toll.APIToken{}, ErrTokenUnknown
	}
	if err != nil {
		return Person{}, toll.APIToken{}, fmt.Errorf("read the owner of the API token %s: %w", token.ID, err)
	}
	t.note(ctx, &token, now)
	return p, token, nil
}

// What Authenticate says of a text.
var (
	ErrTokenMalformed = toll.Errorf(toll.Unauthorized, "This is not an API token: one starts with th_api_ and has 36 more letters and digits. (A customer's key opens services, and not this API.) Check that it was copied whole.")
	ErrTokenUnknown   = toll.Errorf(toll.Unauthorized, "No valid API token has this text: it was revoked, or never was one of ours. Make a new one with `tollhouse token create`.")
	ErrTokenExpired   = toll.Errorf(toll.Unauthorized, "This API token has expired. Make a new one with `tollhouse token create`.")
)

// note keeps when a token was last used, to the minute. It is worth no failed
// request: what the store does not take now is written with the next use.
func (t *Tokens) note(ctx context.Context, token *toll.APIToken, now time.Time) {
	minute := now.UTC().Truncate(time.Minute)
	if token.LastUsedAt.Before(minute) && t.used.first(token.ID, minute) {
		if t.store.TouchToken(ctx, token.ID, minute) != nil {
			t.used.forget(token.ID)
		}
	}
}

// lastUses remembers which tokens were written in this minute, so that many
// requests at once write once.
type lastUses struct {
	mu     sync.Mutex
	minute time.Time
	ids    map[string]bool
}

func (l *lastUses) first(id string, minute time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.minute.Equal(minute) || l.ids == nil {
		l.minute, l.ids = minute, map[string]bool{}
	}
	if l.ids[id] {
		return false
	}
	l.ids[id] = true
	return true
}

func (l *lastUses) forget(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.ids, id)
}

// personByEmail finds whose tokens are meant, and whether p may tend them.
func (t *Tokens) personByEmail(ctx context.Context, p Person, action Action, email string) (Person, error) {
	email, err := CleanEmail(email)
	if err != nil {
		return Person{}, err
	}
	owner := Person{}
	m, err := t.store.MemberByEmail(ctx, email)
	if err == nil {
		owner = memberPerson(m, "")
	} else if toll.CodeOf(err) == toll.NotFound {
		var op toll.Operator
		if op, err = t.store.OperatorByEmail(ctx, email); err == nil {
			owner = operatorPerson(op, "")
		}
	}
	if err != nil && toll.CodeOf(err) != toll.NotFound {
		return Person{}, fmt.Errorf("find the owner of an API token: %w", err)
	}
	if may := mayTend(p, action, owner.Kind, owner.ID); may != nil { // before it is told whether there is such a person
		return Person{}, may
	}
	if err != nil {
		return Person{}, toll.FieldError("email", "Nobody signs in with %s. Create the operator or member first.", shorten(email))
	}
	return owner, nil
}

// mayTend says whether p may do an action to the tokens of a person.
func mayTend(p Person, action Action, kind toll.PersonKind, id string) error {
	if p.Kind == kind && p.ID == id && id != "" {
		return nil
	}
	return Can(p, action, "")
}

func (t *Tokens) person(ctx context.Context, kind toll.PersonKind, id string) (Person, error) {
	if kind == toll.KindMember {
		m, err := t.store.Member(ctx, id)
		return memberPerson(m, ""), err
	}
	o, err := t.store.Operator(ctx, id)
	return operatorPerson(o, ""), err
}

// scopeActions is what each scope opens: a token with it can do these, as far
// as its owner may.
var scopeActions = map[toll.TokenScope][]Action{
	toll.ScopeWriteEvents: {WriteEvents},
	toll.ScopeReadUsage:   {ReadUsage, ReadAllUsage},

	toll.ScopeReadCustomers:  {ReadCustomer, ListCustomers, ExportCustomer},
	toll.ScopeWriteCustomers: {CreateCustomer, RenameCustomer, SetPlan, SetOverride, SuspendCustomer, ResumeCustomer, DeleteCustomer},
	toll.ScopeReadKeys:       {ListKeys},
	toll.ScopeWriteKeys:      {CreateKey, RollKey, RevokeKey},
	toll.ScopeReadMembers:    {ListMembers},
	toll.ScopeWriteMembers:   {CreateMember, CreateOwner, ChangeMember, RemoveMember},
	toll.ScopeReadApprovals:  {ReadApprovals, ReadAllApprovals},
	toll.ScopeWriteApprovals: {AskPlan, AskLimit, WithdrawApproval, DecideApproval},
	toll.ScopeReadAudit:      {ReadAudit, ReadAllAudit},
	toll.ScopeReadModels:     {ListModels, ListAllModels},
	toll.ScopeWriteModels:    {DeleteModel, DecideModel},
	toll.ScopeReadSupport:    {ReadSupport, ReadAllSupport},
	toll.ScopeWriteSupport:   {WriteSupport},
}

// scopesFor checks the scopes of a token for its owner.
func scopesFor(owner Person, asked []toll.TokenScope) ([]toll.TokenScope, error) {
	var all []toll.TokenScope
	for _, s := range asked {
		actions, known := scopeActions[s]
		if !known {
			return nil, toll.FieldError("scopes", "There is no scope %q. There are: %s.", shorten(string(s)), joinScopes(toll.TokenScopes()))
		}
		if !slices.ContainsFunc(actions, func(a Action) bool { return Can(owner, a, owner.CustomerID) == nil }) {
			return nil, toll.FieldError("scopes", "A token of %s could never use %s: the role (%s) does not allow it.", owner.Email, s, owner.Role)
		}
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return nil, toll.FieldError("scopes", "Say what the token is for: %s.", joinScopes(toll.TokenScopes()))
	}
	slices.Sort(all)
	return all, nil
}

func joinScopes(all []toll.TokenScope) string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return strings.Join(names, ", ")
}
