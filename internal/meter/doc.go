// Package meter counts: it writes usage events to the journal before the last
// byte of an answer, drains them exactly once into the store, and asks the
// rollups the questions that pages, invoices and audits have.
//
//	gate ─► Recorder ─► journal lane ─► Drainer ─► Sink (store): rows, rollups and cursor in one transaction
package meter
