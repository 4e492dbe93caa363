package billing_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// happened is a usage event of a drawn history.
type happened struct {
	at, stored time.Time
	version    string
	class      toll.Class
	units      map[string]int64
}

// history is all that happened to one customer in a few months.
type history struct {
	zone    *time.Location
	plans   []toll.Plan
	phases  []billing.Phase
	months  []billing.Span
	cuts    []time.Time // when each month was cut
	events  []happened
	coupons []billing.Redemption
	tax     *toll.TaxRate
	credit  int64
}

var drawnUnits = []string{"requests", "words"}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }

// price draws an amount with at most so many decimals.
func price(r *rand.Rand, whole, decimals int) toll.Decimal {
	text := strconv.Itoa(r.IntN(whole))
	if n := r.IntN(decimals + 1); n > 0 {
		text += "."
		for range n {
			text += strconv.Itoa(r.IntN(10))
		}
	}
	return toll.Decimal(text)
}

func drawHistory(r *rand.Rand) *history {
	h := &history{zone: pick(r, time.UTC, zoneOf("Europe/Berlin"), zoneOf("America/Havana"), zoneOf("Asia/Kolkata"))}
	currency := pick(r, "USD", "JPY", "KWD")
	places, _ := toll.MinorUnits(currency)
	months := pick(r, toll.Every(""), toll.SubscriptionMonth)
	for n := range 1 + r.IntN(3) {
		p := toll.Plan{Name: fmt.Sprintf("p%d", n%2), Title: fmt.Sprintf("Plan %d", n), Months: months}
		p.Price = toll.Price{Amount: price(r, 100, places), Currency: currency, Every: pick(r, "month", "month", "year", "")}
		if r.IntN(4) == 0 {
			p.Trial = int64(1 + r.IntN(40))
		}
		if r.IntN(4) == 0 {
			p.Minimum = price(r, 60, places)
		}
		for _, unit := range drawnUnits {
			if r.IntN(5) > 0 {
				p.Usage = append(p.Usage, drawUnitPrice(r, unit))
			}
		}
		h.plans = append(h.plans, p)
	}
	var addons []toll.Addon
	for n := range r.IntN(3) {
		a := toll.Addon{Name: fmt.Sprintf("a%d", n), Title: fmt.Sprintf("Add-on %d", n), Price: toll.Price{Amount: price(r, 20, places), Currency: currency, Every: pick(r, "month", "year")}}
		if r.IntN(2) == 0 {
			a.Included = []toll.Amount{{Unit: pick(r, drawnUnits...), Count: int64(1 + r.IntN(50))}}
		}
		addons = append(addons, a)
	}

	since := time.Date(2024, time.January, 1, 0, 0, 0, 0, h.zone).Add(time.Duration(r.Int64N(int64(95 * 24 * time.Hour)))).Truncate(time.Microsecond)
	if r.IntN(3) == 0 { // days that not every month or year has
		since = pick(r, time.Date(2024, 1, 31, 23, 59, 59, 0, h.zone), time.Date(2024, 2, 29, 0, 0, 0, 0, h.zone), time.Date(2023, 2, 28, 12, 0, 0, 0, h.zone))
	}
	h.change(r, since, addons)
	start, _ := h.plans[0].PeriodAt(since, h.zone, since)
	for range 2 + r.IntN(2) {
		var end time.Time
		start, end = h.plans[0].PeriodAt(start, h.zone, since)
		h.months = append(h.months, billing.Span{From: start, To: end})
		h.cuts = append(h.cuts, end.Add(time.Duration(r.Int64N(int64(72*time.Hour)))))
		start = end
	}
	last := h.months[len(h.months)-1].To
	at := since
	for range r.IntN(6) {
		step := last.Sub(since) / 4
		if r.IntN(3) == 0 {
			step = 5 * time.Hour // several in a day
		}
		if at = at.Add(time.Duration(r.Int64N(int64(step)))).Truncate(time.Microsecond); at.After(since) && at.Before(last) {
			h.change(r, at, addons)
		}
	}
	for range r.IntN(30) {
		at := since.Add(time.Duration(r.Int64N(int64(last.Sub(since)))))
		e := happened{at: at, stored: at, class: pick(r, toll.Chargeable, toll.Chargeable, toll.Chargeable, toll.NotBillable, toll.TestUsage, toll.Unknown), units: map[string]int64{"requests": 1}}
		if r.IntN(4) == 0 {
			e.stored = at.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour)))) // 40 days late
		}
		for _, p := range h.phases {
			if !p.From.After(at) {
				e.version = p.Version
			}
		}
		if r.IntN(3) > 0 {
			e.units["words"] = int64(r.IntN(40))
		}
		if r.IntN(8) == 0 {
			e.units["free"] = 7
		}
		h.events = append(h.events, e)
	}
	for n := range r.IntN(3) {
		c := toll.Coupon{Name: fmt.Sprintf("c%d", n), Title: "Coupon", Months: int64(r.IntN(3))}
		if r.IntN(2) == 0 {
			c.Percent = toll.Decimal(fmt.Sprintf("%d.%d", r.IntN(100), 1+r.IntN(99)))
		} else {
			c.Amount = toll.Price{Amount: price(r, 30, places), Currency: currency}
		}
		h.coupons = append(h.coupons, billing.Redemption{Coupon: c, From: h.months[r.IntN(len(h.months))].From})
	}
	if r.IntN(2) == 0 {
		h.tax = &toll.TaxRate{Name: "vat", Percent: pick[toll.Decimal](r, "19", "8.25", "0", "100"), Inclusive: r.IntN(2) == 0}
	}
	h.credit = int64(r.IntN(3)) * int64(r.IntN(4000))
	return h
}

