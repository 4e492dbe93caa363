package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

var _ billing.Ledger = (*Store)(nil)

// ReadBooks runs f over a customer's books as they are at one moment:
// billing.Ledger has the promise.
func (s *Store) ReadBooks(ctx context.Context, customer string, f func(r billing.Reader, now time.Time) error) error {
	if !storable(customer) {
		return s.fail(sql.ErrNoRows, customerFault("reading the books of a customer"))
	}
	now := s.clock() // before the first reading: all that is stored before it is seen
	return s.fail(s.read(ctx, func(tx *sql.Tx) error {
		c, err := scanCustomer(tx.QueryRowContext(ctx, `select `+customerColumns+` from customer where id = $1`, customer))
		if err != nil {
			return err
		}
		return f(&bookReader{tx: tx, customer: c, plans: versionReader{tx: tx}}, now)
	}), customerFault("reading the books of a customer"))
}

// bookReader reads one customer's books in one transaction.
type bookReader struct {
	tx       *sql.Tx
	customer toll.Customer
	plans    versionReader
}

func (b *bookReader) Books(ctx context.Context) (billing.Books, error) {
	out := billing.Books{Customer: b.customer}
	var err error
	if out.Phases, err = phasesOf(ctx, b.tx, b.customer.ID, &b.plans); err != nil {
		return out, err
	}
	err = b.tx.QueryRowContext(ctx, `select country, tax_exempt, revision from billing_account where customer_id = $1`, b.customer.ID).
		Scan(&out.Country, &out.TaxExempt, &out.Revision)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return out, err
	}
	if out.Months, err = b.months(ctx); err != nil {
		return out, err
	}
	if out.Redemptions, err = collect(ctx, b.tx, func(r row) (billing.Redemption, error) {
		var one billing.Redemption
		var text string
		if err := r.Scan(&text, (*stamp)(&one.From), (*instant)(&one.Ended)); err != nil {
			return one, err
		}
		var d couponDocument
		err := json.Unmarshal([]byte(text), &d)
		one.Coupon = d.coupon()
		return one, err
	}, `select document, begins_at, ended_at from coupon_redemption where customer_id = $1 order by begins_at, coupon`, b.customer.ID); err != nil {
		return out, err
	}
	out.Credits, err = collect(ctx, b.tx, func(r row) (toll.Money, error) {
		var m toll.Money
		err := r.Scan(&m.Currency, &m.Minor)
		return m, err
	}, `select currency, cast(sum(remaining) as bigint) from credit where customer_id = $1 and remaining > 0 group by currency order by currency`, b.customer.ID)
	return out, err
}

// months reads what was invoiced, by month.
func (b *bookReader) months(ctx context.Context) ([]billing.Invoiced, error) {
	type kept struct{ terms, splits string }
	rows, err := collect(ctx, b.tx, func(r row) (k kept, err error) {
		err = r.Scan(&k.terms, &k.splits)
		return k, err
	}, `select terms, splits from invoice where customer_id = $1 order by month_from`, b.customer.ID)
	if err != nil {
		return nil, err
	}
	out := make([]billing.Invoiced, len(rows))
	at := map[int64]int{} // by the month's beginning
	for i, k := range rows {
		var d termsDocument
		if err := json.Unmarshal([]byte(k.terms), &d); err != nil {
			return nil, fmt.Errorf("reading the terms of an invoice: %w", err)
		}
		if out[i].Terms, err = d.terms(ctx, &b.plans); err != nil {
			return nil, err
		}
		at[d.Month[0]] = i
	}
	for _, k := range rows {
		var splits []splitDocument
		if err := json.Unmarshal([]byte(k.splits), &splits); err != nil {
			return nil, fmt.Errorf("reading what became of an invoice's units: %w", err)
		}
		for _, d := range splits {
			if i, ok := at[d.Month[0]]; ok {
				out[i].Splits = append(out[i].Splits, billing.MonthSplit{
					Month: out[i].Terms.Month, UnitSplit: billing.UnitSplit{Unit: d.Unit, Included: d.Included, Billed: d.Billed}, Late: d.Late,
				})
			}
		}
	}
	lines, err := collect(ctx, b.tx, scanLine, `select l.line from invoice_line l join invoice i on i.id = l.invoice_id
		where i.customer_id = $1 order by i.month_from, l.position`, b.customer.ID)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		if i, ok := at[l.Month.From.UnixMicro()]; ok {
			out[i].Lines = append(out[i].Lines, l)
		}
	}
	return out, nil
}

func scanLine(r row) (billing.Line, error) {
	var text string
	if err := r.Scan(&text); err != nil {
		return billing.Line{}, err
	}
	var d lineDocument
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return billing.Line{}, fmt.Errorf("reading a line of an invoice: %w", err)
	}
	return d.line()
}

func (b *bookReader) Used(ctx context.Context, span billing.Span) ([]billing.Counted, error) {
	return collect(ctx, b.tx, func(r row) (billing.Counted, error) {
		c := billing.Counted{Start: span.From}
		err := r.Scan(&c.Version, &c.Unit, &c.Count)
		return c, err
	}, `select v.name, u.name, g.amount
		from (select plan_version, unit, cast(sum(amount) as bigint) as amount from rollup_quarter
			where customer = (select id from usage_name where name = $1) and period >= $2 and period < $3 and class = `+chargeableClass+`
			group by plan_version, unit) g
		join usage_name v on v.id = g.plan_version
		join usage_name u on u.id = g.unit
		where g.amount <> 0
		order by v.name, u.name`, b.customer.ID, stamp(span.From), stamp(span.To))
}

// chargeableClass is classNumber(toll.Chargeable), written out.
const chargeableClass = `1`

func (b *bookReader) Phase(ctx context.Context, version string) (billing.Phase, error) {
	plan, err := b.plans.plan(ctx, version)
	return billing.Phase{Version: version, Plan: plan}, err
}

func (b *bookReader) Evidence(ctx context.Context, span billing.Span) ([]billing.Evidence, error) {
	rows, err := b.tx.QueryContext(ctx, eventsFrom(`select * from usage_event
		where customer = (select id from usage_name where name = $1) and time >= $2 and time < $3 and class = `+chargeableClass, ``, `e.id`),
		b.customer.ID, stamp(span.From), stamp(span.To))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var c billing.Collector
	for rows.Next() {
		e, err := scanEvent(rows)
		if err != nil {
			return nil, err
		}
		if err := c.Add(&e); err != nil {
			return nil, err
		}
	}
	return c.Evidence(), rows.Err()
}
