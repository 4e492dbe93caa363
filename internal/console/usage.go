package console

import (
	"context"
	"fmt"
	"net/url"
	"slices"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// usageFilter is the state of the usage page, as its URL says it.
type usageFilter struct {
	span    span
	service string
	unit    string
}

// readFilter takes the filter from the URL. A value that is not offered is not
// narrowed by.
func (c *Console) readFilter(v *visit) (f usageFilter, services, units []string) {
	q := v.r.URL.Query()
	f.span = spanOf(q.Get("range"))
	units = []string{toll.UnitRequests}
	if c.o.Services != nil {
		for _, s := range c.o.Services() {
			if s.Access != toll.AccessKey {
				continue
			}
			services = append(services, s.Name)
			for _, u := range s.Units {
				if !slices.Contains(units, u) {
					units = append(units, u)
				}
			}
		}
	}
	if s := q.Get("service"); slices.Contains(services, s) {
		f.service = s
	}
	f.unit = toll.UnitRequests
	if u := q.Get("unit"); slices.Contains(units, u) {
		f.unit = u
	}
	return f, services, units
}

// query writes the filter back, without what is the default.
func (f usageFilter) query() url.Values {
	q := url.Values{}
	if f.span.id != monthLong.id {
		q.Set("range", f.span.id)
	}
	if f.service != "" {
		q.Set("service", f.service)
	}
	if f.unit != toll.UnitRequests {
		q.Set("unit", f.unit)
	}
	return q
}

// usageView is the usage page of one customer.
type usageView struct {
	Path     string
	Filter   usageFilter
	Services []piece.Option
	Units    []piece.Option
	Spans    []piece.Tab
	Tiles    []piece.Tile
	Chart    piece.Chart
	Total    int64
	CSV      string
	Rows     []shareRow
	Customer *toll.Customer // for an operator
}

// shareRow is an endpoint with its part of the whole.
type shareRow struct {
	Name  string
	Count int64
	Share float64
}

func (c *Console) usage(v *visit) (*answer, error) {
	customer, err := c.o.Office.Customer(v.r.Context(), v.person, v.customerID())
	if err != nil {
		return nil, err
	}
	f, services, units := c.readFilter(v)
	u := usageView{Path: v.r.URL.Path, Filter: f, CSV: withQuery(v.r.URL.Path+".csv", f.query())}
	a := &answer{title: v.T("usage.title"), menu: "usage"}
	if v.person.IsOperator() {
		u.Customer = &customer
		a.title, a.menu = v.T("usage.of", customer.Name), "customers"
	}
	u.Services = []piece.Option{{Label: v.T("usage.services.all")}}
	for _, s := range services {
		u.Services = append(u.Services, piece.Option{Value: s, Label: s})
	}
	for _, unit := range units {
		u.Units = append(u.Units, piece.Option{Value: unit, Label: v.words.Or("unit."+unit, unit)})
	}
	for _, s := range spans {
		with := f
		with.span = s
		u.Spans = append(u.Spans, piece.Tab{Label: v.T("span." + s.id), Href: withQuery(u.Path, with.query()), Current: s.id == f.span.id})
	}
	if err := c.readUsage(v, &u, customer.ID); err != nil {
		return nil, err
	}
	a.body = usagePage(v, u)
	a.parts = parts{"results": usageResults(v, u)}
	return a, nil
}

func (c *Console) question(v *visit, f usageFilter, customerID string) meter.Question {
	from, to := f.span.bounds(v.now)
	return meter.Question{Unit: f.unit, From: from, To: to, Step: f.span.step, By: meter.ByStatus, Customer: customerID, Service: f.service}
}

func (c *Console) readUsage(v *visit, u *usageView, customerID string) error {
	ctx, f := v.r.Context(), u.Filter
	q := c.question(v, f, customerID)
	points, err := c.o.Questions.Series(ctx, q)
	if err != nil {
		return fmt.Errorf("ask for usage: %w", err)
	}
	unit := v.words.Or("unit."+f.unit, f.unit)
	u.Chart = v.statusChart("usage", v.T("usage.chart", unit, v.T("span.long."+f.span.id)), f.span, points)
	u.Total = chartTotal(u.Chart)

	before := q
	before.From, before.To, before.Step, before.By = q.From.Add(q.From.Sub(q.To)), q.From, meter.Whole, meter.ByNothing
	past, err := c.sum(ctx, before)
	if err != nil {
		return err
	}
	u.Tiles = append(u.Tiles, piece.Tile{Label: v.T("usage.total", unit), Value: v.words.Number(u.Total), Note: v.change("before", u.Total, past)})
	failed := u.Chart.Series[3].Total
	errors := piece.Tile{Label: v.T("usage.failed"), Value: v.words.Number(failed), Note: v.T("usage.failed.none")}
	if failed > 0 {
		errors.Note = v.T("usage.failed.share", v.share(failed, u.Total))
	}
	u.Tiles = append(u.Tiles, errors)
	refusals, err := c.o.Questions.Refusals(ctx, meter.RefusalQuery{Customer: customerID, From: q.From, To: q.To, Step: meter.Whole})
	if err != nil {
		return fmt.Errorf("ask for refusals: %w", err)
	}
	refused := v.refusedTile(customerID, refusals)
	refused.Label = v.T("usage.refused")
	u.Tiles = append(u.Tiles, refused)

	q.Step, q.By = meter.Whole, meter.ByEndpoint
	points, err = c.o.Questions.Series(ctx, q)
	if err != nil {
		return fmt.Errorf("ask for usage by endpoint: %w", err)
	}
	for _, p := range points {
		if u.Total > 0 && p.Count > 0 {
			u.Rows = append(u.Rows, shareRow{Name: p.Group, Count: p.Count, Share: float64(p.Count) / float64(u.Total)})
		}
	}
	slices.SortStableFunc(u.Rows, func(a, b shareRow) int { return int(max(-1, min(1, b.Count-a.Count))) })
	u.Rows = u.Rows[:min(len(u.Rows), 10)]
	return nil
}

// sum asks for one number: q without a step or a split.
func (c *Console) sum(ctx context.Context, q meter.Question) (sum int64, err error) {
	points, err := c.o.Questions.Series(ctx, q)
	if err != nil {
		return 0, fmt.Errorf("ask for a sum of usage: %w", err)
	}
	for _, p := range points {
		sum += p.Count
	}
	return sum, nil
}

// share writes a part of a whole, and never says 0 % of what is there.
func (v *visit) share(part, whole int64) string {
	if part > 0 && part*200 < whole {
		return "<\u202f" + v.words.Percent(0.01)
	}
	return v.words.Percent(float64(part) / float64(max(1, whole)))
}
