package billing_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// payg is the contract file's plan: graduated words, and requests with some included.
func payg() toll.Plan {
	return toll.Plan{
		Name:  "payg",
		Price: toll.Price{Amount: "0", Currency: "USD", Every: "month"},
		Usage: []toll.UnitPrice{
			{Unit: "words", Tiers: []toll.Tier{{UpTo: 1_000_000, Each: "0.00002"}, {Each: "0.00001"}}},
			{Unit: "requests", Included: 1000, Each: "0.001"},
		},
	}
}

func pro() toll.Plan {
	return toll.Plan{Name: "pro", Price: toll.Price{Amount: "29.00", Currency: "USD", Every: "month"}}
}

func rate(t interface {
	Helper()
	Fatal(...any)
}, plan toll.Plan, usage map[string]int64, fees int64) billing.Draft {
	t.Helper()
	draft, err := billing.Rate(plan, usage, fees)
	if err != nil {
		t.Fatal(err)
	}
	return draft
}

func TestRatesAFlatFee(t *testing.T) {
	t.Parallel()
	draft := rate(t, pro(), map[string]int64{"requests": 5000, "words": 9}, 1)
	if len(draft.Lines) != 1 || draft.Total != (toll.Money{Minor: 2900, Currency: "USD"}) {
		t.Fatalf("got %+v", draft)
	}
	if l := draft.Lines[0]; l.Kind != billing.FeeLine || l.Quantity != 1 || l.Billed != 1 || l.Exact != "29" || l.Amount.Minor != 2900 {
		t.Fatalf("got %+v", l)
	}
	if draft := rate(t, pro(), nil, 0); len(draft.Lines) != 0 || draft.Total != (toll.Money{Currency: "USD"}) {
		t.Fatalf("no fee is due, and got %+v", draft)
	}
	if draft := rate(t, pro(), nil, 12); draft.Total.Minor != 34800 {
		t.Fatalf("twelve fees are %v", draft.Total)
	}
}

func TestAFreePlanCostsNothingWithoutACurrency(t *testing.T) {
	t.Parallel()
	draft := rate(t, toll.Plan{Name: "free"}, map[string]int64{"requests": math.MaxInt64}, 1)
	if len(draft.Lines) != 0 || draft.Total != (toll.Money{}) {
		t.Fatalf("got %+v", draft)
	}
}

func TestRatesTiersAndIncludedUnits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		words, requests            int64
		exactWords, exactRequests  toll.Decimal
		minorWords, minorRequests  int64
		billedRequests, partsWords int64
	}{
		{0, 0, "0", "0", 0, 0, 0, 0},
		{1, 1000, "0.00002", "0", 0, 0, 0, 1},
		{249, 1001, "0.00498", "0.001", 0, 0, 1, 1},
		{250, 1004, "0.005", "0.004", 1, 0, 4, 1}, // half a cent is a cent
		{1_000_000, 1005, "20", "0.005", 2000, 1, 5, 1},
		{1_000_001, 2000, "20.00001", "1", 2000, 100, 1000, 2},
		{3_000_000, 12_345, "40", "11.345", 4000, 1135, 11_345, 2},
	} {
		draft := rate(t, payg(), map[string]int64{"words": c.words, "requests": c.requests}, 1)
		if len(draft.Lines) != 2 {
			t.Fatalf("%d lines", len(draft.Lines))
		}
		words, requests := draft.Lines[0], draft.Lines[1]
		if words.Unit != "words" || words.Exact != c.exactWords || words.Amount.Minor != c.minorWords || int64(len(words.Parts)) != c.partsWords || words.Billed != c.words {
			t.Errorf("%d words: %+v", c.words, words)
		}
		if requests.Unit != "requests" || requests.Exact != c.exactRequests || requests.Amount.Minor != c.minorRequests || requests.Billed != c.billedRequests {
			t.Errorf("%d requests: %+v", c.requests, requests)
		}
	}
}

func TestIncludedUnitsTakeTheFirstPlacesOfTheTiers(t *testing.T) {
	t.Parallel()
	plan := pro()
	plan.Usage = []toll.UnitPrice{{Unit: "words", Included: 150, Tiers: []toll.Tier{{UpTo: 100, Each: "5"}, {UpTo: 200, Each: "2"}, {Each: "1"}}}}
	draft := rate(t, plan, map[string]int64{"words": 210}, 0)
	// 150 are included; 151 to 200 cost 2 each, 201 to 210 cost 1 each.
	if l := draft.Lines[0]; l.Exact != "110" || l.Included != 150 || l.Billed != 60 || len(l.Parts) != 2 || l.Parts[0].Quantity != 50 || l.Parts[1].Quantity != 10 {
		t.Fatalf("got %+v", l)
	}
}

