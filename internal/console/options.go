package console

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Office is the account office as the console uses it. *account.Office is one.
// Every method passes account.Can itself.
type Office interface {
	Customer(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	Customers(ctx context.Context, p account.Person, q toll.CustomerQuery) (toll.CustomerPage, error)
	Suspend(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	Resume(ctx context.Context, p account.Person, id string) (toll.Customer, error)
	Keys(ctx context.Context, p account.Person, customerID string) ([]toll.Key, error)
	Key(ctx context.Context, p account.Person, id string) (toll.Key, error)
	CreateKey(ctx context.Context, p account.Person, in account.NewKey) (account.MadeKey, error)
	RollKey(ctx context.Context, p account.Person, id string, overlap time.Duration) (account.MadeKey, toll.Key, error)
	RevokeKey(ctx context.Context, p account.Person, id string) (toll.Key, error)
	People
	Ask(ctx context.Context, p account.Person, customerID string, kind toll.ApprovalKind, payload json.RawMessage, note string) (toll.Approval, error)
	Approval(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Approvals(ctx context.Context, p account.Person, q toll.ApprovalQuery) (toll.ApprovalPage, error)
	Approve(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Reject(ctx context.Context, p account.Person, id, reason string) (toll.Approval, error)
	Withdraw(ctx context.Context, p account.Person, id string) (toll.Approval, error)
	Entries(ctx context.Context, p account.Person, q toll.EntryQuery) (toll.EntryPage, error)
}

// Sessions says who is asking. *account.Sessions is one.
type Sessions interface {
	SignIn(ctx context.Context, email string, password toll.Secret, from netip.Addr, userAgent string) (account.Token, account.Person, error)
	Authenticate(ctx context.Context, token string) (p account.Person, renewed *account.Token, err error)
	SignOut(ctx context.Context, p account.Person) error
	// Reopen forgets wrong guesses for an e-mail address whose owner has proved it.
	Reopen(email string)
	FinishSignIn(ctx context.Context, step toll.Secret, code string, from netip.Addr, userAgent string) (account.Token, account.Person, error)
	Own
}

// Own is what people do to their own account: no method reaches another person.
// *account.Sessions is one.
type Own interface {
	ChangeProfile(ctx context.Context, p account.Person, profile toll.Profile) error
	ChangePassword(ctx context.Context, p account.Person, current, next toll.Secret) error
	SignInsOf(ctx context.Context, p account.Person) (account.SignIns, error)
	SessionsOf(ctx context.Context, p account.Person) ([]toll.Session, error)
	EndSession(ctx context.Context, p account.Person, id string) error
	EndSessions(ctx context.Context, p account.Person, but bool) (int, error)

	BeginTOTP(ctx context.Context, p account.Person, current toll.Secret, issuer string) (account.NewTOTP, error)
	ShowTOTP(ctx context.Context, p account.Person, step toll.Secret, issuer string) (account.NewTOTP, error)
	ConfirmTOTP(ctx context.Context, p account.Person, step toll.Secret, code string) ([]string, error)
	RemoveTOTP(ctx context.Context, p account.Person, current toll.Secret) error
	RenewRecoveryCodes(ctx context.Context, p account.Person, current toll.Secret) ([]string, error)

	Passkeys() bool
	BeginPasskey(ctx context.Context, p account.Person, current toll.Secret) (account.PasskeyStep, error)
	FinishPasskey(ctx context.Context, p account.Person, step toll.Secret, name string, reply []byte) (toll.Passkey, error)
	Passkey(ctx context.Context, p account.Person, id string) (toll.Passkey, error)
	RenamePasskey(ctx context.Context, p account.Person, id, name string) error
	RemovePasskey(ctx context.Context, p account.Person, id string, current toll.Secret) error
	BeginPasskeySignIn(ctx context.Context, email string, from netip.Addr) (account.PasskeyStep, error)
	FinishPasskeySignIn(ctx context.Context, step toll.Secret, reply []byte, from netip.Addr, userAgent string) (account.Token, account.Person, error)

	Providers() []*account.SignInProvider
	BeginProvider(ctx context.Context, name string, binding toll.Secret, next string, from netip.Addr) (string, error)
	FinishProvider(ctx context.Context, name string, binding toll.Secret, back account.Returned, from netip.Addr, userAgent string) (account.Token, account.Person, string, error)
}

// Bills previews a bill from chargeable counts per unit since its period began.
// *billing.Previews is one.
type Bills interface {
	Period(ctx context.Context, c toll.Customer) (from, to time.Time, err error)
	Of(ctx context.Context, c toll.Customer, usage map[string]int64) (billing.Preview, error)
}

// Requests looks up single requests. Both methods see whatever they are asked
// for: the console asks account.Can before it shows anything.
type Requests interface {
	// Explain says what became of a request of a customer, or of anybody for "".
	// It is a toll.NotFound for what is not known, or not of that customer.
	Explain(ctx context.Context, requestID, customerID string) (toll.Explanation, error)
	// Refused are the newest refusals of a customer that are remembered, at most
	// so many, the newest first; those of everybody for "".
	Refused(customerID string, most int) []toll.Explanation
}

// Options are what a console needs. A front that gives requests their ID puts
// it into the answer's X-Request-ID before it calls the console; otherwise the
// console makes one. The functions are called on many
// goroutines at once and must be quick: they read memory.
type Options struct {
	// WarnedOfPlainHTTP: somebody else tells those who run this that cookies can
	// be read on the way, where Secure is false.
	WarnedOfPlainHTTP bool

	Office    Office          // needed
	Sessions  Sessions        // needed
	Questions meter.Questions // needed
	Plans     account.Plans   // needed
	Requests  Requests        // needed

	// Refusals counts for the audit log what the gate refused. nil: nobody counts.
	Refusals *account.Refusals
	// Models are what customers upload for services. nil: there are no such pages.
	Models Models
	// Support are the conversations of customers with operators. nil: no such pages.
	Support Support
	// Imports brings customers and keys of another system in. nil: no such page.
	Imports Imports

	// Limits returns how much of each of a customer's policies is used, from
	// the gate's memory: the number that refuses is the number that is shown.
	// nil: the limits are left out.
	Limits func(customerID string) []toll.LimitState

	// Bills says what a customer owes so far. nil: the cost is left out.
	Bills Bills

	// ConfigProblem says why the newest configuration file is not in force, nil
	// when it is. Operators see it on every page, as toll.SafeMessage gives it.
	// nil: nothing is said.
	ConfigProblem func() error

	// Store says how the database and its local snapshot are. While it is away,
	// pages that cannot be answered say so; operators see the snapshot's age on the
	// page of customers. nil: nothing is said. It is asked by each such page, so it
	// must be quick.
	Store func() StoreState

	// Letters writes kept mail out for operators to read. nil: it is only listed.
	Letters Letters
	// SendsMail says that a server is configured, so that mail is not kept.
	SendsMail bool

	// Services lists the services of the configuration, for filters and code
	// samples. nil: none.
	Services func() []toll.Service

	// Samples are calls that can be shown as code, the first whose service a
	// customer's plan includes. None: GET on the first service.
	Samples []Sample

	// TwoFactors tells whether operators need a second factor before they see
	// anything but their own account. nil: they do not.
	TwoFactors func() bool

	PublicURL   string         // where customers call, "https://api.example.com", without a slash at the end; needed
	Secure      bool           // the console is reached over HTTPS: __Host- cookie, Secure
	Version     string         // of the program: an open page learns of another one; "" or up to 50 printable characters
	Secret      toll.Secret    // signs what pages say after a redirect; "": random, and not known to other processes
	Demo        bool           // say on each page that customers and past usage are made up
	Development bool           // serve /dev/pieces
	Languages   []string       // offered languages, the first is the default; nil: en, fr, es
	Zone        *time.Location // whose months are shown; nil: UTC
	Clock       toll.Clock     // nil: toll.SystemClock
	Random      io.Reader      // for request IDs; nil: crypto/rand
	Logger      *slog.Logger   // nil: slog.Default

	// ClientAddr says who calls, for sign-in's limits: behind a proxy the edge
	// knows better than the connection. nil: the connection's peer.
	ClientAddr func(r *http.Request) netip.Addr
}

// Sample is a call to a service that is shown as code.
type Sample struct {
	Service     string
	Method      string
	Path        string // below the service's own path: "/extractions"
	ContentType string
	Body        string
}

func (o *Options) check() error {
	if o.Office == nil || o.Sessions == nil || o.Questions == nil || o.Plans == nil || o.Requests == nil {
		return errors.New("open the console: an office, sessions, questions, plans and requests are needed")
	}
	u, err := url.Parse(o.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return errors.New("open the console: PublicURL must be an http or https URL")
	}
	return nil
}

// StoreState is how the database is, and what would stand in for it.
type StoreState struct {
	Away     bool      // the program started without it and goes on from the snapshot
	Kept     bool      // a local snapshot is kept
	Snapshot time.Time // when the one that is there was written; zero: there is none
}

// Models are the uploaded models as the console uses them; *account.Models are
// some. Every method passes account.Can itself.
type Models interface {
	Offers(ctx context.Context, p account.Person, customerID string) ([]account.ModelOffer, error)
	Upload(ctx context.Context, p account.Person, in account.NewModel) (toll.Model, error)
	List(ctx context.Context, p account.Person, customerID string) ([]toll.Model, error)
	In(ctx context.Context, p account.Person, state toll.ModelState) ([]toll.Model, error)
	Model(ctx context.Context, p account.Person, id string) (toll.Model, error)
	Read(ctx context.Context, p account.Person, id string, w io.Writer) error
	Delete(ctx context.Context, p account.Person, id string) (toll.Model, error)
	Approve(ctx context.Context, p account.Person, id string) (toll.Model, error)
	Reject(ctx context.Context, p account.Person, id, reason string) (toll.Model, error)
}

// Support are the conversations as the console uses them; *account.Support is
// one. Every method passes account.Can itself.
type Support interface {
	Open(ctx context.Context, p account.Person, customerID, subject string, in account.NewMessage) (toll.Thread, error)
	Reply(ctx context.Context, p account.Person, id string, in account.NewMessage) (toll.Thread, error)
	Close(ctx context.Context, p account.Person, id string) (toll.Thread, error)
	Threads(ctx context.Context, p account.Person, q toll.ThreadQuery) ([]toll.Thread, error)
	Thread(ctx context.Context, p account.Person, id string) (toll.Thread, []toll.Message, error)
	Attachment(ctx context.Context, p account.Person, threadID, id string) (toll.Attachment, error)
	ReadAttachment(ctx context.Context, a toll.Attachment, w io.Writer) error
}

// Imports is the import as the console uses it; *account.Imports is one.
type Imports interface {
	File(ctx context.Context, p account.Person, kind toll.ImportedKind, content []byte, do bool) (account.Imported, error)
}
