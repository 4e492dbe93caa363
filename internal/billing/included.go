package billing

import "github.com/tollhouse/tollhouse/internal/toll"

// Included says how many of so many chargeable units of one customer in one
// period the plan includes; the rest is billed. So, per unit and exactly:
//
//	chargeable = included + billed
//
// A unit without a price on the plan is included whole. chargeable is 0 or more.
func Included(plan toll.Plan, unit string, chargeable int64) int64 {
	price := unitPrice(plan, unit)
	if price == nil {
		return chargeable
	}
	return min(chargeable, max(0, price.Included))
}

// unitPrice returns a plan's first price for a unit, nil when it has none.
func unitPrice(plan toll.Plan, unit string) *toll.UnitPrice {
	for i := range plan.Usage {
		if plan.Usage[i].Unit == unit {
			return &plan.Usage[i]
		}
	}
	return nil
}
