package meter

import "github.com/tollhouse/tollhouse/internal/toll"

// Conservation says where every unit of a period went. Per unit and period, to
// the unit: Received = Billed + Included + NotBillable + Test + Unknown.
type Conservation struct {
	Received    int64 `json:"received"`
	Billed      int64 `json:"billed"`
	Included    int64 `json:"included"` // chargeable, and free within the plan
	NotBillable int64 `json:"not_billable"`
	Test        int64 `json:"test"`
	Unknown     int64 `json:"unknown"`
}

// Holds tells whether the equation holds. It does not when events are of a
// class that this program does not know.
func (c Conservation) Holds() bool {
	return c.Received == c.Billed+c.Included+c.NotBillable+c.Test+c.Unknown
}

// Statement adds the audit's rows up to one Conservation per unit. included
// says how much of a customer's chargeable amount of a unit its plan version
// includes; what it answers is held between 0 and chargeable. It is asked once
// for each customer, plan version and unit, with the whole of the period.
func Statement(rows []AuditRow, included func(planVersion, unit string, chargeable int64) int64) map[string]Conservation {
	type account struct{ customer, planVersion, unit string }
	statement, chargeable := map[string]Conservation{}, map[account]int64{}
	for _, row := range rows {
		c := statement[row.Unit]
		c.Received += row.Count
		switch row.Class {
		case toll.Chargeable:
			chargeable[account{row.Customer, row.PlanVersion, row.Unit}] += row.Count
		case toll.NotBillable:
			c.NotBillable += row.Count
		case toll.TestUsage:
			c.Test += row.Count
		case toll.Unknown:
			c.Unknown += row.Count
		}
		statement[row.Unit] = c
	}
	for of, count := range chargeable {
		c := statement[of.unit]
		free := max(0, min(count, included(of.planVersion, of.unit, count)))
		c.Included += free
		c.Billed += count - free
		statement[of.unit] = c
	}
	return statement
}
