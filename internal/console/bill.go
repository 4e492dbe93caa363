package console

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/console/piece"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// monthsBill rates the chargeable usage of the month that holds now: what the
// invoice will be made of.
func (c *Console) monthsBill(ctx context.Context, v *visit, customer toll.Customer) (billing.Preview, error) {
	start, _, err := c.o.Bills.Period(ctx, customer)
	if err != nil {
		return billing.Preview{}, fmt.Errorf("find the bill's period: %w", err)
	}
	points, err := c.o.Questions.Series(ctx, meter.Question{
		From: start, To: v.now, Step: meter.Whole, By: meter.ByUnit,
		Customer: customer.ID, Classes: []toll.Class{toll.Chargeable},
	})
	if err != nil {
		return billing.Preview{}, fmt.Errorf("ask for the month's chargeable usage: %w", err)
	}
	usage := make(map[string]int64, len(points))
	for _, p := range points {
		usage[p.Group] += p.Count
	}
	return c.o.Bills.Of(ctx, customer, usage)
}

// bill writes a draft line by line. A line's amount is rounded once; its parts
// are exact.
func (v *visit) bill(preview billing.Preview, plan toll.Plan) piece.Bill {
	b := piece.Bill{
		Caption: v.T("bill.title", v.monthOf(preview.From, preview.To)),
		Item:    v.T("bill.item"), Quantity: v.T("bill.quantity"), Price: v.T("bill.price"), Amount: v.T("bill.amount"),
		Sum: v.T("bill.total"), Total: v.money(preview.Draft.Total, plan.Price.Currency),
	}
	for _, l := range preview.Draft.Lines {
		b.Lines = append(b.Lines, v.billLine(l, plan))
	}
	return b
}

// monthOf names a billing month [from, to): by its name where it is one of the
// calendar, else by its first and its last day.
func (v *visit) monthOf(from, to time.Time) string {
	from, to = from.In(v.c.o.Zone), to.In(v.c.o.Zone)
	if from.Day() == 1 && to.Day() == 1 {
		return v.words.Month(from)
	}
	last := to.Add(-time.Nanosecond)
	if from.Year() != last.Year() {
		return v.words.Date(from) + "\u2009–\u2009" + v.words.Date(last)
	}
	return v.words.Day(from) + "\u2009–\u2009" + v.words.Date(last)
}

// billNote says what the draft will still become.
func (v *visit) billNote(preview billing.Preview) string {
	lines := preview.Draft.Lines
	switch {
	case slices.ContainsFunc(lines, func(l billing.Line) bool { return l.Kind == billing.UsageLine }):
		return v.T("bill.note", v.words.Ago(preview.To, v.now))
	case len(lines) > 0:
		return v.T("bill.note.fee", v.words.Ago(preview.To, v.now))
	}
	return v.T("bill.note.none")
}

func (v *visit) billLine(l billing.Line, plan toll.Plan) piece.BillLine {
	currency := l.Amount.Currency
	line := piece.BillLine{Item: v.words.Or("unit."+l.Unit, l.Unit), Amount: v.money(l.Amount, plan.Price.Currency)}
	if l.Kind != billing.UsageLine {
		switch l.Kind {
		case billing.AddonLine:
			line.Item = v.T("bill.addon", l.Addon)
		case billing.MinimumLine:
			line.Item = v.T("bill.minimum", plan.Title)
		case billing.CouponLine:
			line.Item = v.T("bill.coupon", l.Title)
		default:
			line.Item = v.T("bill.fee", plan.Title)
		}
		if l.Quantity != 1 {
			line.Quantity, line.Price = v.words.Number(l.Quantity), v.exactly(l.Parts[0].Each, currency)
		}
		return line
	}
	line.Quantity = v.words.Number(l.Quantity)
	prices := make([]toll.Decimal, 0, len(l.Parts))
	for _, p := range l.Parts {
		if p.Package == 0 {
			prices = append(prices, p.Each)
		}
	}
	basis := perFor(currency, prices...)
	if l.Included == 0 && len(l.Parts) == 1 {
		line.Price = v.partPrice(l.Parts[0], currency, basis)
		return line
	}
	if l.Included > 0 {
		line.Parts = append(line.Parts, piece.BillLine{Item: v.T("bill.included"), Quantity: v.words.Number(l.Included), Price: v.T("price.free")})
	}
	for _, p := range l.Parts {
		line.Parts = append(line.Parts, piece.BillLine{
			Item: v.T("bill.billed"), Quantity: v.partQuantity(p),
			Price: v.partPrice(p, currency, basis), Amount: v.exactly(p.Exact, currency),
		})
	}
	return line
}

// partPrice writes what the units of a part cost; those that are sold by the
// package have the package's price.
func (v *visit) partPrice(p billing.Part, currency string, basis per) string {
	if p.Package > 0 {
		return v.packagePrice(p.Each, p.Package, currency)
	}
	return v.unitPrice(p.Each, currency, basis)
}

// partQuantity writes how many units a part has: "250", or "3 × 1,000" of
// packages.
func (v *visit) partQuantity(p billing.Part) string {
	if p.Package > 0 {
		return v.words.Number(p.Quantity) + " × " + v.words.Number(p.Package)
	}
	return v.words.Number(p.Quantity)
}
