// Package meter counts: it writes usage events to the journal before the last
// byte of an answer, drains them exactly once into the store, and asks the
// rollups the questions that pages, invoices and audits have.
//
//	gate ─► Recorder ─► journal.Lane ─► Drainer ─► Sink (store): rows, rollups and cursor in one transaction
//
//	Recorder    Open, Record, Done, Refuse: no allocation, no system call, one short lock
//	Drainer     own lane at most 200 ms behind; lanes of killed processes to their end, and what they left in doubt
//	Questions   what pages, invoices and audits ask of the store
//	Statement   where every unit of a period went
//
// What is promised is LIFECYCLE.md's, coded in package lifecycle: an event that
// was recorded is stored once, whatever is killed when, and what a kill left
// open is listed as a doubt.
package meter
