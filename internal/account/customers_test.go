package account_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestCreatesACustomerOnTheNewestVersionOfAPlan(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	c, err := h.CreateCustomer(t.Context(), h.chief, account.NewCustomer{Name: "  Zoë GmbH ", Plan: "pro", Demo: true})
	must(t, err)
	now := h.clock.now().Truncate(time.Microsecond)
	if !strings.HasPrefix(c.ID, "cus_") || c.Name != "Zoë GmbH" || c.Status != toll.CustomerActive || !c.Demo || c.Version != 1 ||
		c.Subscription.Plan != "pro" || c.Subscription.PlanVersion != "pro@1" || !c.Subscription.Since.Equal(now) || !c.CreatedAt.Equal(now) {
		t.Errorf("got %+v", c)
	}
	got, err := h.Customer(t.Context(), h.chief, c.ID)
	must(t, err)
	if got.ID != c.ID || !got.CreatedAt.Equal(c.CreatedAt) || got.Name != c.Name {
		t.Errorf("the row is %+v, the answer was %+v", got, c)
	}
	if told, _ := h.changes.Take(); len(told) != 1 || told[0].ID != c.ID {
		t.Errorf("the gate was told %+v", told)
	}
	since := now.AddDate(0, -1, 0)
	c, err = h.CreateCustomer(t.Context(), h.chief, account.NewCustomer{Name: "Old", Plan: "free", Since: since})
	must(t, err)
	if !c.Subscription.Since.Equal(since) {
		t.Errorf("the subscription starts %s, want %s", c.Subscription.Since, since)
	}
}

func TestRefusesABadCustomer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for name, c := range map[string]struct {
		in    account.NewCustomer
		field string
	}{
		"no name":           {account.NewCustomer{Plan: "free"}, "name"},
		"only space":        {account.NewCustomer{Name: " \u00a0\u2003", Plan: "free"}, "name"},
		"too long":          {account.NewCustomer{Name: strings.Repeat("ä", 201), Plan: "free"}, "name"},
		"much too long":     {account.NewCustomer{Name: strings.Repeat("x", 1<<20), Plan: "free"}, "name"},
		"no UTF-8":          {account.NewCustomer{Name: "a\xff", Plan: "free"}, "name"},
		"a line break":      {account.NewCustomer{Name: "a\nb", Plan: "free"}, "name"},
		"a zero":            {account.NewCustomer{Name: "a\x00b", Plan: "free"}, "name"},
		"an escape":         {account.NewCustomer{Name: "a\u009bb", Plan: "free"}, "name"},
		"turned text":       {account.NewCustomer{Name: "a\u202Eb", Plan: "free"}, "name"},
		"a line separator":  {account.NewCustomer{Name: "a\u2028b", Plan: "free"}, "name"},
		"no plan":           {account.NewCustomer{Name: "A"}, "plan"},
		"an unknown plan":   {account.NewCustomer{Name: "A", Plan: "enterprise"}, "plan"},
		"another case":      {account.NewCustomer{Name: "A", Plan: "Free"}, "plan"},
		"a start to come":   {account.NewCustomer{Name: "A", Plan: "free", Since: h.clock.now().Add(time.Hour)}, "since"},
		"a plan of a novel": {account.NewCustomer{Name: "A", Plan: strings.Repeat("free", 1<<18)}, "plan"},
	} {
		_, err := h.CreateCustomer(t.Context(), account.System, c.in)
		wantField(t, err, c.field)
		if err != nil && len(err.Error()) > 300 {
			t.Errorf("%s: the message has %d bytes", name, len(err.Error()))
		}
	}
	if told, _ := h.changes.Take(); len(told) != 0 {
		t.Errorf("the gate was told of %+v", told)
	}
	if _, err := h.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: strings.Repeat("ä", 200), Plan: "free"}); err != nil {
		t.Errorf("200 characters are not too many: %v", err)
	}
}

func TestAnUnknownPlanNamesTheNearest(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for typed, want := range map[string]string{
		"por": `"pro"?`, "Pro": `"pro"?`, "fre": `"free"?`, "pyag": `"payg"?`, "payg ": `"payg"?`,
		"enterprise": "free, pro, payg", "": "free, pro, payg",
	} {
		_, err := h.SetPlan(t.Context(), account.System, h.acme.ID, typed, 0)
		wantField(t, err, "plan")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v does not say %s", typed, err, want)
		}
	}
	empty, err := account.NewOffice(h.store, account.OfficeOptions{Plans: accounttest.Plans{}, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse})
	must(t, err)
	for _, name := range []string{"", "free"} {
		_, err = empty.CreateCustomer(t.Context(), account.System, account.NewCustomer{Name: "A", Plan: name})
		wantField(t, err, "plan")
	}
}

