// Package oidc signs people in by an OpenID provider, as a relying party of
// OpenID Connect Core 1.0 with the authorization code flow and PKCE (RFC 7636),
// and nothing else: no implicit flow, no plain challenge, no symmetric keys.
//
//	Provider.AuthURL(state, nonce, verifier) ─► the browser ─► code
//	Provider.Redeem(code, nonce, verifier)   ─► Claims, all of them checked
//
// Whose account it is, and whether there may be one, account decides.
package oidc

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Options say which provider it is, and as whom Tollhouse is known there.
type Options struct {
	Name         string // of the provider, in paths
	Title        string // on the button
	Issuer       string // as its tokens say it, exactly
	ClientID     string
	ClientSecret toll.Secret // "": a public client, which PKCE alone protects
	RedirectURL  string      // as it is registered there, exactly
	Scopes       []string    // besides openid; nil: email and profile
	GroupsClaim  string      // which claim lists groups; "": none is read

	Transport http.RoundTripper // nil: http.DefaultTransport
	Clock     toll.Clock        // nil: toll.SystemClock
}

// Bounds of what is read from a provider, and how long it may take.
const (
	mostAnswer = 1 << 20 // bytes
	patience   = 10 * time.Second
	againAfter = 10 * time.Second // when discovery is tried once more after it failed
	mayBeAhead = time.Minute      // how far the provider's clock may be
	maxSubject = 255              // OpenID Connect Core 1.0 §2
)

// algorithms are the signatures that are believed: asymmetric ones only, for
// the client's secret is no key of the provider's.
var algorithms = []string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}

// Provider is one OpenID provider. It is safe for concurrent use. Its address
// is asked when it is first needed, so that a provider that is away keeps
// nobody from starting.
type Provider struct {
	o      Options
	client *http.Client

	mu     sync.Mutex
	found  *oidc.Provider
	failed error
	again  time.Time
}

// NewProvider makes a provider and asks nothing yet.
func NewProvider(o Options) (*Provider, error) {
	if o.Name == "" || o.Issuer == "" || o.ClientID == "" || o.RedirectURL == "" {
		return nil, errors.New("an OpenID provider needs a name, an issuer, a client ID and a redirect URL")
	}
	if o.Scopes == nil {
		o.Scopes = []string{"email", "profile"}
	}
	if o.Clock == nil {
		o.Clock = toll.SystemClock
	}
	next := o.Transport
	if next == nil {
		next = http.DefaultTransport
	}
	return &Provider{o: o, client: &http.Client{
		Transport: bounded{next}, Timeout: patience,
		// A provider that sends its client elsewhere would take the secret there.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// bounded cuts answers that are too long.
type bounded struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.next.RoundTrip(r)
	if err == nil {
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(res.Body, mostAnswer), res.Body}
	}
	return res, err
}

// Name is the provider's in paths.
func (p *Provider) Name() string { return p.o.Name }

// Title is what its button says.
func (p *Provider) Title() string { return p.o.Title }

// Issuer is the provider's name in its tokens.
func (p *Provider) Issuer() string { return p.o.Issuer }

// discover reads the provider's own description (OpenID Connect Discovery 1.0 §4).
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.o.Clock()
	if p.found != nil {
		return p.found, nil
	}
	if p.failed != nil && now.Before(p.again) {
		return nil, p.failed
	}
	// Keys are fetched later with this context: it must not end with a request.
	lasting := oidc.ClientContext(context.WithoutCancel(ctx), p.client)
	found, err := oidc.NewProvider(lasting, p.o.Issuer)
	if err != nil {
		p.failed, p.again = p.away(err), now.Add(againAfter)
		return nil, p.failed
	}
	p.found, p.failed = found, nil
	return found, nil
}

func (p *Provider) away(err error) error {
	return &toll.Error{Code: toll.Unavailable, Message: p.o.Title + " does not answer. Try again in a moment, or sign in another way.", Cause: fmt.Errorf("OpenID provider %s: %w", p.o.Name, err)}
}

func (p *Provider) config(found *oidc.Provider) *oauth2.Config {
	endpoint := found.Endpoint()
	endpoint.AuthStyle = p.authStyle(found)
	return &oauth2.Config{
		ClientID: p.o.ClientID, ClientSecret: p.o.ClientSecret.Reveal(), Endpoint: endpoint,
		RedirectURL: p.o.RedirectURL, Scopes: append([]string{oidc.ScopeOpenID}, p.o.Scopes...),
	}
}

