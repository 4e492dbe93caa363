package account_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// house is an office with two tenants and their people over a store in memory.
type house struct {
	*account.Office
	store    *accounttest.Store
	changes  *accounttest.Changes
	sessions *account.Sessions
	clock    *clock

	acme, other       toll.Customer
	owner, rival      account.Person // owners of acme and of other
	chief             account.Person // an operator, admin
	password          toll.Secret    // of all three
	ownerRow          toll.Member
	plans             accounttest.Plans
	passwordsOfAHouse *account.Passwords
}

// clock stands still until a test moves it.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var home = netip.MustParseAddr("192.0.2.7")

func newHouse(t *testing.T) *house {
	t.Helper()
	h := &house{
		store: accounttest.NewStore(), changes: &accounttest.Changes{}, password: "correct horse battery",
		clock: &clock{at: time.Date(2026, time.November, 20, 12, 0, 0, 987654321, time.UTC)},
		plans: accounttest.ThreePlans, passwordsOfAHouse: accounttest.QuickPasswords(t),
	}
	var err error
	h.Office, err = account.NewOffice(h.store, account.OfficeOptions{
		Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse, Changed: h.changes, Clock: h.clock.now,
	})
	must(t, err)
	h.sessions = h.newSessions(t, account.SessionOptions{})
	ctx := t.Context()
	h.acme, err = h.CreateCustomer(ctx, account.System, account.NewCustomer{Name: "Acme", Plan: "free"})
	must(t, err)
	h.other, err = h.CreateCustomer(ctx, account.System, account.NewCustomer{Name: "Other", Plan: "pro"})
	must(t, err)
	h.ownerRow, h.owner = h.member(t, h.acme, "ann@example.com", toll.MemberOwner)
	_, h.rival = h.member(t, h.other, "eve@example.com", toll.MemberOwner)
	op, err := h.CreateOperator(ctx, account.System, account.NewOperator{
		Email: "olga@example.com", Name: "Olga", Role: toll.OperatorAdmin, Password: h.password,
	})
	must(t, err)
	h.chief = account.Person{Kind: toll.KindOperator, ID: op.ID, Role: string(op.Role), Email: op.Email, Name: op.Name}
	h.changes.Take()
	return h
}

// newSessions starts sessions over the house's store, with what a test leaves open filled in.
func (h *house) newSessions(t *testing.T, opts account.SessionOptions) *account.Sessions {
	t.Helper()
	if opts.Secrets == nil {
		opts.Secrets = []toll.Secret{accounttest.Secret}
	}
	if opts.Clock == nil {
		opts.Clock = h.clock.now
	}
	if opts.Passwords == nil {
		opts.Passwords = h.passwordsOfAHouse
	}
	s, err := account.NewSessions(h.store, opts)
	must(t, err)
	return s
}

func (h *house) member(t *testing.T, c toll.Customer, email string, role toll.MemberRole) (toll.Member, account.Person) {
	t.Helper()
	m, err := h.CreateMember(t.Context(), account.System, account.NewMember{
		CustomerID: c.ID, Email: email, Name: "Ann", Role: role, Password: h.password,
	})
	must(t, err)
	return m, account.Person{
		Kind: toll.KindMember, ID: m.ID, Role: string(role), CustomerID: c.ID, Email: email, Name: m.Name,
	}
}

func (h *house) key(t *testing.T, c toll.Customer) account.MadeKey {
	t.Helper()
	made, err := h.CreateKey(t.Context(), account.System, account.NewKey{CustomerID: c.ID, Name: "ci"})
	must(t, err)
	h.changes.Take()
	return made
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantCode(t *testing.T, err error, want toll.Code) {
	t.Helper()
	if got := toll.CodeOf(err); got != want {
		t.Errorf("got the code %q (%v), want %q", got, err, want)
	}
}

// wantField checks that an error is about one field and has a whole sentence.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var e *toll.Error
	if !errors.As(err, &e) || e.Code != toll.Invalid || e.Field != field || len(e.Message) < 10 {
		t.Errorf("got %#v, want an Invalid about %q", err, field)
	}
}

// conflicting is a store in which somebody else is quicker, so many times.
type conflicting struct {
	*accounttest.Store
	mu   sync.Mutex
	left int
}

func (s *conflicting) lose() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left--
	return s.left >= 0
}

func (s *conflicting) UpdateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) (toll.Customer, error) {
	if s.lose() {
		other, err := s.Customer(ctx, c.ID)
		if err != nil {
			return toll.Customer{}, err
		}
		other.Demo = true
		if _, err := s.Store.UpdateCustomer(ctx, other, tolltest.Entry()); err != nil {
			return toll.Customer{}, err
		}
	}
	return s.Store.UpdateCustomer(ctx, c, e)
}

func (s *conflicting) UpdateKey(ctx context.Context, k toll.Key, e toll.Entry) (toll.Key, error) {
	if s.lose() {
		other, err := s.Key(ctx, k.ID)
		if err != nil {
			return toll.Key{}, err
		}
		other.Name = "renamed meanwhile"
		if _, err := s.Store.UpdateKey(ctx, other, tolltest.Entry()); err != nil {
			return toll.Key{}, err
		}
	}
	return s.Store.UpdateKey(ctx, k, e)
}
