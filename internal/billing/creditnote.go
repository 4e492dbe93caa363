package billing

import (
	"math/big"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// CreditNote takes back a part of an invoice that was cut, or all of it. The
// invoice itself is never changed.
type CreditNote struct {
	ID      string     // crn_…
	Number  string     // NumberOf
	Invoice string     // its ID
	Amount  toll.Money // with tax, more than nothing
	Tax     toll.Money // the part of Amount that is tax
	// Of Amount, what the customer need not pay any more; the rest is a credit for
	// what comes, because it is paid already.
	Unpaid, Credit toll.Money
	Reason         string
}

// NewCreditNote makes a credit note about an invoice that has some already.
// Conflict: the invoice is not one that can be credited. Invalid: the amount is
// not more than nothing, or more than is left of the invoice's total.
func NewCreditNote(invoice Invoice, before []CreditNote, amount toll.Money, reason string) (CreditNote, error) {
	if invoice.State != Open && invoice.State != Paid && invoice.State != Uncollectible {
		return CreditNote{}, toll.Errorf(toll.Conflict, "Invoice %s is %s: there is nothing to give back.", invoice.Number, invoice.State)
	}
	left, unpaid := invoice.Total.Minor, int64(0)
	if invoice.State != Paid {
		unpaid = invoice.Due.Minor
	}
	for _, n := range before {
		left -= n.Amount.Minor
		unpaid -= n.Unpaid.Minor
	}
	if amount.Currency != invoice.Total.Currency || amount.Minor <= 0 || amount.Minor > left {
		return CreditNote{}, toll.FieldError("amount", "A credit note for invoice %s takes more than 0 and at most %s.", invoice.Number, toll.Money{Minor: max(0, left), Currency: invoice.Total.Currency})
	}
	out := CreditNote{Invoice: invoice.ID, Amount: amount, Reason: reason}
	// The tax in all notes so far and in this one is rounded together, so that
	// notes for the whole invoice give back the whole tax.
	so := toll.Money{Minor: invoice.Total.Minor - left, Currency: amount.Currency}
	whole, tax := new(big.Rat).SetInt64(invoice.Total.Minor), new(big.Rat).SetInt64(invoice.Tax.Minor)
	earlier := percentOf(so, tax, whole)
	so.Minor += amount.Minor
	out.Tax = percentOf(so, tax, whole)
	out.Tax.Minor -= earlier.Minor
	out.Unpaid = toll.Money{Minor: min(amount.Minor, max(0, unpaid)), Currency: amount.Currency}
	out.Credit = toll.Money{Minor: amount.Minor - out.Unpaid.Minor, Currency: amount.Currency}
	return out, nil
}
