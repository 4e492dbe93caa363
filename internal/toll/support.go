package toll

import "time"

// ThreadState says who has to say something in a support thread.
type ThreadState string

// The states of a thread.
const (
	ThreadOpen    ThreadState = "open"    // the operators are to answer
	ThreadWaiting ThreadState = "waiting" // the customer was answered
	ThreadClosed  ThreadState = "closed"  // another message opens it again
)

// Thread is a conversation between the members of a customer and the operators.
type Thread struct {
	ID         string // thr_…
	CustomerID string
	Subject    string // 1 to 200 characters
	State      ThreadState
	OpenedBy   string // a member's ID
	CreatedAt  time.Time
	UpdatedAt  time.Time // of its newest message, or of when it was closed
	Messages   int       // how many it has
	Version    int64
}

// Message is one contribution to a thread. It is never changed.
type Message struct {
	ID          string // msg_…
	ThreadID    string
	Author      PersonKind
	AuthorID    string
	AuthorName  string // as it was then
	Text        string // 1 to 10,000 characters
	CreatedAt   time.Time
	Attachments []Attachment
}

// Attachment is a file of a message. Its content is never changed.
type Attachment struct {
	ID        string // att_…
	ThreadID  string
	MessageID string
	Name      string // of the file, made safe: 1 to 100 characters
	MediaType string // by its content
	Size      int64  // bytes
	SHA256    [32]byte
}

// ThreadQuery asks for a page of threads, the one that changed last first.
type ThreadQuery struct {
	Customer string      // "": of all
	State    ThreadState // "": in any
	Before   time.Time   // changed before this; zero: from the newest on
	Limit    int         // 1 to 200
}
