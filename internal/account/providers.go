package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/tollhouse/tollhouse/internal/account/oidc"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// SignInProvider is an OpenID provider with what it may sign in.
type SignInProvider struct {
	*oidc.Provider
	Domains []string // of e-mail addresses, in lower case; nil: any
	// Operators lets it sign operators in. Without, it signs members in alone.
	Operators bool
	Group     string            // operators must be in it, and whoever is becomes one; "": nobody becomes one
	Role      toll.OperatorRole // of those who become one
	Strong    bool              // it asks for two factors itself, so its sign-ins count as such
}

// underWay is what is kept while somebody is at a provider.
type underWay struct {
	Provider string `json:"provider"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Next     string `json:"next"`
}

// Providers lists the providers in their order.
func (s *Sessions) Providers() []*SignInProvider { return slices.Clone(s.providers) }

func (s *Sessions) provider(name string) (*SignInProvider, error) {
	for _, p := range s.providers {
		if p.Name() == name {
			return p, nil
		}
	}
	return nil, toll.Errorf(toll.NotFound, "There is no such way to sign in.")
}

// BeginProvider says where to send a browser so that its person signs in
// there. binding is a secret of that browser, and of no other: whoever comes
// back without it did not begin here. next is kept for FinishProvider.
// NotFound: there is no such provider. *TooManyAttempts as SignIn.
func (s *Sessions) BeginProvider(ctx context.Context, name string, binding toll.Secret, next string, from netip.Addr) (url string, err error) {
	p, err := s.provider(name)
	if err != nil {
		return "", err
	}
	if wait := s.byAddress.take(neighbourhood(from), s.clock()); wait > 0 {
		return "", tooMany(wait)
	}
	way := underWay{Provider: name, Nonce: rand.Text(), Verifier: oidc.NewVerifier(), Next: next}
	state, err := s.hold(ctx, forProvider, bindingOf(binding), way)
	if err != nil {
		return "", err
	}
	return p.AuthURL(ctx, state.Reveal(), way.Nonce, way.Verifier)
}

// bindingOf is what is kept of a browser's secret.
func bindingOf(binding toll.Secret) string {
	sum := ceremonyHash(binding)
	return string(fmt.Appendf(nil, "%x", sum))
}

// Returned is what a browser brings back from a provider: the parameters of
// RFC 6749 §4.1.2 and of RFC 9207.
type Returned struct {
	State, Code, Error, Issuer string
}

// FinishProvider signs somebody in who comes back from a provider, and gives
// back what BeginProvider kept. Who it is follows from these rules, the first
// that fits:
//
//   - an identity (issuer and subject) that is joined to a person is that person;
//   - an address that the provider says is verified, of a domain that is let in,
//     is the person who has it here, and the identity is joined to them;
//   - so is an operator made of whoever is in the provider's group;
//   - everybody else is refused (Forbidden).
//
// An address that is not verified joins nothing. Operators sign in only by a
// provider that says so, and if it names a group, only in it. A person with an
// authenticator app gets *CodeNeeded, unless the provider is strong: then the
// identity is joined after the code. NotFound: the step was done already, took
// too long, or was begun in another browser.
func (s *Sessions) FinishProvider(ctx context.Context, name string, binding toll.Secret, back Returned, from netip.Addr, userAgent string) (Token, Person, string, error) {
	p, err := s.provider(name)
	if err != nil {
		return Token{}, Person{}, "", err
	}
	var way underWay
	if _, err := s.take(ctx, toll.Secret(back.State), forProvider, bindingOf(binding), &way); err != nil {
		return Token{}, Person{}, "", err
	}
	switch {
	case subtle.ConstantTimeCompare([]byte(way.Provider), []byte(name)) != 1:
		return Token{}, Person{}, "", errStale()
	case back.Issuer != "" && back.Issuer != p.Issuer(): // RFC 9207 §2.4
		return Token{}, Person{}, way.Next, &toll.Error{Code: toll.Unauthorized, Message: "The answer came from another provider.", Cause: fmt.Errorf("the issuer of the answer is %q", shorten(back.Issuer))}
	case back.Error != "":
		return Token{}, Person{}, way.Next, &toll.Error{Code: toll.Unauthorized, Message: p.Title() + " did not sign you in.", Cause: fmt.Errorf("it answers %q", shorten(back.Error))}
	}
	claims, err := p.Redeem(ctx, back.Code, way.Nonce, way.Verifier)
	if err != nil {
		return Token{}, Person{}, way.Next, err
	}
	who, join, err := s.whoIs(ctx, p, claims)
	if err != nil {
		return Token{}, Person{}, way.Next, err
	}
	how := begun{from: from, userAgent: userAgent, method: "oidc:" + name, strong: p.Strong}
	if !p.Strong {
		needed, err := s.needsCodeAfter(ctx, who, how.method, join)
		if err != nil {
			return Token{}, Person{}, way.Next, err
		}
		if needed != nil {
			return Token{}, Person{}, way.Next, needed
		}
	}
	if err := s.join(ctx, who, join); err != nil {
		return Token{}, Person{}, way.Next, err
	}
	token, who, err := s.begin(ctx, who, how)
	return token, who, way.Next, err
}

// join keeps an identity. Of two who come at once, both are the same.
func (s *Sessions) join(ctx context.Context, p Person, i *toll.Identity) error {
	if i == nil {
		return nil
	}
	err := s.store.CreateIdentity(ctx, *i, NewEntry(ctx, p, JoinedIdentity, p.CustomerID, p.ID, s.clock(), nil, Facts{"issuer": i.Issuer}))
	if toll.CodeOf(err) == toll.Conflict {
		is, e := s.store.Identity(ctx, i.Issuer, i.Subject)
		if e == nil && is.PersonID == i.PersonID {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("join an identity to %s: %w", i.PersonID, err)
	}
	return nil
}

// whoIs finds the person that claims are about. join is the identity that is
// not kept yet, nil when it is.
func (s *Sessions) whoIs(ctx context.Context, p *SignInProvider, claims oidc.Claims) (who Person, join *toll.Identity, err error) {
	known, err := s.store.Identity(ctx, claims.Issuer, claims.Subject)
	switch {
	case err == nil:
		who, _, err = s.self(ctx, Person{Kind: known.Kind, ID: known.PersonID})
		if err != nil {
			return Person{}, nil, err
		}
		return who, nil, p.letsIn(who, claims)
	case toll.CodeOf(err) != toll.NotFound:
		return Person{}, nil, fmt.Errorf("look an identity up: %w", err)
	}
	email, err := CleanEmail(claims.Email)
	if err != nil || !claims.EmailVerified {
		return Person{}, nil, refused("the provider does not say that the address is verified")
	}
	if err := p.letsIn(Person{}, claims); err != nil {
		return Person{}, nil, err
	}
	if who, _, err = personByEmail(ctx, s.store, email); err != nil {
		return Person{}, nil, err
	}
	if who.ID == "" {
		if who, err = s.becomes(ctx, p, email, claims); err != nil {
			return Person{}, nil, err
		}
	}
	if err := p.letsIn(who, claims); err != nil {
		return Person{}, nil, err
	}
	return who, &toll.Identity{
		Issuer: claims.Issuer, Subject: claims.Subject, Kind: who.Kind, PersonID: who.ID, Email: email, CreatedAt: stored(s.clock()),
	}, nil
}

// letsIn tells why a provider must not sign somebody in.
func (p *SignInProvider) letsIn(who Person, claims oidc.Claims) error {
	switch {
	case len(p.Domains) > 0 && (!claims.EmailVerified || !slices.Contains(p.Domains, claims.Domain())):
		return refused("the address is of no domain that is let in")
	case who.IsOperator() && !p.Operators:
		return refused("the provider signs no operators in")
	case who.IsOperator() && p.Group != "" && !claims.In(p.Group):
		return refused("the operator is not in the group")
	}
	return nil
}

// becomes makes an operator of whoever is in the provider's group.
func (s *Sessions) becomes(ctx context.Context, p *SignInProvider, email string, claims oidc.Claims) (Person, error) {
	if !p.Operators || !claims.In(p.Group) {
		return Person{}, refused("nobody has the address")
	}
	name, err := cleanName("name", claims.Name, maxName)
	if err != nil {
		name = email
	}
	now := stored(s.clock())
	op := toll.Operator{ID: s.ids.NewID("op", now), Email: email, Name: name, Role: p.Role, CreatedAt: now}
	made := operatorPerson(op, "")
	e := NewEntry(ctx, made, CreateOperator, "", op.ID, now, nil, Facts{"role": string(op.Role), "provider": p.Name()})
	if err := s.store.CreateOperator(ctx, op, e); err != nil {
		return Person{}, fmt.Errorf("make an operator of %s's: %w", p.Name(), err)
	}
	s.log.InfoContext(ctx, "an operator was made of a member of a provider's group", "operator", op.ID, "role", op.Role, "provider", p.Name())
	return made, nil
}

// refused is the one answer to everybody who has no account here.
func refused(why string) error {
	return &toll.Error{Code: toll.Forbidden, Message: "You have no account here that this sign-in belongs to. Ask whoever runs this service, or an owner of your team, for an invitation.", Cause: errors.New(why)}
}
