package accounttest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Store is an account.Store in memory. The zero value is not ready: NewStore
// makes one. Every method is safe for concurrent use, honours a ctx that has
// ended, and gives and takes copies.
type Store struct {
	mu        sync.Mutex
	customers map[string]toll.Customer
	keys      map[string]toll.Key
	members   map[string]toll.Member
	operators map[string]toll.Operator
	sessions  map[string]toll.Session
	tokens    map[string]toll.APIToken
	tickets   map[string]toll.Ticket
	mails     []toll.Mail
	signIns   signIns
	entries   []toll.Entry
	head      toll.AuditHead
	approvals []toll.Approval
	broken    error
	files
}

var _ account.Store = (*Store)(nil)

// NewStore returns an empty store.
func NewStore() *Store {
	return &Store{
		customers: map[string]toll.Customer{},
		keys:      map[string]toll.Key{},
		members:   map[string]toll.Member{},
		operators: map[string]toll.Operator{},
		sessions:  map[string]toll.Session{},
		tokens:    map[string]toll.APIToken{},
		tickets:   map[string]toll.Ticket{},
		signIns:   newSignIns(),
		files:     newFiles(),
	}
}

// Break makes every call fail with err from now on; nil mends the store.
func (s *Store) Break(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// ForceMemberRole changes a member's role as another program would, whoever is
// left.
func (s *Store) ForceMemberRole(id string, role toll.MemberRole) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[id]
	m.Role = role
	s.members[id] = m
}

// RemoveMember takes a member away as another program would.
func (s *Store) RemoveMember(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.members, id)
}

// enter locks the store, or says why it does not answer.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	if s.broken != nil {
		defer s.mu.Unlock()
		return nil, s.broken
	}
	return s.mu.Unlock, nil
}

func missing(what string) error { return toll.Errorf(toll.NotFound, "There is no such %s.", what) }
func taken(what string) error   { return toll.Errorf(toll.Conflict, "There is such a %s already.", what) }
func stale(what string) error {
	return toll.Errorf(toll.Conflict, "The %s was changed meanwhile.", what)
}

// read returns a row, or NotFound.
func read[T any](ctx context.Context, s *Store, rows map[string]T, what, id string, copied func(T) T) (T, error) {
	var none T
	leave, err := s.enter(ctx)
	if err != nil {
		return none, err
	}
	defer leave()
	row, ok := rows[id]
	if !ok {
		return none, missing(what)
	}
	return copied(row), nil
}

func same[T any](row T) T { return row }

// micro is a time as a database keeps it.
func micro(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

func copyCustomer(c toll.Customer) toll.Customer {
	c.Subscription.Addons = slices.Clone(c.Subscription.Addons)
	c.Subscription.Since, c.CreatedAt = micro(c.Subscription.Since), micro(c.CreatedAt)
	return c
}

// CreateCustomer implements account.CustomerStore.
func (s *Store) CreateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if _, ok := s.customers[c.ID]; ok {
		return taken("customer")
	}
	s.record(e)
	s.customers[c.ID] = copyCustomer(c)
	return nil
}

// Customer implements account.CustomerStore.
func (s *Store) Customer(ctx context.Context, id string) (toll.Customer, error) {
	return read(ctx, s, s.customers, "customer", id, copyCustomer)
}

// UpdateCustomer implements account.CustomerStore.
func (s *Store) UpdateCustomer(ctx context.Context, c toll.Customer, e toll.Entry) (toll.Customer, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Customer{}, err
	}
	defer leave()
	row, ok := s.customers[c.ID]
	if !ok {
		return toll.Customer{}, missing("customer")
	}
	if row.Version != c.Version {
		return toll.Customer{}, stale("customer")
	}
	if err := s.refuseClosed(c.ID); err != nil {
		return toll.Customer{}, err
	}
	c = copyCustomer(c)
	c.Version++
	s.record(e)
	s.customers[c.ID] = c
	return copyCustomer(c), nil
}

