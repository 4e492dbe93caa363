package billing

import "github.com/tollhouse/tollhouse/internal/toll"

// Conservation says where every unit of a month went. Per unit, to the unit:
// Received = Billed + Included + NotBillable + Test + Unknown.
type Conservation struct {
	Received, Billed, Included, NotBillable, Test, Unknown int64
}

// Holds tells whether the equation holds.
func (c Conservation) Holds() bool {
	return c.Received == c.Billed+c.Included+c.NotBillable+c.Test+c.Unknown
}

// Received is what was received of a unit in a month, by class.
type Received struct {
	Unit  string
	Class toll.Class
	Count int64
}

// Statement holds what was received in a month against what was invoiced for it:
// splits are those of all invoices that name the month. Until usage that came
// late is invoiced, it is what is missing.
func Statement(received []Received, splits []MonthSplit) map[string]Conservation {
	out := map[string]Conservation{}
	for _, r := range received {
		c := out[r.Unit]
		c.Received += r.Count
		switch r.Class {
		case toll.NotBillable:
			c.NotBillable += r.Count
		case toll.TestUsage:
			c.Test += r.Count
		case toll.Unknown:
			c.Unknown += r.Count
		case toll.Chargeable: // is in the splits
		}
		out[r.Unit] = c
	}
	for _, s := range splits {
		c := out[s.Unit]
		c.Billed += s.Billed
		c.Included += s.Included
		out[s.Unit] = c
	}
	return out
}