func drawUnitPrice(r *rand.Rand, unit string) toll.UnitPrice {
	p := toll.UnitPrice{Unit: unit, Included: int64(r.IntN(3) * r.IntN(40))}
	switch r.IntN(4) {
	case 0:
		p.Each = price(r, 3, 6)
	case 1:
		p.Each, p.Package = price(r, 5, 6), int64(1+r.IntN(25))
	default:
		var upTo int64
		for range r.IntN(3) {
			upTo += int64(1 + r.IntN(60))
			p.Tiers = append(p.Tiers, toll.Tier{UpTo: upTo, Each: price(r, 3, 6)})
		}
		p.Tiers = append(p.Tiers, toll.Tier{Each: price(r, 3, 6)})
		p.Tiering = pick(r, toll.Tiering(""), toll.Graduated, toll.Volume)
	}
	return p
}

func (h *history) change(r *rand.Rand, at time.Time, addons []toll.Addon) {
	n := r.IntN(len(h.plans))
	p := billing.Phase{From: at, Version: fmt.Sprintf("v%d", n), Plan: h.plans[n]}
	for _, a := range addons {
		if r.IntN(2) == 0 {
			p.Addons = append(p.Addons, a)
		}
	}
	h.phases = append(h.phases, p)
}

var zones = map[string]*time.Location{}

func zoneOf(name string) *time.Location {
	if zones[name] == nil {
		zone, err := time.LoadLocation(name)
		if err != nil {
			panic(err)
		}
		zones[name] = zone
	}
	return zones[name]
}

// terms are what the engine is told of a month.
func (h *history) terms(m int) billing.Terms {
	known := 0
	for known < len(h.phases) && h.phases[known].From.Before(h.months[m].To) {
		known++
	}
	t := billing.Terms{Month: h.months[m], Since: h.phases[0].From, Trial: billing.TrialOf(h.phases[:known], h.zone)}
	for i, p := range h.phases { // those that touch the month
		if p.From.Before(t.Month.To) && (i+1 == len(h.phases) || h.phases[i+1].From.After(t.Month.From)) {
			t.Phases = append(t.Phases, p)
		}
	}
	for _, c := range h.coupons {
		if c.Covers(t.Month) {
			t.Coupons = append(t.Coupons, c.Coupon)
		}
	}
	return t
}

// counted adds a month's usage up as the store does.
func (h *history) counted(t *billing.Terms, storedBefore time.Time) []billing.Counted {
	type key struct {
		stretch       int
		version, unit string
	}
	sums := map[key]int64{}
	stretches := t.Stretches()
	for _, e := range h.events {
		if e.class != toll.Chargeable || !e.stored.Before(storedBefore) {
			continue
		}
		q := e.at.Truncate(15 * time.Minute)
		for n, s := range stretches {
			if s.Holds(q) {
				for unit, count := range e.units {
					sums[key{n, e.version, unit}] += count
				}
			}
		}
	}
	var out []billing.Counted
	for k, count := range sums {
		out = append(out, billing.Counted{Start: stretches[k.stretch].From, Version: k.version, Unit: k.unit, Count: count})
	}
	return out
}

// histories is how many are compared: TOLLHOUSE_HISTORIES, or enough for each
// day.
func histories() int {
	if n, err := strconv.Atoi(os.Getenv("TOLLHOUSE_HISTORIES")); err == nil {
		return n
	}
	if testing.Short() {
		return 500
	}
	return 10_000
}

// TestInvoicesEqualARecomputationFromTheEvents holds invoices to the minor unit
// against a model that knows nothing of the code: it walks time from one moment
// of change to the next, and prices units one by one.
func TestInvoicesEqualARecomputationFromTheEvents(t *testing.T) {
	t.Parallel()
	var late, changes, back int
	for seed := range histories() {
		h := drawHistory(rand.New(rand.NewPCG(20261121, uint64(seed))))
		if err := h.compare(&late, &back); err != nil {
			t.Fatalf("history %d: %v", seed, err)
		}
		changes += len(h.phases) - 1
	}
	t.Logf("%d histories, %d changes of plan or add-ons, %d corrections for late usage, %d invoices that give something back", histories(), changes, late, back)
	if late == 0 || changes == 0 || back == 0 {
		t.Error("the histories are too dull")
	}
}

