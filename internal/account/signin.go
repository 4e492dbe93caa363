package account

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// SignIn checks an e-mail address and a password and starts a session. from is
// the client's address (the zero Addr: unknown, all of those share one count);
// of userAgent the first 200 bytes are kept for the person's own list.
//
// An unknown address, a person without a password and a wrong password give the
// same answer after the same work: Unauthorized. Too many attempts from an
// address or for an e-mail address: *TooManyAttempts, whether they were right
// or not. A sign-in that succeeds does not count for its e-mail address.
//
// Somebody else's wrong guesses do not lock the owner out: they count for the
// place that they come from. Only after very many, from everywhere together, is
// an e-mail address closed, and then not for places that it was signed in from
// before (as far as this process remembers them); a new password that was asked
// for by mail opens it again.
//
// A person with an authenticator app gets *CodeNeeded in the place of a session.
func (s *Sessions) SignIn(ctx context.Context, email string, password toll.Secret, from netip.Addr, userAgent string) (Token, Person, error) {
	now := s.clock()
	if wait := s.byAddress.take(neighbourhood(from), now); wait > 0 {
		return Token{}, Person{}, tooMany(wait)
	}
	clean, err := CleanEmail(email)
	if err != nil {
		clean = strings.ToLower(email) // nobody has it; the answer is the same as for any stranger
	}
	count, pair := sha256.Sum256([]byte(clean)), pairOf(clean, from)
	if wait := s.byPair.take(pair, now); wait > 0 {
		return Token{}, Person{}, tooMany(wait)
	}
	closed := s.byEmail.take(count, now)
	if closed > 0 && !s.welcome.knows(pair) {
		return Token{}, Person{}, tooMany(closed)
	}
	if len(password) > MaxPassword {
		return Token{}, Person{}, errWrong() // whoever it is, so it tells nothing
	}
	p, hash, err := personByEmail(ctx, s.store, clean)
	if err != nil {
		return Token{}, Person{}, err
	}
	ok, weaker, err := s.passwords.Verify(ctx, hash, password)
	switch {
	case err != nil:
		return Token{}, Person{}, fmt.Errorf("check a password: %w", err)
	case !ok, p.Disabled:
		return Token{}, Person{}, errWrong()
	}
	switch needed, err := s.needsCode(ctx, p, hash, password, weaker); {
	case err != nil:
		return Token{}, Person{}, err
	case needed != nil: // until the code is right, this counts as an attempt
		return Token{}, Person{}, needed
	}
	token, p, err := s.begin(ctx, p, begun{from: from, userAgent: userAgent, method: "password"})
	if err != nil {
		return Token{}, Person{}, err
	}
	if err := s.stillHolds(ctx, p, hash, password); err != nil {
		return Token{}, Person{}, err
	}
	if closed == 0 {
		s.byEmail.giveBack(count, now)
	}
	s.byPair.giveBack(pair, now)
	s.welcome.note(pair)
	s.strengthenHash(ctx, p, hash, password, weaker)
	return token, p, nil
}

// strengthenHash hashes a password that was just proved anew, where that is due.
func (s *Sessions) strengthenHash(ctx context.Context, p Person, was, password toll.Secret, weaker bool) {
	if !weaker {
		return
	}
	if err := s.rehash(ctx, p, was, password); err != nil {
		s.log.WarnContext(ctx, "could not hash a password anew at the raised costs; the old hash stays",
			"person", p.ID, "error", err)
	}
}

// pairOf names an e-mail address and a place together.
func pairOf(email string, from netip.Addr) [32]byte {
	return sha256.Sum256([]byte(email + " " + neighbourhood(from).String()))
}

// Reopen forgets the wrong guesses for an e-mail address: its owner has proved
// to read its mail.
func (s *Sessions) Reopen(email string) { s.byEmail.forget(sha256.Sum256([]byte(email))) }

