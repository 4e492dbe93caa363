package billing_test

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func words(each string) toll.Plan {
	p := fee("p", "10.00", "month")
	p.Usage = []toll.UnitPrice{{Unit: "words", Included: 100, Each: toll.Decimal(each)}}
	return p
}

func cutting(t *testing.T, used int64) billing.Cutting {
	t.Helper()
	return billing.Cutting{
		Customer: "cus_a", Terms: terms(phase(before, words("0.10"))), Usage: []billing.Counted{counted("p@1", "words", used)},
		StoredBefore: november().To.Add(time.Hour),
	}
}

func mustCut(t *testing.T, c billing.Cutting) billing.Invoice {
	t.Helper()
	i, err := billing.Cut(c)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func TestAMonthIsCutWhenItIsOver(t *testing.T) {
	t.Parallel()
	c := cutting(t, 150)
	c.StoredBefore = november().To.Add(-time.Microsecond)
	if _, err := billing.Cut(c); toll.CodeOf(err) != toll.Invalid {
		t.Errorf("cut before its end: %v", err)
	}
	draft, err := billing.MakeDraft(c)
	if err != nil || draft.State != billing.InDraft || draft.Total.String() != "15.00 USD" {
		t.Errorf("the draft is %+v, %v", draft, err)
	}
	c.StoredBefore = november().To
	if got := mustCut(t, c); got.State != billing.Open || got.Due.String() != "15.00 USD" || got.Month != november() || !got.StoredBefore.Equal(november().To) {
		t.Errorf("got %+v", got)
	}
}

func TestLateUsageIsACorrectionThatNamesItsMonth(t *testing.T) {
	t.Parallel()
	first := mustCut(t, cutting(t, 90)) // 10 of the included are left
	december := billing.Span{From: november().To, To: november().To.AddDate(0, 1, 0)}
	next := cutting(t, 0)
	next.Terms.Month = december
	next.StoredBefore = december.To.AddDate(0, 0, 9) // 40 days late
	next.Earlier = []billing.Earlier{{Terms: cutting(t, 0).Terms, Usage: []billing.Counted{counted("p@1", "words", 115)}, Lines: first.Lines, Splits: first.Splits}}
	got := mustCut(t, next)
	last := got.Lines[len(got.Lines)-1]
	if !last.Late || last.Month != november() || last.Quantity != 25 || last.Included != 10 || last.Billed != 15 || last.Amount.String() != "1.50 USD" {
		t.Errorf("the correction is %+v", last)
	}
	if got.Total.String() != "11.50 USD" {
		t.Errorf("the invoice is about %s", got.Total)
	}
	next.Earlier[0].Lines = append(next.Earlier[0].Lines, last)
	next.Earlier[0].Splits = append(next.Earlier[0].Splits, got.Splits[len(got.Splits)-1])
	if again := mustCut(t, next); again.Total.String() != "10.00 USD" || len(again.Lines) != 2 {
		t.Errorf("it is corrected twice: %s", amounts(again.Lines))
	}
}

func TestACorrectionInAnotherCurrencyWaits(t *testing.T) {
	t.Parallel()
	first := mustCut(t, cutting(t, 90))
	euro := words("0.10")
	euro.Price.Currency = "EUR"
	next := cutting(t, 0)
	next.Terms = terms(phase(before, euro))
	next.Terms.Month = billing.Span{From: november().To, To: november().To.AddDate(0, 1, 0)}
	next.StoredBefore = next.Terms.Month.To
	next.Earlier = []billing.Earlier{{Terms: cutting(t, 0).Terms, Usage: []billing.Counted{counted("p@1", "words", 900)}, Lines: first.Lines, Splits: first.Splits}}
	got := mustCut(t, next)
	if len(got.LeftOut) != 1 || got.LeftOut[0] != november() || got.Total.String() != "10.00 EUR" || len(got.Splits) != 0 {
		t.Errorf("got %s, left out %v", got.Total, got.LeftOut)
	}
}

func TestUsageOfAnEarlierMonthInAnotherCurrencyKeepsNothingBack(t *testing.T) {
	t.Parallel()
	first := mustCut(t, cutting(t, 90))
	euro := words("0.10")
	euro.Name, euro.Price.Currency = "e", "EUR"
	next := cutting(t, 0)
	next.Terms.Month = billing.Span{From: november().To, To: november().To.AddDate(0, 1, 0)}
	next.StoredBefore = next.Terms.Month.To
	old := cutting(t, 0).Terms
	old.Others = []billing.Phase{phase(before, euro)} // told from outside, when the plan was another
	next.Earlier = []billing.Earlier{{Terms: old, Usage: []billing.Counted{counted("e@1", "words", 900)}, Lines: first.Lines, Splits: first.Splits}}
	if got := mustCut(t, next); len(got.LeftOut) != 1 || got.Total.String() != "10.00 USD" {
		t.Errorf("got %s, left out %v", got.Total, got.LeftOut)
	}
}

func TestTaxIsRoundedOnceForTheInvoice(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate       *toll.TaxRate
		tax, total string
	}{
		{nil, "0.00 USD", "15.10 USD"},
		{&toll.TaxRate{Percent: "19"}, "2.87 USD", "17.97 USD"},
		{&toll.TaxRate{Percent: "19", Inclusive: true}, "2.41 USD", "15.10 USD"},
		{&toll.TaxRate{Percent: "0"}, "0.00 USD", "15.10 USD"},
	} {
		in := cutting(t, 151)
		in.Tax = c.rate
		if got := mustCut(t, in); got.Tax.String() != c.tax || got.Total.String() != c.total {
			t.Errorf("%+v: %s of %s", c.rate, got.Tax, got.Total)
		}
	}
	in := cutting(t, 0)
	in.Tax = &toll.TaxRate{Name: "odd", Percent: "101"}
	if _, err := billing.Cut(in); err == nil || !strings.Contains(err.Error(), "odd") {
		t.Errorf("a rate above the whole: %v", err)
	}
}

