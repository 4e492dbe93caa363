package accounttest

import (
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// Plans is an account.Plans of fixed plans, in their order. Its versions are
// "NAME@1".
type Plans []toll.Plan

var _ account.Plans = Plans(nil)

// ThreePlans are free, pro and payg, each including the service ner.
var ThreePlans = Plans{
	{Name: "free", Title: "Free", Includes: []string{"ner"}},
	{Name: "pro", Title: "Pro", Includes: []string{"ner"}, Price: toll.Price{Amount: "29.00", Currency: "USD", Every: "month"}},
	{Name: "payg", Title: "Pay as you go", Includes: []string{"ner"}, Price: toll.Price{Amount: "0", Currency: "USD", Every: "month"}},
}

// Plan implements account.Plans.
func (p Plans) Plan(name string) (toll.Plan, string, bool) {
	for _, plan := range p {
		if plan.Name == name {
			return plan, name + "@1", true
		}
	}
	return toll.Plan{}, "", false
}

// Names implements account.Plans.
func (p Plans) Names() []string {
	var names []string
	for _, plan := range p {
		names = append(names, plan.Name)
	}
	return names
}

// Mint is an account.Mint of random texts with the right prefix and no
// checksum: good for an office, not for a gate.
func Mint(mode toll.Mode) (text toll.Secret, hash [32]byte, hint string, err error) {
	s := "th_" + string(mode) + "_" + rand.Text()
	return toll.Secret(s), sha256.Sum256([]byte(s)), s[len(s)-4:], nil
}

// QuickPasswords returns a hasher that costs next to nothing. It protects
// nothing either.
func QuickPasswords(t testing.TB) *account.Passwords {
	t.Helper()
	p, err := account.NewPasswords(account.PasswordOptions{Costs: account.Argon2{Memory: 8, Passes: 1, Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Secret is a session secret for tests.
const Secret toll.Secret = "a secret for tests, of thirty-two bytes and more"

// Changes is an account.Changed that remembers what it was told.
type Changes struct {
	mu        sync.Mutex
	customers []toll.Customer
	keys      []toll.Key
}

var _ account.Changed = (*Changes)(nil)

// CustomerChanged implements account.Changed.
func (c *Changes) CustomerChanged(customer toll.Customer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.customers = append(c.customers, customer)
}

// KeyChanged implements account.Changed.
func (c *Changes) KeyChanged(key toll.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, key)
}

// Take returns what it was told since it was last asked, in order.
func (c *Changes) Take() (customers []toll.Customer, keys []toll.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	customers, keys = c.customers, c.keys
	c.customers, c.keys = nil, nil
	return customers, keys
}
