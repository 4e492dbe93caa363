package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// overviewView is how a customer stands this month: the same for the customer
// and for the operators who look at it.
type overviewView struct {
	Customer toll.Customer
	Plan     toll.Plan
	Tiles    []piece.Tile
	Meters   []piece.Meter
	Chart    piece.Chart
	Calls    int64 // in the chart
	Sample   *piece.Code
	NoKeys   bool
	UsageURL string
}

func (c *Console) overview(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	o, err := c.standing(v, customer, "/usage")
	if err != nil {
		return nil, err
	}
	if v.can(account.ListKeys, customer.ID) {
		keys, err := c.o.Office.Keys(v.r.Context(), v.person, customer.ID)
		if err != nil {
			return nil, err
		}
		o.NoKeys = !slices.ContainsFunc(keys, func(k toll.Key) bool { return k.StateAt(v.now) == toll.KeyValid })
	}
	o.Sample = c.sample(v, o.Plan, "/overview")
	a := &answer{title: v.T("overview.title"), menu: "overview", body: overviewPage(v, o)}
	if o.Sample != nil {
		a.parts = parts{"sample": sampleCard(v, *o.Sample)}
	}
	return a, nil
}

// standing reads how a customer stands in the month that holds now.
func (c *Console) standing(v *visit, customer toll.Customer, usageURL string) (overviewView, error) {
	ctx := v.r.Context()
	o := overviewView{Customer: customer, UsageURL: usageURL}
	o.Plan = c.plan(customer)
	start, _ := o.Plan.PeriodAt(v.now, c.o.Zone, customer.Subscription.Since)

	points, err := c.o.Questions.Series(ctx, meter.Question{From: start, To: v.now, Step: meter.Day, Customer: customer.ID})
	if err != nil {
		return o, fmt.Errorf("ask for the month's requests: %w", err)
	}
	requests := piece.Tile{Label: v.T("tile.requests")}
	days := int(v.now.Sub(start)/(24*time.Hour)) + 1
	requests.Spark = make([]int64, days)
	for _, p := range points {
		if day := int(p.Start.Sub(start.UTC().Truncate(24*time.Hour)) / (24 * time.Hour)); day >= 0 && day < days {
			requests.Spark[day] += p.Count
		}
	}
	// The days are UTC days; the month is the zone's, to the quarter of an hour.
	total, err := c.sum(ctx, meter.Question{From: start, To: v.now, Step: meter.Whole, Customer: customer.ID})
	if err != nil {
		return o, err
	}
	requests.Value = v.words.Number(total)
	if total == 0 {
		requests.Spark = nil
	}
	before, err := c.lastMonthSoFar(ctx, customer, o.Plan, start, v.now)
	if err != nil {
		return o, err
	}
	requests.Note = v.change("change", total, before)
	o.Tiles = append(o.Tiles, requests)

	if c.o.Bills != nil && v.can(account.ReadBilling, customer.ID) {
		tile, err := c.costTile(v, customer, o.Plan)
		if err != nil {
			return o, err
		}
		o.Tiles = append(o.Tiles, tile)
	}

	refusals, err := c.o.Questions.Refusals(ctx, meter.RefusalQuery{Customer: customer.ID, From: start.UTC(), To: v.now.UTC().Truncate(time.Minute).Add(time.Minute), Step: meter.Whole})
	if err != nil {
		return o, fmt.Errorf("ask for the month's refusals: %w", err)
	}
	o.Tiles = append(o.Tiles, v.refusedTile(customer.ID, refusals))

	o.Meters = c.limitMeters(v, customer.ID)

	s := monthLong
	from, to := s.bounds(v.now)
	points, err = c.o.Questions.Series(ctx, meter.Question{From: from, To: to, Step: s.step, By: meter.ByStatus, Customer: customer.ID})
	if err != nil {
		return o, fmt.Errorf("ask for the chart's requests: %w", err)
	}
	o.Chart = v.statusChart("requests", v.T("overview.chart"), s, points)
	o.Calls = chartTotal(o.Chart)
	return o, nil
}

// plan returns a customer's plan; one that the configuration has no more is
// known by its name only.
func (c *Console) plan(customer toll.Customer) toll.Plan {
	name := customer.Subscription.Plan
	if p, _, ok := c.o.Plans.Plan(name); ok {
		return p
	}
	return toll.Plan{Name: name, Title: name}
}

// lastMonthSoFar counts the requests of the month before up to the same moment.
func (c *Console) lastMonthSoFar(ctx context.Context, customer toll.Customer, plan toll.Plan, start, now time.Time) (int64, error) {
	from, end := plan.PeriodAt(start.Add(-time.Hour), c.o.Zone, customer.Subscription.Since)
	to := from.Add(now.Sub(start))
	if to.After(end) {
		to = end
	}
	return c.sum(ctx, meter.Question{From: from, To: to, Step: meter.Whole, Customer: customer.ID})
}

