package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Bounds of passkeys.
const (
	maxPasskeys     = 20
	maxPasskeyName  = 100
	maxPasskeyReply = 32 << 10 // bytes of what a browser sends; ours have about 2,000
)

// newRelyingParty says for which site passkeys are made (WebAuthn Level 3 §4):
// the host of the console's address, and no other origin than that address. nil
// where browsers would refuse: an IP address is no relying party.
func newRelyingParty(consoleURL, title string) (*webauthn.WebAuthn, error) {
	if consoleURL == "" {
		return nil, nil
	}
	u, err := url.Parse(consoleURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("start sessions: the console's address %q is no URL", consoleURL)
	}
	if net.ParseIP(u.Hostname()) != nil {
		return nil, nil
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: title, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("start sessions: %w", err)
	}
	return rp, nil
}

// passkeyUser is a person as the library asks for one. The handle that an
// authenticator keeps is the person's ID, which tells nothing by itself.
type passkeyUser struct {
	id, name, shown string
	keys            []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte                         { return []byte(u.id) }
func (u passkeyUser) WebAuthnName() string                       { return u.name }
func (u passkeyUser) WebAuthnDisplayName() string                { return u.shown }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.keys }

func (s *Sessions) passkeyUser(ctx context.Context, p Person) (passkeyUser, []toll.Passkey, error) {
	rows, err := s.store.PasskeysOf(ctx, p.Kind, p.ID)
	if err != nil {
		return passkeyUser{}, nil, fmt.Errorf("list passkeys: %w", err)
	}
	u := passkeyUser{id: p.ID, name: p.Email, shown: p.Name}
	for _, row := range rows {
		var c webauthn.Credential
		if err := json.Unmarshal(row.Document, &c); err != nil {
			return passkeyUser{}, nil, fmt.Errorf("read passkey %s: %w", row.ID, err)
		}
		u.keys = append(u.keys, c)
	}
	return u, rows, nil
}

// Passkeys tells whether people can have passkeys here.
func (s *Sessions) Passkeys() bool { return s.rp != nil }

func errNoPasskeys() error {
	return toll.Errorf(toll.Unavailable, "Passkeys cannot be used here: the console needs an address with a name, and HTTPS or localhost.")
}

func errPasskey(cause error) error {
	return &toll.Error{Code: toll.Unauthorized, Message: "The passkey was not accepted.", Cause: passkeyCause(cause)}
}

// passkeyCause says what the library found wrong, for the log.
func passkeyCause(err error) error {
	var e *protocol.Error
	if errors.As(err, &e) && e.DevInfo != "" {
		return fmt.Errorf("%w (%s)", err, e.DevInfo)
	}
	return err
}

// PasskeyStep is what a browser is to ask an authenticator, and what finds the
// step again.
type PasskeyStep struct {
	Step    toll.Secret
	Options json.RawMessage // PublicKeyCredentialCreationOptionsJSON or …RequestOptionsJSON, in publicKey
}

