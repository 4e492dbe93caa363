package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

func invoiceFault(doing string) fault {
	return fault{
		doing:   doing,
		missing: "This invoice does not exist.",
		exists:  "This month has an invoice already.",
		rule:    "An invoice needs a customer, a month and a known state.",
	}
}

// StoreInvoice stores an invoice with all that belongs to it in one
// transaction: billing.Ledger has the promise. The number is taken last, so that
// the row of numbers is locked for an instant, and no number is ever left out.
func (s *Store) StoreInvoice(ctx context.Context, i billing.Invoice, t billing.Terms, evidence []billing.Evidence, revision int64, phases int, e toll.Entry) (billing.Invoice, error) {
	if err := refuseUnstorable(field{"id", i.ID}, field{"customer", i.Customer}, field{"note", i.Note}); err != nil {
		return billing.Invoice{}, err
	}
	out := i
	err := s.record(ctx, invoiceFault("storing an invoice"), &e, func(tx transaction) error {
		out = i
		if err := takeBooks(ctx, tx, i.Customer, revision); err != nil {
			return err
		}
		var have int
		if err := tx.QueryRowContext(ctx, `select count(*) from subscription_phase where customer_id = $1`, i.Customer).Scan(&have); err != nil {
			return err
		}
		if have != phases {
			return errStaleBooks
		}
		if i.State != billing.Empty {
			var n int64
			if err := tx.QueryRowContext(ctx, `insert into paper_number (kind, last) values ('invoice', 1)
				on conflict (kind) do update set last = paper_number.last + 1 returning last`).Scan(&n); err != nil {
				return err
			}
			out.Number = billing.NumberOf(billing.InvoicePrefix, n)
		}
		if err := insertInvoice(ctx, tx, &out, &t); err != nil {
			return err
		}
		if err := insertEvidence(ctx, tx, out.ID, evidence); err != nil {
			return err
		}
		if err := moveCredits(ctx, tx, &out); err != nil {
			return err
		}
		if out.State == billing.Empty { // no paper: it only says that the month was looked at
			return errNothing
		}
		return nil
	})
	if err != nil {
		return billing.Invoice{}, err
	}
	return out, nil
}

var errStaleBooks = toll.Errorf(toll.Conflict, "The bills of this customer were changed meanwhile; look at them again and repeat your change.")

// takeBooks locks a customer's books and raises their revision. Conflict: they
// are at another one.
func takeBooks(ctx context.Context, tx transaction, customer string, revision int64) error {
	if err := raiseBooks(ctx, tx, customer); err != nil {
		return err
	}
	var now int64
	if err := tx.QueryRowContext(ctx, `select revision from billing_account where customer_id = $1`, customer).Scan(&now); err != nil {
		return err
	}
	if now != revision+1 {
		return errStaleBooks
	}
	return nil
}

func insertInvoice(ctx context.Context, tx transaction, i *billing.Invoice, t *billing.Terms) error {
	terms, err := encode(termsDocumentOf(t))
	if err != nil {
		return err
	}
	splits, err := encode(splitDocuments(i.Splits))
	if err != nil {
		return err
	}
	leftOut := make([]spanDocument, len(i.LeftOut))
	for n, s := range i.LeftOut {
		leftOut[n] = spanOf(s)
	}
	left, err := encode(leftOut)
	if err != nil {
		return err
	}
	tax := ""
	if i.TaxRate != nil {
		if tax, err = encode(taxDocument(*i.TaxRate)); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, `insert into invoice (id, customer_id, number, state, month_from, month_to, stored_before, currency,
			subtotal, tax, total, credited, due, carried, tax_rate, terms, splits, left_out, closed_at, note)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)`,
		i.ID, i.Customer, sql.NullString{String: i.Number, Valid: i.Number != ""}, string(i.State), stamp(i.Month.From), stamp(i.Month.To), stamp(i.StoredBefore), i.Total.Currency,
		i.Subtotal.Minor, i.Tax.Minor, i.Total.Minor, i.Credited.Minor, i.Due.Minor, i.Carried.Minor, tax, terms, splits, left, instant(i.ClosedAt), i.Note); err != nil {
		return err
	}
	for n := range i.Lines {
		l := &i.Lines[n]
		text, err := encode(lineDocumentOf(l))
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, `insert into invoice_line (invoice_id, position, month_from, late, amount, line) values ($1, $2, $3, $4, $5, $6)`,
			i.ID, n+1, stamp(l.Month.From), l.Late, l.Amount.Minor, text); err != nil {
			return err
		}
	}
	return nil
}

