package storetest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

func keepsACustomerAsItWasGiven(t *testing.T, s *store.Store) {
	full := customer(1)
	full.Status, full.Demo, full.Version = toll.CustomerSuspended, true, 7
	full.Subscription.Overrides = []toll.Policy{
		{Name: "minute", Kind: toll.RateLimit, Count: 50, Window: time.Minute, Burst: 5},
		{Name: "monthly", Kind: toll.Quota, Count: 1 << 40, Unit: "words", Every: toll.Monthly, Service: "ner", Shadow: true},
	}
	longest := customer(2)
	longest.Name = strings.Repeat("数🐎ž ", 50) // 200 characters, 500 bytes
	bare := toll.Customer{ID: "cus_bare", Name: "'; drop table customer; --", Status: toll.CustomerActive, CreatedAt: noon}
	for _, c := range []toll.Customer{full, longest, bare} {
		must(t, s.CreateCustomer(background, c, tolltest.Entry()))
		got, err := s.Customer(background, c.ID)
		wantSame(t, "customer", got, err, c)
	}
}

func raisesTheVersionWithEachChange(t *testing.T, s *store.Store) {
	c := customer(1)
	must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	c.Name, c.Status, c.Demo = "Renamed", toll.CustomerSuspended, true
	c.Subscription = toll.Subscription{Plan: "pro", PlanVersion: "pro@000000000002", Since: noon.AddDate(0, 1, 0)}
	c.Subscription.Overrides = []toll.Policy{{Name: "parallel", Kind: toll.ConcurrencyLimit, Count: 3}}
	changed, err := s.UpdateCustomer(background, c, tolltest.Entry())
	want := c
	want.Version = 2
	wantSame(t, "changed", changed, err, want)

	_, err = s.UpdateCustomer(background, c, tolltest.Entry()) // of version 1 still
	wantCode(t, "a stale change", err, toll.Conflict)
	got, err := s.Customer(background, c.ID)
	wantSame(t, "after the stale change", got, err, want)

	moved := changed
	moved.CreatedAt = noon.AddDate(1, 0, 0)
	again, err := s.UpdateCustomer(background, moved, tolltest.Entry())
	want.Version = 3
	wantSame(t, "CreatedAt stays", again, err, want)

	_, err = s.UpdateCustomer(background, customer(9), tolltest.Entry())
	wantCode(t, "a customer that is not there", err, toll.NotFound)
}

