package billing

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Cutting is all that an invoice is made of.
type Cutting struct {
	Customer string
	Terms    Terms
	Usage    []Counted     // of Terms.Month, as stored before StoredBefore
	Earlier  []Earlier     // months that were invoiced before, by month
	Tax      *toll.TaxRate // of the customer; nil: none
	Credit   toll.Money    // what is left of the customer's credits
	// StoredBefore is when the usage was read, in one look at all of it.
	StoredBefore time.Time
}

// Earlier is a month that was invoiced before.
type Earlier struct {
	Terms  Terms        // as it was cut; Others may have grown
	Usage  []Counted    // as it is known now
	Lines  []Line       // that name the month, of all invoices so far
	Splits []MonthSplit // likewise
}

// MakeDraft makes the invoice as it stands now, also within the month.
//
// Usage of an earlier month that is known now and was not when that month was
// cut is a correction: the month is rated anew by its own terms, and what
// differs from all that was invoiced for it stands here, line by line. So the
// lines that name a month always add up to what the month costs with all the
// usage that is known, in whatever order it came.
func MakeDraft(c Cutting) (Invoice, error) {
	out := Invoice{Customer: c.Customer, State: InDraft, Month: c.Terms.Month, StoredBefore: c.StoredBefore, TaxRate: c.Tax}
	rated, err := c.Terms.Rate(c.Usage)
	if err != nil {
		return Invoice{}, fmt.Errorf("the invoice of customer %s for %s: %w", c.Customer, monthOf(c.Terms.Month), err)
	}
	out.Lines = rated.Lines
	for _, u := range rated.Units {
		out.Splits = append(out.Splits, MonthSplit{Month: out.Month, UnitSplit: u})
	}
	out.Subtotal = rated.Total
	for i := range c.Earlier {
		if err := out.correct(&c.Earlier[i]); err != nil {
			return Invoice{}, fmt.Errorf("the invoice of customer %s for %s: correct %s: %w", c.Customer, monthOf(c.Terms.Month), monthOf(c.Earlier[i].Terms.Month), err)
		}
	}
	if out.Tax, out.Total, err = taxOn(out.Subtotal, c.Tax); err == nil {
		err = out.settle(c.Credit)
	}
	if err != nil {
		return Invoice{}, fmt.Errorf("the invoice of customer %s for %s: %w", c.Customer, monthOf(c.Terms.Month), err)
	}
	return out, nil
}

// Cut makes the invoice of a month that is over. It is open, paid where nothing
// is due, or empty where it says nothing. It has no ID and no number yet: who
// stores it gives it both. Invalid: the month is not over.
func Cut(c Cutting) (Invoice, error) {
	if c.StoredBefore.Before(c.Terms.Month.To) {
		return Invoice{}, toll.Errorf(toll.Invalid, "The month until %s is not over, so its invoice cannot be cut.", c.Terms.Month.To.Format(time.DateTime))
	}
	invoice, err := MakeDraft(c)
	if err != nil {
		return Invoice{}, err
	}
	state := Open
	switch {
	case !slices.ContainsFunc(invoice.Lines, func(l Line) bool { return l.Amount.Minor != 0 }):
		state = Empty
	case invoice.Due.Minor == 0:
		state = Paid
	}
	if state == Open {
		invoice.State = Open
		return invoice, nil
	}
	return invoice.Move(state, c.StoredBefore, "")
}

func monthOf(s Span) string {
	return s.From.Format(time.DateOnly) + " to " + s.To.Format(time.DateOnly)
}

// correct adds what has changed of a month that was invoiced before.
func (i *Invoice) correct(e *Earlier) error {
	rated, err := e.Terms.Rate(e.Usage)
	if errors.Is(err, toll.ErrCurrencies) { // usage that came when the plan was in another one already
		i.LeftOut = append(i.LeftOut, e.Terms.Month)
		return nil
	}
	if err != nil {
		return err
	}
	lines := differences(rated.Lines, e.Lines)
	sum := i.Subtotal
	for k := range lines {
		lines[k].Month, lines[k].Late = e.Terms.Month, true
		if sum.Currency != "" && lines[k].Amount.Currency != "" && sum.Currency != lines[k].Amount.Currency {
			i.LeftOut = append(i.LeftOut, e.Terms.Month)
			return nil
		}
		if sum, err = sum.Add(lines[k].Amount); err != nil {
			return err
		}
	}
	i.Subtotal, i.Lines = sum, append(i.Lines, lines...)
	for _, u := range rated.Units {
		for _, s := range e.Splits {
			if s.Unit == u.Unit {
				u.Included, u.Billed = u.Included-s.Included, u.Billed-s.Billed
			}
		}
		if u.Included != 0 || u.Billed != 0 {
			i.Splits = append(i.Splits, MonthSplit{Month: e.Terms.Month, UnitSplit: u, Late: true})
		}
	}
	return nil
}

// lineKey is what makes two lines of one month the same line.
type lineKey struct {
	kind                LineKind
	unit, name, version string
	nth                 int // of those that are alike so far: an add-on whose price changed
}

// differences are the lines of a month less those that were invoiced, where
// they differ.
func differences(now, before []Line) []Line {
	var order []lineKey
	sums := map[lineKey]*Line{}
	add := func(lines []Line, sign int64) {
		seen := map[lineKey]int{}
		for _, l := range lines {
			k := lineKey{kind: l.Kind, unit: l.Unit, name: l.Name, version: l.Version}
			if !l.Late { // of corrections there may be many of one line
				alike := k
				k.nth = seen[alike]
				seen[alike]++
			}
			have := sums[k]
			if have == nil {
				have = &Line{Kind: l.Kind, Unit: l.Unit, Addon: l.Addon, Title: l.Title, Version: l.Version, Name: l.Name}
				have.Amount.Currency = l.Amount.Currency
				sums[k], order = have, append(order, k)
			}
			have.Quantity += sign * l.Quantity
			have.Included += sign * l.Included
			have.Billed += sign * l.Billed
			have.Amount.Minor += sign * l.Amount.Minor
		}
	}
	add(now, 1)
	add(before, -1)
	var out []Line
	for _, k := range order {
		l := sums[k]
		if l.Quantity == 0 && l.Included == 0 && l.Billed == 0 && l.Amount.Minor == 0 {
			continue
		}
		l.Exact = l.Amount.Decimal()
		out = append(out, *l)
	}
	return out
}

// settle takes what credits pay off the total.
func (i *Invoice) settle(credit toll.Money) error {
	zero := toll.Money{Currency: i.Total.Currency}
	i.Credited, i.Due, i.Carried = zero, zero, zero
	if credit.Minor < 0 {
		return fmt.Errorf("a credit of %s", credit)
	}
	if i.Total.Minor < 0 {
		i.Carried = toll.Money{Minor: -i.Total.Minor, Currency: i.Total.Currency}
		return nil
	}
	i.Due = i.Total
	if credit.Minor == 0 || credit.Currency != i.Total.Currency {
		return nil
	}
	i.Credited.Minor = min(credit.Minor, i.Total.Minor)
	i.Due.Minor -= i.Credited.Minor
	return nil
}
