// Package billing turns usage into amounts, and amounts into invoices.
//
//	rollups ─► usage per unit and plan version ─┐
//	phases of the subscription, add-ons, trial ─┼─► Terms.Rate ─► lines ─┐
//	coupons ────────────────────────────────────┘                        ├─► Cut ─► Invoice
//	earlier months: what is known now, less what was invoiced ───────────┤
//	tax rate, credits ───────────────────────────────────────────────────┘
//
// The way in is Terms.Rate for a month of a subscription, whatever was changed
// within it; Cut for its invoice; Previews for what customers owe so far; Rate
// for the arithmetic of one plan alone.
//
// # Exactness
//
// No float is used anywhere. Prices are decimals of any scale that is written
// ("0.00002"), counts are integers, and their products and sums are exact. Each
// line is rounded once, to the minor unit of its currency, and a half is
// rounded up (away from zero, where something is given back), as a reader with a
// pocket calculator expects; the total is the sum of the rounded lines, so that
// the paper adds up. Shares of a fee are fractions until they are rounded
// (math/big), by time to the microsecond, and the pieces of one monthly fee add
// up to the fee.
//
// The decimals are shopspring/decimal: adding and multiplying, which is all
// that usage needs, is exact there, the scale of a price survives for printing,
// and it is math/big underneath. Texts are checked by a grammar of our own
// first, for the library also reads signs and exponents, and nobody writes a
// price as 2.9e1.
//
// # What adds up
//
// The lines that name a month add up, over all invoices, to what the month costs
// with all its usage, whenever that came (MakeDraft). Of each unit, received =
// billed + included + not billable + test + unknown (Statement).
package billing
