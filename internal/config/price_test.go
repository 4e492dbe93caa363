package config

import (
	"testing"

	"github.com/tollhouse/tollhouse/internal/toll"
)

func TestReadsPricesOfAllKinds(t *testing.T) {
	t.Parallel()
	c := mustParse(t, `
console: { host: console.localhost }
services:
  ner: { path: /ner, upstreams: ["http://127.0.0.1:9001"], units: [words] }
plans:
  p:
    includes: [ner]
    price: { amount: "9.00", currency: USD }
    trial: 14d
    minimum: "5"
    spend_cap: 100.50
    usage:
      - { unit: words, each: "0.50", package: 1_000, included: 10 }
      - { unit: requests, tiering: volume, tiers: [ { up_to: 10, each: 2 }, { each: 1 } ] }
addons:
  more: { included: [ { unit: words, count: 500 }, { unit: requests, count: 5 } ] }
coupons:
  launch: { name: Launch offer, percent: 12.5%, months: 3 }
  sorry: { amount: "10.00", currency: USD }
taxes:
  vat-de: { name: MwSt., percent: 19%, countries: [DE, AT], inclusive: true }
  rest: { percent: "0 %" }
`)
	p, _ := c.Plan("p")
	same(t, "trial", p.Trial, 14)
	same(t, "minimum", p.Minimum, "5")
	same(t, "spend cap", p.SpendCap, "100.50")
	same(t, "usage", p.Usage, []toll.UnitPrice{
		{Unit: "words", Included: 10, Each: "0.50", Package: 1000},
		{Unit: "requests", Tiering: toll.Volume, Tiers: []toll.Tier{{UpTo: 10, Each: "2"}, {Each: "1"}}},
	})
	same(t, "included", c.Addons[0].Included, []toll.Amount{{Unit: "words", Count: 500}, {Unit: "requests", Count: 5}})
	same(t, "coupons", c.Coupons, []toll.Coupon{
		{Name: "launch", Title: "Launch offer", Percent: "12.5", Months: 3},
		{Name: "sorry", Title: "sorry", Amount: toll.Price{Amount: "10.00", Currency: "USD"}},
	})
	same(t, "taxes", c.Taxes, []toll.TaxRate{
		{Name: "vat-de", Title: "MwSt.", Percent: "19", Countries: []string{"DE", "AT"}, Inclusive: true},
		{Name: "rest", Title: "rest", Percent: "0"},
	})
	if rate, ok := toll.TaxFor(c.Taxes, "AT"); !ok || rate.Name != "vat-de" {
		t.Errorf("Austria pays %+v", rate)
	}
	for _, country := range []string{"FR", ""} {
		if rate, ok := toll.TaxFor(c.Taxes, country); !ok || rate.Name != "rest" {
			t.Errorf("%q pays %+v", country, rate)
		}
	}
	if _, ok := toll.TaxFor(c.Taxes[:1], "FR"); ok {
		t.Error("France pays what is Germany's")
	}
}
