package billing

import (
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// used is so much of a unit under one plan version.
type used struct{ trial, rest int64 }

// usage makes a line for each plan version and unit that it prices.
func (b *bill) usage(counted []Counted) error {
	free := b.terms.Trial.usage()
	versions := b.versions()
	byVersion := make([]map[string]*used, len(versions))
	at := make(map[string]int, len(versions))
	for i := range versions {
		at[versions[i].Version], byVersion[i] = i, map[string]*used{}
	}
	whole := map[string]int64{} // of each unit, outside of the trial
	for _, c := range counted {
		i, known := at[c.Version]
		if !known {
			return fmt.Errorf("%d %s were used on a plan version %q that the terms do not have", c.Count, c.Unit, c.Version)
		}
		if c.Count < 0 {
			return fmt.Errorf("%d %s on plan version %s: usage cannot be negative", c.Count, c.Unit, c.Version)
		}
		u := byVersion[i][c.Unit]
		if u == nil {
			u = new(used)
			byVersion[i][c.Unit] = u
		}
		into := &u.rest
		if versions[i].Plan.Name == b.terms.Trial.Plan && free.Holds(c.Start) {
			into = &u.trial
		} else if whole[c.Unit] = plus(whole[c.Unit], c.Count); whole[c.Unit] == maxCount {
			return fmt.Errorf("%s: more than can be counted", c.Unit)
		}
		if *into = plus(*into, c.Count); *into == maxCount {
			return fmt.Errorf("%s: more than can be counted", c.Unit)
		}
	}
	places := map[string]int64{} // taken so far, of each unit
	current := ""                // the version that holds last
	if n := len(b.terms.Phases); n > 0 {
		current = b.terms.Phases[n-1].Version
	}
	for i := range versions {
		last := versions[i].Version == current
		if err := b.usageOf(&versions[i], byVersion[i], places, whole, last); err != nil {
			return err
		}
	}
	return nil
}

// maxCount is where counts stop: no month has so many.
const maxCount = 1<<63 - 1

// usageOf makes the lines of one plan version. Of the one that holds last also
// units that were not used have a line.
func (b *bill) usageOf(p *Phase, usage map[string]*used, places, whole map[string]int64, last bool) error {
	for i := range p.Plan.Usage {
		price := &p.Plan.Usage[i]
		if price != unitPrice(p.Plan, price.Unit) {
			return fmt.Errorf("rate plan %s: %s is priced twice", p.Version, price.Unit)
		}
		u := usage[price.Unit]
		if u == nil {
			if u = new(used); !last {
				continue
			}
		}
		from := places[price.Unit]
		line, exact, err := rateStretch(price, stretch{from: from, to: from + u.rest, included: plus(price.Included, b.extra(price.Unit)), whole: whole[price.Unit]})
		if err != nil {
			return fmt.Errorf("rate plan %s: %s: %w", p.Version, price.Unit, err)
		}
		line.Version, line.Exact = p.Version, toll.Decimal(exact.String())
		line.Quantity, line.Included = line.Quantity+u.trial, line.Included+u.trial
		if p.Plan.Price.Currency != b.currency && !exact.IsZero() {
			return fmt.Errorf("rate plan %s: %s costs %s and the bill is in %s: a bill has one currency: %w", p.Version, price.Unit, p.Plan.Price.Currency, b.currency, toll.ErrCurrencies)
		}
		amount, err := money(exact, b.currency)
		if err == nil {
			err = b.add(line, amount)
		}
		if err != nil {
			return fmt.Errorf("rate plan %s: %s: %w", p.Version, price.Unit, err)
		}
		b.count(price.Unit, line.Included, line.Billed)
	}
	for unit, u := range usage {
		if unitPrice(p.Plan, unit) == nil { // has no price: included whole
			b.count(unit, u.rest+u.trial, 0)
		}
		places[unit] = plus(places[unit], u.rest)
	}
	return nil
}

func (b *bill) count(unit string, included, billed int64) {
	if included == 0 && billed == 0 {
		return
	}
	split := b.units[unit]
	if split == nil {
		split = &UnitSplit{Unit: unit}
		b.units[unit] = split
	}
	split.Included += included
	split.Billed += billed
}
