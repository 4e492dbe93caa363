// Package billing turns usage into amounts.
//
//	rollups ─► usage per unit ─┐
//	pinned plan version ───────┴─► Rate ─► Draft (lines, total) ─► console "cost so far", `billing preview`
//
// The way in is Rate for the arithmetic, Included for the split that the
// conservation statement needs, and Previews for what customers owe so far.
//
// # Exactness
//
// No float is used anywhere. Prices are decimals of any scale that is written
// ("0.00002"), counts are integers, and their products and sums are exact. Each
// line is rounded once, to the minor unit of its currency, and a half is
// rounded up, as a reader with a pocket calculator expects; the total is the
// sum of the rounded lines, so that the paper adds up.
//
// The decimals are shopspring/decimal: adding and multiplying, which is all
// that rating does, is exact there, the scale of a price survives for printing,
// and it is math/big underneath. big.Rat would be exact for division too, but
// nothing is divided here, and a third of a cent has no form on an invoice.
// Texts are checked by a grammar of our own first, for the library also reads
// signs and exponents, and nobody writes a price as 2.9e1.
//
// Not yet there: add-ons, volume and package prices, proration, credits, taxes,
// invoices.
package billing