// costTile shows what the month costs so far, and leads a member to the lines.
func (c *Console) costTile(v *visit, customer toll.Customer, plan toll.Plan) (piece.Tile, error) {
	bill, err := c.monthsBill(v.r.Context(), v, customer)
	if err != nil {
		return piece.Tile{}, err
	}
	t := piece.Tile{Label: v.T("tile.cost"), Value: v.money(bill.Draft.Total, plan.Price.Currency)}
	if bill.Draft.Total.IsZero() {
		t.Note = v.T("tile.cost.nothing", plan.Title)
	} else {
		t.Note = v.T("tile.cost.note", plan.Title)
	}
	if v.person.IsMember() {
		t.Href = "/plan"
	}
	return t, nil
}

// change compares a figure with the one before in words: those of "change" for
// the month before, those of "before" for the time before. From tenfold on a
// percentage says less than the figure itself.
func (v *visit) change(key string, now, before int64) string {
	switch {
	case before == 0:
		return v.T(key + ".none")
	case now >= 10*before:
		return v.T(key+".from", v.words.Number(before))
	case now > before:
		return v.T(key+".more", v.words.Percent(float64(now-before)/float64(before)))
	case now < before:
		return v.T(key+".less", v.words.Percent(float64(before-now)/float64(before)))
	}
	return v.T(key + ".same")
}

// money writes an amount; one without a currency is in the plan's, or in none.
func (v *visit) money(m toll.Money, currency string) string {
	if m.Currency != "" {
		currency = m.Currency
	} else if m.IsZero() && currency != "" {
		m.Currency = currency
	}
	return v.words.Money(string(m.Decimal()), currency)
}

// refusalsOf is the page that explains a customer's refusals, "" for who may not
// read of requests.
func (v *visit) refusalsOf(customerID string) string {
	switch {
	case !v.can(account.ReadRequests, customerID):
		return ""
	case v.person.IsOperator():
		return "/requests?customer=" + url.QueryEscape(customerID)
	}
	return "/requests"
}

func (v *visit) refusedTile(customerID string, points []meter.RefusalPoint) piece.Tile {
	t := piece.Tile{Label: v.T("tile.refused")}
	var total int64
	by := map[toll.RefusalReason]int64{}
	var most toll.RefusalReason
	for _, p := range points {
		total += p.Count
		by[p.Reason] += p.Count
	}
	for reason, n := range by {
		if most == "" || n > by[most] || (n == by[most] && reason < most) {
			most = reason
		}
	}
	t.Value = v.words.Number(total)
	if total == 0 {
		t.Note = v.T("tile.refused.none")
	} else {
		t.Note = v.T("tile.refused.mostly", v.words.Or("refused."+string(most), string(most)))
		t.Href = v.refusalsOf(customerID)
	}
	return t
}

// limitMeter shows one policy's state. A rate limit and a concurrency limit
// are what they are now; a quota says when it begins anew.
func (v *visit) limitMeter(l toll.LimitState) piece.Meter {
	p := l.Policy
	m := piece.Meter{
		Used: l.Used, Limit: l.Limit,
		Text: v.T("limit.used", v.words.Number(l.Used), v.words.Number(l.Limit)),
	}
	where := ""
	if p.Endpoint != "" {
		where = p.Endpoint
	} else if p.Service != "" {
		where = p.Service
	}
	switch p.Kind {
	case toll.Quota:
		unit := v.words.Or("unit."+p.Unit, p.Unit)
		if p.Every == toll.Daily {
			m.Name = v.T("limit.daily", unit)
		} else {
			m.Name = v.T("limit.monthly", unit)
		}
		m.Foot = v.T("limit.left", v.words.Number(max(0, l.Limit-l.Used)), v.words.Ago(l.ResetAt, v.now))
	case toll.ConcurrencyLimit:
		m.Name = v.T("limit.parallel")
	default:
		m.Name = v.T("limit.rate", v.window(p.Window))
	}
	if where != "" {
		m.Name += ", " + where
	}
	switch m.Level() {
	case "full":
		m.State = v.T("limit.full")
	case "near":
		m.State = v.T("limit.near")
	}
	return m
}

// window names the time of a rate limit: "minute", "10 seconds".
func (v *visit) window(d time.Duration) string {
	switch d {
	case time.Second:
		return v.T("window.second")
	case time.Minute:
		return v.T("window.minute")
	case time.Hour:
		return v.T("window.hour")
	}
	return v.words.Span(d)
}

func withQuery(path string, q url.Values) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}