func letsOneOfManyConcurrentChangesWin(t *testing.T, s *store.Store) {
	c := customer(1)
	must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	for round := range 3 {
		errs := make([]error, 8)
		var wg sync.WaitGroup
		for i := range errs {
			mine := c
			mine.Name = fmt.Sprintf("round %d writer %d", round, i)
			wg.Go(func() { _, errs[i] = s.UpdateCustomer(background, mine, tolltest.Entry()) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			if err == nil && winner < 0 {
				winner = i
			} else {
				wantCode(t, "a writer that lost", err, toll.Conflict)
			}
		}
		if winner < 0 {
			t.Fatal("nobody won")
		}
		got, err := s.Customer(background, c.ID)
		must(t, err)
		if want := fmt.Sprintf("round %d writer %d", round, winner); got.Name != want || got.Version != c.Version+1 {
			t.Fatalf("got %q, version %d; want %q, version %d", got.Name, got.Version, want, c.Version+1)
		}
		c = got
	}
}

func tellsAMissingCustomerFromATakenID(t *testing.T, s *store.Store) {
	_, err := s.Customer(background, "cus_none")
	wantCode(t, "a missing customer", err, toll.NotFound)
	must(t, s.CreateCustomer(background, customer(1), tolltest.Entry()))
	err = s.CreateCustomer(background, customer(1), tolltest.Entry())
	wantCode(t, "a taken ID", err, toll.Conflict)
	if message := toll.SafeMessage(err); strings.Contains(message, "constraint") || strings.Contains(message, "customer.id") {
		t.Errorf("the message tells of the inside: %q", message)
	}
}

func refusesACustomerThatBreaksTheRules(t *testing.T, s *store.Store) {
	for what, spoil := range map[string]func(*toll.Customer){
		"no name":           func(c *toll.Customer) { c.Name = "" },
		"a name of 201":     func(c *toll.Customer) { c.Name = strings.Repeat("ž", 201) },
		"an unknown status": func(c *toll.Customer) { c.Status = "asleep" },
	} {
		c := customer(1)
		spoil(&c)
		wantCode(t, what, s.CreateCustomer(background, c, tolltest.Entry()), toll.Invalid)
		_, err := s.Customer(background, c.ID)
		wantCode(t, what+" is not there", err, toll.NotFound)
	}
}

// list asks for all pages of a question and returns the names.
func list(t testing.TB, s *store.Store, q toll.CustomerQuery) []string {
	t.Helper()
	var names []string
	for range 1000 {
		page, err := s.Customers(background, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Customers {
			names = append(names, c.Name)
		}
		if page.Next == "" {
			return names
		}
		q.Cursor = page.Next
	}
	t.Fatal("the pages do not end")
	return nil
}

func named(t testing.TB, s *store.Store, names ...string) {
	t.Helper()
	for i, name := range names {
		c := customer(i)
		c.Name = name
		must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	}
}

func findsCustomersByAnyPartOfNameOrID(t *testing.T, s *store.Store) {
	named(t, s, `100% juice`, `snake_case`, `snakeXcase`, `O'Brien "& Sons"`, `back\slash`, `Ärzte ÜBER alles`, `Straße`, `ΑΘΗΝΑ`)
	for search, want := range map[string][]string{
		"":           {`100% juice`, `back\slash`, `O'Brien "& Sons"`, `snake_case`, `snakeXcase`, `Straße`, `Ärzte ÜBER alles`, `ΑΘΗΝΑ`},
		"%":          {`100% juice`},
		"_":          list(t, s, toll.CustomerQuery{}), // every ID holds one
		"e_c":        {`snake_case`},
		`\`:          {`back\slash`},
		`\s`:         {`back\slash`},
		`'`:          {`O'Brien "& Sons"`},
		`"& s`:       {`O'Brien "& Sons"`},
		"SNAKE":      {`snake_case`, `snakeXcase`},
		"ärzte über": {`Ärzte ÜBER alles`},
		"STRAß":      {`Straße`},
		"αθη":        {`ΑΘΗΝΑ`},
		"cus_0003":   {`O'Brien "& Sons"`},
		"CUS_0003":   {`O'Brien "& Sons"`},
		"nobody":     nil,
		"%_%":        nil,
		"*":          nil,
	} {
		if got := list(t, s, toll.CustomerQuery{Search: search, Limit: 3}); !slices.Equal(got, want) {
			t.Errorf("search %q: got %q, want %q", search, got, want)
		}
	}
}

func narrowsCustomersByStatusAndPlan(t *testing.T, s *store.Store) {
	for i := range 12 {
		c := customer(i)
		c.Name = fmt.Sprintf("c%02d", i)
		if i%2 == 1 {
			c.Status = toll.CustomerSuspended
		}
		if i%3 == 2 {
			c.Subscription.Plan = "pro"
		}
		must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	}
	for what, c := range map[string]struct {
		q    toll.CustomerQuery
		want []string
	}{
		"suspended":         {toll.CustomerQuery{Status: toll.CustomerSuspended}, []string{"c01", "c03", "c05", "c07", "c09", "c11"}},
		"pro":               {toll.CustomerQuery{Plan: "pro"}, []string{"c02", "c05", "c08", "c11"}},
		"suspended and pro": {toll.CustomerQuery{Status: toll.CustomerSuspended, Plan: "pro"}, []string{"c05", "c11"}},
		"all three":         {toll.CustomerQuery{Status: toll.CustomerSuspended, Plan: "pro", Search: "1"}, []string{"c11"}},
		"none":              {toll.CustomerQuery{Plan: "payg"}, nil},
	} {
		c.q.Limit = 2
		if got := list(t, s, c.q); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", what, got, c.want)
		}
	}
}

func pagesCustomersInEveryOrder(t *testing.T, s *store.Store) {
	names := []string{"delta", "Alpha", "charlie", "Bravo", "alpha", "ALPHA", "echo"}
	named(t, s, names...)
	byName := []string{"Alpha", "alpha", "ALPHA", "Bravo", "charlie", "delta", "echo"} // equal ones by ID, as made
	for _, sort := range []toll.CustomerSort{"", toll.CustomersByName, toll.CustomersByCreated} {
		want := slices.Clone(byName)
		if sort == toll.CustomersByCreated {
			want = slices.Clone(names)
		}
		for _, descending := range []bool{false, true} {
			if descending {
				slices.Reverse(want)
			}
			for limit := 1; limit <= 8; limit++ {
				if got := list(t, s, toll.CustomerQuery{Sort: sort, Descending: descending, Limit: limit}); !slices.Equal(got, want) {
					t.Errorf("sort %q, descending %v, limit %d: got %q, want %q", sort, descending, limit, got, want)
				}
			}
		}
	}
	page, err := s.Customers(background, toll.CustomerQuery{Limit: 7})
	if err != nil || page.Next != "" {
		t.Errorf("a page that is just full has a next one: %q, %v", page.Next, err)
	}
}

func keepsPagesStableUnderInserts(t *testing.T, s *store.Store) {
	for i := range 20 {
		c := customer(i)
		c.Name = fmt.Sprintf("m%02d", i)
		must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	}
	for _, q := range []toll.CustomerQuery{
		{Sort: toll.CustomersByName, Limit: 3}, {Sort: toll.CustomersByName, Descending: true, Limit: 3},
		{Sort: toll.CustomersByCreated, Limit: 3}, {Sort: toll.CustomersByCreated, Descending: true, Limit: 3},
	} {
		seen := map[string]int{}
		for n := 0; ; n++ {
			page, err := s.Customers(background, q)
			must(t, err)
			for _, c := range page.Customers {
				seen[c.ID]++
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
			if n >= 4 {
				continue
			}
			for _, name := range []string{"a", "m05", "m10", "z"} { // before, at and after the place
				c := customer(0)
				c.ID = fmt.Sprintf("cus_x%s%s%v%d", name, q.Sort, q.Descending, n)
				c.Name, c.CreatedAt = name, noon.Add(time.Duration(len(name)*n-5)*time.Second)
				must(t, s.CreateCustomer(background, c, tolltest.Entry()))
			}
		}
		for i := range 20 {
			if id := customer(i).ID; seen[id] != 1 {
				t.Errorf("%+v: customer %s was seen %d times, want once", q, id, seen[id])
			}
		}
		for id, n := range seen {
			if n != 1 {
				t.Errorf("%+v: customer %s was seen %d times", q, id, n)
			}
		}
	}
}

func refusesAQuestionThatIsNone(t *testing.T, s *store.Store) {
	named(t, s, "a", "b", "c")
	page, err := s.Customers(background, toll.CustomerQuery{Limit: 1})
	must(t, err)
	for field, qs := range map[string][]toll.CustomerQuery{
		"sort":   {{Sort: "id"}, {Sort: "name; drop table customer"}},
		"limit":  {{Limit: -1}, {Limit: 501}},
		"search": {{Search: strings.Repeat("x", 201)}, {Search: "a\x00b"}, {Search: "\xff"}},
		"cursor": {
			{Cursor: "%%%"}, {Cursor: "e30"}, {Cursor: "bm90IGpzb24"}, {Cursor: page.Next + "A"},
			{Cursor: page.Next, Descending: true}, {Cursor: page.Next, Sort: toll.CustomersByCreated},
			{Cursor: "eyJzIjoibmFtZSIsIm4iOiJcdTAwMDAiLCJpIjoiIn0"}, // {"s":"name","n":"\u0000","i":""}
		},
	} {
		for _, q := range qs {
			_, err := s.Customers(background, q)
			var e *toll.Error
			if !errors.As(err, &e) || e.Code != toll.Invalid || e.Field != field {
				t.Errorf("%+v: got %v, want Invalid about %q", q, err, field)
			}
		}
	}
	if page, err := s.Customers(background, toll.CustomerQuery{}); err != nil || len(page.Customers) != 3 {
		t.Errorf("after that: %d customers, %v", len(page.Customers), err)
	}
}

// listsCustomersLikeTheModel compares pages with a slice that is filtered and
// sorted in memory, on random customers and questions.
func listsCustomersLikeTheModel(t *testing.T, s *store.Store) {
	names := rapid.StringOfN(rapid.RuneFrom([]rune(`aAbB%_\'"ÄäßΣσς é`)), 1, 6, -1)
	var all []toll.Customer
	rapid.Check(t, func(rt *rapid.T) {
		if len(all) < 60 { // the store is shared by all checks: it only grows
			c := customer(len(all))
			c.Name = names.Draw(rt, "name")
			c.CreatedAt = noon.Add(time.Duration(rapid.IntRange(-3, 3).Draw(rt, "created")) * time.Second)
			c.Status = rapid.SampledFrom([]toll.CustomerStatus{toll.CustomerActive, toll.CustomerSuspended}).Draw(rt, "status")
			c.Subscription.Plan = rapid.SampledFrom([]string{"free", "pro"}).Draw(rt, "plan")
			if err := s.CreateCustomer(background, c, tolltest.Entry()); err != nil {
				rt.Fatal(err)
			}
			all = append(all, c)
		}
		q := toll.CustomerQuery{
			Search:     rapid.OneOf(rapid.Just(""), names).Draw(rt, "search"),
			Status:     rapid.SampledFrom([]toll.CustomerStatus{"", toll.CustomerActive, toll.CustomerSuspended}).Draw(rt, "of status"),
			Plan:       rapid.SampledFrom([]string{"", "free", "pro"}).Draw(rt, "of plan"),
			Sort:       rapid.SampledFrom([]toll.CustomerSort{toll.CustomersByName, toll.CustomersByCreated}).Draw(rt, "sort"),
			Descending: rapid.Bool().Draw(rt, "descending"),
			Limit:      rapid.IntRange(1, 20).Draw(rt, "limit"),
		}
		var want []string
		for _, c := range sorted(all, q) {
			folded := strings.ToLower(q.Search)
			if (strings.Contains(strings.ToLower(c.Name), folded) || strings.Contains(strings.ToLower(c.ID), folded)) &&
				(q.Status == "" || c.Status == q.Status) && (q.Plan == "" || c.Subscription.Plan == q.Plan) {
				want = append(want, c.ID)
			}
		}
		var got []string
		for {
			page, err := s.Customers(background, q)
			if err != nil {
				rt.Fatal(err)
			}
			for _, c := range page.Customers {
				got = append(got, c.ID)
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
		if !slices.Equal(got, want) {
			rt.Fatalf("%+v:\n got %q\nwant %q", q, got, want)
		}
	})
}

func sorted(all []toll.Customer, q toll.CustomerQuery) []toll.Customer {
	out := slices.Clone(all)
	slices.SortFunc(out, func(a, b toll.Customer) int {
		order := strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		if q.Sort == toll.CustomersByCreated {
			order = a.CreatedAt.Compare(b.CreatedAt)
		}
		if order == 0 {
			order = strings.Compare(a.ID, b.ID)
		}
		if q.Descending {
			order = -order
		}
		return order
	})
	return out
}

func visitsEachCustomerOnce(t *testing.T, s *store.Store) {
	const n = 1005 // more than one batch
	var wg sync.WaitGroup
	for part := range 8 { // together, for the sake of time
		wg.Go(func() {
			for i := part; i < n; i += 8 {
				if err := s.CreateCustomer(background, customer(i), tolltest.Entry()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	var seen []string
	must(t, s.EachCustomer(background, func(c toll.Customer) error { seen = append(seen, c.ID); return nil }))
	if len(seen) != n || !slices.IsSorted(seen) {
		t.Errorf("saw %d customers, sorted %v; want %d", len(seen), slices.IsSorted(seen), n)
	}
	stop := errors.New("stop")
	visits := 0
	err := s.EachCustomer(background, func(toll.Customer) error {
		if visits++; visits == 3 {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) || visits != 3 {
		t.Errorf("stopped with %v after %d visits", err, visits)
	}
}

func letsAVisitorUseTheStore(t *testing.T, s *store.Store) {
	named(t, s, "a", "b", "c")
	must(t, s.EachCustomer(background, func(c toll.Customer) error {
		c.Name += "!"
		if _, err := s.UpdateCustomer(background, c, tolltest.Entry()); err != nil {
			return err
		}
		_, err := s.Customer(background, c.ID)
		return err
	}))
	if got := list(t, s, toll.CustomerQuery{}); !slices.Equal(got, []string{"a!", "b!", "c!"}) {
		t.Errorf("got %q", got)
	}
}
