package toll_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	_ "github.com/tollhouse/tollhouse/internal/steadydraws" // the same draws at each run of CI
	"pgregory.net/rapid"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func usd(minor int64) toll.Money { return toll.Money{Minor: minor, Currency: "USD"} }

func TestMoneyArithmeticIsExactOrRefused(t *testing.T) {
	t.Parallel()
	number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1}))
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		for _, op := range []struct {
			name string
			got  func() (toll.Money, error)
			want *big.Int
		}{
			{"add", func() (toll.Money, error) { return usd(a).Add(usd(b)) }, new(big.Int).Add(big.NewInt(a), big.NewInt(b))},
			{"sub", func() (toll.Money, error) { return usd(a).Sub(usd(b)) }, new(big.Int).Sub(big.NewInt(a), big.NewInt(b))},
			{"mul", func() (toll.Money, error) { return usd(a).Mul(b) }, new(big.Int).Mul(big.NewInt(a), big.NewInt(b))},
		} {
			got, err := op.got()
			if !op.want.IsInt64() {
				if !errors.Is(err, toll.ErrMoneyOverflow) || got != (toll.Money{}) {
					t.Fatalf("%s of %d and %d: got %v and %v, want an overflow", op.name, a, b, got, err)
				}
			} else if err != nil || got != usd(op.want.Int64()) {
				t.Fatalf("%s of %d and %d: got %v and %v, want %s", op.name, a, b, got, err, op.want)
			}
		}
		if got, err := usd(a).Cmp(usd(b)); err != nil || got != big.NewInt(a).Cmp(big.NewInt(b)) {
			t.Fatalf("compare %d and %d: %d, %v", a, b, got, err)
		}
	})
}

func TestTheSmallestAmountHasNoOpposite(t *testing.T) {
	t.Parallel()
	for name, op := range map[string]func() (toll.Money, error){
		"times -1": func() (toll.Money, error) { return usd(math.MinInt64).Mul(-1) },
		"-1 times": func() (toll.Money, error) { return usd(-1).Mul(math.MinInt64) },
		"0 less":   func() (toll.Money, error) { return usd(0).Sub(usd(math.MinInt64)) },
	} {
		if got, err := op(); !errors.Is(err, toll.ErrMoneyOverflow) {
			t.Errorf("%s: got %v and %v", name, got, err)
		}
	}
}

func TestMoneyRefusesTwoCurrencies(t *testing.T) {
	t.Parallel()
	a, b := usd(1), toll.Money{Minor: 1, Currency: "EUR"}
	for name, op := range map[string]func() error{
		"add":                func() error { _, err := a.Add(b); return err },
		"sub":                func() error { _, err := a.Sub(b); return err },
		"cmp":                func() error { _, err := a.Cmp(b); return err },
		"add nothing of EUR": func() error { _, err := a.Add(toll.Money{Currency: "EUR"}); return err },
		"add without one":    func() error { _, err := a.Add(toll.Money{Minor: 1}); return err },
	} {
		if err := op(); !errors.Is(err, toll.ErrCurrencies) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheZeroMoneyCanBeAddedToAny(t *testing.T) {
	t.Parallel()
	if got, err := (toll.Money{}).Add(usd(5)); err != nil || got != usd(5) {
		t.Errorf("nothing and 5: %v, %v", got, err)
	}
	if got, err := usd(5).Add(toll.Money{}); err != nil || got != usd(5) {
		t.Errorf("5 and nothing: %v, %v", got, err)
	}
	if got, err := (toll.Money{}).Sub(usd(5)); err != nil || got != usd(-5) {
		t.Errorf("nothing less 5: %v, %v", got, err)
	}
	if !(toll.Money{}).IsZero() || usd(1).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestMoneyIsWrittenWithItsCurrencysDecimals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		money toll.Money
		want  string
	}{
		{usd(2900), "29.00 USD"},
		{usd(5), "0.05 USD"},
		{usd(0), "0.00 USD"},
		{usd(-5), "-0.05 USD"},
		{usd(-12345), "-123.45 USD"},
		{usd(math.MinInt64), "-92233720368547758.08 USD"},
		{usd(math.MaxInt64), "92233720368547758.07 USD"},
		{toll.Money{Minor: 2900, Currency: "JPY"}, "2900 JPY"},
		{toll.Money{Minor: -1, Currency: "JPY"}, "-1 JPY"},
		{toll.Money{Minor: 1234, Currency: "KWD"}, "1.234 KWD"},
		{toll.Money{Minor: 1, Currency: "CLF"}, "0.0001 CLF"},
		{toll.Money{}, "0"},
		{toll.Money{Minor: 7, Currency: "no"}, "7 no"},
	} {
		if got := c.money.String(); got != c.want {
			t.Errorf("%#v: got %q, want %q", c.money, got, c.want)
		}
	}
}

func TestWrittenMoneyReadsBackAsTheSameNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := toll.Money{Minor: rapid.Int64().Draw(t, "minor"), Currency: rapid.SampledFrom([]string{"USD", "JPY", "KWD", "UYW"}).Draw(t, "currency")}
		places, err := toll.MinorUnits(m.Currency)
		if err != nil {
			t.Fatal(err)
		}
		text := string(m.Decimal())
		if _, fraction, _ := strings.Cut(text, "."); len(fraction) != places {
			t.Fatalf("%s has %d decimals, want %d", text, len(fraction), places)
		}
		read, ok := new(big.Rat).SetString(text)
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)
		if !ok || read.Cmp(new(big.Rat).SetFrac(big.NewInt(m.Minor), scale)) != 0 {
			t.Fatalf("%d %s was written %s", m.Minor, m.Currency, text)
		}
	})
}

func TestMinorUnitsFollowISO4217(t *testing.T) {
	t.Parallel()
	for currency, want := range map[string]int{"USD": 2, "EUR": 2, "HUF": 2, "MGA": 2, "JPY": 0, "KRW": 0, "ISK": 0, "KWD": 3, "TND": 3, "CLF": 4} {
		if got, err := toll.MinorUnits(currency); err != nil || got != want {
			t.Errorf("%s: got %d and %v, want %d", currency, got, err, want)
		}
	}
	for _, bad := range []string{"", "usd", "US", "USDT", "U$D", "ÄÖ", "US ", "US\x00"} {
		if _, err := toll.MinorUnits(bad); !errors.Is(err, toll.ErrUnknownCurrency) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}
