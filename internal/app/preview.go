package app

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/meter"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// seriesReader answers a question about usage from the rollups.
type seriesReader interface {
	Series(ctx context.Context, q meter.Question) ([]meter.Point, error)
}

// chargeable sums what a customer used in a period, per unit: what quotas count
// and bills bill.
func chargeable(ctx context.Context, store seriesReader, customer string, from, to time.Time) (map[string]int64, error) {
	points, err := store.Series(ctx, meter.Question{
		From: from, To: to, Step: meter.Whole, By: meter.ByUnit,
		Customer: customer, Classes: []toll.Class{toll.Chargeable},
	})
	if err != nil {
		return nil, err
	}
	sums := make(map[string]int64, len(points))
	for _, p := range points {
		sums[p.Group] += p.Count
	}
	return sums, nil
}

// BillingPreview asks for drafts; "" is every customer.
type BillingPreview struct {
	Customer string `json:"customer,omitempty"`
}

// DraftShown is what a customer owes for the current month, so far.
type DraftShown struct {
	Customer string      `json:"customer"`
	Name     string      `json:"name"`
	Plan     string      `json:"plan"`
	From     time.Time   `json:"from"`
	To       time.Time   `json:"to"`
	Lines    []LineShown `json:"lines"`
	Total    string      `json:"total"`
}

// LineShown is a line of a draft.
type LineShown struct {
	Kind     string `json:"kind"`
	Unit     string `json:"unit,omitempty"`
	Quantity int64  `json:"quantity"`
	Included int64  `json:"included"`
	Billed   int64  `json:"billed"`
	Text     string `json:"text"`
	Amount   string `json:"amount"`
}

// BillingPreviewed are the drafts of the current month.
type BillingPreviewed struct {
	Drafts []DraftShown `json:"drafts"`
}

func previewBilling(ctx context.Context, r *rooms, in BillingPreview) (BillingPreviewed, error) {
	out := BillingPreviewed{Drafts: []DraftShown{}}
	if err := r.drain(ctx, 0); err != nil {
		return out, err
	}
	previews := billing.NewPreviews(r.store, r.store, r.store, r.plans, r.clock, r.at.zone()).ByTheBooks(r.invoicing())
	if in.Customer != "" {
		c, err := r.store.Customer(ctx, in.Customer)
		if err != nil {
			return out, err
		}
		from, to, err := previews.Period(ctx, c)
		if err != nil {
			return out, err
		}
		used, err := chargeable(ctx, r.store, c.ID, from, to)
		if err != nil {
			return out, err
		}
		preview, err := previews.Of(ctx, c, used)
		if err != nil {
			return out, err
		}
		out.Drafts = append(out.Drafts, showDraft(preview))
		return out, nil
	}
	err := previews.Each(ctx, func(p billing.Preview) error {
		out.Drafts = append(out.Drafts, showDraft(p))
		return nil
	})
	return out, err
}

func showDraft(p billing.Preview) DraftShown {
	d := DraftShown{
		Customer: p.Customer.ID, Name: p.Customer.Name, Plan: p.Customer.Subscription.Plan,
		From: p.From, To: p.To, Lines: []LineShown{}, Total: p.Draft.Total.String(),
	}
	for _, l := range p.Draft.Lines {
		d.Lines = append(d.Lines, LineShown{
			Kind: string(l.Kind), Unit: l.Unit, Quantity: l.Quantity, Included: l.Included, Billed: l.Billed,
			Text: describeLine(l), Amount: l.Amount.String(),
		})
	}
	return d
}

func describeLine(l billing.Line) string {
	switch l.Kind {
	case billing.FeeLine:
		if l.Share.Of != 0 {
			return "Plan fee of " + l.Title + partly(l.Share)
		}
		return "Plan fee"
	case billing.AddonLine:
		return "Add-on " + l.Addon + partly(l.Share)
	case billing.MinimumLine:
		return "Up to the plan's minimum"
	case billing.CouponLine:
		return "Coupon " + l.Title
	case billing.UsageLine:
	}
	return fmt.Sprintf("%d %s (%d included, %d billed)", l.Quantity, l.Unit, l.Included, l.Billed)
}

// partly writes which part of a fee a line is: ", 40.27 % of it"; nothing for
// the whole.
func partly(s billing.Share) string {
	if s.Of == 0 {
		return ""
	}
	return ", " + new(big.Rat).Mul(big.NewRat(s.Held, s.Of), big.NewRat(100, 1)).FloatString(2) + " % of it"
}
