// Package mail turns the outbox into mail that people read.
//
//	a change ─► store: the row in the outbox, same transaction
//	Sender: claim ─► Letters.Write: subject, text, HTML in the person's language
//	              ─► Carrier (SMTP): taken, refused for good, or tried again later
//	              ─► sent | failed | waiting      without a carrier: kept
//
// The way in is NewSender over a Queue, which the store implements, and NewSMTP.
// A kind of mail is a few lines of each catalogue (english.go and its sisters);
// whoever writes a mail of the kind gives the values that they name.
//
// Not yet there: attachments, DKIM signatures (the server signs), one connection
// for several mails, bounces.
package mail
