package app

import (
	"context"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/account"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/store"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// newIDs makes the IDs of invoices and credits.
var newIDs = toll.NewIDs(nil)

// invoicing cuts invoices from the store's books, by the add-ons and taxes of
// the configuration in force.
func (r *rooms) invoicing() *billing.Invoicing {
	return billing.NewInvoicing(r.store, r.plans, r.plans.taxes, newIDs.NewID, r.at.zone(), invoiceEntry)
}

// invoiceEntry is what the audit log says of an invoice: who cut it is the
// program, also where somebody told it to (the entry's way says so).
func invoiceEntry(ctx context.Context, i *billing.Invoice, at time.Time) toll.Entry {
	return account.NewEntry(ctx, account.System, account.CutInvoice, i.Customer, i.ID, at, nil, account.Facts{
		"month": i.Month.From.Format(time.DateOnly), "state": string(i.State), "total": i.Total.String(), "credited": i.Credited.String(),
	})
}

// InvoiceShown is an invoice as commands show it. Amounts are in major units,
// with their currency.
type InvoiceShown struct {
	ID           string             `json:"id"`
	Number       string             `json:"number,omitempty"`
	Customer     string             `json:"customer"`
	State        string             `json:"state"`
	From         time.Time          `json:"from"`
	To           time.Time          `json:"to"`
	StoredBefore time.Time          `json:"stored_before"`
	Lines        []InvoiceLineShown `json:"lines,omitempty"`
	Subtotal     string             `json:"subtotal"`
	TaxRate      string             `json:"tax_rate,omitempty"`
	Tax          string             `json:"tax"`
	Total        string             `json:"total"`
	Credited     string             `json:"credited"`
	Due          string             `json:"due"`
	Carried      string             `json:"carried"`
	ClosedAt     *time.Time         `json:"closed_at,omitempty"`
	Note         string             `json:"note,omitempty"`
	Evidence     []EvidenceShown    `json:"evidence,omitempty"`
}

// InvoiceLineShown is a line of an invoice. From and To are the month that it is
// for; of a correction, an earlier one than the invoice's.
type InvoiceLineShown struct {
	LineShown
	Plan string    `json:"plan_version,omitempty"`
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Late bool      `json:"late"`
}

// EvidenceShown says which events a day's usage is made of.
type EvidenceShown struct {
	Month  string `json:"month"` // its first day
	Plan   string `json:"plan_version"`
	Unit   string `json:"unit"`
	Day    string `json:"day"`
	Events int64  `json:"events"`
	Count  int64  `json:"count"`
	First  string `json:"first_event"`
	Last   string `json:"last_event"`
	Digest string `json:"sha256"`
}

// InvoicesShown are invoices without their lines, but for those that were cut.
type InvoicesShown struct {
	Invoices []InvoiceShown `json:"invoices"`
}

func shownInvoice(i *billing.Invoice) InvoiceShown {
	out := InvoiceShown{
		ID: i.ID, Number: i.Number, Customer: i.Customer, State: string(i.State), From: i.Month.From, To: i.Month.To, StoredBefore: i.StoredBefore,
		Subtotal: i.Subtotal.String(), Tax: i.Tax.String(), Total: i.Total.String(), Credited: i.Credited.String(), Due: i.Due.String(), Carried: i.Carried.String(), Note: i.Note,
	}
	if i.TaxRate != nil {
		how := "added"
		if i.TaxRate.Inclusive {
			how = "included"
		}
		out.TaxRate = fmt.Sprintf("%s %s %%, %s", i.TaxRate.Title, i.TaxRate.Percent, how)
	}
	if !i.ClosedAt.IsZero() {
		out.ClosedAt = &i.ClosedAt
	}
	for _, l := range i.Lines {
		out.Lines = append(out.Lines, InvoiceLineShown{
			LineShown: LineShown{Kind: string(l.Kind), Unit: l.Unit, Quantity: l.Quantity, Included: l.Included, Billed: l.Billed, Text: describeLine(l), Amount: l.Amount.String()},
			Plan:      l.Version, From: l.Month.From, To: l.Month.To, Late: l.Late,
		})
	}
	return out
}

// InvoicesCut asks for invoices of every month that is over.
type InvoicesCut struct {
	Customer string `json:"customer,omitempty"` // "": of all
	Since    string `json:"since,omitempty"`    // of customers without an invoice, not the months before this one ("2026-11")
}

func cutInvoices(ctx context.Context, r *rooms, in InvoicesCut) (InvoicesShown, error) {
	out := InvoicesShown{Invoices: []InvoiceShown{}}
	var since time.Time
	if in.Since != "" {
		var err error
		if since, err = time.ParseInLocation("2006-01", in.Since, r.at.zone()); err != nil {
			return out, toll.FieldError("since", "--since takes a month as 2026-11; got %q", in.Since)
		}
	}
	if err := r.drain(ctx, 0); err != nil {
		return out, err
	}
	keep := func(i billing.Invoice) error {
		if i.State != billing.Empty {
			out.Invoices = append(out.Invoices, shownInvoice(&i))
		}
		return nil
	}
	if in.Customer == "" {
		return out, r.invoicing().CutAll(ctx, since, keep)
	}
	invoices, err := r.invoicing().Cut(ctx, in.Customer, since)
	for _, i := range invoices {
		_ = keep(i) // has no error
	}
	return out, err
}

// InvoicesList asks for a page of invoices, the newest first.
type InvoicesList struct {
	Customer string `json:"customer,omitempty"`
	State    string `json:"state,omitempty"`
	Before   string `json:"before,omitempty"`
	Limit    int    `json:"limit,omitempty"`
}

func listInvoices(ctx context.Context, r *rooms, in InvoicesList) (InvoicesShown, error) {
	out := InvoicesShown{Invoices: []InvoiceShown{}}
	all, err := r.store.Invoices(ctx, store.InvoiceQuery{Customer: in.Customer, State: billing.State(in.State), Before: in.Before, Limit: in.Limit})
	for i := range all {
		out.Invoices = append(out.Invoices, shownInvoice(&all[i]))
	}
	return out, err
}

// InvoiceID names an invoice by its ID or number.
type InvoiceID struct {
	Invoice string `json:"invoice"`
}

func showInvoice(ctx context.Context, r *rooms, in InvoiceID) (InvoiceShown, error) {
	i, err := r.store.Invoice(ctx, in.Invoice)
	if err != nil {
		return InvoiceShown{}, err
	}
	out := shownInvoice(&i)
	evidence, err := r.store.EvidenceOf(ctx, i.ID)
	for k := range evidence {
		e := &evidence[k]
		out.Evidence = append(out.Evidence, EvidenceShown{
			Month: e.Month.From.In(i.Month.From.Location()).Format(time.DateOnly), Plan: e.Version, Unit: e.Unit, Day: e.Day.Format(time.DateOnly),
			Events: e.Events, Count: e.Count, First: e.First.String(), Last: e.Last.String(), Digest: fmt.Sprintf("%x", e.Digest),
		})
	}
	return out, err
}

// InvoiceMove says what became of an invoice.
type InvoiceMove struct {
	Invoice string `json:"invoice"`
	State   string `json:"state"` // "paid", "void" or "uncollectible"
	Note    string `json:"note,omitempty"`
}

func moveInvoice(ctx context.Context, r *rooms, in InvoiceMove) (InvoiceShown, error) {
	if len(in.Note) > maxReason {
		return InvoiceShown{}, toll.FieldError("note", "the note has %d bytes; it may have %d", len(in.Note), maxReason)
	}
	i, err := r.store.MoveInvoice(ctx, in.Invoice, billing.State(in.State), r.clock(), in.Note, account.NewEntry(ctx, account.System, account.MovedInvoice, "", in.Invoice, r.clock(), nil, nil))
	if err != nil {
		return InvoiceShown{}, err
	}
	return shownInvoice(&i), nil
}

// CreditGrant gives a customer a credit.
type CreditGrant struct {
	Customer string `json:"customer"`
	Amount   string `json:"amount"` // in major units: "10.00"
	Currency string `json:"currency"`
	Note     string `json:"note,omitempty"`
}

// CreditShown is a credit as commands show it.
type CreditShown struct {
	ID       string `json:"id"`
	Customer string `json:"customer"`
	Amount   string `json:"amount"`
}

func grantCredit(ctx context.Context, r *rooms, in CreditGrant) (CreditShown, error) {
	amount, err := billing.ReadMoney(toll.Decimal(in.Amount), in.Currency)
	if err != nil {
		return CreditShown{}, toll.FieldError("amount", "--amount takes an amount such as 10.00 and --currency its three letters, and no more digits than it has; got %q and %q", in.Amount, in.Currency)
	}
	if len(in.Note) > maxReason {
		return CreditShown{}, toll.FieldError("note", "the note has %d bytes; it may have %d", len(in.Note), maxReason)
	}
	now := r.clock()
	c := billing.Credit{ID: newIDs.NewID("crd", now), Customer: in.Customer, Amount: amount, Note: in.Note, GrantedAt: now}
	e := account.NewEntry(ctx, account.System, account.GrantedCredit, c.Customer, c.ID, now, nil, account.Facts{"amount": amount.String()})
	return CreditShown{ID: c.ID, Customer: c.Customer, Amount: amount.String()}, r.store.GrantCredit(ctx, c, e)
}

// CouponRedeem gives a customer a coupon of the configuration, or takes it away.
type CouponRedeem struct {
	Customer string `json:"customer"`
	Coupon   string `json:"coupon"`
	End      bool   `json:"end,omitempty"`
}

// CouponRedeemed says from when on a coupon holds, or holds no more.
type CouponRedeemed struct {
	Customer string    `json:"customer"`
	Coupon   string    `json:"coupon"`
	From     time.Time `json:"from,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
}

func redeemCoupon(ctx context.Context, r *rooms, in CouponRedeem) (CouponRedeemed, error) {
	out := CouponRedeemed{Customer: in.Customer, Coupon: in.Coupon}
	if in.End {
		out.Ended = r.clock()
		e := account.NewEntry(ctx, account.System, account.EndedCoupon, in.Customer, in.Customer, out.Ended, account.Facts{"coupon": in.Coupon}, nil)
		return out, r.store.EndCoupon(ctx, in.Customer, in.Coupon, out.Ended, e)
	}
	coupon, ok := r.plans.coupon(in.Coupon)
	if !ok {
		return out, toll.FieldError("coupon", "There is no coupon %q in the configuration.", in.Coupon)
	}
	month, rated, err := r.invoicing().Month(ctx, in.Customer)
	if err != nil {
		return out, err
	}
	if currency := rated.Total.Currency; currency != "" {
		if err := billing.CheckCoupon(coupon, currency); err != nil {
			return out, toll.FieldError("coupon", "The coupon %q cannot be taken off this customer's bills: %v.", in.Coupon, err)
		}
	}
	out.From = month.From
	facts := account.Facts{"coupon": in.Coupon, "from": out.From.Format(time.DateOnly)}
	e := account.NewEntry(ctx, account.System, account.RedeemedCoupon, in.Customer, in.Customer, r.clock(), nil, facts)
	return out, r.store.RedeemCoupon(ctx, in.Customer, billing.Redemption{Coupon: coupon, From: month.From}, e)
}

// TaxSet says which tax a customer pays.
type TaxSet struct {
	Customer string `json:"customer"`
	Country  string `json:"country"`
	Exempt   bool   `json:"exempt"`
}

// TaxShown is which tax a customer pays from the next invoice on.
type TaxShown struct {
	TaxSet
	Rate string `json:"rate,omitempty"` // its name in the configuration, "" for none
}

func setTax(ctx context.Context, r *rooms, in TaxSet) (TaxShown, error) {
	out := TaxShown{TaxSet: in}
	if !billing.IsCountry(in.Country) {
		return out, toll.FieldError("country", "--country takes the two letters of ISO 3166, such as DE; got %q", in.Country)
	}
	if rate, ok := toll.TaxFor(r.plans.taxes(), in.Country); ok && !in.Exempt {
		out.Rate = rate.Name
	}
	country, exempt, err := r.store.Taxed(ctx, in.Customer)
	if err != nil {
		return out, err
	}
	was, is := account.Facts{"country": country, "exempt": exempt}, account.Facts{"country": in.Country, "exempt": in.Exempt}
	e := account.NewEntry(ctx, account.System, account.SetTax, in.Customer, in.Customer, r.clock(), was, is)
	return out, r.store.SetTaxed(ctx, in.Customer, in.Country, in.Exempt, e)
}
