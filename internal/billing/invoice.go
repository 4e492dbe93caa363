package billing

import (
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// State is what has become of an invoice.
type State string

// The states of an invoice.
//
//	draft ─► open ─► paid
//	  │       ├────► uncollectible ─► paid
//	  │       └────► void
//	  └────► empty
const (
	InDraft       State = "draft" // of a month that is not over, or not cut yet; it has no number
	Open          State = "open"
	Paid          State = "paid"
	Void          State = "void"          // it was made by mistake and is not to be paid; its number stays taken
	Uncollectible State = "uncollectible" // nobody expects that it will be paid
	Empty         State = "empty"         // the month was cut and cost nothing: no number was taken
)

// Invoice is a month's lines for a customer, with the corrections of earlier
// ones.
type Invoice struct {
	ID       string // inv_…; "" of a draft
	Number   string // NumberOf; "" of a draft and of one that is empty
	Customer string
	State    State
	Month    Span
	// What was stored before this moment is in the invoice. Usage of the month that
	// came later is a correction on a later one.
	StoredBefore time.Time
	Lines        []Line       // the month's, then the corrections, by month
	Splits       []MonthSplit // what became of every unit, likewise
	LeftOut      []Span       // months whose corrections are in another currency, and wait

	Subtotal toll.Money    // the sum of the lines
	TaxRate  *toll.TaxRate // nil: none
	Tax      toll.Money    // on top of Subtotal, or within it (TaxRate.Inclusive)
	Total    toll.Money    // with tax; less than nothing where more is given back than is owed
	Credited toll.Money    // of Total, paid by the customer's credits
	Due      toll.Money    // what is left to pay, never less than nothing
	Carried  toll.Money    // what becomes a credit of the customer, because Total is less than nothing

	ClosedAt time.Time // when it became paid, void or uncollectible; zero before
	Note     string    // why, in the words of who did it
}

// MonthSplit says what became of a unit's chargeable usage in a month; of a
// correction, how that changed.
type MonthSplit struct {
	Month Span
	UnitSplit
	Late bool
}

// transitions are which states may follow which.
var transitions = map[State][]State{
	InDraft:       {Open, Paid, Empty},
	Open:          {Paid, Void, Uncollectible},
	Uncollectible: {Paid},
}

// Move gives the invoice in another state, since at. Conflict: its state does
// not go there; a paid invoice is not voided, but answered by a credit note.
func (i Invoice) Move(to State, at time.Time, note string) (Invoice, error) {
	for _, next := range transitions[i.State] {
		if next == to {
			i.State, i.ClosedAt, i.Note = to, at, note
			return i, nil
		}
	}
	name := i.Number
	if name == "" {
		name = "of " + i.Month.From.Format(time.DateOnly)
	}
	return i, toll.Errorf(toll.Conflict, "Invoice %s is %s and cannot become %s.", name, i.State, to)
}
