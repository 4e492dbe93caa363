package billing_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// november is a month of thirty days; the subscription is older.
func november() billing.Span {
	return billing.Span{From: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)}
}

func fee(name, amount, every string) toll.Plan {
	return toll.Plan{Name: name, Title: name, Price: toll.Price{Amount: toll.Decimal(amount), Currency: "USD", Every: every}}
}

func phase(from time.Time, plan toll.Plan, addons ...toll.Addon) billing.Phase {
	return billing.Phase{From: from, Version: plan.Name + "@1", Plan: plan, Addons: addons}
}

func terms(phases ...billing.Phase) billing.Terms {
	return billing.Terms{Month: november(), Since: phases[0].From, Phases: phases, Trial: billing.TrialOf(phases, nil)}
}

func counted(version, unit string, count int64) billing.Counted {
	return billing.Counted{Start: november().From, Version: version, Unit: unit, Count: count}
}

func rated(t *testing.T, terms billing.Terms, usage ...billing.Counted) billing.Rated {
	t.Helper()
	r, err := terms.Rate(usage)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// amounts writes lines shortly: "fee a@1 10.00 USD; …".
func amounts(lines []billing.Line) string {
	var out []string
	for _, l := range lines {
		text := string(l.Kind)
		for _, part := range []string{l.Version, l.Name, l.Unit, l.Amount.String()} {
			if part != "" {
				text += " " + part
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

var before = time.Date(2026, 3, 5, 0, 0, 0, 0, time.UTC)

func TestAChangeOfPlanIsSharedOutByTime(t *testing.T) {
	t.Parallel()
	half := november().From.AddDate(0, 0, 15)
	got := rated(t, terms(phase(before, fee("a", "10.00", "month")), phase(half, fee("b", "30.01", "month"))))
	if want := "fee a@1 5.00 USD; fee b@1 15.01 USD"; amounts(got.Lines) != want {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
	if got.Lines[0].Share != (billing.Share{Held: 1, Of: 2}) || got.Lines[1].Month != november() {
		t.Errorf("a line says of itself %+v", got.Lines[0])
	}
}

func TestTheFirstMonthIsWholeHoweverShortItIs(t *testing.T) {
	t.Parallel()
	got := rated(t, terms(phase(november().From.AddDate(0, 0, 20), fee("a", "10.00", "month"))))
	if want := "fee a@1 10.00 USD"; amounts(got.Lines) != want {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
}

func TestFiveChangesInADayAddUpToTwoLinesAndOneFee(t *testing.T) {
	t.Parallel()
	a, b := fee("a", "10.00", "month"), fee("b", "10.00", "month")
	phases := []billing.Phase{phase(before, a)}
	for n, plan := range []toll.Plan{b, a, b, a, b} {
		phases = append(phases, phase(november().From.AddDate(0, 0, 6).Add(time.Duration(n*n)*time.Hour+time.Duration(n)*time.Second), plan))
	}
	got := rated(t, terms(phases...))
	if len(got.Lines) != 2 || got.Total.Minor != 1000 {
		t.Errorf("two plans that cost the same cost %s: %s", got.Total, amounts(got.Lines))
	}
}

func TestThePiecesOfOneFeeAddUpToIt(t *testing.T) {
	t.Parallel()
	var phases []billing.Phase
	for n := range 7 { // of 10.00, a seventh is 1.428571…
		phases = append(phases, phase(before, fee(string(rune('a'+n)), "10.00", "month")))
		if n > 0 {
			phases[n].From = november().From.Add(time.Duration(n) * november().To.Sub(november().From) / 7)
		}
	}
	if got := rated(t, terms(phases...)); len(got.Lines) != 7 || got.Total.Minor != 1000 {
		t.Errorf("seven pieces are %s: %s", got.Total, amounts(got.Lines))
	}
}

func TestWhatIsLeftOfAYearIsGivenBack(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leaves := november().From // 61 of 365 days are left
	got := rated(t, terms(phase(since, fee("year", "365.00", "year")), phase(leaves, fee("month", "1.00", "month"))))
	if want := "fee year@1 -61.00 USD; fee month@1 1.00 USD"; amounts(got.Lines) != want {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
	got = rated(t, terms(phase(since, fee("month", "1.00", "month")), phase(leaves, fee("year", "365.00", "year"))))
	if want := "fee year@1 61.00 USD"; amounts(got.Lines) != want {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
}

func TestADayOfAnotherLengthCountsAsWhatItIs(t *testing.T) {
	t.Parallel()
	zone := zoneOfTest(t, "Europe/Berlin")
	october := billing.Span{From: time.Date(2026, 10, 1, 0, 0, 0, 0, zone), To: time.Date(2026, 11, 1, 0, 0, 0, 0, zone)} // 745 hours
	at := time.Date(2026, 10, 25, 0, 0, 0, 0, zone)
	tm := billing.Terms{Month: october, Since: before, Phases: []billing.Phase{phase(before, fee("a", "0", "month")), phase(at, fee("b", "745.00", "month")), phase(at.AddDate(0, 0, 1), fee("a", "0", "month"))}}
	if got := rated(t, tm); amounts(got.Lines) != "fee b@1 25.00 USD" {
		t.Errorf("a day of 25 hours of 745 costs %s", amounts(got.Lines))
	}
}

func zoneOfTest(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func TestPlacesGoOnFromOnePlanToTheNext(t *testing.T) {
	t.Parallel()
	plan := func(name string, price toll.UnitPrice) toll.Plan {
		p := fee(name, "0", "month")
		price.Unit = "words"
		p.Usage = []toll.UnitPrice{price}
		return p
	}
	half := november().From.AddDate(0, 0, 15)
	for name, c := range map[string]struct {
		a, b toll.UnitPrice
		want string
	}{
		"what was free under one plan is not free again under the next": {
			toll.UnitPrice{Included: 100, Each: "1"}, toll.UnitPrice{Included: 150, Each: "2"}, "usage a@1 words 20.00 USD; usage b@1 words 180.00 USD"},
		"graduated": {
			toll.UnitPrice{Each: "1"}, toll.UnitPrice{Tiers: []toll.Tier{{UpTo: 130, Each: "5"}, {Each: "1"}}}, "usage a@1 words 120.00 USD; usage b@1 words 160.00 USD"},
		"volume asks the whole month": {
			toll.UnitPrice{Tiering: toll.Volume, Tiers: []toll.Tier{{UpTo: 239, Each: "1"}, {Each: "0.5"}}}, toll.UnitPrice{Each: "0"}, "usage a@1 words 60.00 USD; usage b@1 words 0.00 USD"},
		"packages that are begun": {
			toll.UnitPrice{Each: "1", Package: 50}, toll.UnitPrice{Each: "2", Package: 50}, "usage a@1 words 3.00 USD; usage b@1 words 4.00 USD"},
	} {
		got := rated(t, terms(phase(before, plan("a", c.a)), phase(half, plan("b", c.b))), counted("a@1", "words", 120), counted("b@1", "words", 120))
		if amounts(got.Lines) != c.want {
			t.Errorf("%s: got %s, want %s", name, amounts(got.Lines), c.want)
		}
	}
}

func TestAPackageIsPaidWhenItIsBegun(t *testing.T) {
	t.Parallel()
	plan := fee("p", "0", "month")
	plan.Usage = []toll.UnitPrice{{Unit: "words", Included: 10, Each: "0.50", Package: 1000}}
	for used, want := range map[int64]string{0: "0.00 USD", 10: "0.00 USD", 11: "0.50 USD", 1010: "0.50 USD", 1011: "1.00 USD"} {
		got := rated(t, terms(phase(before, plan)), counted("p@1", "words", used))
		l := got.Lines[0]
		if l.Amount.String() != want || l.Included+l.Billed != used || (len(l.Parts) > 0 && l.Parts[0].Package != 1000) {
			t.Errorf("%d words: %+v, want %s", used, l, want)
		}
	}
}

func TestATrialCostsNothingAndEndsWithinTheMonth(t *testing.T) {
	t.Parallel()
	plan := fee("p", "30.00", "month")
	plan.Trial = 14
	plan.Minimum = "6.00"
	plan.Usage = []toll.UnitPrice{{Unit: "words", Included: 5, Each: "1"}}
	tm := terms(phase(november().From.Add(7*time.Minute), plan))
	stretches := tm.Stretches()
	if want := november().From.AddDate(0, 0, 14).Add(15 * time.Minute); len(stretches) != 2 || !stretches[0].To.Equal(want) || !stretches[1].From.Equal(want) {
		t.Fatalf("usage is to be asked for by %v", stretches)
	}
	free, paid := counted("p@1", "words", 1000), counted("p@1", "words", 8)
	paid.Start = stretches[1].From
	got := rated(t, tm, free, paid)
	if want := "fee p@1 16.00 USD; usage p@1 words 3.00 USD"; amounts(got.Lines) != want {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
	if l := got.Lines[1]; l.Quantity != 1008 || l.Included != 1005 || l.Billed != 3 {
		t.Errorf("the usage is %+v", l)
	}
}

func TestACustomerHasOneTrial(t *testing.T) {
	t.Parallel()
	free, trial, other := fee("free", "0", "month"), fee("pro", "30.00", "month"), fee("big", "60.00", "month")
	trial.Trial, other.Trial = 30, 30
	at := november().From
	got := billing.TrialOf([]billing.Phase{phase(before, free), phase(at, trial), phase(at.AddDate(0, 0, 3), trial), phase(at.AddDate(0, 0, 10), other)}, nil)
	if got.Plan != "pro" || !got.From.Equal(at) || !got.To.Equal(at.AddDate(0, 0, 10)) {
		t.Errorf("the trial is %+v", got)
	}
	if got := billing.TrialOf([]billing.Phase{phase(before, free)}, nil); got != (billing.Trial{}) {
		t.Errorf("a plan without one has %+v", got)
	}
}

func TestAddonsBringUnitsForTheTimeInWhichTheyHold(t *testing.T) {
	t.Parallel()
	plan := fee("p", "0", "month")
	plan.Usage = []toll.UnitPrice{{Unit: "words", Included: 10, Each: "1"}}
	addon := toll.Addon{Name: "more", Title: "More", Price: toll.Price{Amount: "9.00", Currency: "USD", Every: "month"}, Included: []toll.Amount{{Unit: "words", Count: 101}}}
	third := november().From.AddDate(0, 0, 10)
	got := rated(t, terms(phase(before, plan), phase(third, plan, addon)), counted("p@1", "words", 100))
	if want := "addon more 6.00 USD; usage p@1 words 23.00 USD"; amounts(got.Lines) != want { // 10 and 67 are free
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
}

func TestTheMinimumIsFilledUp(t *testing.T) {
	t.Parallel()
	plan := fee("p", "10.00", "month")
	plan.Minimum = "25.00"
	plan.Usage = []toll.UnitPrice{{Unit: "words", Each: "1"}}
	for used, want := range map[int64]string{0: "minimum 15.00 USD", 14: "minimum 1.00 USD", 15: "", 99: ""} {
		got := rated(t, terms(phase(before, plan)), counted("p@1", "words", used))
		if text := amounts(got.Lines); strings.Contains(text, "minimum") != (want != "") || !strings.HasSuffix(text, want) {
			t.Errorf("%d words: %s, want %s", used, text, want)
		}
	}
}

func TestCouponsTakeOffWhatIsLeftAndNoMore(t *testing.T) {
	t.Parallel()
	tm := terms(phase(before, fee("p", "10.00", "month")))
	tm.Coupons = []toll.Coupon{
		{Name: "third", Percent: "33.35"},
		{Name: "five", Amount: toll.Price{Amount: "5.00", Currency: "USD"}},
		{Name: "lots", Amount: toll.Price{Amount: "500", Currency: "USD"}},
		{Name: "late", Percent: "10"},
	}
	got := rated(t, tm)
	if want := "fee p@1 10.00 USD; coupon third -3.34 USD; coupon five -5.00 USD; coupon lots -1.66 USD"; amounts(got.Lines) != want || got.Total.Minor != 0 {
		t.Errorf("got %s, want %s", amounts(got.Lines), want)
	}
	for name, c := range map[string]toll.Coupon{
		"nothing": {}, "both": {Percent: "1", Amount: toll.Price{Amount: "1", Currency: "USD"}}, "another currency": {Amount: toll.Price{Amount: "1", Currency: "EUR"}},
		"more than all": {Percent: "100.01"}, "less than nothing": {Percent: "-1"}, "NaN": {Percent: "NaN"},
	} {
		tm.Coupons = []toll.Coupon{c}
		if got, err := tm.Rate(nil); err == nil {
			t.Errorf("%s: got %s", name, amounts(got.Lines))
		}
		if err := billing.CheckCoupon(c, "USD"); err == nil {
			t.Errorf("%s was let through", name)
		}
	}
}

func TestACouponLastsItsMonths(t *testing.T) {
	t.Parallel()
	day := func(y, m, d int) billing.Span {
		return billing.Span{From: time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)}
	}
	r := billing.Redemption{Coupon: toll.Coupon{Months: 3}, From: day(2026, 11, 30).From}
	for month, want := range map[billing.Span]bool{day(2026, 10, 31): false, day(2026, 11, 30): true, day(2027, 1, 30): true, day(2027, 2, 28): false} {
		if r.Covers(month) != want {
			t.Errorf("the month of %s: %v", month.From, !want)
		}
	}
	r.Coupon.Months = 0
	if !r.Covers(day(2099, 1, 1)) {
		t.Error("for ever has an end")
	}
	if r.Ended = day(2027, 1, 1).From; r.Covers(day(2027, 1, 1)) || !r.Covers(day(2026, 12, 31)) {
		t.Error("one that was ended goes on")
	}
}

func TestTinyPricesAndLargeCountsAreExact(t *testing.T) {
	t.Parallel()
	plan := fee("p", "0", "month")
	plan.Usage = []toll.UnitPrice{{Unit: "words", Each: "0.000000000000001"}}
	got := rated(t, terms(phase(before, plan)), counted("p@1", "words", 5_000_000_000_000), counted("p@1", "words", 4_999_999_999_999))
	if l := got.Lines[0]; l.Exact != "0.009999999999999" || l.Amount.Minor != 1 {
		t.Errorf("got %+v", l)
	}
	plan.Usage = nil
	var usage []billing.Counted
	for n := range 1000 {
		unit := fmt.Sprintf("unit-%d", n)
		plan.Usage = append(plan.Usage, toll.UnitPrice{Unit: unit, Each: "0.00499"})
		usage = append(usage, counted("p@1", unit, 1))
	}
	if got := rated(t, terms(phase(before, plan)), usage...); got.Total.Minor != 0 || len(got.Lines) != 1000 {
		t.Errorf("a thousand lines below half a cent are %s", got.Total)
	}
}

func TestTermsRefuseWhatCannotBeRated(t *testing.T) {
	t.Parallel()
	plan := fee("p", "10.00", "month")
	plan.Usage = []toll.UnitPrice{{Unit: "words", Each: "1"}}
	with := func(change func(*toll.Plan)) billing.Terms {
		p := plan
		p.Usage = []toll.UnitPrice{{Unit: "words", Each: "1"}}
		change(&p)
		return terms(phase(before, p))
	}
	euro := fee("e", "10.00", "month")
	euro.Price.Currency = "EUR"
	for name, c := range map[string]struct {
		terms billing.Terms
		usage []billing.Counted
		says  string
		is    error
	}{
		"an unknown version":     {terms: with(func(*toll.Plan) {}), usage: []billing.Counted{counted("q@1", "words", 1)}, says: "q@1"},
		"negative usage":         {terms: with(func(*toll.Plan) {}), usage: []billing.Counted{counted("p@1", "words", -1)}, says: "negative"},
		"more than is countable": {terms: with(func(*toll.Plan) {}), usage: []billing.Counted{counted("p@1", "words", math.MaxInt64), counted("p@1", "words", 9)}, says: "more than can be counted"},
		"a sum too large":        {terms: with(func(*toll.Plan) {}), usage: []billing.Counted{counted("p@1", "words", math.MaxInt64/2)}, is: toll.ErrMoneyOverflow},
		"two currencies":         {terms: terms(phase(before, plan), phase(november().From.AddDate(0, 0, 9), euro)), says: "one currency"},
		"NaN as a fee":           {terms: with(func(p *toll.Plan) { p.Price.Amount = "NaN" }), is: billing.ErrPrice},
		"a negative minimum":     {terms: with(func(p *toll.Plan) { p.Minimum = "-5" }), is: billing.ErrPrice},
		"a weekly fee":           {terms: with(func(p *toll.Plan) { p.Price.Every = "week" }), says: "week"},
		"a unit priced twice":    {terms: with(func(p *toll.Plan) { p.Usage = append(p.Usage, p.Usage[0]) }), says: "twice"},
		"packages of tiers": {terms: with(func(p *toll.Plan) {
			p.Usage[0] = toll.UnitPrice{Unit: "words", Package: 5, Tiers: []toll.Tier{{Each: "1"}}}
		}), says: "package"},
		"an unknown tiering": {terms: with(func(p *toll.Plan) {
			p.Usage[0] = toll.UnitPrice{Unit: "words", Tiering: "staircase", Tiers: []toll.Tier{{Each: "1"}}}
		}), says: "staircase"},
		"a package below one": {terms: with(func(p *toll.Plan) { p.Usage[0].Package = -5 }), says: "package of -5"},
	} {
		got, err := c.terms.Rate(c.usage)
		switch {
		case err == nil:
			t.Errorf("%s: got %s", name, amounts(got.Lines))
		case c.is != nil && !errors.Is(err, c.is), !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %v", name, err)
		case got.Lines != nil || got.Units != nil:
			t.Errorf("%s: priced halfway", name)
		}
	}
}
