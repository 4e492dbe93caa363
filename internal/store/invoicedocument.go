package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// The documents of an invoice name their fields themselves, so that renaming
// one elsewhere does not lose what old rows hold. Moments are Unix microseconds.

type spanDocument [2]int64

func spanOf(s billing.Span) spanDocument {
	if s.IsZero() {
		return spanDocument{}
	}
	return spanDocument{s.From.UnixMicro(), s.To.UnixMicro()}
}

func (d spanDocument) span(zone *time.Location) billing.Span {
	if d == (spanDocument{}) {
		return billing.Span{}
	}
	return billing.Span{From: time.UnixMicro(d[0]).In(zone), To: time.UnixMicro(d[1]).In(zone)}
}

type termsDocument struct {
	Zone      string           `json:"zone"`
	Month     spanDocument     `json:"month"`
	Base      spanDocument     `json:"base"`
	Since     int64            `json:"since"`
	Trial     spanDocument     `json:"trial,omitzero"`
	TrialPlan string           `json:"trial_plan,omitempty"`
	Phases    []phaseDocument  `json:"phases"`
	Others    []string         `json:"others,omitempty"` // plan versions that only usage names
	Coupons   []couponDocument `json:"coupons,omitempty"`
}

type phaseDocument struct {
	From    int64           `json:"from"`
	Version string          `json:"plan_version"`
	Addons  []addonDocument `json:"addons,omitempty"`
}

// addonDocument is an add-on as it was sold: what bills ask of it.
type addonDocument struct {
	Name     string         `json:"name"`
	Title    string         `json:"title"`
	Price    priceDocument  `json:"price"`
	Included []unitDocument `json:"included,omitempty"`
}

type unitDocument struct {
	Unit  string `json:"unit"`
	Count int64  `json:"count"`
}

type couponDocument struct {
	Name    string        `json:"name"`
	Title   string        `json:"title"`
	Percent toll.Decimal  `json:"percent,omitempty"`
	Amount  priceDocument `json:"amount,omitzero"`
	Months  int64         `json:"months,omitempty"`
}

func couponDocumentOf(c toll.Coupon) couponDocument {
	return couponDocument{Name: c.Name, Title: c.Title, Percent: c.Percent, Amount: priceDocument(c.Amount), Months: c.Months}
}

func (d couponDocument) coupon() toll.Coupon {
	return toll.Coupon{Name: d.Name, Title: d.Title, Percent: d.Percent, Amount: toll.Price(d.Amount), Months: d.Months}
}

func termsDocumentOf(t *billing.Terms) termsDocument {
	d := termsDocument{
		Zone: t.Month.From.Location().String(), Month: spanOf(t.Month), Base: spanOf(t.Base), Since: t.Since.UnixMicro(),
		Trial: spanOf(t.Trial.Span), TrialPlan: t.Trial.Plan,
	}
	for _, p := range t.Phases {
		one := phaseDocument{From: p.From.UnixMicro(), Version: p.Version}
		for _, a := range p.Addons {
			addon := addonDocument{Name: a.Name, Title: a.Title, Price: priceDocument(a.Price)}
			for _, u := range a.Included {
				addon.Included = append(addon.Included, unitDocument(u))
			}
			one.Addons = append(one.Addons, addon)
		}
		d.Phases = append(d.Phases, one)
	}
	for _, p := range t.Others {
		d.Others = append(d.Others, p.Version)
	}
	for _, c := range t.Coupons {
		d.Coupons = append(d.Coupons, couponDocumentOf(c))
	}
	return d
}

func (d *termsDocument) terms(ctx context.Context, plans *versionReader) (billing.Terms, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return billing.Terms{}, fmt.Errorf("the time zone of an invoice: %w", err)
	}
	t := billing.Terms{
		Month: d.Month.span(zone), Base: d.Base.span(zone), Since: time.UnixMicro(d.Since).UTC(),
		Trial: billing.Trial{Span: d.Trial.span(time.UTC), Plan: d.TrialPlan},
	}
	for _, p := range d.Phases {
		plan, err := plans.plan(ctx, p.Version)
		if err != nil {
			return t, err
		}
		one := billing.Phase{From: time.UnixMicro(p.From).UTC(), Version: p.Version, Plan: plan}
		for _, a := range p.Addons {
			addon := toll.Addon{Name: a.Name, Title: a.Title, Price: toll.Price(a.Price)}
			for _, u := range a.Included {
				addon.Included = append(addon.Included, toll.Amount(u))
			}
			one.Addons = append(one.Addons, addon)
		}
		t.Phases = append(t.Phases, one)
	}
	for _, version := range d.Others {
		plan, err := plans.plan(ctx, version)
		if err != nil {
			return t, err
		}
		t.Others = append(t.Others, billing.Phase{Version: version, Plan: plan})
	}
	for _, c := range d.Coupons {
		t.Coupons = append(t.Coupons, c.coupon())
	}
	return t, nil
}

