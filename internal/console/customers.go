package console

import (
	"net/url"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// customersView is the table of customers with the state of its URL.
type customersView struct {
	Query   toll.CustomerQuery
	Page    toll.CustomerPage
	Columns []piece.Column
	Plans   []piece.Option
	Pager   piece.Pager
	Narrow  bool // a filter is set
	Titles  map[string]string
}

const customersOnPage = 50

func readCustomerQuery(q url.Values, plans []string) toll.CustomerQuery {
	out := toll.CustomerQuery{Search: q.Get("q"), Limit: customersOnPage, Cursor: q.Get("after")}
	if r := []rune(out.Search); len(r) > 200 {
		out.Search = string(r[:200])
	}
	switch s := toll.CustomerStatus(q.Get("status")); s {
	case toll.CustomerActive, toll.CustomerSuspended, toll.CustomerClosed:
		out.Status = s
	}
	for _, p := range plans {
		if p == q.Get("plan") {
			out.Plan = p
		}
	}
	if toll.CustomerSort(q.Get("sort")) == toll.CustomersByCreated {
		out.Sort = toll.CustomersByCreated
	}
	out.Descending = q.Get("order") == "desc"
	return out
}

// customerURL writes the query back, without what is the default.
func customerURL(c toll.CustomerQuery) string {
	q := url.Values{}
	for name, value := range map[string]string{"q": c.Search, "status": string(c.Status), "plan": c.Plan, "sort": string(c.Sort), "after": c.Cursor} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if c.Descending {
		q.Set("order", "desc")
	}
	return withQuery("/customers", q)
}

func (c *Console) customers(v *visit) (*answer, error) {
	names := c.o.Plans.Names()
	t := customersView{Query: readCustomerQuery(v.r.URL.Query(), names), Titles: map[string]string{}}
	var err error
	if t.Page, err = c.o.Office.Customers(v.r.Context(), v.person, t.Query); err != nil {
		return nil, err
	}
	t.Narrow = t.Query.Search != "" || t.Query.Status != "" || t.Query.Plan != ""
	t.Plans = []piece.Option{{Label: v.T("customers.plans.all")}}
	for _, name := range names {
		plan, _, _ := c.o.Plans.Plan(name)
		t.Titles[name] = plan.Title
		t.Plans = append(t.Plans, piece.Option{Value: name, Label: plan.Title})
	}
	t.Columns = []piece.Column{
		t.column(v.T("customers.name"), ""),
		{Label: v.T("customers.plan")},
		{Label: v.T("customers.status")},
		t.column(v.T("customers.since"), toll.CustomersByCreated),
	}
	t.Pager = piece.Pager{
		Label: v.T("pager.label"), Count: v.words.N("customers.count", int64(len(t.Page.Customers))), Part: "#results",
		Words: piece.PagerWords{First: v.T("pager.first"), Next: v.T("pager.next")},
	}
	first := t.Query
	first.Cursor = ""
	if t.Query.Cursor != "" {
		t.Pager.First = customerURL(first)
	}
	if t.Page.Next != "" {
		next := first
		next.Cursor = t.Page.Next
		t.Pager.Next = customerURL(next)
	}
	return &answer{
		title: v.T("customers.title"), menu: "customers",
		body:  customersPage(v, t),
		parts: parts{"results": customersResults(v, t)},
	}, nil
}

// column is a head that sorts: by it, and the other way round when it is what
// the table is sorted by already.
func (t customersView) column(label string, by toll.CustomerSort) piece.Column {
	col := piece.Column{Label: label}
	to := t.Query
	to.Cursor, to.Sort, to.Descending = "", by, by == toll.CustomersByCreated // the newest first
	if t.Query.Sort == by {
		col.Sort = "ascending"
		if t.Query.Descending {
			col.Sort = "descending"
		}
		to.Descending = !t.Query.Descending
	}
	col.Href = customerURL(to)
	return col
}

func (t customersView) keep() []piece.Option {
	var out []piece.Option
	if t.Query.Sort != "" {
		out = append(out, piece.Option{Value: "sort", Label: string(t.Query.Sort)})
	}
	if t.Query.Descending {
		out = append(out, piece.Option{Value: "order", Label: "desc"})
	}
	return out
}
