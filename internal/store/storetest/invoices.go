package storetest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
	"github.com/tollhouse/tollhouse/internal/toll/tolltest"
)

// ledgerAt is a store whose books are read at another time than it is.
type ledgerAt struct {
	*store.Store
	now time.Time
}

func (l ledgerAt) ReadBooks(ctx context.Context, customer string, f func(r billing.Reader, now time.Time) error) error {
	return l.Store.ReadBooks(ctx, customer, func(r billing.Reader, _ time.Time) error { return f(r, l.now) })
}

// invoicingAt cuts invoices as if it were a certain time.
func invoicingAt(s *store.Store, now time.Time, taxes ...toll.TaxRate) *billing.Invoicing {
	return billing.NewInvoicing(ledgerAt{s, now}, nil, func() []toll.TaxRate { return taxes }, toll.NewIDs(nil).NewID, time.UTC,
		func(context.Context, *billing.Invoice, time.Time) toll.Entry { return tolltest.Entry() })
}

// pricedVersion is a plan of 10.00 a month, with words at 0.10 beyond 5.
func pricedVersion(t testing.TB, s *store.Store, name string) toll.PlanVersion {
	t.Helper()
	v := toll.PlanVersion{ID: name + "@000000000001", LoadedAt: noon, Plan: toll.Plan{
		Name: name, Title: "Priced", Price: toll.Price{Amount: "10.00", Currency: "USD", Every: "month"},
		Usage: []toll.UnitPrice{{Unit: "words", Included: 5, Each: "0.10"}},
	}}
	must(t, s.SavePlanVersion(background, v, tolltest.Entry()))
	return v
}

func payer(t testing.TB, s *store.Store, n int, v toll.PlanVersion, since time.Time) toll.Customer {
	t.Helper()
	c := customer(n)
	c.Subscription = toll.Subscription{Plan: v.Plan.Name, PlanVersion: v.ID, Since: since}
	must(t, s.CreateCustomer(background, c, tolltest.Entry()))
	return c
}

// uses drains an event of so many words.
func uses(t testing.TB, s *store.Store, lane string, c *toll.Customer, at time.Time, words int64) toll.Event {
	t.Helper()
	e := event(toll.NewIDs(nil), at)
	e.Customer, e.PlanVersion, e.Units = c.ID, c.Subscription.PlanVersion, []toll.Amount{{Unit: "words", Count: words}}
	must(t, s.Drain(background, &meter.Batch{Lane: lane, Next: meter.Position{Segment: 1, Offset: 1}, Events: []toll.Event{e}}))
	return e
}

func day(month time.Month, d int) time.Time { return time.Date(2026, month, d, 0, 0, 0, 0, time.UTC) }

func keepsAnInvoiceAsItWasCut(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	c := payer(t, s, 1, v, day(9, 10))
	e := uses(t, s, "n/a", &c, day(9, 12), 25)
	must(t, s.SetTaxed(background, c.ID, "DE", false, tolltest.Entry()))
	must(t, s.GrantCredit(background, billing.Credit{ID: "crd_1", Customer: c.ID, Amount: toll.Money{Minor: 100, Currency: "USD"}, Note: "sorry", GrantedAt: noon}, tolltest.Entry()))
	must(t, s.RedeemCoupon(background, c.ID, billing.Redemption{Coupon: toll.Coupon{Name: "launch", Title: "Launch", Percent: "50", Months: 1}, From: day(9, 1)}, tolltest.Entry()))
	vat := toll.TaxRate{Name: "vat", Title: "VAT", Percent: "19", Countries: []string{"DE"}}
	cut, err := invoicingAt(s, day(10, 2), vat).Cut(background, c.ID, time.Time{})
	if err != nil || len(cut) != 1 {
		t.Fatalf("cut %d invoices, %v", len(cut), err)
	}
	got, err := s.Invoice(background, cut[0].ID)
	wantSame(t, "the invoice", got, err, cut[0])
	if byNumber, err := s.Invoice(background, "INV-000001"); err != nil || byNumber.ID != got.ID {
		t.Errorf("by its number: %+v, %v", byNumber, err)
	}
	// 10.00 and 2.00, half of it off, 19 % on it, 1.00 of a credit.
	if got.Subtotal.Minor != 600 || got.Tax.Minor != 114 || got.Credited.Minor != 100 || got.Due.Minor != 614 || got.State != billing.Open {
		t.Errorf("the invoice is %+v", got)
	}
	evidence, err := s.EvidenceOf(background, got.ID)
	if err != nil || len(evidence) != 2 || evidence[1].Unit != "words" || evidence[1].Count != 25 || evidence[1].First != e.ID || !evidence[1].Month.To.Equal(day(10, 1)) {
		t.Errorf("the evidence is %+v, %v", evidence, err)
	}
	var again billing.Collector
	must(t, again.Add(&e))
	if evidence[1].Digest != again.Evidence()[1].Digest {
		t.Error("the evidence is of another event")
	}
	credits, err := s.CreditsOf(background, c.ID)
	if err != nil || len(credits) != 1 || credits[0].Remaining.Minor != 0 || credits[0].Amount.Minor != 100 {
		t.Errorf("the credits are %+v, %v", credits, err)
	}
	if more, err := invoicingAt(s, day(10, 2), vat).Cut(background, c.ID, time.Time{}); err != nil || len(more) != 0 {
		t.Errorf("cut again: %+v, %v", more, err)
	}
	_, err = s.Invoice(background, "INV-000002")
	wantCode(t, "an invoice that is not there", err, toll.NotFound)
	_, err = invoicingAt(s, day(10, 2)).Cut(background, "cus_none", time.Time{})
	wantCode(t, "nobody's invoices", err, toll.NotFound)
}

