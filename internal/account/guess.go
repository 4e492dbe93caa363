package account

import (
	"crypto/sha256"
	"net/netip"
	"time"
)

// guess is one try at what only one person knows: a password, or a code. It
// counts until it proves right.
//
// Somebody else's wrong guesses do not lock the owner out: they count for the
// place that they come from. Only after very many, from everywhere together, is
// an e-mail address closed, and then not for places that it was signed in from
// before (as far as this process remembers them); a new password that was asked
// for by mail opens it again.
type guess struct {
	pair, email [32]byte
	closed      bool // the e-mail address is; it was let in as a familiar place
}

// guess counts a try, or refuses it with *TooManyAttempts.
func (s *Sessions) guess(email string, from netip.Addr, now time.Time) (guess, error) {
	g := guess{
		pair:  sha256.Sum256([]byte(email + " " + neighbourhood(from).String())),
		email: sha256.Sum256([]byte(email)),
	}
	if wait := s.byPair.take(g.pair, now); wait > 0 {
		return g, tooMany(wait)
	}
	wait := s.byEmail.take(g.email, now)
	if g.closed = wait > 0; g.closed && !s.welcome.knows(g.pair) {
		return g, tooMany(wait)
	}
	return g, nil
}

// right takes a try back that was no guess.
func (s *Sessions) right(g guess, now time.Time) {
	if !g.closed {
		s.byEmail.giveBack(g.email, now)
	}
	s.byPair.giveBack(g.pair, now)
	s.welcome.note(g.pair)
}

// Reopen forgets the wrong guesses for an e-mail address: its owner has proved
// to read its mail.
func (s *Sessions) Reopen(email string) { s.byEmail.forget(sha256.Sum256([]byte(email))) }