func insertEvidence(ctx context.Context, tx transaction, invoice string, evidence []billing.Evidence) error {
	for k := range evidence {
		e := &evidence[k]
		if _, err := tx.ExecContext(ctx, `insert into invoice_evidence (invoice_id, month_from, plan_version, unit, day, events, amount, first_event, last_event, digest)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			invoice, stamp(e.Month.From), e.Version, e.Unit, stamp(e.Day), e.Events, e.Count, e.First[:], e.Last[:], e.Digest[:]); err != nil {
			return err
		}
	}
	return nil
}

// moveCredits takes what an invoice was paid with from the customer's oldest
// credits, and makes a credit of what it gives back.
func moveCredits(ctx context.Context, tx transaction, i *billing.Invoice) error {
	type left struct {
		id        string
		remaining int64
	}
	take := i.Credited.Minor
	if take > 0 {
		credits, err := collect(ctx, tx, func(r row) (l left, err error) {
			err = r.Scan(&l.id, &l.remaining)
			return l, err
		}, `select id, remaining from credit where customer_id = $1 and currency = $2 and remaining > 0 order by granted_at, id`, i.Customer, i.Total.Currency)
		if err != nil {
			return err
		}
		for _, c := range credits {
			part := min(take, c.remaining)
			if part == 0 {
				break
			}
			if err := change(ctx, tx, `update credit set remaining = remaining - $2 where id = $1`, c.id, part); err != nil {
				return err
			}
			take -= part
		}
		if take > 0 {
			return errStaleBooks
		}
	}
	if i.Carried.Minor > 0 {
		return insertCredit(ctx, tx, billing.Credit{ID: "crd_" + i.ID, Customer: i.Customer, Amount: i.Carried, Remaining: i.Carried, Note: i.Number, Invoice: i.ID, GrantedAt: i.StoredBefore})
	}
	return nil
}

const invoiceColumns = `id, customer_id, number, state, terms, stored_before, currency, subtotal, tax, total, credited, due, carried, tax_rate, splits, left_out, closed_at, note`

func scanInvoice(r row) (billing.Invoice, error) {
	var i billing.Invoice
	var number sql.NullString
	var terms, currency, tax, splits, left string
	if err := r.Scan(&i.ID, &i.Customer, &number, &i.State, &terms, (*stamp)(&i.StoredBefore), &currency, &i.Subtotal.Minor, &i.Tax.Minor,
		&i.Total.Minor, &i.Credited.Minor, &i.Due.Minor, &i.Carried.Minor, &tax, &splits, &left, (*instant)(&i.ClosedAt), &i.Note); err != nil {
		return i, err
	}
	i.Number = number.String
	for _, m := range []*toll.Money{&i.Subtotal, &i.Tax, &i.Total, &i.Credited, &i.Due, &i.Carried} {
		m.Currency = currency
	}
	var of termsDocument
	var splitted []splitDocument
	var waiting []spanDocument
	for text, into := range map[string]any{terms: &of, splits: &splitted, left: &waiting} {
		if err := json.Unmarshal([]byte(text), into); err != nil {
			return i, fmt.Errorf("reading invoice %s: %w", i.ID, err)
		}
	}
	zone, err := time.LoadLocation(of.Zone)
	if err != nil {
		return i, fmt.Errorf("the time zone of invoice %s: %w", i.ID, err)
	}
	i.Month = of.Month.span(zone)
	for _, d := range splitted {
		i.Splits = append(i.Splits, billing.MonthSplit{Month: d.Month.span(zone), UnitSplit: billing.UnitSplit{Unit: d.Unit, Included: d.Included, Billed: d.Billed}, Late: d.Late})
	}
	for _, d := range waiting {
		i.LeftOut = append(i.LeftOut, d.span(zone))
	}
	if tax != "" {
		var d taxDocument
		if err := json.Unmarshal([]byte(tax), &d); err != nil {
			return i, fmt.Errorf("reading the tax rate of invoice %s: %w", i.ID, err)
		}
		rate := toll.TaxRate(d)
		i.TaxRate = &rate
	}
	return i, nil
}

// Invoice returns an invoice with its lines, by its ID or its number. NotFound.
func (s *Store) Invoice(ctx context.Context, id string) (billing.Invoice, error) {
	f := invoiceFault("reading an invoice")
	if !storable(id) {
		return billing.Invoice{}, s.fail(sql.ErrNoRows, f)
	}
	i, err := scanInvoice(s.reader.QueryRowContext(ctx, `select `+invoiceColumns+` from invoice where id = $1 or number = $1`, id))
	if err == nil {
		i.Lines, err = collect(ctx, s.reader, scanLine, `select line from invoice_line where invoice_id = $1 order by position`, i.ID)
	}
	return i, s.fail(err, f)
}

// InvoiceQuery narrows a list of invoices. Empty fields do not narrow.
type InvoiceQuery struct {
	Customer string
	State    billing.State // "": all but those that are empty
	Before   string        // the ID of the last one of the page before
	Limit    int           // 1 to 500; 0 is 50
}

// Invoices lists invoices without their lines, those of the newest months first.
func (s *Store) Invoices(ctx context.Context, q InvoiceQuery) ([]billing.Invoice, error) {
	if q.Limit < 0 || q.Limit > 500 {
		return nil, toll.FieldError("limit", "Ask for 1 to 500 invoices.")
	}
	if !storable(q.Customer + q.Before + string(q.State)) {
		return nil, nil
	}
	if q.Limit == 0 {
		q.Limit = 50
	}
	var c conditions
	if q.Customer != "" {
		c.add(`customer_id = ` + c.arg(q.Customer))
	}
	if q.State != "" {
		c.add(`state = ` + c.arg(string(q.State)))
	} else {
		c.add(`state <> 'empty'`)
	}
	if q.Before != "" {
		c.add(`(month_to, id) < (select month_to, id from invoice where id = ` + c.arg(q.Before) + `)`)
	}
	all, err := collect(ctx, s.reader, scanInvoice, `select `+invoiceColumns+` from invoice`+c.where()+` order by month_to desc, id desc limit `+c.arg(q.Limit), c.args...)
	return all, s.fail(err, invoiceFault("listing invoices"))
}

// MoveInvoice carries out what billing.Invoice.Move decides, for one invoice,
// by its ID or number, and says so in the entry: customer, invoice and states.
// NotFound; Conflict: its state does not go there.
func (s *Store) MoveInvoice(ctx context.Context, id string, to billing.State, at time.Time, note string, e toll.Entry) (billing.Invoice, error) {
	f := invoiceFault("changing an invoice")
	if err := refuseUnstorable(field{"id", id}, field{"note", note}); err != nil {
		return billing.Invoice{}, err
	}
	var out billing.Invoice
	err := s.record(ctx, f, &e, func(tx transaction) error {
		if err := change(ctx, tx, `update invoice set state = state where id = $1 or number = $1`, id); err != nil {
			return err
		}
		i, err := scanInvoice(tx.QueryRowContext(ctx, `select `+invoiceColumns+` from invoice where id = $1 or number = $1`, id))
		if err != nil {
			return err
		}
		if out, err = i.Move(to, at, note); err != nil {
			return err
		}
		if err := change(ctx, tx, `update invoice set state = $2, closed_at = $3, note = $4 where id = $1`, i.ID, string(out.State), instant(at), note); err != nil {
			return err
		}
		e.Customer, e.Object = i.Customer, i.ID
		e.Before, e.After = fmt.Sprintf(`{"state":%q}`, i.State), fmt.Sprintf(`{"state":%q}`, out.State)
		if to != billing.Void || i.Credited.Minor == 0 {
			return nil
		}
		// What credits paid of it is theirs again.
		if err := raiseBooks(ctx, tx, i.Customer); err != nil {
			return err
		}
		return insertCredit(ctx, tx, billing.Credit{ID: "crd_void_" + i.ID, Customer: i.Customer, Amount: i.Credited, Remaining: i.Credited, Note: i.Number, Invoice: i.ID, GrantedAt: at})
	})
	if err != nil {
		return billing.Invoice{}, err
	}
	return out, nil
}

// EvidenceOf returns which events an invoice's usage was made of, by month, plan
// version, unit and day. An invoice that is not there has none.
func (s *Store) EvidenceOf(ctx context.Context, invoice string) ([]billing.Evidence, error) {
	if !storable(invoice) {
		return nil, nil
	}
	all, err := collect(ctx, s.reader, func(r row) (billing.Evidence, error) {
		var e billing.Evidence
		var first, last, digest []byte
		err := r.Scan((*stamp)(&e.Month.From), (*stamp)(&e.Month.To), &e.Version, &e.Unit, (*stamp)(&e.Day), &e.Events, &e.Count, &first, &last, &digest)
		copy(e.First[:], first)
		copy(e.Last[:], last)
		copy(e.Digest[:], digest)
		return e, err
	}, `select e.month_from, m.month_to, e.plan_version, e.unit, e.day, e.events, e.amount, e.first_event, e.last_event, e.digest
		from invoice_evidence e
		join invoice i on i.id = e.invoice_id
		join invoice m on m.customer_id = i.customer_id and m.month_from = e.month_from
		where e.invoice_id = $1 order by e.month_from, e.plan_version, e.unit, e.day`, invoice)
	return all, s.fail(err, invoiceFault("reading the evidence of an invoice"))
}