func (h *history) compare(late, back *int) error {
	var invoices []billing.Invoice
	currency := h.plans[0].Price.Currency
	credit := h.credit
	for m := range h.months {
		terms := h.terms(m)
		c := billing.Cutting{Customer: "cus_1", Terms: terms, Usage: h.counted(&terms, h.cuts[m]), Tax: h.tax, Credit: toll.Money{Minor: credit, Currency: currency}, StoredBefore: h.cuts[m]}
		for before := range m {
			e := billing.Earlier{Terms: h.terms(before)}
			e.Usage = h.counted(&e.Terms, h.cuts[m])
			for _, i := range invoices {
				for _, l := range i.Lines {
					if l.Month == h.months[before] {
						e.Lines = append(e.Lines, l)
					}
				}
				for _, s := range i.Splits {
					if s.Month == h.months[before] {
						e.Splits = append(e.Splits, s)
					}
				}
			}
			c.Earlier = append(c.Earlier, e)
		}
		got, err := billing.Cut(c)
		if err != nil {
			return err
		}
		invoices = append(invoices, got)

		var want int64
		for before := range m + 1 {
			now := h.model(before, h.cuts[m])
			want += now
			if before < m {
				want -= h.model(before, h.cuts[m-1])
			}
		}
		tax, total := modelTax(want, h.tax)
		credited := max(0, min(credit, total))
		for name, pair := range map[string][2]int64{
			"subtotal": {got.Subtotal.Minor, want}, "tax": {got.Tax.Minor, tax}, "total": {got.Total.Minor, total},
			"credited": {got.Credited.Minor, credited}, "due": {got.Due.Minor, max(0, total-credited)}, "carried": {got.Carried.Minor, max(0, -total)},
		} {
			if pair[0] != pair[1] {
				return fmt.Errorf("month %d: the %s is %d, and %d by the model; %s", m, name, pair[0], pair[1], h.describe(&got))
			}
		}
		var sum int64
		for _, l := range got.Lines {
			sum += l.Amount.Minor
			if l.Quantity != l.Included+l.Billed {
				return fmt.Errorf("month %d: a line of %d units has %d included and %d billed", m, l.Quantity, l.Included, l.Billed)
			}
			if l.Late {
				*late++
			}
		}
		if sum != got.Subtotal.Minor {
			return fmt.Errorf("month %d: the lines add up to %d, and the subtotal is %d", m, sum, got.Subtotal.Minor)
		}
		if got.Carried.Minor > 0 {
			*back++
		}
		credit += got.Carried.Minor - got.Credited.Minor
	}
	return h.conserves(invoices)
}

// conserves holds every unit of every month against what became of it.
func (h *history) conserves(invoices []billing.Invoice) error {
	cut := h.cuts[len(h.cuts)-1]
	for _, month := range h.months {
		var received []billing.Received
		for _, e := range h.events {
			if month.Holds(e.at.Truncate(15*time.Minute)) && e.stored.Before(cut) {
				for unit, count := range e.units {
					received = append(received, billing.Received{Unit: unit, Class: e.class, Count: count})
				}
			}
		}
		var splits []billing.MonthSplit
		for _, i := range invoices {
			for _, s := range i.Splits {
				if s.Month == month {
					splits = append(splits, s)
				}
			}
		}
		for unit, c := range billing.Statement(received, splits) {
			if !c.Holds() {
				return fmt.Errorf("%s of %s: %+v", unit, month.From, c)
			}
		}
	}
	return nil
}

func (h *history) describe(i *billing.Invoice) string {
	text := ""
	for _, l := range i.Lines {
		text += fmt.Sprintf("\n  %s %s%s %s %d (%d+%d) %s late=%v share=%v", l.Kind, l.Name, l.Version, l.Unit, l.Quantity, l.Included, l.Billed, l.Amount, l.Late, l.Share)
	}
	for _, p := range h.phases {
		text += fmt.Sprintf("\n  %s %s %+v addons %+v", p.From, p.Version, p.Plan, p.Addons)
	}
	return text + fmt.Sprintf("\n  months %v\n  coupons %+v", h.months, h.coupons)
}

func modelTax(sum int64, rate *toll.TaxRate) (tax, total int64) {
	if rate == nil {
		return 0, sum
	}
	part := rat(rate.Percent)
	if rate.Inclusive {
		part = new(big.Rat).Quo(part, new(big.Rat).Add(part, big.NewRat(100, 1)))
		return nearest(part.Mul(part, new(big.Rat).SetInt64(sum))), sum
	}
	part = new(big.Rat).Mul(part, big.NewRat(sum, 100))
	return nearest(part), sum + nearest(part)
}

// nearest rounds to a whole number, a half away from zero, by way of text.
func nearest(r *big.Rat) int64 {
	n, _ := strconv.ParseInt(r.FloatString(0), 10, 64)
	return n
}
