package console

import (
	"slices"
	"strings"
	"time"

	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// comparison puts plans side by side, one row for each thing that they can be
// compared by: what one of them has at all.
func (v *visit) comparison(plans []toll.Plan, own string) piece.Compare {
	t := piece.Compare{Caption: v.T("compare.title"), Mine: v.T("compare.mine")}
	if len(plans) == 1 {
		t.Caption = v.T("compare.one")
	}
	fees := piece.CompareRow{Label: v.T("plan.fee")}
	for _, p := range plans {
		t.Columns = append(t.Columns, piece.CompareColumn{Title: p.Title, Mine: p.Name == own})
		fees.Cells = append(fees.Cells, piece.CompareCell{Lines: []string{v.fee(p.Price)}, Strong: true})
	}
	t.Groups = append(t.Groups, piece.CompareGroup{Rows: []piece.CompareRow{fees}})
	for _, g := range []piece.CompareGroup{
		{Label: v.T("plan.services"), Rows: v.having(plans, func(p toll.Plan) []string { return p.Includes })},
		{Label: v.T("plan.features"), Rows: v.having(plans, func(p toll.Plan) []string { return p.Features })},
		{Label: v.T("compare.limits"), Rows: v.limitRows(plans)},
		{Label: v.T("compare.usage"), Rows: v.priceRows(plans)},
	} {
		if len(g.Rows) > 0 {
			t.Groups = append(t.Groups, g)
		}
	}
	return t
}

// having makes a row for each name that a plan has, in the order of the plans.
func (v *visit) having(plans []toll.Plan, of func(toll.Plan) []string) (rows []piece.CompareRow) {
	var names []string
	for _, p := range plans {
		for _, name := range of(p) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		row := piece.CompareRow{Label: name, Code: true}
		for _, p := range plans {
			cell := piece.CompareCell{Icon: "minus", Says: v.T("compare.no"), Muted: true}
			if slices.Contains(of(p), name) {
				cell = piece.CompareCell{Icon: "check", Says: v.T("compare.yes")}
			}
			row.Cells = append(row.Cells, cell)
		}
		rows = append(rows, row)
	}
	return rows
}

// alike is what limits of different plans must share to be compared.
type alike struct {
	kind              toll.PolicyKind
	unit              string
	every             toll.Every
	window            time.Duration
	service, endpoint string
	partition         toll.Partition
}

func alikeOf(p toll.Policy) alike {
	a := alike{kind: p.Kind, service: p.Service, endpoint: p.Endpoint, partition: p.Partition}
	switch p.Kind {
	case toll.Quota:
		a.unit, a.every = p.Unit, p.Every
		if a.every == toll.SubscriptionMonth { // both are a month to who compares plans
			a.every = toll.Monthly
		}
	case toll.RateLimit:
		a.window = p.Window
	case toll.ConcurrencyLimit:
	}
	return a
}

// limitRows makes a row for each limit that a plan has: quotas first, for they
// are what is bought, and what holds for everything before what holds for one
// service. Those that only report are none.
func (v *visit) limitRows(plans []toll.Plan) (rows []piece.CompareRow) {
	var kinds []alike
	for _, p := range plans {
		for _, policy := range p.Policies {
			if a := alikeOf(policy); !policy.Shadow && !slices.Contains(kinds, a) {
				kinds = append(kinds, a)
			}
		}
	}
	rank := map[toll.PolicyKind]int{toll.Quota: 0, toll.RateLimit: 1, toll.ConcurrencyLimit: 2}
	slices.SortStableFunc(kinds, func(a, b alike) int {
		if a.kind != b.kind {
			return rank[a.kind] - rank[b.kind]
		}
		if c := strings.Compare(a.service+" "+a.endpoint, b.service+" "+b.endpoint); c != 0 {
			return c
		}
		return int(max(-1, min(1, a.window-b.window)))
	})
	for _, a := range kinds {
		row := piece.CompareRow{Label: v.limitName(a)}
		for _, p := range plans {
			row.Cells = append(row.Cells, v.limitCell(p, a))
		}
		rows = append(rows, row)
	}
	return rows
}

func (v *visit) limitName(a alike) string {
	var name string
	switch a.kind {
	case toll.Quota:
		unit := v.words.Or("unit."+a.unit, a.unit)
		if name = v.T("compare.monthly", unit); a.every == toll.Daily {
			name = v.T("compare.daily", unit)
		}
	case toll.ConcurrencyLimit:
		name = v.T("limit.parallel")
	default:
		name = v.T("limit.rate", v.window(a.window))
	}
	switch a.partition {
	case toll.PerKey:
		name += ", " + v.T("compare.perkey")
	case toll.PerIP:
		name += ", " + v.T("compare.perip")
	case toll.PerCustomer:
	}
	if where := strings.TrimSpace(a.service + " " + a.endpoint); where != "" {
		name += ", " + where
	}
	return name
}

func (v *visit) limitCell(p toll.Plan, a alike) piece.CompareCell {
	var cell piece.CompareCell
	for _, policy := range p.Policies {
		if policy.Shadow || alikeOf(policy) != a {
			continue
		}
		line := v.words.Number(policy.Count)
		if policy.Kind == toll.RateLimit && policy.Burst != 0 && policy.Burst != policy.Count {
			line = v.T("compare.burst", line, v.words.Number(policy.Burst))
		}
		cell.Lines = append(cell.Lines, line)
	}
	if cell.Lines != nil {
		return cell
	}
	switch {
	case a.service == "":
		return piece.CompareCell{Lines: []string{v.T("compare.nolimit")}, Muted: true}
	case p.IncludesService(a.service):
		return piece.CompareCell{Lines: []string{v.T("compare.nolimit.own")}, Muted: true}
	}
	return piece.CompareCell{Icon: "minus", Says: v.T("compare.no"), Muted: true}
}

// priceRows makes a row for each unit that costs something on a plan.
func (v *visit) priceRows(plans []toll.Plan) (rows []piece.CompareRow) {
	var units []string
	basis := map[string]per{}
	for _, p := range plans {
		for _, u := range p.Usage {
			if !slices.Contains(units, u.Unit) {
				units = append(units, u.Unit)
			}
			if b := perFor(p.Price.Currency, pricesOf(u)...); b.count > basis[u.Unit].count {
				basis[u.Unit] = b
			}
		}
	}
	for _, unit := range units {
		row := piece.CompareRow{Label: v.words.Or("unit."+unit, unit)}
		for _, p := range plans {
			cell := piece.CompareCell{Lines: []string{v.T("price.none")}, Muted: true}
			if i := slices.IndexFunc(p.Usage, func(u toll.UnitPrice) bool { return u.Unit == unit }); i >= 0 {
				cell = piece.CompareCell{Lines: v.tierLines(p.Usage[i], p.Price.Currency, basis[unit])}
			}
			row.Cells = append(row.Cells, cell)
		}
		rows = append(rows, row)
	}
	return rows
}
