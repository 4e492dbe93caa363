package console

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tollhouse/tollhouse/internal/account/accounttest"
	"github.com/tollhouse/tollhouse/internal/billing"
	"github.com/tollhouse/tollhouse/internal/toll"
)

// newTerms gives a plan another version than the one that was subscribed to.
type newTerms struct{ accounttest.Plans }

func (p newTerms) Plan(name string) (toll.Plan, string, bool) {
	plan, _, ok := p.Plans.Plan(name)
	return plan, name + "@2", ok
}

func TestThePlanPageSaysWhatIsOwedAndWhatIsUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hour := w.clock().Add(-time.Hour)
	w.usage.cells = append(w.usage.cells,
		use{hour: hour, customer: w.other.ID, unit: "words", class: toll.Chargeable, count: 1_400_000},
		use{hour: hour, customer: w.other.ID, unit: "words", class: toll.NotBillable, count: 70_000},
		use{hour: hour, customer: w.other.ID, unit: toll.UnitRequests, class: toll.Chargeable, count: 12_345},
	)
	body := w.as("owner@globex.example").get("/plan").Body.String()
	for _, want := range []string{
		"Bill for November 2026, so far",
		`<td class="item">Words</td><td class="num quantity">1,400,000</td><td class="num price"></td><td class="num amount">$24.00</td>`,
		`<td class="num quantity">1,000,000</td><td class="num price">$0.02 per` + "\u00a0" + `1,000</td><td class="num amount">$20.00</td>`,
		`<td class="num quantity">400,000</td><td class="num price">$0.01 per` + "\u00a0" + `1,000</td><td class="num amount">$4.00</td>`,
		`<td class="item">Included</td><td class="num quantity">1,000</td><td class="num price">free</td>`,
		`<td class="num quantity">11,345</td><td class="num price">$1.00 per` + "\u00a0" + `1,000</td><td class="num amount">$11.345</td>`,
		`<td class="num amount">$11.35</td>`, // rounded once, a half up
		`<td class="num">$35.35</td>`,
		`aria-valuetext="17 of 600"`,
		"To change your plan, ask for it above.",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if overview := w.as("owner@globex.example").get("/overview").Body.String(); !strings.Contains(overview, `<dd class="value">$35.35</dd>`) || strings.Count(overview, `href="/plan"`) != 3 {
		t.Error("the overview does not lead to the plan from the menu, the badge and the cost, or shows another sum")
	}
	if n := strings.Count(body, "Your plan</span>"); n != 1 {
		t.Errorf("%d plans are marked as the own", n)
	}
}

func TestThePlanPageHidesTheBillFromWhoMayNotReadIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for email, shown := range map[string]bool{"owner@acme.example": true, "billing@acme.example": true, "viewer@acme.example": true, "developer@acme.example": false} {
		body := w.as(email).get("/plan").Body.String()
		if got := strings.Contains(body, `id="bill"`); got != shown {
			t.Errorf("%s sees the bill: %v", email, got)
		}
		if !strings.Contains(body, "Compare plans") || !strings.Contains(body, "$29.00 a month") {
			t.Errorf("%s does not see what the plans are", email)
		}
	}
	without := newWorld(t, func(o *Options) { o.Bills, o.Limits = nil, nil })
	if body := without.as("owner@acme.example").get("/plan").Body.String(); strings.Contains(body, `id="bill"`) || strings.Contains(body, "Limits left") || !strings.Contains(body, "Compare plans") {
		t.Error("without bills and limits the page shows them, or nothing else")
	}
}

func TestThePlanPageSaysWhenTheBillFollowsOtherTerms(t *testing.T) {
	t.Parallel()
	const note = "the version of your plan that you subscribed to"
	same := newWorld(t).as("owner@acme.example").get("/plan").Body.String()
	other := newWorld(t, func(o *Options) { o.Plans = newTerms{contractPlans} }).as("owner@acme.example").get("/plan").Body.String()
	if strings.Contains(same, note) || !strings.Contains(other, note) {
		t.Error("an earlier version is not said, or said where there is none")
	}
	gone := newWorld(t, func(o *Options) { o.Plans = contractPlans[:1] }).as("owner@acme.example").get("/plan")
	if body := gone.Body.String(); gone.Code != 200 || strings.Contains(body, "Your plan</span>") || strings.Contains(body, "<dt>Fee</dt>") || !strings.Contains(body, "$29.00") {
		t.Error("a plan that is not offered any more is marked, or said to cost what it does not, or has no bill")
	}
}

func TestThePlanPageShowsNoBillThatCannotBeMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.Bills = noBills{} })
	if r := w.as("owner@acme.example").get("/plan"); r.Code != 500 || strings.Contains(r.Body.String(), "the rates are away") {
		t.Errorf("a bill that cannot be made is %d: %s", r.Code, r.Body)
	}
	if r := w.as("developer@acme.example").get("/plan"); r.Code != 200 {
		t.Errorf("who sees no bill gets %d for it", r.Code)
	}
}

type noBills struct{}

func (noBills) Period(context.Context, toll.Customer) (from, to time.Time, err error) {
	return from, to, nil
}

func (noBills) Of(context.Context, toll.Customer, map[string]int64) (billing.Preview, error) {
	return billing.Preview{}, errors.New("the rates are away")
}
