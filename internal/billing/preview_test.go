package billing_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// books is a small database for previews.
type books struct {
	customers []toll.Customer
	plans     map[string]toll.Plan
	used      []toll.Used
	addons    map[string]toll.Addon
	from, to  time.Time // what was asked for
	broken    error
	asked     int // for plan versions
}

func (b *books) UsedBetween(_ context.Context, from, to time.Time) ([]toll.Used, error) {
	b.from, b.to = from, to
	return b.used, b.broken
}

func (b *books) EachCustomer(_ context.Context, f func(toll.Customer) error) error {
	for _, c := range b.customers {
		if err := f(c); err != nil {
			return err
		}
	}
	return nil
}

func (b *books) Addon(name string) (toll.Addon, bool) {
	a, ok := b.addons[name]
	return a, ok
}

func (b *books) PlanVersion(_ context.Context, id string) (toll.PlanVersion, error) {
	b.asked++
	plan, ok := b.plans[id]
	if !ok {
		return toll.PlanVersion{}, toll.Errorf(toll.NotFound, "There is no plan version %s.", id)
	}
	return toll.PlanVersion{ID: id, Plan: plan}, nil
}

var now = time.Date(2026, time.November, 20, 17, 0, 0, 0, time.UTC)

func newBooks() *books {
	subscriber := func(id, version string) toll.Customer {
		return toll.Customer{ID: id, Subscription: toll.Subscription{PlanVersion: version, Since: now.AddDate(0, -2, 0)}}
	}
	return &books{
		plans:     map[string]toll.Plan{"pro@1": pro(), "payg@1": payg()},
		customers: []toll.Customer{subscriber("cus_a", "pro@1"), subscriber("cus_b", "payg@1"), subscriber("cus_c", "payg@1")},
		used: []toll.Used{
			{Customer: "cus_b", Unit: "words", Count: 1_000_000},
			{Customer: "", Unit: "requests", Count: 77},
			{Customer: "cus_b", Unit: "requests", Count: 1500},
			{Customer: "cus_b", Unit: "requests", Count: 500},
			{Customer: "cus_a", Unit: "requests", Count: 9},
		},
	}
}

func (b *books) previews(zone *time.Location) *billing.Previews {
	return billing.NewPreviews(b, b, b, b, func() time.Time { return now }, zone)
}

func TestPreviewsWhatEachCustomerOwesSoFar(t *testing.T) {
	t.Parallel()
	b := newBooks()
	got := map[string]string{}
	err := b.previews(nil).Each(t.Context(), func(p billing.Preview) error {
		got[p.Customer.ID] = p.Draft.Total.String()
		if !p.AsOf.Equal(now) || !p.From.Equal(b.from) || !p.To.Equal(b.to) {
			t.Errorf("the period of %s is %s to %s as of %s", p.Customer.ID, p.From, p.To, p.AsOf)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"cus_a": "29.00 USD", "cus_b": "21.00 USD", "cus_c": "0.00 USD"} {
		if got[id] != want {
			t.Errorf("%s owes %q, want %q", id, got[id], want)
		}
	}
	if want := time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC); !b.from.Equal(want) || !b.to.Equal(want.AddDate(0, 1, 0)) {
		t.Errorf("asked for the usage from %s to %s", b.from, b.to)
	}
	if b.asked != 2 {
		t.Errorf("two plan versions were asked for %d times", b.asked)
	}
}

func TestAMonthBeginsWhereQuotasDo(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("india", 5*3600+1800)
	b := newBooks()
	if err := b.previews(zone).Each(t.Context(), func(billing.Preview) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, time.October, 31, 18, 30, 0, 0, time.UTC); !b.from.Equal(want) {
		t.Errorf("the month begins at %s, want %s", b.from.UTC(), want)
	}
}

func TestPreviewsOneCustomerFromUsageThatIsKnown(t *testing.T) {
	t.Parallel()
	b := newBooks()
	got, err := b.previews(nil).Of(t.Context(), b.customers[1], map[string]int64{"words": 500_000})
	if err != nil || got.Draft.Total.String() != "10.00 USD" || got.Customer.ID != "cus_b" {
		t.Fatalf("got %+v and %v", got, err)
	}
	stranger := toll.Customer{ID: "cus_x", Subscription: toll.Subscription{PlanVersion: "gone@1"}}
	if _, err := b.previews(nil).Of(t.Context(), stranger, nil); toll.CodeOf(err) != toll.NotFound || !strings.Contains(err.Error(), "cus_x") {
		t.Fatalf("got %v", err)
	}
}

func TestOneBillThatCannotBeRatedKeepsNoOtherBack(t *testing.T) {
	t.Parallel()
	b := newBooks()
	b.customers[0].Subscription.PlanVersion = "gone@1"
	b.customers[1].Subscription.Addons = []string{"multilingual"}
	var seen []string
	err := b.previews(nil).Each(t.Context(), func(p billing.Preview) error {
		seen = append(seen, p.Customer.ID)
		return nil
	})
	if len(seen) != 1 || seen[0] != "cus_c" {
		t.Errorf("saw %v", seen)
	}
	for _, id := range []string{"cus_a", "cus_b"} {
		if err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("the error does not name %s: %v", id, err)
		}
	}
}