type lineDocument struct {
	Kind     billing.LineKind `json:"kind"`
	Unit     string           `json:"unit,omitempty"`
	Addon    string           `json:"addon,omitempty"`
	Title    string           `json:"title,omitempty"`
	Version  string           `json:"plan_version,omitempty"`
	Name     string           `json:"name,omitempty"`
	Quantity int64            `json:"quantity"`
	Included int64            `json:"included,omitempty"`
	Billed   int64            `json:"billed"`
	Parts    []partDocument   `json:"parts,omitempty"`
	Exact    toll.Decimal     `json:"exact"`
	Minor    int64            `json:"minor"`
	Currency string           `json:"currency,omitempty"`
	Held     int64            `json:"held,omitempty"`
	Of       int64            `json:"of,omitempty"`
	Month    spanDocument     `json:"month"`
	Zone     string           `json:"zone"`
	Late     bool             `json:"late,omitempty"`
}

type partDocument struct {
	Quantity int64        `json:"quantity"`
	Each     toll.Decimal `json:"each"`
	Package  int64        `json:"package,omitempty"`
	Exact    toll.Decimal `json:"exact"`
}

func lineDocumentOf(l *billing.Line) lineDocument {
	d := lineDocument{
		Kind: l.Kind, Unit: l.Unit, Addon: l.Addon, Title: l.Title, Version: l.Version, Name: l.Name,
		Quantity: l.Quantity, Included: l.Included, Billed: l.Billed, Exact: l.Exact, Minor: l.Amount.Minor, Currency: l.Amount.Currency,
		Held: l.Share.Held, Of: l.Share.Of, Month: spanOf(l.Month), Zone: l.Month.From.Location().String(), Late: l.Late,
	}
	for _, p := range l.Parts {
		d.Parts = append(d.Parts, partDocument(p))
	}
	return d
}

func (d *lineDocument) line() (billing.Line, error) {
	zone, err := time.LoadLocation(d.Zone)
	if err != nil {
		return billing.Line{}, fmt.Errorf("the time zone of an invoice's line: %w", err)
	}
	l := billing.Line{
		Kind: d.Kind, Unit: d.Unit, Addon: d.Addon, Title: d.Title, Version: d.Version, Name: d.Name,
		Quantity: d.Quantity, Included: d.Included, Billed: d.Billed, Exact: d.Exact, Amount: toll.Money{Minor: d.Minor, Currency: d.Currency},
		Share: billing.Share{Held: d.Held, Of: d.Of}, Month: d.Month.span(zone), Late: d.Late,
	}
	for _, p := range d.Parts {
		l.Parts = append(l.Parts, billing.Part(p))
	}
	return l, nil
}

type splitDocument struct {
	Month    spanDocument `json:"month"`
	Unit     string       `json:"unit"`
	Included int64        `json:"included"`
	Billed   int64        `json:"billed"`
	Late     bool         `json:"late,omitempty"`
}

func splitDocuments(splits []billing.MonthSplit) []splitDocument {
	out := make([]splitDocument, len(splits))
	for i, s := range splits {
		out[i] = splitDocument{Month: spanOf(s.Month), Unit: s.Unit, Included: s.Included, Billed: s.Billed, Late: s.Late}
	}
	return out
}

type taxDocument struct {
	Name      string       `json:"name"`
	Title     string       `json:"title"`
	Percent   toll.Decimal `json:"percent"`
	Countries []string     `json:"countries,omitempty"`
	Inclusive bool         `json:"inclusive,omitempty"`
}

// encode writes a document.
func encode(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
