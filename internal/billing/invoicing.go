package billing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Ledger keeps invoices. Every method is safe for concurrent use.
type Ledger interface {
	EachCustomer(ctx context.Context, f func(toll.Customer) error) error
	// ReadBooks runs f over a customer's books as they are at one moment, which it
	// is given too. NotFound: there is no such customer.
	ReadBooks(ctx context.Context, customer string, f func(r Reader, now time.Time) error) error
	// StoreInvoice stores an invoice that was made of books at a revision, in one
	// transaction with its number, its evidence, and what it takes of credits and
	// gives to them. It returns the invoice with its number. Conflict: the books are
	// at another revision by now, and nothing was stored. An Empty invoice gets no number and no
	// audit entry.
	StoreInvoice(ctx context.Context, i Invoice, t Terms, evidence []Evidence, revision int64, phases int, e toll.Entry) (Invoice, error)
}

// Invoicing cuts invoices. Every method is safe for concurrent use, also beside
// the same in other processes: each month of a customer is cut once.
type Invoicing struct {
	ledger Ledger
	addons Addons
	taxes  func() []toll.TaxRate
	newID  func(prefix string, now time.Time) string
	zone   *time.Location
	entry  Entry
}

// Entry makes the audit entry of an invoice that is cut at a moment.
type Entry func(ctx context.Context, i *Invoice, at time.Time) toll.Entry

// NewInvoicing puts together where the books are, what add-ons (nil: none) and
// taxes (nil: none) there are now, how IDs are made, where months begin (nil:
// UTC), and what the audit log says of an invoice.
func NewInvoicing(ledger Ledger, addons Addons, taxes func() []toll.TaxRate, newID func(prefix string, now time.Time) string, zone *time.Location, entry Entry) *Invoicing {
	if taxes == nil {
		taxes = func() []toll.TaxRate { return nil }
	}
	if zone == nil {
		zone = time.UTC
	}
	return &Invoicing{ledger: ledger, addons: addons, taxes: taxes, newID: newID, zone: zone, entry: entry}
}

// Month is the month that a customer is in, as it stands now, without
// corrections of earlier ones, credits and tax.
func (v *Invoicing) Month(ctx context.Context, customer string) (month Span, rated Rated, err error) {
	err = v.ledger.ReadBooks(ctx, customer, func(r Reader, now time.Time) error {
		b, err := r.Books(ctx)
		if err != nil {
			return err
		}
		at, goesOn, err := b.next(time.Time{})
		if err != nil {
			return err
		}
		var base Span
		for month, base = b.month(at, goesOn, v.zone); !month.To.After(now); month, base = b.month(month.To, true, v.zone) {
		}
		terms, err := b.terms(month, base, v.addons, v.zone)
		if err != nil {
			return err
		}
		usage, err := terms.counted(ctx, r)
		if err == nil {
			rated, err = terms.Rate(usage)
		}
		if err != nil {
			return fmt.Errorf("the bill of customer %s: %w", b.Customer.ID, err)
		}
		return nil
	})
	return month, rated, err
}

// cutting is what the next invoice of a customer is made of.
func (v *Invoicing) cutting(ctx context.Context, r Reader, since, now time.Time) (Cutting, Books, error) {
	b, err := r.Books(ctx)
	if err != nil {
		return Cutting{}, b, err
	}
	at, goesOn, err := b.next(since)
	if err != nil {
		return Cutting{}, b, err
	}
	month, base := b.month(at, goesOn, v.zone)
	c := Cutting{Customer: b.Customer.ID, StoredBefore: now}
	if c.Terms, err = b.terms(month, base, v.addons, v.zone); err != nil {
		return c, b, err
	}
	if c.Usage, err = c.Terms.counted(ctx, r); err != nil {
		return c, b, fmt.Errorf("the bill of customer %s: %w", b.Customer.ID, err)
	}
	for i := range b.Months {
		e := Earlier{Terms: b.Months[i].Terms, Lines: b.Months[i].Lines, Splits: b.Months[i].Splits}
		if e.Usage, err = e.Terms.counted(ctx, r); err != nil {
			return c, b, fmt.Errorf("the bill of customer %s: %w", b.Customer.ID, err)
		}
		c.Earlier = append(c.Earlier, e)
	}
	if !b.TaxExempt {
		if rate, due := toll.TaxFor(v.taxes(), b.Country); due {
			c.Tax = &rate
		}
	}
	currency := c.currency()
	for _, credit := range b.Credits {
		if credit.Currency == currency {
			c.Credit = credit
		}
	}
	return c, b, nil
}

