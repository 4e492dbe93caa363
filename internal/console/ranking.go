package console

import (
	"encoding/csv"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/tollhouse/tollhouse/hx"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

const (
	rankedOnPage  = 25
	rankedInTable = 500 // of the CSV
	rankedMonths  = 12  // that can be chosen; others by their URL
)

// rankingFilter is the state of the page of who used most, as its URL says it.
type rankingFilter struct {
	month time.Time // its start, UTC
	unit  string
}

func (c *Console) readRankingFilter(v *visit) (f rankingFilter, units []string) {
	usage, _, units := c.readFilter(v)
	f.unit = usage.unit
	f.month = thisMonth(v.now)
	if m, err := time.Parse("2006-01", v.r.URL.Query().Get("month")); err == nil && m.Year() >= 2000 && !m.After(f.month) {
		f.month = m
	}
	return f, units
}

// thisMonth is the UTC month that the ranking of now is kept for.
func thisMonth(now time.Time) time.Time {
	now = now.UTC()
	return time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
}

// query writes the filter back, without what is the default.
func (f rankingFilter) query(now time.Time) url.Values {
	q := url.Values{}
	if !f.month.Equal(thisMonth(now)) {
		q.Set("month", f.month.Format("2006-01"))
	}
	if f.unit != toll.UnitRequests {
		q.Set("unit", f.unit)
	}
	return q
}

// question is one that the store keeps a ranking for: a whole UTC month.
func (f rankingFilter) question(most int) meter.Question {
	return meter.Question{Unit: f.unit, From: f.month, To: f.month.AddDate(0, 1, 0), By: meter.ByCustomer, Top: most}
}

// rankingView is the page of who used most.
type rankingView struct {
	Filter rankingFilter
	Months []piece.Option
	Units  []piece.Option
	Unit   string
	CSV    string
	Rows   []rankedRow
	Total  int64 // of all customers
}

// rankedRow is a customer in its place. Of usage of public services ID is "", of
// a customer that is not there Known is false.
type rankedRow struct {
	ID, Name string
	Known    bool
	Count    int64
	Share    float64
}

func (c *Console) ranking(v *visit) (*answer, error) {
	f, units := c.readRankingFilter(v)
	r := rankingView{Filter: f, Unit: v.words.Or("unit."+f.unit, f.unit), CSV: withQuery("/usage/customers.csv", f.query(v.now))}
	for m, n := thisMonth(v.now), 0; n < rankedMonths; m, n = m.AddDate(0, -1, 0), n+1 {
		r.Months = append(r.Months, piece.Option{Value: m.Format("2006-01"), Label: v.words.MonthStart(m)})
	}
	if oldest := r.Months[len(r.Months)-1].Value; f.month.Format("2006-01") < oldest { // by its URL
		r.Months = append(r.Months, piece.Option{Value: f.month.Format("2006-01"), Label: v.words.MonthStart(f.month)})
	}
	for _, unit := range units {
		r.Units = append(r.Units, piece.Option{Value: unit, Label: v.words.Or("unit."+unit, unit)})
	}
	var err error
	if r.Rows, err = c.ranked(v, f, rankedOnPage); err != nil {
		return nil, err
	}
	q := f.question(0)
	q.By = meter.ByNothing
	if r.Total, err = c.sum(v.r.Context(), q); err != nil {
		return nil, err
	}
	for i := range r.Rows {
		r.Rows[i].Share = float64(r.Rows[i].Count) / float64(max(1, r.Total))
	}
	return &answer{title: v.T("ranking.title"), menu: "usage", body: rankingPage(v, r), parts: parts{"results": rankingResults(v, r)}}, nil
}

// ranked asks who used most, and what they are called today.
func (c *Console) ranked(v *visit, f rankingFilter, most int) ([]rankedRow, error) {
	points, err := c.o.Questions.Series(v.r.Context(), f.question(most))
	if err != nil {
		return nil, fmt.Errorf("ask who used most: %w", err)
	}
	rows := make([]rankedRow, 0, len(points))
	for _, p := range points {
		row := rankedRow{ID: p.Group, Count: p.Count}
		if row.ID != "" {
			customer, err := c.o.Office.Customer(v.r.Context(), v.person, row.ID)
			if err != nil && toll.CodeOf(err) != toll.NotFound {
				return nil, err
			}
			row.Name, row.Known = customer.Name, err == nil
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// rankingCSV gives more of the page's table, by the same filter.
func (c *Console) rankingCSV(v *visit) (*answer, error) {
	f, _ := c.readRankingFilter(v)
	rows, err := c.ranked(v, f, rankedInTable)
	if err != nil {
		return nil, err
	}
	h := v.w.Header()
	h.Set("Content-Type", "text/csv; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="usage-by-customer-`+f.month.Format("2006-01")+`.csv"`)
	h.Set("Cache-Control", hx.NoStore.String())
	out := csv.NewWriter(v.w)
	_ = out.Write([]string{"month", "place", "customer_id", "customer", "unit", "count"})
	for i, r := range rows {
		_ = out.Write([]string{f.month.Format("2006-01"), strconv.Itoa(i + 1), cell(r.ID), cell(r.Name), cell(f.unit), strconv.FormatInt(r.Count, 10)})
	}
	out.Flush() // an error means that the client left
	return nil, hx.Done
}