func TestRoundsToTheCurrencysOwnMinorUnit(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int64{"JPY": 1, "USD": 50, "KWD": 500, "CLF": 5000} {
		plan := toll.Plan{Name: "p", Price: toll.Price{Currency: currency}, Usage: []toll.UnitPrice{{Unit: "words", Each: "0.5"}}}
		if got := rate(t, plan, map[string]int64{"words": 1}, 0).Total; got != (toll.Money{Minor: want, Currency: currency}) {
			t.Errorf("half a %s is %v, want %d", currency, got, want)
		}
	}
}

func TestRefusesWhatCannotBeRated(t *testing.T) {
	t.Parallel()
	unit := func(p toll.UnitPrice) func(*toll.Plan) {
		return func(plan *toll.Plan) { plan.Usage = []toll.UnitPrice{p} }
	}
	for name, c := range map[string]struct {
		change func(*toll.Plan)
		used   int64
		fees   int64
		says   string
		is     error
	}{
		"negative usage":             {used: -1, says: "negative"},
		"negative fees":              {fees: -1, says: "-1 fees"},
		"a negative fee":             {change: func(p *toll.Plan) { p.Price.Amount = "-1" }, is: billing.ErrPrice},
		"a fee in words":             {change: func(p *toll.Plan) { p.Price.Amount = "ten" }, is: billing.ErrPrice},
		"a fee not due is read too":  {change: func(p *toll.Plan) { p.Price.Amount = "1e3" }, fees: 0, is: billing.ErrPrice},
		"a price without currency":   {change: func(p *toll.Plan) { p.Price.Currency = "" }, used: 2000, says: "no currency"},
		"an unknown currency":        {change: func(p *toll.Plan) { p.Price.Currency = "dollars" }, used: 2000, is: toll.ErrUnknownCurrency},
		"a unit twice":               {change: func(p *toll.Plan) { p.Usage = append(p.Usage, p.Usage[0]) }, says: "twice"},
		"no price at all":            {change: unit(toll.UnitPrice{Unit: "words"}), is: billing.ErrPrice},
		"one price and tiers":        {change: unit(toll.UnitPrice{Unit: "words", Each: "1", Tiers: []toll.Tier{{Each: "1"}}}), says: "one of the two"},
		"a closed last tier":         {change: unit(toll.UnitPrice{Unit: "words", Tiers: []toll.Tier{{UpTo: 5, Each: "1"}}}), says: "after it has no price"},
		"an open middle tier":        {change: unit(toll.UnitPrice{Unit: "words", Tiers: []toll.Tier{{Each: "1"}, {Each: "1"}}}), says: "not the last"},
		"tiers that do not ascend":   {change: unit(toll.UnitPrice{Unit: "words", Tiers: []toll.Tier{{UpTo: 5, Each: "1"}, {UpTo: 5, Each: "1"}, {Each: "1"}}}), says: "not after 5"},
		"a negative tier":            {change: unit(toll.UnitPrice{Unit: "words", Tiers: []toll.Tier{{UpTo: -5, Each: "1"}, {Each: "1"}}}), says: "not after 0"},
		"a bad price nobody reached": {change: unit(toll.UnitPrice{Unit: "words", Tiers: []toll.Tier{{UpTo: 5, Each: "1"}, {Each: "x"}}}), is: billing.ErrPrice},
		"negative included":          {change: unit(toll.UnitPrice{Unit: "words", Included: -1, Each: "1"}), says: "negative"},
		"more than can be counted":   {change: unit(toll.UnitPrice{Unit: "words", Each: "1"}), used: math.MaxInt64, is: toll.ErrMoneyOverflow},
		"a total too large":          {change: func(p *toll.Plan) { p.Price.Amount = "92233720368547.00"; p.Usage[0].Tiers = []toll.Tier{{Each: "1"}} }, fees: 1, used: math.MaxInt64 / 100, is: toll.ErrMoneyOverflow},
	} {
		plan := payg()
		if c.change != nil {
			c.change(&plan)
		}
		draft, err := billing.Rate(plan, map[string]int64{"words": c.used, "requests": c.used}, c.fees)
		switch {
		case err == nil:
			t.Errorf("%s: got %+v", name, draft)
		case c.is != nil && !errors.Is(err, c.is):
			t.Errorf("%s: got %v, want %v", name, err, c.is)
		case !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: %q does not say %q", name, err, c.says)
		case draft.Lines != nil || draft.Total != (toll.Money{}):
			t.Errorf("%s: priced halfway: %+v", name, draft)
		}
	}
}