func TestAnErrorOfTheReaderOrOfTheUsageEndsThePreviews(t *testing.T) {
	t.Parallel()
	stop := errors.New("enough")
	b := newBooks()
	calls := 0
	if err := b.previews(nil).Each(t.Context(), func(billing.Preview) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("got %v after %d calls", err, calls)
	}
	b.broken = errors.New("the database is away")
	if err := b.previews(nil).Each(t.Context(), func(billing.Preview) error { t.Error("called"); return nil }); !errors.Is(err, b.broken) {
		t.Errorf("got %v", err)
	}
}

func TestAddonsAreOnTheBillOfThoseWhoHaveThem(t *testing.T) {
	t.Parallel()
	b := newBooks()
	b.addons = map[string]toll.Addon{
		"multilingual": {Name: "multilingual", Title: "Multilingual", Price: toll.Price{Amount: "9.00", Currency: "USD", Every: "month"}},
		"seal":         {Name: "seal", Title: "Seal", Price: toll.Price{Amount: "120.00", Currency: "USD", Every: "year"}}, // not this month
		"free":         {Name: "free", Title: "Free"},
		"foreign":      {Name: "foreign", Title: "Foreign", Price: toll.Price{Amount: "1.00", Currency: "EUR", Every: "month"}},
	}
	c := b.customers[0]
	c.Subscription.Addons = []string{"multilingual", "seal", "free"}
	got, err := b.previews(nil).Of(t.Context(), c, nil)
	if err != nil || got.Draft.Total.String() != "38.00 USD" || len(got.Draft.Lines) != 2 {
		t.Fatalf("got %+v and %v", got, err)
	}
	if l := got.Draft.Lines[1]; l.Kind != billing.AddonLine || l.Addon != "Multilingual" || l.Quantity != 1 || l.Amount.String() != "9.00 USD" {
		t.Errorf("the add-on's line is %+v", l)
	}
	c.Subscription.Addons = []string{"foreign"}
	if _, err := b.previews(nil).Of(t.Context(), c, nil); err == nil || !strings.Contains(err.Error(), "EUR") {
		t.Errorf("two currencies on one bill: %v", err)
	}
	b.plans["free@1"] = toll.Plan{Name: "free"}
	c.Subscription.PlanVersion = "free@1" // of no currency
	if got, err := b.previews(nil).Of(t.Context(), c, nil); err != nil || got.Draft.Total.String() != "1.00 EUR" {
		t.Errorf("an add-on to a free plan: %v, %v", got.Draft.Total, err)
	}
	c.Subscription.Addons = []string{"gone"}
	if _, err := b.previews(nil).Of(t.Context(), c, nil); toll.CodeOf(err) != toll.Invalid || !strings.Contains(err.Error(), "gone") {
		t.Errorf("an add-on that is not sold any more: %v", err)
	}
}

func TestAPreviewFollowsTheMonthsOfItsPlan(t *testing.T) {
	t.Parallel()
	b := newBooks()
	own := b.plans["payg@1"]
	own.Months = toll.SubscriptionMonth
	b.plans["payg@1"] = own
	b.customers[1].Subscription.Since = time.Date(2026, time.March, 31, 8, 0, 0, 0, time.UTC)
	want := map[string][2]string{
		"cus_a": {"2026-11-01", "2026-12-01"}, "cus_b": {"2026-10-31", "2026-11-30"}, "cus_c": {"2026-11-20", "2026-12-20"},
	}
	err := b.previews(nil).Each(t.Context(), func(p billing.Preview) error {
		from, to := p.From.Format(time.DateOnly), p.To.Format(time.DateOnly)
		if w := want[p.Customer.ID]; from != w[0] || to != w[1] || !p.From.Equal(b.from) {
			t.Errorf("%s owes for %s to %s, of usage since %s; want %s to %s", p.Customer.ID, from, to, b.from, w[0], w[1])
		}
		one, until, err := b.previews(nil).Period(t.Context(), p.Customer)
		if err != nil || !one.Equal(p.From) || !until.Equal(p.To) {
			t.Errorf("%s alone: %s to %s (%v)", p.Customer.ID, one, until, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
