package toll

import "time"

// Mail is one mail to one person. It is written into the outbox by the same
// transaction that makes what it tells of, and sent afterwards: a change that
// did not happen mails nobody, and one that did mails for certain.
type Mail struct {
	ID       string // mail_…; the Message-ID is made of it, so that it stays the same when a mail is sent twice
	To       string // one address, without a name
	Language string // BCP 47, "" for the installation's first
	Kind     string // which text: "reset", "invitation", "approval.approved" …
	// Values are what the text of the kind names. They are plain text: whoever
	// renders the mail escapes them. They may hold links that open doors, so the
	// outbox forgets them as soon as the mail was sent.
	Values    map[string]string
	CreatedAt time.Time
}

// MailStatus says what became of a mail.
type MailStatus string

// The statuses of a mail.
const (
	MailWaiting MailStatus = "waiting" // it will be tried, for the first time or again
	MailSent    MailStatus = "sent"    // a server took it
	MailKept    MailStatus = "kept"    // there is no server to send it through: operators read it in the console
	MailFailed  MailStatus = "failed"  // it was given up
)

// MailClaim is a mail that one sender may try now. Nobody else gets it before
// the lease is over.
type MailClaim struct {
	Mail
	Try int // the how-manieth try this is, from 1; it tells a sender that was too slow from the next
}

// PostedMail is a mail of the outbox as its readers see it.
type PostedMail struct {
	Mail
	Status    MailStatus
	Tries     int
	NextTryAt time.Time // zero unless it waits
	DoneAt    time.Time // when it was sent, kept or given up; zero while it waits
	LastError string    // why the last try failed, as the server or the network said it
}

// MailQuery asks for a page of the outbox, the newest first.
type MailQuery struct {
	Status MailStatus // "" is every one
	Before string     // MailPage.Next of the page before; "" for the first
	Limit  int        // 1 to 500; 0 is 50
}

// MailPage is one page of the outbox.
type MailPage struct {
	Mails []PostedMail
	Next  string // the Before of the page after, "" when this is the last
}

// MailQueue says how the outbox stands.
type MailQueue struct {
	Waiting int
	Failed  int       // given up and not forgotten yet
	Oldest  time.Time // when the oldest mail that waits was written; zero when none does
}