func correctsUsageThatCameLate(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	c := payer(t, s, 1, v, day(9, 10))
	uses(t, s, "n/a", &c, day(9, 12), 4)
	first, err := invoicingAt(s, day(10, 2)).Cut(background, c.ID, time.Time{})
	if err != nil || len(first) != 1 || first[0].Total.Minor != 1000 {
		t.Fatalf("got %+v, %v", first, err)
	}
	uses(t, s, "n/b", &c, day(9, 30), 11)
	uses(t, s, "n/c", &c, day(10, 5), 5)
	second, err := invoicingAt(s, day(11, 9)).Cut(background, c.ID, time.Time{})
	if err != nil || len(second) != 1 {
		t.Fatalf("got %+v, %v", second, err)
	}
	stored, err := s.Invoice(background, second[0].ID)
	wantSame(t, "the second", stored, err, second[0])
	last := stored.Lines[len(stored.Lines)-1]
	if !last.Late || !last.Month.From.Equal(day(9, 1)) || last.Quantity != 11 || last.Included != 1 || last.Amount.Minor != 100 || stored.Total.Minor != 1100 {
		t.Errorf("the correction is %+v of %s", last, stored.Total)
	}
	third, err := invoicingAt(s, day(12, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(third) != 1 || third[0].Total.Minor != 1000 || len(third[0].Lines) != 2 {
		t.Errorf("corrected twice: %+v, %v", third, err)
	}
}

func numbersInvoicesWithoutGapsWhateverHappensAtOnce(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	free := toll.PlanVersion{ID: "free@000000000001", Plan: toll.Plan{Name: "free"}, LoadedAt: noon}
	must(t, s.SavePlanVersion(background, free, tolltest.Entry()))
	const customers, months = 5, 3
	for n := range customers {
		payer(t, s, n, v, day(7, 1))
	}
	payer(t, s, 99, free, day(7, 1))
	var wg sync.WaitGroup
	cut := make(chan billing.Invoice, 1000)
	for range 6 {
		invoicing := invoicingAt(s, day(10, 1))
		wg.Go(func() {
			for n := range customers { // all want the same at once
				invoices, err := invoicing.Cut(background, customer(n).ID, time.Time{})
				for _, i := range invoices {
					cut <- i
				}
				if err != nil && toll.CodeOf(err) != toll.Conflict && toll.CodeOf(err) != toll.Unavailable {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	must(t, invoicingAt(s, day(10, 1)).CutAll(background, time.Time{}, func(i billing.Invoice) error { cut <- i; return nil }))
	close(cut)
	var numbers []string
	seen := map[string]bool{}
	for i := range cut {
		month := i.Customer + i.Month.From.String()
		if seen[month] {
			t.Errorf("%s was cut twice", month)
		}
		if seen[month] = true; i.State == billing.Empty {
			if i.Customer != customer(99).ID || i.Number != "" {
				t.Errorf("empty: %+v", i)
			}
			continue
		}
		numbers = append(numbers, i.Number)
	}
	slices.Sort(numbers)
	if len(seen) != (customers+1)*months || len(numbers) != customers*months {
		t.Fatalf("%d months, %d numbers", len(seen), len(numbers))
	}
	for n, number := range numbers {
		if want := billing.NumberOf(billing.InvoicePrefix, int64(n+1)); number != want {
			t.Fatalf("the %d. number is %s, want %s", n+1, number, want)
		}
	}
	listed, err := s.Invoices(background, store.InvoiceQuery{Customer: customer(2).ID, Limit: 2})
	if err != nil || len(listed) != 2 || listed[0].Month.From.Before(listed[1].Month.From) {
		t.Errorf("listed %+v, %v", listed, err)
	}
	rest, err := s.Invoices(background, store.InvoiceQuery{Customer: customer(2).ID, Before: listed[1].ID})
	if err != nil || len(rest) != months-2 {
		t.Errorf("the rest is %+v, %v", rest, err)
	}
	for state, want := range map[billing.State]int{billing.Empty: months, billing.Open: customers * months, billing.Void: 0, "": customers * months} {
		if all, err := s.Invoices(background, store.InvoiceQuery{State: state, Limit: 500}); err != nil || len(all) != want {
			t.Errorf("%q: %d invoices, %v; want %d", state, len(all), err, want)
		}
	}
	_, err = s.Invoices(background, store.InvoiceQuery{Limit: 501})
	wantCode(t, "too many", err, toll.Invalid)
}

// A number goes back when its invoice is not stored.
func leavesNoNumberOut(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	c := payer(t, s, 1, v, day(8, 1))
	cut, err := invoicingAt(s, day(9, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(cut) != 1 {
		t.Fatalf("%d invoices, %v", len(cut), err)
	}
	terms := billing.Terms{Month: cut[0].Month}
	twice := cut[0]
	twice.ID = "inv_twice"
	_, err = s.StoreInvoice(background, twice, terms, nil, 1, 1, tolltest.Entry())
	wantCode(t, "the same month again", err, toll.Conflict)
	next := twice
	next.Month = billing.Span{From: day(9, 1), To: day(10, 1)}
	_, err = s.StoreInvoice(background, next, terms, nil, 0, 1, tolltest.Entry())
	wantCode(t, "of books that were written to", err, toll.Conflict)
	_, err = s.StoreInvoice(background, next, terms, nil, 1, 7, tolltest.Entry())
	wantCode(t, "of another history", err, toll.Conflict)
	stored, err := s.StoreInvoice(background, next, terms, nil, 1, 1, tolltest.Entry())
	if err != nil || stored.Number != "INV-000002" {
		t.Errorf("%s, %v", stored.Number, err)
	}
}

func keepsTheHistoryOfASubscription(t *testing.T, s *store.Store) {
	a, b := pricedVersion(t, s, "a"), pricedVersion(t, s, "b")
	c := payer(t, s, 1, a, day(7, 1))
	renamed := c
	renamed.Name = "Another name" // no phase of its own
	c, err := s.UpdateCustomer(background, renamed, tolltest.Entry())
	must(t, err)
	for _, v := range []toll.PlanVersion{b, a, b} {
		c.Subscription.Plan, c.Subscription.PlanVersion = v.Plan.Name, v.ID
		c, err = s.UpdateCustomer(background, c, tolltest.Entry())
		must(t, err)
	}
	must(t, s.ReadBooks(background, c.ID, func(r billing.Reader, _ time.Time) error {
		books, err := r.Books(background)
		if err != nil {
			return err
		}
		versions := ""
		for i, p := range books.Phases {
			versions += p.Version[:1]
			if i > 0 && !p.From.After(books.Phases[i-1].From) {
				t.Errorf("phase %d begins at %s, after %s", i, p.From, books.Phases[i-1].From)
			}
		}
		if versions != "abab" || !books.Phases[0].From.Equal(day(7, 1)) || books.Phases[1].Plan.Name != "b" {
			t.Errorf("the phases are %s: %+v", versions, books.Phases)
		}
		return nil
	}))
	stale := c
	stale.Version--
	stale.Subscription.PlanVersion = a.ID
	_, err = s.UpdateCustomer(background, stale, tolltest.Entry())
	wantCode(t, "a stale change", err, toll.Conflict)
}

func movesInvoicesAndCredits(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	c := payer(t, s, 1, v, day(7, 1))
	usd := func(minor int64) toll.Money { return toll.Money{Minor: minor, Currency: "USD"} }
	for n, minor := range []int64{300, 400} {
		must(t, s.GrantCredit(background, billing.Credit{ID: fmt.Sprintf("crd_%d", n), Customer: c.ID, Amount: usd(minor), GrantedAt: noon.Add(time.Duration(n) * time.Second)}, tolltest.Entry()))
	}
	cut, err := invoicingAt(s, day(9, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(cut) != 2 || cut[0].Credited.Minor != 700 || cut[1].Credited.Minor != 0 {
		t.Fatalf("%+v, %v", cut, err)
	}
	paid, err := s.MoveInvoice(background, cut[1].Number, billing.Paid, noon, "by transfer", tolltest.Entry())
	if err != nil || paid.State != billing.Paid || paid.Note != "by transfer" {
		t.Errorf("%+v, %v", paid, err)
	}
	if got, err := s.Invoice(background, cut[1].ID); err != nil || got.State != billing.Paid || !got.ClosedAt.Equal(noon) {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = s.MoveInvoice(background, cut[1].ID, billing.Void, noon, "", tolltest.Entry())
	wantCode(t, "a paid one is not voided", err, toll.Conflict)
	_, err = s.MoveInvoice(background, "INV-999999", billing.Paid, noon, "", tolltest.Entry())
	wantCode(t, "one that is not there", err, toll.NotFound)
	_, err = s.MoveInvoice(background, cut[0].ID, billing.Void, noon, "a mistake", tolltest.Entry())
	must(t, err)
	credits, err := s.CreditsOf(background, c.ID)
	if err != nil || len(credits) != 3 {
		t.Fatalf("%+v, %v", credits, err)
	}
	var left int64
	for _, one := range credits {
		left += one.Remaining.Minor
	}
	if left != 700 {
		t.Errorf("after a void invoice %d of 700 are left", left)
	}
	wantCode(t, "nobody's credit", s.GrantCredit(background, billing.Credit{ID: "crd_9", Customer: "cus_none", Amount: usd(1)}, tolltest.Entry()), toll.NotFound)
	wantCode(t, "no credit", s.GrantCredit(background, billing.Credit{ID: "crd_9", Customer: c.ID, Amount: usd(0)}, tolltest.Entry()), toll.Invalid)
	r := billing.Redemption{Coupon: toll.Coupon{Name: "launch", Amount: toll.Price{Amount: "2.00", Currency: "USD"}}, From: day(9, 1)}
	must(t, s.RedeemCoupon(background, c.ID, r, tolltest.Entry()))
	wantCode(t, "the same coupon twice", s.RedeemCoupon(background, c.ID, r, tolltest.Entry()), toll.Conflict)
	wantCode(t, "nobody's coupon", s.RedeemCoupon(background, "cus_none", r, tolltest.Entry()), toll.NotFound)
	must(t, s.EndCoupon(background, c.ID, "launch", day(10, 1), tolltest.Entry()))
	wantCode(t, "a coupon that nobody has", s.EndCoupon(background, c.ID, "lunch", day(10, 1), tolltest.Entry()), toll.NotFound)
	next, err := invoicingAt(s, day(11, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(next) != 2 || next[0].Total.Minor != 800 || next[0].Credited.Minor != 700 || next[1].Total.Minor != 1000 {
		t.Errorf("%+v, %v", next, err)
	}
	must(t, s.SetTaxed(background, c.ID, "FR", true, tolltest.Entry()))
	if country, exempt, err := s.Taxed(background, c.ID); country != "FR" || !exempt || err != nil {
		t.Errorf("%s, %v, %v", country, exempt, err)
	}
	wantCode(t, "nobody's tax", s.SetTaxed(background, "cus_none", "FR", true, tolltest.Entry()), toll.NotFound)
}

func keepsTheInvoicesOfACustomerThatLeft(t *testing.T, s *store.Store) {
	v := pricedVersion(t, s, "priced")
	c := payer(t, s, 1, v, day(7, 1))
	before, err := invoicingAt(s, day(9, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(before) != 2 {
		t.Fatalf("%+v, %v", before, err)
	}
	_, _, err = s.CloseCustomer(background, c.ID, "Deleted", day(9, 15), tolltest.Entry())
	must(t, err)
	// The month in which it left is the last that is billed.
	last, err := invoicingAt(s, day(12, 1)).Cut(background, c.ID, time.Time{})
	if err != nil || len(last) != 1 || !last[0].Month.From.Equal(day(9, 1)) {
		t.Errorf("after it left: %+v, %v", last, err)
	}
	for _, one := range append(before, last...) {
		if got, err := s.Invoice(background, one.ID); err != nil || got.Total != one.Total {
			t.Errorf("%+v, %v", got, err)
		}
	}
	record, err := s.CustomerRecord(background, c.ID)
	if err != nil || len(record["invoices"]) != 3 || len(record["invoice_lines"]) == 0 {
		t.Errorf("its record: %v, %v", record, err)
	}
	if line := record["invoice_lines"][0]; line["late"] != false || record["invoices"][0]["month_from"] != day(7, 1).Format(time.RFC3339) {
		t.Errorf("how it reads: %v", line)
	}
}
