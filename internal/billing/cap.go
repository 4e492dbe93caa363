package billing

import (
	"fmt"

	"github.com/tollhouse/tollhouse/internal/toll"
)

// Alerts are the parts of a spend cap, in percent, that people are told of.
var Alerts = []int64{50, 80, 100}

// Cap is how far a month has come to what it may cost at most: a quota in money
// on the live sum.
type Cap struct {
	Limit toll.Money
	Spent toll.Money // what the month costs so far
}

// CapOf gives the cap of a plan against what a month costs so far; ok is false
// where the plan has none. Errors are of the plan.
func CapOf(plan toll.Plan, spent toll.Money) (c Cap, ok bool, err error) {
	if plan.SpendCap == "" {
		return Cap{}, false, nil
	}
	amount, err := ParsePrice(plan.SpendCap)
	if err == nil {
		c.Limit, err = money(amount, plan.Price.Currency)
	}
	if err == nil {
		_, err = c.Limit.Cmp(spent)
	}
	if err != nil {
		return Cap{}, false, fmt.Errorf("the spend cap of plan %s: %w", plan.Name, err)
	}
	c.Spent = spent
	return c, true, nil
}

// Reached tells whether nothing more may be spent.
func (c Cap) Reached() bool { return c.Spent.Minor >= c.Limit.Minor }

// Crossed are the Alerts that lie above what was spent when it was asked last,
// and not above what is spent now, the smallest first.
func (c Cap) Crossed(before toll.Money) []int64 {
	var out []int64
	for _, a := range Alerts {
		at := percentUp(c.Limit.Minor, a)
		if before.Minor < at && c.Spent.Minor >= at {
			out = append(out, a)
		}
	}
	return out
}

// percentUp is the least whole number that is so many percent of n, or more.
func percentUp(n, percent int64) int64 { return n/100*percent + (n%100*percent+99)/100 }