// currency is what the invoice will be in.
func (c *Cutting) currency() string {
	b := bill{terms: &c.Terms}
	b.findCurrency()
	if b.currency != "" {
		return b.currency
	}
	for i := range c.Earlier { // a free month may still correct one that was not
		e := bill{terms: &c.Earlier[i].Terms}
		if e.findCurrency(); e.currency != "" {
			return e.currency
		}
	}
	return ""
}

// tries is how often a month is made anew because the books were written to
// meanwhile.
const tries = 5

// Cut cuts every month of a customer that is over, in their order, and returns
// the invoices, also those that are empty. Called again it cuts nothing twice.
// For a customer that has no invoice yet, months that end before since are left
// out; the zero time: none is. The month in which a customer was closed is its last.
func (v *Invoicing) Cut(ctx context.Context, customer string, since time.Time) ([]Invoice, error) {
	var out []Invoice
	for {
		invoice, done, err := v.cutNext(ctx, customer, since)
		if err != nil || done {
			return out, err
		}
		out = append(out, invoice)
	}
}

func (v *Invoicing) cutNext(ctx context.Context, customer string, since time.Time) (invoice Invoice, done bool, err error) {
	for try := 1; ; try++ {
		var terms Terms
		var evidence []Evidence
		var revision int64
		var phases int
		var e toll.Entry
		err := v.ledger.ReadBooks(ctx, customer, func(r Reader, now time.Time) error {
			c, b, err := v.cutting(ctx, r, since, now)
			if err != nil {
				return err
			}
			left := b.Customer.ClosedAt
			if done = now.Before(c.Terms.Month.To) || !left.IsZero() && !c.Terms.Month.From.Before(left); done {
				return nil
			}
			terms, revision, phases = c.Terms, b.Revision, len(b.Phases)
			if invoice, err = Cut(c); err != nil {
				return err
			}
			invoice.ID = v.newID("inv", now)
			e = v.entry(ctx, &invoice, now)
			evidence, err = gather(ctx, r, &invoice)
			return err
		})
		if err != nil || done {
			return Invoice{}, done, err
		}
		stored, err := v.ledger.StoreInvoice(ctx, invoice, terms, evidence, revision, phases, e)
		if err == nil || try == tries || toll.CodeOf(err) != toll.Conflict {
			return stored, false, err
		}
	}
}

// gather makes the evidence of the months that an invoice has usage of.
func gather(ctx context.Context, r Reader, i *Invoice) ([]Evidence, error) {
	var out []Evidence
	var last Span
	for n, s := range i.Splits {
		if n > 0 && s.Month == last {
			continue
		}
		last = s.Month
		one, err := r.Evidence(ctx, s.Month)
		if err != nil {
			return nil, fmt.Errorf("gather the evidence of %s: %w", monthOf(s.Month), err)
		}
		for k := range one {
			one[k].Month = s.Month
		}
		out = append(out, one...)
	}
	return out, nil
}

// CutAll cuts the months of all customers that are over, and gives each invoice
// to f. What cannot be cut for one customer keeps no other back: those errors
// come joined, in the end. An error of f ends it.
func (v *Invoicing) CutAll(ctx context.Context, since time.Time, f func(Invoice) error) error {
	var problems []error
	err := v.ledger.EachCustomer(ctx, func(c toll.Customer) error {
		invoices, err := v.Cut(ctx, c.ID, since)
		if err != nil {
			problems = append(problems, err)
		}
		for _, i := range invoices {
			if err := f(i); err != nil {
				return err
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return fmt.Errorf("cut invoices: %w", err)
	}
	return errors.Join(problems...)
}