func TestCreditsPayFirst(t *testing.T) {
	t.Parallel()
	c := cutting(t, 150)
	c.Credit = toll.Money{Minor: 400, Currency: "USD"}
	if got := mustCut(t, c); got.State != billing.Open || got.Credited.Minor != 400 || got.Due.Minor != 1100 {
		t.Errorf("got %+v", got)
	}
	c.Credit.Minor = 9000
	if got := mustCut(t, c); got.State != billing.Paid || got.Credited.Minor != 1500 || got.Due.Minor != 0 || got.ClosedAt.IsZero() {
		t.Errorf("got %+v", got)
	}
	c.Credit.Currency = "EUR"
	if got := mustCut(t, c); got.Credited.Minor != 0 || got.Due.Minor != 1500 {
		t.Errorf("euros paid dollars: %+v", got)
	}
}

func TestWhatCostsNothingIsEmptyAndTakesNoNumber(t *testing.T) {
	t.Parallel()
	c := cutting(t, 50)
	c.Terms = terms(phase(before, toll.Plan{Name: "p"}))
	if got := mustCut(t, c); got.State != billing.Empty || len(got.Splits) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestInvoicesGoOnlyWhereTheyMay(t *testing.T) {
	t.Parallel()
	states := []billing.State{billing.InDraft, billing.Open, billing.Paid, billing.Void, billing.Uncollectible, billing.Empty}
	may := map[[2]billing.State]bool{
		{billing.InDraft, billing.Open}: true, {billing.InDraft, billing.Paid}: true, {billing.InDraft, billing.Empty}: true,
		{billing.Open, billing.Paid}: true, {billing.Open, billing.Void}: true, {billing.Open, billing.Uncollectible}: true,
		{billing.Uncollectible, billing.Paid}: true,
	}
	for _, from := range states {
		for _, to := range states {
			got, err := billing.Invoice{Number: "INV-000001", State: from}.Move(to, now, "by transfer")
			if may[[2]billing.State{from, to}] {
				if err != nil || got.State != to || !got.ClosedAt.Equal(now) || got.Note != "by transfer" {
					t.Errorf("%s to %s: %+v, %v", from, to, got, err)
				}
			} else if toll.CodeOf(err) != toll.Conflict || got.State != from {
				t.Errorf("%s to %s: %+v, %v", from, to, got, err)
			}
		}
	}
}

func TestNumbersAreReadAndSortedAlike(t *testing.T) {
	t.Parallel()
	if a, b := billing.NumberOf(billing.InvoicePrefix, 42), billing.NumberOf(billing.InvoicePrefix, 1_234_567); a != "INV-000042" || b != "INV-1234567" {
		t.Errorf("%s and %s", a, b)
	}
}

func TestCreditNotesGiveBackNoMoreThanThereWas(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) toll.Money { return toll.Money{Minor: minor, Currency: "USD"} }
	invoice := billing.Invoice{ID: "inv_1", Number: "INV-000001", State: billing.Open, Total: usd(1190), Tax: usd(190), Due: usd(1000), Credited: usd(190)}
	var notes []billing.CreditNote
	var tax, unpaid, credit int64
	for _, amount := range []int64{333, 333, 524} {
		n, err := billing.NewCreditNote(invoice, notes, usd(amount), "sorry")
		if err != nil {
			t.Fatal(err)
		}
		notes = append(notes, n)
		tax, unpaid, credit = tax+n.Tax.Minor, unpaid+n.Unpaid.Minor, credit+n.Credit.Minor
	}
	if tax != 190 || unpaid != 1000 || credit != 190 {
		t.Errorf("the notes give back %d of tax, %d unpaid, %d as a credit", tax, unpaid, credit)
	}
	for name, amount := range map[string]toll.Money{"more than is left": usd(1), "nothing": usd(0), "less than nothing": usd(-5), "another currency": {Minor: 1, Currency: "EUR"}} {
		if _, err := billing.NewCreditNote(invoice, notes, amount, ""); toll.CodeOf(err) != toll.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	invoice.State = billing.Void
	if _, err := billing.NewCreditNote(invoice, nil, usd(1), ""); toll.CodeOf(err) != toll.Conflict {
		t.Errorf("of a void invoice: %v", err)
	}
}

func TestEvidenceTellsAnyOtherListOfEvents(t *testing.T) {
	t.Parallel()
	event := func(n byte, day int, count int64) toll.Event {
		return toll.Event{ID: toll.ULID{15: n}, Time: time.Date(2026, 11, day, 23, 0, 0, 0, time.UTC), PlanVersion: "p@1", Class: toll.Chargeable, Units: []toll.Amount{{Unit: "words", Count: count}}}
	}
	digest := func(events ...toll.Event) [sha256.Size]byte {
		var c billing.Collector
		for i := range events {
			if err := c.Add(&events[i]); err != nil {
				t.Fatal(err)
			}
		}
		for _, e := range c.Evidence() {
			if e.Unit == "words" {
				return e.Digest
			}
		}
		return [sha256.Size]byte{}
	}
	want := digest(event(1, 3, 5), event(2, 3, 6))
	if want != digest(event(1, 3, 5), event(2, 3, 6)) {
		t.Error("the same events differ")
	}
	for name, got := range map[string][sha256.Size]byte{
		"one less": digest(event(1, 3, 5)), "one more": digest(event(1, 3, 5), event(2, 3, 6), event(3, 3, 1)),
		"another count": digest(event(1, 3, 6), event(2, 3, 5)), "another event": digest(event(1, 3, 5), event(3, 3, 6)),
	} {
		if got == want {
			t.Errorf("%s is not seen", name)
		}
	}
	var c billing.Collector
	test := event(9, 4, 1)
	test.Class = toll.TestUsage
	for _, e := range []toll.Event{event(1, 3, 5), event(2, 4, 6), test} {
		if err := c.Add(&e); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Evidence()
	if len(got) != 4 || got[0].Unit != "requests" || got[2].Unit != "words" || got[2].Events != 1 || got[2].Count != 5 || got[3].Count != 6 {
		t.Errorf("got %+v", got)
	}
	if twice := event(2, 4, 6); c.Add(&twice) == nil {
		t.Error("an event counts twice")
	}
}

func TestASpendCapTellsItsAlertsOnce(t *testing.T) {
	t.Parallel()
	plan := fee("p", "10.00", "month")
	usd := func(minor int64) toll.Money { return toll.Money{Minor: minor, Currency: "USD"} }
	if _, ok, err := billing.CapOf(plan, usd(5)); ok || err != nil {
		t.Errorf("a plan without a cap: %v, %v", ok, err)
	}
	plan.SpendCap = "100.01"
	var told []int64
	last := usd(0)
	for _, spent := range []int64{0, 5000, 5001, 5002, 8000, 8001, 10000, 10001, 20000} {
		c, ok, err := billing.CapOf(plan, usd(spent))
		if !ok || err != nil || c.Reached() != (spent >= 10001) {
			t.Errorf("at %d: %+v, %v", spent, c, err)
		}
		told = append(told, c.Crossed(last)...)
		last = usd(spent)
	}
	if len(told) != 3 || told[0] != 50 || told[1] != 80 || told[2] != 100 {
		t.Errorf("told of %v", told)
	}
	if _, _, err := billing.CapOf(plan, toll.Money{Minor: 1, Currency: "EUR"}); err == nil {
		t.Error("euros are held against dollars")
	}
}

func FuzzParsePercent(f *testing.F) {
	for _, seed := range []string{"0", "19", "8.25", "100", "100.000001", "-1", "NaN", "1e2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		percent, err := billing.ParsePercent(toll.Decimal(text))
		if err != nil {
			return
		}
		if percent.Sign() < 0 || percent.Cmp(rat("100")) > 0 || percent.Cmp(rat(toll.Decimal(text))) != 0 {
			t.Fatalf("%q was read as %s", text, percent)
		}
	})
}