// stillHolds looks once more whether the password is the person's, now that
// the session is there. A new password ends every session that is there by
// then; one that began with the old password a moment later would outlive it.
func (s *Sessions) stillHolds(ctx context.Context, p Person, was, password toll.Secret) error {
	again, is, err := personByEmail(ctx, s.store, p.Email)
	ok := err == nil && again.ID == p.ID && !again.Disabled
	if ok && is != was { // or only hashed anew, by another sign-in
		ok, _, err = s.passwords.Verify(ctx, is, password)
	}
	if ok {
		return nil
	}
	if err == nil {
		err = errWrong()
	}
	return errors.Join(err, s.SignOut(ctx, p))
}

// personByEmail looks in both tables whoever is found in the first, so that
// the time tells nothing. Nobody at all is no error: the zero Person and no hash.
func personByEmail(ctx context.Context, store PeopleStore, email string) (Person, toll.Secret, error) {
	m, memberErr := store.MemberByEmail(ctx, email)
	o, operatorErr := store.OperatorByEmail(ctx, email)
	for _, err := range []error{memberErr, operatorErr} {
		if err != nil && toll.CodeOf(err) != toll.NotFound {
			return Person{}, "", fmt.Errorf("look for a person by e-mail address: %w", err)
		}
	}
	switch {
	case memberErr == nil:
		return memberPerson(m, ""), m.PasswordHash, nil
	case operatorErr == nil:
		return operatorPerson(o, ""), o.PasswordHash, nil
	}
	return Person{}, "", nil
}

// begun is how a session began.
type begun struct {
	from      netip.Addr
	userAgent string
	method    string // as toll.Session has it
	strong    bool
}

// begin makes the session and its first token.
func (s *Sessions) begin(ctx context.Context, p Person, how begun) (Token, Person, error) {
	if p.Disabled { // whatever was proved
		return Token{}, Person{}, errWrong()
	}
	now := stored(s.clock())
	row := toll.Session{
		ID: s.ids.NewID("ses", now), Kind: p.Kind, PersonID: p.ID,
		CreatedAt: now, SeenAt: now, ExpiresAt: now.Add(s.longest), UserAgent: cutUserAgent(how.userAgent),
		Network: network(how.from), Method: how.method, Strong: how.strong,
	}
	if err := s.store.CreateSession(ctx, row); err != nil {
		return Token{}, Person{}, fmt.Errorf("start a session for %s: %w", p.ID, err)
	}
	p.SessionID, p.Strong = row.ID, row.Strong
	token, err := s.sign(ctx, row.ID, now, s.tokenEnd(now, row.ExpiresAt))
	if err != nil {
		return Token{}, Person{}, err
	}
	return token, p, nil
}

// rehash writes a stronger hash of the password that was just proved, unless
// the stored one is another by now: somebody may have set a new password while
// this one was checked.
func (s *Sessions) rehash(ctx context.Context, p Person, was, password toll.Secret) error {
	hash, err := s.passwords.Hash(ctx, password)
	if err != nil {
		return err
	}
	again, is, err := personByEmail(ctx, s.store, p.Email)
	if err != nil {
		return err
	}
	if again.ID != p.ID || is != was {
		return errors.New("the password was changed meanwhile")
	}
	if p.Kind == toll.KindOperator {
		return s.store.SetOperatorPassword(ctx, p.ID, hash)
	}
	return s.store.SetMemberPassword(ctx, p.ID, hash)
}

func errWrong() error {
	return toll.Errorf(toll.Unauthorized, "The e-mail address or the password is wrong.")
}

// network is roughly where an address is: enough to know one's own by, too
// little to follow anybody.
func network(a netip.Addr) string {
	a = a.Unmap().WithZone("")
	if !a.IsValid() {
		return ""
	}
	bits := 48
	if a.Is4() {
		bits = 24
	}
	p, _ := a.Prefix(bits)
	return p.String()
}

// cutUserAgent keeps what a person's list of sessions can show.
func cutUserAgent(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxUserAgent {
		s = strings.ToValidUTF8(s[:maxUserAgent], "")
	}
	return s
}