// Customers implements account.CustomerStore. Its cursor is the ID of the last
// customer of a page.
func (s *Store) Customers(ctx context.Context, q toll.CustomerQuery) (toll.CustomerPage, error) {
	if q.Limit < 0 || q.Limit > 500 {
		return toll.CustomerPage{}, toll.FieldError("limit", "A page has 1 to 500 customers.")
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	leave, err := s.enter(ctx)
	if err != nil {
		return toll.CustomerPage{}, err
	}
	defer leave()
	search := strings.ToLower(q.Search)
	var found []toll.Customer
	for _, c := range s.customers {
		if (search == "" || strings.Contains(strings.ToLower(c.Name), search) || strings.Contains(strings.ToLower(c.ID), search)) &&
			(q.Status == "" || c.Status == q.Status) && (q.Plan == "" || c.Subscription.Plan == q.Plan) {
			found = append(found, copyCustomer(c))
		}
	}
	order := func(a, b toll.Customer) int {
		n := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		if q.Sort == toll.CustomersByCreated {
			n = a.CreatedAt.Compare(b.CreatedAt)
		}
		if n = cmp.Or(n, strings.Compare(a.ID, b.ID)); q.Descending {
			return -n
		}
		return n
	}
	slices.SortFunc(found, order)
	if q.Cursor != "" {
		last, ok := s.customers[q.Cursor]
		if !ok {
			return toll.CustomerPage{}, toll.FieldError("cursor", "This page is no more. Start at the first.")
		}
		found = slices.DeleteFunc(found, func(c toll.Customer) bool { return order(c, last) <= 0 })
	}
	page := toll.CustomerPage{Customers: found}
	if len(found) > q.Limit {
		page.Customers = found[:q.Limit]
		page.Next = found[q.Limit-1].ID
	}
	return page, nil
}

func copyKey(k toll.Key) toll.Key {
	k.Services = slices.Clone(k.Services)
	k.CreatedAt, k.ExpiresAt, k.RevokedAt, k.LastUsedAt = micro(k.CreatedAt), micro(k.ExpiresAt), micro(k.RevokedAt), micro(k.LastUsedAt)
	return k
}

// CreateKey implements account.KeyStore.
func (s *Store) CreateKey(ctx context.Context, k toll.Key, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.addKey(k); err != nil {
		return err
	}
	s.record(e)
	return nil
}

func (s *Store) addKey(k toll.Key) error {
	if _, ok := s.customers[k.CustomerID]; !ok {
		return missing("customer")
	}
	if err := s.refuseClosed(k.CustomerID); err != nil {
		return err
	}
	for _, other := range s.keys {
		if other.ID == k.ID || other.Hash == k.Hash {
			return taken("key")
		}
	}
	s.keys[k.ID] = copyKey(k)
	return nil
}

// Key implements account.KeyStore.
func (s *Store) Key(ctx context.Context, id string) (toll.Key, error) {
	return read(ctx, s, s.keys, "key", id, copyKey)
}

// KeysOf implements account.KeyStore.
func (s *Store) KeysOf(ctx context.Context, customerID string) ([]toll.Key, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	var found []toll.Key
	for _, k := range s.keys {
		if k.CustomerID == customerID {
			found = append(found, copyKey(k))
		}
	}
	slices.SortFunc(found, func(a, b toll.Key) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), strings.Compare(b.ID, a.ID))
	})
	return found, nil
}

// UpdateKey implements account.KeyStore.
func (s *Store) UpdateKey(ctx context.Context, k toll.Key, e toll.Entry) (toll.Key, error) {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return toll.Key{}, err
	}
	defer leave()
	if err := s.checkKey(k); err != nil {
		return toll.Key{}, err
	}
	if err := s.refuseClosed(k.CustomerID); err != nil {
		return toll.Key{}, err
	}
	s.record(e)
	return s.putKey(k), nil
}

// checkKey says whether an update of the key can hold.
func (s *Store) checkKey(k toll.Key) error {
	row, ok := s.keys[k.ID]
	if !ok {
		return missing("key")
	}
	if row.Version != k.Version {
		return stale("key")
	}
	return nil
}

func (s *Store) putKey(k toll.Key) toll.Key {
	k = copyKey(k)
	k.LastUsedAt = s.keys[k.ID].LastUsedAt // the drainer's
	k.Version++
	s.keys[k.ID] = k
	return copyKey(k)
}

// ReplaceKey implements account.KeyStore.
func (s *Store) ReplaceKey(ctx context.Context, old, next toll.Key, e toll.Entry) error {
	leave, err := s.enterWith(ctx, e)
	if err != nil {
		return err
	}
	defer leave()
	if err := s.checkKey(old); err != nil {
		return err
	}
	if err := s.addKey(next); err != nil {
		return err
	}
	s.record(e)
	s.putKey(old)
	return nil
}