// drawPlan makes a plan that can be rated, with small tiers so that a model may
// walk them unit by unit.
func drawPlan(t *rapid.T) toll.Plan {
	price := rapid.StringMatching(`[0-9]{1,3}(\.[0-9]{1,6})?`)
	plan := toll.Plan{Name: "drawn", Price: toll.Price{
		Amount:   toll.Decimal(price.Draw(t, "fee")),
		Currency: rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency"),
	}}
	for _, unit := range rapid.SampledFrom([][]string{{"words"}, {"words", "requests"}}).Draw(t, "units") {
		p := toll.UnitPrice{Unit: unit, Included: rapid.Int64Range(0, 60).Draw(t, "included")}
		if rapid.Bool().Draw(t, "flat") {
			p.Each = toll.Decimal(price.Draw(t, "each"))
		} else {
			var upTo int64
			for range rapid.IntRange(0, 3).Draw(t, "tiers") {
				upTo += rapid.Int64Range(1, 50).Draw(t, "width")
				p.Tiers = append(p.Tiers, toll.Tier{UpTo: upTo, Each: toll.Decimal(price.Draw(t, "each"))})
			}
			p.Tiers = append(p.Tiers, toll.Tier{Each: toll.Decimal(price.Draw(t, "each"))})
		}
		plan.Usage = append(plan.Usage, p)
	}
	return plan
}

// model is the price of one unit after the other, in rationals: slow and plain.
func model(p toll.UnitPrice, quantity int64) *big.Rat {
	sum := new(big.Rat)
	for n := int64(1); n <= quantity; n++ {
		if n <= p.Included {
			continue
		}
		each := p.Each
		for _, tier := range p.Tiers {
			each = tier.Each
			if tier.UpTo == 0 || n <= tier.UpTo {
				break
			}
		}
		r, _ := new(big.Rat).SetString(string(each))
		sum.Add(sum, r)
	}
	return sum
}

func rat(d toll.Decimal) *big.Rat {
	r, ok := new(big.Rat).SetString(string(d))
	if !ok {
		panic("no number: " + d)
	}
	return r
}

// halfUp rounds to minor units in another way than the code does: the floor of
// twice the amount and one, by two.
func halfUp(exact *big.Rat, currency string) int64 {
	places, err := toll.MinorUnits(currency)
	if err != nil {
		panic(err)
	}
	scaled := new(big.Rat).Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
	scaled.Add(scaled, big.NewRat(1, 2))
	return new(big.Int).Div(scaled.Num(), scaled.Denom()).Int64()
}