// authStyle is how the client shows its secret: as the provider says, by HTTP
// Basic where it says nothing (OpenID Connect Core 1.0 §9). It is never tried
// out, for a code that was sent once is used up.
func (p *Provider) authStyle(found *oidc.Provider) oauth2.AuthStyle {
	var says struct {
		Methods []string `json:"token_endpoint_auth_methods_supported"`
	}
	_ = found.Claims(&says) // what cannot be read says nothing
	if p.o.ClientSecret == "" || len(says.Methods) > 0 && !slices.Contains(says.Methods, "client_secret_basic") {
		return oauth2.AuthStyleInParams
	}
	return oauth2.AuthStyleInHeader
}

// NewVerifier makes what the code is redeemed with: 32 random bytes (RFC 7636 §4.1).
func NewVerifier() string { return oauth2.GenerateVerifier() }

// AuthURL is where to send the browser.
func (p *Provider) AuthURL(ctx context.Context, state, nonce, verifier string) (string, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return "", err
	}
	return p.config(found).AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Claims are what the provider says of somebody, and has signed.
type Claims struct {
	Issuer        string
	Subject       string
	Email         string
	EmailVerified bool // the provider has seen that the address is theirs
	Name          string
	Groups        []string // of Options.GroupsClaim
}

// refused is a sign-in that does not hold. The cause is for the log.
func (p *Provider) refused(cause error) error {
	return &toll.Error{Code: toll.Unauthorized, Message: "The sign-in by " + p.o.Title + " was not accepted. Begin again.", Cause: fmt.Errorf("OpenID provider %s: %w", p.o.Name, cause)}
}

// Redeem turns the code that the browser brought into claims. Unauthorized: it
// does not hold; Unavailable: the provider does not answer.
func (p *Provider) Redeem(ctx context.Context, code, nonce, verifier string) (Claims, error) {
	found, err := p.discover(ctx)
	if err != nil {
		return Claims{}, err
	}
	ctx = oidc.ClientContext(ctx, p.client)
	token, err := p.config(found).Exchange(ctx, code, oauth2.VerifierOption(verifier))
	var answered *oauth2.RetrieveError
	switch {
	case errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode < 500:
		return Claims{}, p.refused(fmt.Errorf("it refuses the code: %s", answered.ErrorCode))
	case err != nil:
		return Claims{}, p.away(errors.New("the code could not be redeemed")) // the error may hold the answer's body
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" {
		return Claims{}, p.refused(errors.New("its answer has no ID token"))
	}
	return p.read(ctx, found, raw, nonce, token.AccessToken)
}

// read checks an ID token (OpenID Connect Core 1.0 §3.1.3.7) and reads it.
func (p *Provider) read(ctx context.Context, found *oidc.Provider, raw, nonce, accessToken string) (Claims, error) {
	id, err := found.Verifier(&oidc.Config{ClientID: p.o.ClientID, SupportedSigningAlgs: algorithms, Now: p.o.Clock}).Verify(ctx, raw)
	if err != nil {
		return Claims{}, p.refused(err)
	}
	var says struct {
		Email    string          `json:"email"`
		Verified json.RawMessage `json:"email_verified"`
		Name     string          `json:"name"`
		Party    string          `json:"azp"`
	}
	all := map[string]json.RawMessage{}
	if err := errors.Join(id.Claims(&says), id.Claims(&all)); err != nil {
		return Claims{}, p.refused(err)
	}
	switch {
	case id.Subject == "" || len(id.Subject) > maxSubject:
		return Claims{}, p.refused(errors.New("the ID token has no subject, or one that is too long"))
	case nonce == "" || subtle.ConstantTimeCompare([]byte(id.Nonce), []byte(nonce)) != 1:
		return Claims{}, p.refused(errors.New("the ID token has another nonce"))
	case len(id.Audience) > 1 && says.Party == "", says.Party != "" && says.Party != p.o.ClientID:
		return Claims{}, p.refused(errors.New("the ID token was made for another party (azp)"))
	case id.IssuedAt.After(p.o.Clock().Add(mayBeAhead)):
		return Claims{}, p.refused(errors.New("the ID token was issued in the future"))
	}
	if id.AccessTokenHash != "" {
		if err := id.VerifyAccessToken(accessToken); err != nil {
			return Claims{}, p.refused(err)
		}
	}
	verified := string(says.Verified)
	out := Claims{
		Issuer: id.Issuer, Subject: id.Subject, Email: strings.TrimSpace(says.Email), Name: says.Name,
		EmailVerified: verified == "true" || verified == `"true"`, // some providers write it as a text
	}
	if p.o.GroupsClaim != "" {
		_ = json.Unmarshal(all[p.o.GroupsClaim], &out.Groups) // in another form, it is no list of groups
	}
	return out, nil
}

// In tells whether the claims list a group.
func (c Claims) In(group string) bool { return group != "" && slices.Contains(c.Groups, group) }

// Domain is the part of the address behind the last @, in lower case.
func (c Claims) Domain() string {
	return strings.ToLower(c.Email[strings.LastIndexByte(c.Email, '@')+1:])
}
