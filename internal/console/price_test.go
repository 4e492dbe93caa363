package console

import (
	"slices"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/console/words"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestPricesAreSaidForAsManyUnitsAsGiveWholeMinorUnits(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		price    toll.Decimal
		currency string
		en, fr   string
	}{
		{"0.10", "USD", "$0.10 each", "0,10\u00a0$ l’unité"},
		{"0.1", "USD", "$0.10 each", "0,10\u00a0$ l’unité"},
		{"3", "EUR", "€3.00 each", "3,00\u00a0€ l’unité"},
		{"0.001", "USD", "$1.00 per\u00a01,000", "1,00\u00a0$ pour\u00a01\u202f000"},
		{"0.00002", "USD", "$0.02 per\u00a01,000", "0,02\u00a0$ pour\u00a01\u202f000"},
		{"0.0000025", "USD", "$2.50 per\u00a01,000,000", "2,50\u00a0$ pour\u00a01\u202f000\u202f000"},
		{"0.000000001", "USD", "$0.001 per\u00a01,000,000", "0,001\u00a0$ pour\u00a01\u202f000\u202f000"},
		{"0.5", "JPY", "¥500 per\u00a01,000", "500\u00a0¥ pour\u00a01\u202f000"},
		{"5", "JPY", "¥5 each", "5\u00a0¥ l’unité"},
		{"0.0050", "KWD", "0.005\u00a0KWD each", "0,005\u00a0KWD l’unité"},
		{"0.000", "USD", "free", "gratuit"},
	} {
		p := perFor(x.currency, x.price)
		for lang, want := range map[string]string{"en": x.en, "fr": x.fr} {
			if got := (&visit{words: words.In(lang)}).unitPrice(x.price, x.currency, p); got != want {
				t.Errorf("%s %s is %q in %s, want %q", x.price, x.currency, got, lang, want)
			}
		}
	}
	if p := perFor("USD", "0.10", "0.0000025"); p.count != 1_000_000 {
		t.Errorf("prices beside each other are said for %d, want the largest of both", p.count)
	}
}

// However a price is said, it is the price: for so many units, exactly.
func TestThePointMovesAndThePriceStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		price := toll.Decimal(rapid.StringMatching(`[0-9]{1,4}(\.[0-9]{1,12})?`).Draw(t, "price"))
		currency := rapid.SampledFrom([]string{"USD", "JPY", "KWD"}).Draw(t, "currency")
		d, err := billing.ParsePrice(price)
		if err != nil {
			t.Fatal(err)
		}
		p := perFor(currency, price)
		said, err := billing.ParsePrice(toll.Decimal(d.Shift(p.shift).String()))
		if err != nil || !said.Shift(-p.shift).Equal(d) {
			t.Fatalf("%s for one is %s for %d (%v)", price, said, p.count, err)
		}
		for factor, n := p.count, int32(0); factor > 1; n++ {
			if factor /= 10; factor == 1 && n+1 != p.shift {
				t.Fatalf("%d units move the point by %d places", p.count, p.shift)
			}
		}
	})
}

func TestTiersAreSaidInPlainWords(t *testing.T) {
	t.Parallel()
	tiers := []toll.Tier{{UpTo: 1000, Each: "0.10"}, {UpTo: 5000, Each: "0.05"}, {Each: "0"}}
	v := &visit{words: words.In("en")}
	for name, x := range map[string]struct {
		price toll.UnitPrice
		want  []string
	}{
		"one price":                    {toll.UnitPrice{Each: "0.10"}, []string{"$0.10 each"}},
		"some included":                {toll.UnitPrice{Included: 20, Each: "0.10"}, []string{"First 20: free", "After that: $0.10 each"}},
		"tiers, the last free":         {toll.UnitPrice{Tiers: tiers}, []string{"First 1,000: $0.10 each", "Up to 5,000: $0.05 each", "After that: free"}},
		"included within a tier":       {toll.UnitPrice{Included: 20, Tiers: tiers}, []string{"First 20: free", "Up to 1,000: $0.10 each", "Up to 5,000: $0.05 each", "After that: free"}},
		"included that takes the tier": {toll.UnitPrice{Included: 1000, Tiers: tiers}, []string{"First 1,000: free", "Up to 5,000: $0.05 each", "After that: free"}},
	} {
		if got := v.tierLines(x.price, "USD", pers[0]); !slices.Equal(got, x.want) {
			t.Errorf("%s: %q, want %q", name, got, x.want)
		}
	}
}

func TestFeesAreSaidWithTheirPeriod(t *testing.T) {
	t.Parallel()
	en, es := &visit{words: words.In("en")}, &visit{words: words.In("es")}
	for _, x := range []struct{ got, want string }{
		{en.fee(toll.Price{}), "No fee"},
		{en.fee(toll.Price{Amount: "0.00", Currency: "USD", Every: "month"}), "No fee"},
		{en.fee(toll.Price{Amount: "29", Currency: "USD", Every: "month"}), "$29.00 a month"},
		{en.fee(toll.Price{Amount: "1290.5", Currency: "EUR", Every: "year"}), "€1,290.50 a year"},
		{es.fee(toll.Price{Amount: "29.00", Currency: "USD", Every: "month"}), "29,00\u00a0$ al mes"},
	} {
		if x.got != x.want {
			t.Errorf("got %q, want %q", x.got, x.want)
		}
	}
}

func TestPackagesAndVolumesAreSaidAsWhatTheyAre(t *testing.T) {
	t.Parallel()
	v := &visit{words: words.In("en")}
	for name, c := range map[string]struct {
		price toll.UnitPrice
		want  []string
	}{
		"a package":      {toll.UnitPrice{Each: "0.5", Package: 1000}, []string{"$0.50 per\u00a01,000"}},
		"some are free":  {toll.UnitPrice{Included: 10, Each: "0.5", Package: 1000}, []string{"First 10: free", "After that: $0.50 per\u00a01,000"}},
		"a free package": {toll.UnitPrice{Each: "0.00", Package: 1000}, []string{"free"}},
		"a volume":       {toll.UnitPrice{Tiering: toll.Volume, Tiers: []toll.Tier{{UpTo: 5, Each: "2"}, {Each: "1"}}}, []string{"All at one price, by how many the month has:", "Up to 5: $2.00 each", "After that: $1.00 each"}},
	} {
		if got := v.tierLines(c.price, "USD", pers[0]); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	part := billing.Part{Quantity: 3, Each: "0.5", Package: 1000}
	if price, quantity := v.partPrice(part, "USD", pers[0]), v.partQuantity(part); price != "$0.50 per\u00a01,000" || quantity != "3 × 1,000" {
		t.Errorf("%q of %q", quantity, price)
	}
}