// BeginPasskey asks for a new passkey of the person who asks. The current
// password is needed; see Prove.
func (s *Sessions) BeginPasskey(ctx context.Context, p Person, current toll.Secret) (PasskeyStep, error) {
	if s.rp == nil {
		return PasskeyStep{}, errNoPasskeys()
	}
	if err := s.Prove(ctx, p, current); err != nil {
		return PasskeyStep{}, err
	}
	u, rows, err := s.passkeyUser(ctx, p)
	if err != nil {
		return PasskeyStep{}, err
	}
	if len(rows) >= maxPasskeys {
		return PasskeyStep{}, toll.Errorf(toll.Conflict, "You have %d passkeys already. Remove one first.", maxPasskeys)
	}
	options, data, err := s.rp.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.keys).CredentialDescriptors()))
	if err != nil {
		return PasskeyStep{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.passkeyStep(ctx, forNewPasskey, p.SessionID, options, data)
}

func (s *Sessions) passkeyStep(ctx context.Context, purpose, binding string, options any, data *webauthn.SessionData) (PasskeyStep, error) {
	raw, err := json.Marshal(options)
	if err != nil {
		return PasskeyStep{}, fmt.Errorf("code what is asked of an authenticator: %w", err)
	}
	text, err := s.hold(ctx, purpose, binding, data)
	return PasskeyStep{Step: text, Options: raw}, err
}

// FinishPasskey keeps the passkey that an authenticator made for a BeginPasskey
// of the same session. reply is the browser's PublicKeyCredential.toJSON().
// Invalid names the field name; Unauthorized when it is not what was asked for.
func (s *Sessions) FinishPasskey(ctx context.Context, p Person, step toll.Secret, name string, reply []byte) (toll.Passkey, error) {
	if s.rp == nil {
		return toll.Passkey{}, errNoPasskeys()
	}
	name, err := passkeyName(name)
	if err != nil {
		return toll.Passkey{}, err
	}
	var data webauthn.SessionData
	if _, err := s.take(ctx, step, forNewPasskey, p.SessionID, &data); err != nil {
		return toll.Passkey{}, err
	}
	if len(reply) > maxPasskeyReply {
		return toll.Passkey{}, errPasskey(errors.New("the reply is too large"))
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(reply)
	if err != nil {
		return toll.Passkey{}, errPasskey(err)
	}
	u, _, err := s.passkeyUser(ctx, p)
	if err != nil {
		return toll.Passkey{}, err
	}
	made, err := s.rp.CreateCredential(u, data, parsed)
	if err != nil {
		return toll.Passkey{}, errPasskey(err)
	}
	document, err := json.Marshal(made)
	if err != nil {
		return toll.Passkey{}, fmt.Errorf("code a passkey: %w", err)
	}
	now := stored(s.clock())
	k := toll.Passkey{
		ID: s.ids.NewID("pk", now), Kind: p.Kind, PersonID: p.ID, Name: name,
		Credential: made.ID, Document: document, CreatedAt: now,
	}
	if err := s.store.CreatePasskey(ctx, k, NewEntry(ctx, p, AddedPasskey, p.CustomerID, k.ID, now, nil, nil)); err != nil {
		return toll.Passkey{}, fmt.Errorf("keep a passkey of %s: %w", p.ID, err)
	}
	return k, s.strengthen(ctx, p)
}

func passkeyName(typed string) (string, error) {
	name := strings.TrimSpace(typed)
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxPasskeyName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' }) {
		return "", toll.FieldError("name", "Give the passkey a name of 1 to %d characters.", maxPasskeyName)
	}
	return name, nil
}

// Passkey returns one of the person who asks. NotFound for another person's.
func (s *Sessions) Passkey(ctx context.Context, p Person, id string) (toll.Passkey, error) {
	rows, err := s.store.PasskeysOf(ctx, p.Kind, p.ID)
	if err != nil {
		return toll.Passkey{}, fmt.Errorf("list passkeys: %w", err)
	}
	for _, k := range rows {
		if k.ID == id {
			return k, nil
		}
	}
	return toll.Passkey{}, toll.Errorf(toll.NotFound, "There is no such passkey.")
}

// RenamePasskey gives a passkey of the person who asks another name.
func (s *Sessions) RenamePasskey(ctx context.Context, p Person, id, name string) error {
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	return s.store.RenamePasskey(ctx, p.Kind, p.ID, id, name, NewEntry(ctx, p, RenamedPasskey, p.CustomerID, id, s.clock(), nil, nil))
}

// RemovePasskey takes a passkey of the person who asks away, for the current
// password. Nobody signs in with it any more.
func (s *Sessions) RemovePasskey(ctx context.Context, p Person, id string, current toll.Secret) error {
	if _, err := s.Passkey(ctx, p, id); err != nil {
		return err
	}
	if err := s.Prove(ctx, p, current); err != nil {
		return err
	}
	return s.store.RemovePasskey(ctx, p.Kind, p.ID, id, NewEntry(ctx, p, RemovedPasskey, p.CustomerID, id, s.clock(), nil, nil))
}

// BeginPasskeySignIn asks whoever is there for a passkey: for any of this site
// when email is "", else for one of that person. Nobody learns whether there is
// such a person: for others a passkey is asked for that does not exist.
// *TooManyAttempts as SignIn.
func (s *Sessions) BeginPasskeySignIn(ctx context.Context, email string, from netip.Addr) (PasskeyStep, error) {
	if s.rp == nil {
		return PasskeyStep{}, errNoPasskeys()
	}
	if wait := s.byAddress.take(neighbourhood(from), s.clock()); wait > 0 {
		return PasskeyStep{}, tooMany(wait)
	}
	opts := []webauthn.LoginOption{webauthn.WithUserVerification(protocol.VerificationRequired)}
	if email != "" {
		allowed, err := s.passkeysByEmail(ctx, email)
		if err != nil {
			return PasskeyStep{}, err
		}
		opts = append(opts, webauthn.WithAllowedCredentials(allowed))
	}
	options, data, err := s.rp.BeginDiscoverableLogin(opts...)
	if err != nil {
		return PasskeyStep{}, fmt.Errorf("ask for a passkey: %w", err)
	}
	return s.passkeyStep(ctx, forPasskey, "", options, data)
}

func (s *Sessions) passkeysByEmail(ctx context.Context, email string) ([]protocol.CredentialDescriptor, error) {
	clean, err := CleanEmail(email)
	if err != nil {
		clean = strings.ToLower(email)
	}
	p, _, err := personByEmail(ctx, s.store, clean)
	if err != nil {
		return nil, err
	}
	u, _, err := s.passkeyUser(ctx, p) // of nobody: none
	if err != nil {
		return nil, err
	}
	if len(u.keys) == 0 { // the same each time, or it would tell
		id := s.vault.pseudonym("passkey of "+clean, 32)
		return []protocol.CredentialDescriptor{{Type: protocol.PublicKeyCredentialType, CredentialID: id}}, nil
	}
	var allowed []protocol.CredentialDescriptor
	for _, k := range u.keys { // without how they are reached, which a stranger need not learn
		allowed = append(allowed, protocol.CredentialDescriptor{Type: protocol.PublicKeyCredentialType, CredentialID: k.ID})
	}
	return allowed, nil
}

// FinishPasskeySignIn starts a session for a passkey that was asked for. reply
// is the browser's PublicKeyCredential.toJSON(). Unauthorized when it is not
// accepted: another challenge, site or key, a user who was not verified, or a
// counter that went back, which only a copy of the key can have done. NotFound
// when the step was done already or took too long.
func (s *Sessions) FinishPasskeySignIn(ctx context.Context, step toll.Secret, reply []byte, from netip.Addr, userAgent string) (Token, Person, error) {
	if s.rp == nil {
		return Token{}, Person{}, errNoPasskeys()
	}
	var data webauthn.SessionData
	if _, err := s.take(ctx, step, forPasskey, "", &data); err != nil {
		return Token{}, Person{}, err
	}
	if len(reply) > maxPasskeyReply {
		return Token{}, Person{}, errPasskey(errors.New("the reply is too large"))
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(reply)
	if err != nil {
		return Token{}, Person{}, errPasskey(err)
	}
	var row toll.Passkey
	var p Person
	var away error // of the store, which is no fault of the passkey's
	_, used, err := s.rp.ValidatePasskeyLogin(func(id, handle []byte) (webauthn.User, error) {
		var err error
		if row, err = s.store.PasskeyByCredential(ctx, id); err != nil {
			if toll.CodeOf(err) != toll.NotFound {
				away = err
			}
			return nil, err
		}
		if row.PersonID != string(handle) {
			return nil, errors.New("the passkey is another person's")
		}
		if p, _, err = s.self(ctx, Person{Kind: row.Kind, ID: row.PersonID}); err != nil {
			away = err
			return nil, err
		}
		u, _, err := s.passkeyUser(ctx, p)
		if err != nil {
			away = err
		}
		return u, err
	}, data, parsed)
	switch {
	case away != nil:
		return Token{}, Person{}, fmt.Errorf("look a passkey up: %w", away)
	case err != nil:
		return Token{}, Person{}, errPasskey(err)
	case used.Authenticator.CloneWarning:
		s.log.WarnContext(ctx, "a passkey was refused: its counter went back, so there may be a copy of it", "passkey", row.ID, "person", row.PersonID)
		return Token{}, Person{}, errPasskey(fmt.Errorf("the counter of passkey %s went back", row.ID))
	}
	document, err := json.Marshal(used)
	if err != nil {
		return Token{}, Person{}, fmt.Errorf("code a passkey: %w", err)
	}
	if err := s.store.UsePasskey(ctx, row.ID, row.Document, document, stored(s.clock())); toll.CodeOf(err) == toll.NotFound {
		return Token{}, Person{}, errPasskey(errors.New("it was removed or used at the same moment"))
	} else if err != nil {
		return Token{}, Person{}, fmt.Errorf("note the use of passkey %s: %w", row.ID, err)
	}
	token, p, err := s.begin(ctx, p, begun{from: from, userAgent: userAgent, method: "passkey", strong: true})
	if err != nil {
		return Token{}, Person{}, err
	}
	if _, err := s.Passkey(ctx, p, row.ID); err != nil { // removed meanwhile, and with it its sessions were meant
		return Token{}, Person{}, errors.Join(errPasskey(err), s.SignOut(ctx, p))
	}
	return token, p, nil
}