func TestRatesAsAModelThatPricesUnitAfterUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		fees := rapid.Int64Range(0, 3).Draw(t, "fees")
		usage := map[string]int64{}
		for _, p := range plan.Usage {
			usage[p.Unit] = rapid.Int64Range(0, 250).Draw(t, p.Unit)
		}
		usage["unpriced"] = 7
		draft := rate(t, plan, usage, fees)

		var total int64
		byUnit := map[string]billing.Line{}
		for _, l := range draft.Lines {
			total += l.Amount.Minor
			byUnit[l.Unit] = l
			parts := new(big.Rat)
			var billed int64
			for _, part := range l.Parts {
				billed += part.Quantity
				if want := new(big.Rat).Mul(rat(part.Each), new(big.Rat).SetInt64(part.Quantity)); rat(part.Exact).Cmp(want) != 0 {
					t.Fatalf("a part of %d at %s is %s", part.Quantity, part.Each, part.Exact)
				}
				parts.Add(parts, rat(part.Exact))
			}
			if billed != l.Billed || l.Included+l.Billed != l.Quantity || parts.Cmp(rat(l.Exact)) != 0 {
				t.Fatalf("the parts of a line do not add up: %+v", l)
			}
			if l.Amount.Minor < 0 || l.Amount.Currency != plan.Price.Currency || l.Amount.Minor != halfUp(rat(l.Exact), plan.Price.Currency) {
				t.Fatalf("%s is rounded to %v", l.Exact, l.Amount)
			}
		}
		if draft.Total != (toll.Money{Minor: total, Currency: plan.Price.Currency}) {
			t.Fatalf("the lines add up to %d, and the total is %v", total, draft.Total)
		}
		for _, p := range plan.Usage {
			l := byUnit[p.Unit]
			if want := model(p, usage[p.Unit]); rat(l.Exact).Cmp(want) != 0 {
				t.Fatalf("%d %s cost %s by the model, and %s", usage[p.Unit], p.Unit, want.FloatString(8), l.Exact)
			}
			if included := billing.Included(plan, p.Unit, usage[p.Unit]); included != l.Included {
				t.Fatalf("Included says %d, the line %d", included, l.Included)
			}
		}
		fee := new(big.Rat).Mul(rat(plan.Price.Amount), new(big.Rat).SetInt64(fees))
		if l := byUnit[""]; fee.Sign() != 0 && rat(l.Exact).Cmp(fee) != 0 {
			t.Fatalf("%d fees of %s are %s", fees, plan.Price.Amount, l.Exact)
		}
	})
}

func TestMoreUsageNeverCostsLess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		count := rapid.OneOf(rapid.Int64Range(0, 300), rapid.Int64Range(0, 1_000_000_000_000))
		less, more := count.Draw(t, "less"), count.Draw(t, "more")
		less, more = min(less, more), max(less, more)
		other := rapid.Int64Range(0, 300).Draw(t, "other")
		a := rate(t, plan, map[string]int64{"words": less, "requests": other}, 1)
		b := rate(t, plan, map[string]int64{"words": more, "requests": other}, 1)
		if a.Total.Minor > b.Total.Minor || a.Total.Minor < 0 {
			t.Fatalf("%d words cost %v, %d cost %v", less, a.Total, more, b.Total)
		}
	})
}

func TestCrossingATierCostsOnlyTheNextUnit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		plan := drawPlan(t)
		p := plan.Usage[0]
		at := rapid.Int64Range(0, 250).Draw(t, "at")
		for _, tier := range p.Tiers { // the edges above all
			if tier.UpTo != 0 && rapid.Bool().Draw(t, "edge") {
				at = tier.UpTo
			}
		}
		exact := func(n int64) *big.Rat {
			for _, l := range rate(t, plan, map[string]int64{p.Unit: n}, 0).Lines {
				if l.Unit == p.Unit {
					return rat(l.Exact)
				}
			}
			panic("no line")
		}
		step := new(big.Rat).Sub(exact(at+1), exact(at))
		prices := []toll.Tier{{Each: p.Each}}
		if len(p.Tiers) > 0 {
			prices = p.Tiers
		}
		if at < p.Included {
			prices = []toll.Tier{{Each: "0"}}
		}
		for _, tier := range prices {
			if (tier.UpTo == 0 || at+1 <= tier.UpTo) && step.Cmp(rat(tier.Each)) == 0 {
				return
			} else if tier.UpTo == 0 || at+1 <= tier.UpTo {
				t.Fatalf("unit %d costs %s, want %s", at+1, step.FloatString(8), tier.Each)
			}
		}
	})
}

func TestWhereThePriceIsLinearTheExactAmountsAdd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		each := toll.Decimal(rapid.StringMatching(`[0-9]{1,4}\.[0-9]{1,9}`).Draw(t, "each"))
		plan := toll.Plan{Name: "linear", Price: toll.Price{Currency: "USD"}, Usage: []toll.UnitPrice{{Unit: "words", Each: each}}}
		count := rapid.Int64Range(0, 1_000_000_000)
		a, b := count.Draw(t, "a"), count.Draw(t, "b")
		exact := func(n int64) *big.Rat { return rat(rate(t, plan, map[string]int64{"words": n}, 0).Lines[0].Exact) }
		if sum := new(big.Rat).Add(exact(a), exact(b)); sum.Cmp(exact(a+b)) != 0 {
			t.Fatalf("%d and %d words cost %s apart and %s together", a, b, sum, exact(a+b))
		}
	})
}