func TestChangesACustomerAndTellsTheGate(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for _, step := range []struct {
		name string
		do   func() (toll.Customer, error)
		held func(toll.Customer) bool
	}{
		{"rename", func() (toll.Customer, error) { return h.RenameCustomer(ctx, h.owner, h.acme.ID, "Acme 2", 1) }, func(c toll.Customer) bool { return c.Name == "Acme 2" }},
		{"plan", func() (toll.Customer, error) { return h.SetPlan(ctx, h.chief, h.acme.ID, "pro", 2) }, func(c toll.Customer) bool {
			return c.Subscription.Plan == "pro" && c.Subscription.PlanVersion == "pro@1" && c.Subscription.Since.Equal(h.acme.Subscription.Since)
		}},
		{"suspend", func() (toll.Customer, error) { return h.Suspend(ctx, h.chief, h.acme.ID) }, func(c toll.Customer) bool { return c.Status == toll.CustomerSuspended }},
		{"resume", func() (toll.Customer, error) { return h.Resume(ctx, h.chief, h.acme.ID) }, func(c toll.Customer) bool { return c.Status == toll.CustomerActive }},
	} {
		before, err := h.Customer(ctx, h.owner, h.acme.ID)
		must(t, err)
		c, err := step.do()
		must(t, err)
		row, err := h.Customer(ctx, h.owner, h.acme.ID)
		must(t, err)
		told, _ := h.changes.Take()
		if !step.held(c) || !step.held(row) || c.Version != before.Version+1 || row.Version != c.Version {
			t.Errorf("%s: answered %+v, stored %+v", step.name, c, row)
		}
		if len(told) != 1 || !step.held(told[0]) || told[0].Version != c.Version {
			t.Errorf("%s: the gate was told %+v", step.name, told)
		}
	}
}

func TestAChangeThatChangesNothingWritesNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for name, do := range map[string]func() (toll.Customer, error){
		"rename": func() (toll.Customer, error) { return h.RenameCustomer(ctx, h.chief, h.acme.ID, " Acme ", 0) },
		"plan":   func() (toll.Customer, error) { return h.SetPlan(ctx, h.chief, h.acme.ID, "free", 0) },
		"resume": func() (toll.Customer, error) { return h.Resume(ctx, h.chief, h.acme.ID) },
	} {
		c, err := do()
		must(t, err)
		if told, _ := h.changes.Take(); c.Version != 1 || len(told) != 0 {
			t.Errorf("%s: version %d, told %v", name, c.Version, told)
		}
	}
}

func TestALateChangeToARowSeenBeforeIsAConflict(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	_, err := h.RenameCustomer(ctx, h.chief, h.acme.ID, "First", h.acme.Version)
	must(t, err)
	_, err = h.RenameCustomer(ctx, h.owner, h.acme.ID, "Second", h.acme.Version)
	wantCode(t, err, toll.Conflict)
	c, err := h.RenameCustomer(ctx, h.owner, h.acme.ID, "Third", 0)
	must(t, err)
	if c.Name != "Third" {
		t.Errorf("got %q", c.Name)
	}
}

func TestASuspensionWinsOverChangesAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	busy := &conflicting{Store: h.store, left: 3}
	office, err := account.NewOffice(busy, account.OfficeOptions{Plans: h.plans, Mint: accounttest.Mint, Passwords: h.passwordsOfAHouse})
	must(t, err)
	c, err := office.Suspend(t.Context(), account.System, h.acme.ID)
	must(t, err)
	if c.Status != toll.CustomerSuspended || !c.Demo {
		t.Errorf("got %+v: one of the two changes is lost", c)
	}
	busy.left = 1000 // it gives up at some point, and says so
	_, err = office.Resume(t.Context(), account.System, h.acme.ID)
	wantCode(t, err, toll.Conflict)
}

func TestAnotherTenantsCustomerIsNotThere(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	ctx := t.Context()
	for _, id := range []string{h.other.ID, "cus_none"} {
		_, err := h.Customer(ctx, h.owner, id)
		wantCode(t, err, toll.NotFound)
		_, err = h.RenameCustomer(ctx, h.owner, id, "Mine", 0)
		wantCode(t, err, toll.NotFound)
		_, err = h.SetPlan(ctx, h.owner, id, "pro", 0)
		wantCode(t, err, toll.NotFound)
		_, err = h.Suspend(ctx, h.owner, id)
		wantCode(t, err, toll.NotFound)
	}
	_, foreign := h.Customer(ctx, h.owner, h.other.ID)
	_, none := h.Customer(ctx, h.owner, "cus_none")
	if foreign.Error() != none.Error() {
		t.Errorf("%q and %q tell apart what is there", foreign, none)
	}
	_, err := h.Customers(ctx, h.owner, toll.CustomerQuery{})
	wantCode(t, err, toll.Forbidden)
	page, err := h.Customers(ctx, h.chief, toll.CustomerQuery{Search: "acme"})
	must(t, err)
	if len(page.Customers) != 1 || page.Customers[0].ID != h.acme.ID {
		t.Errorf("got %+v", page)
	}
}

func TestAStoreThatIsAwayIsNotAMissingCustomer(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	away := errors.New("dial tcp 10.0.0.3: refused")
	h.store.Break(away)
	_, err := h.Customer(t.Context(), h.owner, h.acme.ID)
	wantCode(t, err, toll.Internal)
	if !errors.Is(err, away) || strings.Contains(toll.SafeMessage(err), "10.0.0.3") {
		t.Errorf("got %v, shown as %q", err, toll.SafeMessage(err))
	}
}

func TestAnOfficeNeedsItsParts(t *testing.T) {
	t.Parallel()
	for _, opts := range []account.OfficeOptions{{}, {Plans: accounttest.ThreePlans}, {Mint: accounttest.Mint}} {
		if _, err := account.NewOffice(accounttest.NewStore(), opts); err == nil {
			t.Errorf("an office with %+v was opened", opts)
		}
	}
	if _, err := account.NewOffice(nil, account.OfficeOptions{Plans: accounttest.ThreePlans, Mint: accounttest.Mint}); err == nil {
		t.Error("an office without a store was opened")
	}
}
