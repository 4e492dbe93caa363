package account

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// The bounds of a password.
const (
	MinPassword = 12   // characters
	MaxPassword = 1024 // bytes
)

// CheckPassword says whether a password may be chosen. Every character counts,
// and there are no rules of composition (NIST SP 800-63B §5.1.1.2); what is
// tried first is refused, and what is known of the person: about, such as their
// e-mail address and name.
func CheckPassword(password toll.Secret, about ...string) error {
	text := password.Reveal()
	switch {
	case len(text) > MaxPassword:
		return toll.FieldError("password", "The password is too long: it may have at most %d bytes.", MaxPassword)
	case !utf8.ValidString(text):
		return toll.FieldError("password", "The password is not valid UTF-8 text. Type it again.")
	case utf8.RuneCountInString(norm.NFC.String(text)) < MinPassword:
		return toll.FieldError("password", "The password is too short: it takes at least %d characters. A few words make a good one.", MinPassword)
	case isCommon(text):
		return toll.FieldError("password", "This password is one of those that are tried first. Choose another; a few words make a good one.")
	}
	for _, word := range about {
		if word != "" && strings.EqualFold(text, word) {
			return toll.FieldError("password", "The password is your own name or address, which are tried first. Choose another.")
		}
	}
	return nil
}

// NewPassword makes a password of 100 random bits from random (nil:
// crypto/rand), in four groups that can be read to somebody:
// "k7mq2-x0vpd-3hs9t-wn5ae".
func NewPassword(random io.Reader) (toll.Secret, error) {
	const letters = "0123456789abcdefghjkmnpqrstvwxyz" // 32: a byte's last five bits are even
	if random == nil {
		random = rand.Reader
	}
	var b [20]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("make a random password: %w", err)
	}
	out := make([]byte, 0, 23)
	for i, c := range b {
		if i > 0 && i%5 == 0 {
			out = append(out, '-')
		}
		out = append(out, letters[c&31])
	}
	return toll.Secret(out), nil
}

// Passwords hashes and checks passwords with argon2id, on half of the machine's
// cores at a time: each takes 19 MiB and some tens of milliseconds of a whole
// core, and a crowd at the sign-in page must not starve the gateway. It is safe for
// concurrent use; one is enough for a program.
type Passwords struct {
	costs   Argon2
	places  chan struct{} // one for each hash that may run
	waiting atomic.Int64
	queue   int64
	random  io.Reader
	work    func(h phc, password string) []byte // h.derive; a test watches it
}

// PasswordOptions are the choices for Passwords. The zero value is right for
// production.
type PasswordOptions struct {
	Costs    Argon2    // zero: DefaultArgon2
	Parallel int       // how many at once; 0: half of GOMAXPROCS, at least one
	Queue    int       // how many may wait for a place; 0: 256
	Random   io.Reader // for salts, read by one goroutine per place; nil: crypto/rand
}

// NewPasswords makes a hasher.
func NewPasswords(opts PasswordOptions) (*Passwords, error) {
	if opts.Costs == (Argon2{}) {
		opts.Costs = DefaultArgon2
	}
	if err := opts.Costs.check(); err != nil {
		return nil, fmt.Errorf("make a password hasher: %w", err)
	}
	if opts.Parallel <= 0 {
		// A hash keeps a core to itself. With all of them taken, what the gateway
		// has to do would wait for the people who sign in.
		opts.Parallel = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if opts.Queue <= 0 {
		opts.Queue = 256
	}
	if opts.Random == nil {
		opts.Random = rand.Reader
	}
	return &Passwords{
		costs: opts.Costs, places: make(chan struct{}, opts.Parallel), queue: int64(opts.Queue),
		random: opts.Random, work: phc.derive,
	}, nil
}

// Hash makes the hash that is kept for a password, in PHC form. It waits for a
// place: ctx ends the waiting, and Unavailable is the answer when too many wait
// already. It does not judge the password; CheckPassword does.
func (p *Passwords) Hash(ctx context.Context, password toll.Secret) (toll.Secret, error) {
	if err := p.enter(ctx); err != nil {
		return "", err
	}
	defer p.leave()
	h := phc{costs: p.costs, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	if _, err := io.ReadFull(p.random, h.salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	h.hash = p.work(h, norm.NFC.String(password.Reveal()))
	return toll.Secret(h.String()), nil
}

// Verify checks a password against its hash. An empty hash (the person is not
// known, or has no password) costs the same work and never matches, so that
// the time of an answer does not tell who is known. weaker says that a matching
// password should be hashed again, for the costs have been raised since. It
// waits as Hash does.
func (p *Passwords) Verify(ctx context.Context, hash, password toll.Secret) (ok, weaker bool, err error) {
	h := phc{costs: p.costs, salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)}
	known := hash != ""
	if known {
		if h, err = parsePHC(hash.Reveal()); err != nil {
			return false, false, fmt.Errorf("read a stored password hash: %w", err)
		}
	}
	if err := p.enter(ctx); err != nil {
		return false, false, err
	}
	defer p.leave()
	ok = equal(p.work(h, norm.NFC.String(password.Reveal())), h.hash) && known
	weaker = ok && (h.costs.weakerThan(p.costs) || len(h.salt) < saltBytes || len(h.hash) < hashBytes)
	return ok, weaker, nil
}

func (p *Passwords) enter(ctx context.Context) error {
	select {
	case p.places <- struct{}{}:
		return nil
	default:
	}
	if p.waiting.Add(1) > p.queue {
		p.waiting.Add(-1)
		return toll.Errorf(toll.Unavailable, "Too many people are signing in just now. Try again in a moment.")
	}
	defer p.waiting.Add(-1)
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait to hash a password: %w", context.Cause(ctx))
	}
}

func (p *Passwords) leave() { <-p.places }
