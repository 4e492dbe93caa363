package account

import (
	"crypto/rand"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Mint makes the text of a new key, its SHA-256 and the hint that is shown.
// The format of keys is not the office's business.
type Mint func(mode toll.Mode) (text toll.Secret, hash [32]byte, hint string, err error)

// Changed is told what has changed, after it was committed and before the
// office's method returns, so that a key or customer is effective at once. Two
// changes at the same time may be told in either order: the one with the
// smaller Version is old. It must not call the office, and must not block.
type Changed interface {
	CustomerChanged(c toll.Customer)
	KeyChanged(k toll.Key)
}

// Office keeps customers, keys and people. Each method that acts for a person
// asks Can before it reads or writes anything of a customer. Every method is
// safe for concurrent use.
//
// What an office returns never holds password hashes.
type Office struct {
	store     Store
	plans     Plans
	mint      Mint
	passwords *Passwords
	changed   Changed
	clock     toll.Clock
	ids       *toll.IDs
	random    io.Reader

	consoleURL    func() string
	signUp        func() string
	mailed        func()
	personChanged func(id string)
	asksFor       *attempts[[32]byte]
	asksFrom      *attempts[netip.Addr]
}

// OfficeOptions are what an office needs besides its store.
type OfficeOptions struct {
	Plans     Plans      // needed
	Mint      Mint       // needed
	Passwords *Passwords // nil: NewPasswords with its defaults
	Changed   Changed    // nil: nobody is told
	Clock     toll.Clock // nil: toll.SystemClock
	Random    io.Reader  // for identifiers and links; nil: crypto/rand

	// ConsoleURL is where people find the console, with a slash at the end: the
	// links in mails begin with it. nil: "http://localhost/".
	ConsoleURL func() string
	// SignUp is the plan of who signs up by themselves, "" where nobody can.
	// nil: nobody can.
	SignUp func() string
	// Mailed is told that something was written into the outbox. It must not
	// block. nil: nobody is.
	Mailed func()
	// PersonChanged is told whose rights or password changed, after it was
	// committed. It must not call the office, and must not block. nil: nobody is.
	PersonChanged func(id string)

	PerEmail   Pace // mails that strangers may ask for, per address they go to; zero: 3 at once, then one each 20 minutes
	PerAddress Pace // and per IP address that asks (IPv6: per /64); zero: 10 at once, then one a minute
}

// NewOffice opens the office over a store.
func NewOffice(store Store, opts OfficeOptions) (*Office, error) {
	if store == nil || opts.Plans == nil || opts.Mint == nil {
		return nil, errors.New("open the account office: a store, plans and a mint are needed")
	}
	o := &Office{
		store: store, plans: opts.Plans, mint: opts.Mint, passwords: opts.Passwords,
		changed: opts.Changed, clock: opts.Clock,
		consoleURL: opts.ConsoleURL, signUp: opts.SignUp, mailed: opts.Mailed, personChanged: opts.PersonChanged,
	}
	if o.passwords == nil {
		passwords, err := NewPasswords(PasswordOptions{})
		if err != nil {
			return nil, err
		}
		o.passwords = passwords
	}
	if o.changed == nil {
		o.changed = nobody{}
	}
	if o.clock == nil {
		o.clock = toll.SystemClock
	}
	random := opts.Random
	if random == nil {
		random = rand.Reader
	}
	o.ids, o.random = toll.NewIDs(random), random
	if o.consoleURL == nil {
		o.consoleURL = func() string { return "http://localhost/" }
	}
	if o.signUp == nil {
		o.signUp = func() string { return "" }
	}
	if o.mailed == nil {
		o.mailed = func() {}
	}
	if o.personChanged == nil {
		o.personChanged = func(string) {}
	}
	perEmail, err := pace(opts.PerEmail, Pace{Burst: 3, Every: 20 * time.Minute})
	if err != nil {
		return nil, err
	}
	perAddress, err := pace(opts.PerAddress, Pace{Burst: 10, Every: time.Minute})
	if err != nil {
		return nil, err
	}
	o.asksFor, o.asksFrom = newAttempts[[32]byte](perEmail, mostAttempts), newAttempts[netip.Addr](perAddress, mostAttempts)
	return o, nil
}

// now is a reading as it is stored, so that what is returned equals the row.
func (o *Office) now() time.Time { return stored(o.clock()) }

func stored(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

type nobody struct{}

func (nobody) CustomerChanged(toll.Customer) {}
func (nobody) KeyChanged(toll.Key)           {}

// changes is how often a change without a version is tried again when somebody
// else changed the row in between.
const changes = 5
