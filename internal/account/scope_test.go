package account_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestAKeysScopeIsKeptAsItIsMeantAndRolledWithIt(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made, err := h.CreateKey(t.Context(), h.owner, account.NewKey{
		CustomerID: h.acme.ID, Name: "k", Methods: []string{"get", " POST ", "GET"},
		Origins: []string{"192.0.2.7", "10.1.2.3/8", "::ffff:198.51.100.0/120", "2001:DB8::/32", "192.0.2.7"},
	})
	if err != nil {
		t.Fatal(err)
	}
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, s := range texts {
			all = append(all, netip.MustParsePrefix(s))
		}
		return all
	}
	want := prefixes("192.0.2.7/32", "10.0.0.0/8", "198.51.100.0/24", "2001:db8::/32")
	if k := made.Key; !slices.Equal(k.Methods, []string{"GET", "POST"}) || !slices.Equal(k.Origins, want) {
		t.Errorf("kept %v from %v", k.Methods, k.Origins)
	}
	next, _, err := h.RollKey(t.Context(), h.owner, made.Key.ID, 0)
	if err != nil || !slices.Equal(next.Key.Methods, []string{"GET", "POST"}) || !slices.Equal(next.Key.Origins, want) {
		t.Errorf("rolled into %v from %v (%v): a rolled key must not be for more", next.Key.Methods, next.Key.Origins, err)
	}
}

func TestRefusesAScopeThatIsNone(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, c := range map[string]struct {
		in    account.NewKey
		field string
	}{
		"a method of blanks":   {account.NewKey{Methods: []string{" "}}, "methods"},
		"a method with a line": {account.NewKey{Methods: []string{"GET\r\n" + "X: y"}}, "methods"},
		"an unknown method":    {account.NewKey{Methods: []string{"GET", "FOO"}}, "methods"},
		"a method in part":     {account.NewKey{Methods: []string{"GE"}}, "methods"},
		"a tunnel":             {account.NewKey{Methods: []string{"CONNECT"}}, "methods"},
		"a long method":        {account.NewKey{Methods: []string{strings.Repeat("A", 33)}}, "methods"},
		"eleven methods":       {account.NewKey{Methods: strings.Split("A,B,C,D,E,F,G,H,I,J,K", ",")}, "methods"},
		"a name for a range":   {account.NewKey{Origins: []string{"office"}}, "origins"},
		"a range too wide":     {account.NewKey{Origins: []string{"10.0.0.0/33"}}, "origins"},
		"nothing":              {account.NewKey{Origins: []string{""}}, "origins"},
		"too many ranges":      {account.NewKey{Origins: slices.Repeat([]string{"10.0.0.1"}, 101)}, "origins"},
	} {
		c.in.CustomerID, c.in.Name = h.acme.ID, "k"
		_, err := h.CreateKey(t.Context(), h.owner, c.in)
		var te *toll.Error
		if !errors.As(err, &te) || te.Code != toll.Invalid || te.Field != c.field {
			t.Errorf("%s: %v, want Invalid of %s", name, err, c.field)
		}
	}
}

func TestOverridesAreSetReplacedRemovedAndBounded(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx, id := t.Context(), h.acme.ID
	set := func(name string, count int64) (toll.Customer, error) {
		return h.SetOverride(ctx, h.chief, id, toll.Policy{Name: name, Kind: toll.ConcurrencyLimit, Count: count})
	}
	if _, err := set("parallel", 3); err != nil {
		t.Fatal(err)
	}
	c, err := set("parallel", 4)
	if err != nil || len(c.Subscription.Overrides) != 1 || c.Subscription.Overrides[0].Count != 4 {
		t.Errorf("replaced: %+v (%v)", c.Subscription.Overrides, err)
	}
	if _, err := h.SetOverride(ctx, h.owner, id, toll.Policy{Name: "parallel"}); toll.CodeOf(err) != toll.Forbidden {
		t.Errorf("a member who raises the own limit: %v, want Forbidden", err)
	}
	if _, err := h.RemoveOverride(ctx, h.chief, id, "nothing"); toll.CodeOf(err) != toll.NotFound {
		t.Errorf("an override that is not there: %v", err)
	}
	if c, err = h.RemoveOverride(ctx, h.chief, id, "parallel"); err != nil || len(c.Subscription.Overrides) != 0 {
		t.Errorf("removed: %+v (%v)", c.Subscription.Overrides, err)
	}
	for i := range 20 {
		if _, err := set(strings.Repeat("n", i+1), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := set("one more", 1); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("the 21st: %v, want Conflict", err)
	}
}
