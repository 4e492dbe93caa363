package config

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Config is a configuration that was read and checked as a whole. It is not
// changed after it was made; a reload makes a new one.
type Config struct {
	Name           string         // what pages and mails call this installation
	TimeZone       *time.Location // whose calendar the days and months of quotas follow; never nil
	Listen         Listen
	TrustedProxies []netip.Prefix // whose X-Forwarded-* to believe; none: nobody's
	ACME           ACME
	Certificates   []Certificate // one's own, in the order of the file
	Data           string        // directory; a relative one starts at the working directory
	Database       toll.Secret   // "postgres://…" (it may hold a password); "": SQLite in Data
	Redis          toll.Secret   // "redis://…"; "" for none
	Secrets        Secrets
	Journal        Journal
	Retention      Retention
	AccessLog      AccessLog
	Console        Console
	Accounts       Accounts
	Mail           Mail
	Services       []toll.Service // by name
	Plans          []toll.Plan    // in the order of the file
	Addons         []toll.Addon   // in the order of the file
	Coupons        []toll.Coupon  // in the order of the file
	Taxes          []toll.TaxRate // in the order of the file, in which they are looked through

	said []said // every value of the file, for Changes

	// Notices are whole lines for the log and for people, by place:
	// "tollhouse.yml:57: services.daybook.cache: accepted, but this version does
	// not cache yet". Nothing in them stops the program.
	Notices []string

	// Fingerprint names the file's content: the first 12 hex digits of its SHA-256.
	// What a server runs by and what a file says can be compared by it; values that
	// came from the environment or from files of secrets are not in it.
	Fingerprint string

	file   string          // as it was given
	places map[string]spot // of the file's entries, by path
}

// spot is a place in the file, both from 1.
type spot struct{ line, column int }

// Problem is err as a problem of the file at a path, such as "services.ner": for
// what shows only when a configuration is put to use. Where the file does not
// have the path it stands at the nearest entry above. The error is an *Error
// whose code is that of err.
func (c *Config) Problem(path string, err error) error {
	at, known := c.places[path]
	for up := path; !known && up != ""; at, known = c.places[up] {
		up = up[:max(strings.LastIndexByte(up, '.'), 0)]
	}
	if !known {
		at = spot{1, 1}
	}
	return &Error{
		Problems: []Problem{{File: c.file, Line: at.line, Column: at.column, Message: oneLine(path + ": " + toll.SafeMessage(err))}},
		code:     toll.CodeOf(err), cause: err,
	}
}

// Listen says where Tollhouse waits for connections, each as host:port; "" is
// no such listener. HTTP is never empty.
type Listen struct {
	HTTP      string
	HTTPS     string
	Admin     string
	Authorize string

	RedirectHTTP bool          // plain HTTP leads to HTTPS; false without HTTPS
	HSTS         time.Duration // how long browsers remember to come over HTTPS; 0: they are not told

	MaxConnections int           // of clients, over HTTP and HTTPS together; 0: by the files that the process may open
	MaxPerAddress  int           // of one client address; 0: a quarter of them
	HeadTimeout    time.Duration // for the head of a request
	IdleTimeout    time.Duration // for the next request on a connection
}

// ACME says which authority makes certificates (RFC 8555).
type ACME struct {
	Off       bool // nobody is asked: only certificates of one's own
	Email     string
	Directory string // "": Let's Encrypt
	CAFile    string // what the authority's own certificate is signed by; "": the system knows
	Staging   bool   // Let's Encrypt's staging authority; then Directory is empty
}

// Certificate is a certificate of one's own, as files in PEM form. Whether they
// can be used shows when they are read.
type Certificate struct {
	Cert string
	Key  string
}

// Secrets are what nobody may read; "" for those that the file does not have.
type Secrets struct {
	Session   toll.Secret
	Before    toll.Secret // what Session was before
	Authorize toll.Secret
	Stripe    toll.Secret
}

// Journal says how careful the journal is.
type Journal struct {
	Sync     Sync
	WhenFull WhenFull
}

// Retention says how long usage is kept; 0 is for ever.
type Retention struct {
	Events    time.Duration // single events, from when they came; a day or longer, never 0
	Sums      time.Duration // 0, or 400 days and longer
	Latencies time.Duration // 0, or a day and longer
	Refusals  time.Duration // 0, or a day and longer
}

// AccessLog says what becomes of the lines that requests leave.
type AccessLog struct {
	Off    bool
	File   string // "": standard error, among the program's own lines
	Sample int    // of a hundred requests, 1 to 100; what failed always has its line
}

// Sync says when the journal is forced to the disk.
type Sync struct {
	Always bool          // before the last byte of each answer
	Every  time.Duration // else at most so long after: 1 ms to 10 s
}

// WhenFull says what happens when the disk is full.
type WhenFull string

// The ways to meet a full disk.
const (
	Refuse         WhenFull = "refuse"          // what cannot be metered is not served
	ServeUnmetered WhenFull = "serve-unmetered" // it is served for nothing
)

// Console says how the pages are reached.
type Console struct {
	Host   string // lower case, without port; "": every host that no service takes
	URL    string // "https://console.example.com", without a slash at the end; "": made of the host and the listeners
	SignUp string // the plan of those who sign up by themselves; "": nobody can
	// SelfServicePlans: a plan change that a member asks for holds at once. Else an operator approves it.
	SelfServicePlans bool
	Languages        []string // at least one of en, fr, es; the first is the fallback
	Sessions         Sessions
}

// Sessions says how long people stay signed in: Refresh <= Valid <= AtMost.
type Sessions struct {
	Valid   time.Duration // without use
	Refresh time.Duration // how often the cookie of a session in use is made anew
	AtMost  time.Duration // used or not
	Rotate  time.Duration // how long one key signs
}

// Accounts says how people sign in.
type Accounts struct {
	TwoFactors bool // operators need two factors
	OIDC       []OpenID
}

// OpenID is a provider that people may sign in by.
type OpenID struct {
	Name, Title, Issuer, ClientID string
	ClientSecret                  toll.Secret
	Domains                       []string // lower case; nil: any
	Strong                        bool     // it asks for two factors itself
	Operators                     bool     // it signs operators in
	Claim, Group                  string   // Group "": nobody becomes an operator
	Role                          toll.OperatorRole
}

// Hosts are the hosts that requests to Tollhouse can name, exact or as
// "*.example.com": the console's first, then the services' by name. Each is
// there once; those of delegated services, whose requests go to a foreign proxy,
// are not.
func (c *Config) Hosts() []string {
	var out []string
	add := func(host string) {
		if host != "" && !slices.Contains(out, host) {
			out = append(out, host)
		}
	}
	add(c.Console.Host)
	for _, s := range c.Services {
		if !s.Delegated.On {
			add(s.Host)
		}
	}
	return out
}

// Service gives a service by its name.
func (c *Config) Service(name string) (toll.Service, bool) {
	for _, s := range c.Services {
		if s.Name == name {
			return s, true
		}
	}
	return toll.Service{}, false
}

// Plan gives a plan by its name.
func (c *Config) Plan(name string) (toll.Plan, bool) {
	for _, p := range c.Plans {
		if p.Name == name {
			return p, true
		}
	}
	return toll.Plan{}, false
}
